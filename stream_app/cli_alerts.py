"""`stream-app alerts`, `silence` and `acknowledge`: what they take, what they ask of the service and what they say."""

from __future__ import annotations

import argparse
import datetime as dt
import getpass
import os
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

import orjson

from stream_app.cli_client import RefusedError, client_of
from stream_app.domain.errors import ConfigurationError
from stream_app.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stream_app.cli_client import Client

COMMANDS = ("alerts", "silence", "acknowledge")
#: Seconds until what was asked for is to be seen, and between two looks.
_PATIENCE, _EVERY = 10.0, 0.2


def add_parsers(commands: Any) -> dict[str, Any]:
    """Adds the sub-commands; gives their parsers by name."""
    alerts = commands.add_parser(
        "alerts",
        help="the alerts of a running service: what fires, and what happened",
        description="Ask a running service which alerts fire, are pending or cannot be judged, the worst first, and "
        "which silences are in force; with `history`, what happened.",
    )
    _reading(alerts)
    parts = alerts.add_subparsers(dest="action", metavar="history", title="sub-command")
    alerts.usage = "%(prog)s [-h] [--url URL] [--config FILE] [--json] [history ...]"  # it may be left out
    history = parts.add_parser(
        "history",
        help="what happened, latest first",
        description="Past changes of alerts, silences and acknowledgements, latest first; all, or those that are asked "
        "for.",
    )
    _reading(history, inner=True)
    history.add_argument(
        "--kind",
        metavar="KIND",
        help="only this: change (of state), health (no data, errors), silence, acknowledgement",
    )
    history.add_argument("--rule", metavar="NAME", help="of this rule only")
    _segment(history, "of segments with this value only")
    history.add_argument("--state", metavar="STATE", help="to this state only: firing, resolved, pending or inactive")
    history.add_argument(
        "--from", dest="begin", metavar="INSTANT", help="judged or asked from here on: a date, or RFC 3339"
    )
    history.add_argument("--until", metavar="INSTANT", help="judged or asked before")
    history.add_argument("--last", metavar="N", default="100", help="the latest N (default: 100)")

    silence = commands.add_parser(
        "silence",
        help="keep alerts from being told for a while; they are judged all the same",
        description="Keep alerts of a running service from being told for a while. They are judged all the same; what "
        "still fires at the end is told then. Needs the service's api_token (STREAM_APP_API_TOKEN, or --config).",
    )
    parts = silence.add_subparsers(dest="action", metavar="add|list|end", required=True)
    add = parts.add_parser(
        "add",
        help="begin a silence",
        description="Begin a silence: of a rule, of a segment, of both, or of every alert. Prints its ID.",
    )
    add.add_argument("--rule", metavar="NAME", help="of this rule only")
    _segment(add, "of segments with this value only")
    add.add_argument("--all", action="store_true", help="of every alert, where neither rule nor segment is given")
    until = add.add_mutually_exclusive_group(required=True)
    until.add_argument("--for", dest="span", metavar="SPAN", help="how long, such as 30m, 2h, 3d")
    until.add_argument("--until", metavar="INSTANT", help="until when: a date, or RFC 3339")
    add.add_argument("--from", dest="begin", metavar="INSTANT", help="when it begins (default: now)")
    add.add_argument("--reason", metavar="TEXT", required=True, help="why, for those who wonder")
    shown = parts.add_parser(
        "list", help="silences in force and to come", description="List the silences in force and to come."
    )
    shown.add_argument("--all", action="store_true", help="and those that have ended lately")
    end = parts.add_parser(
        "end",
        help="end a silence before its time",
        description="End a silence before its time: what still fires is told then.",
    )
    end.add_argument("id", metavar="ID", help="as `silence list` shows it")
    end.add_argument("--reason", metavar="TEXT", help="why")

    acknowledge = commands.add_parser(
        "acknowledge",
        help="say that you have seen a rule's firing alerts",
        description="Say that you have seen a rule's firing alerts: they are not repeated until they are good again, "
        "or until the end that you give. Needs the service's api_token (STREAM_APP_API_TOKEN, or --config).",
    )
    acknowledge.add_argument("rule", metavar="RULE", help="name of the rule, as `stream-app alerts` shows it")
    _segment(acknowledge, "of segments with this value only")
    until = acknowledge.add_mutually_exclusive_group()
    until.add_argument("--for", dest="span", metavar="SPAN", help="how long, such as 2h (default: until it is good)")
    until.add_argument("--until", metavar="INSTANT", help="until when: a date, or RFC 3339")
    acknowledge.add_argument("--reason", metavar="TEXT", help="what you make of it")
    for parser in (add, shown, end, acknowledge):
        _reading(parser, json=parser is shown)
    for parser in (add, end, acknowledge):
        parser.add_argument("--author", metavar="NAME", help="who says so (default: your user name here)")
    return {"alerts": alerts, "silence": silence, "acknowledge": acknowledge}


def run(args: argparse.Namespace) -> int:
    """Does what one of these sub-commands is asked to.

    Raises:
        StreamAppError: something is wrong that the message names.
    """
    client = client_of(args.url, load_settings(args.config, os.environ))
    _HANDLERS[args.command, getattr(args, "action", None)](client, args)
    return 0


def _reading(parser: Any, *, inner: bool = False, json: bool = True) -> None:
    usual: dict[str, Any] = {"default": argparse.SUPPRESS} if inner else {}  # what stands before `history` holds, too
    parser.add_argument(
        "--url", metavar="URL", help="any worker (default: web_host and web_port of the settings)", **usual
    )
    parser.add_argument("--config", metavar="FILE", help="settings, YAML: web_host, web_port, api_token", **usual)
    if json:
        parser.add_argument("--json", action="store_true", help="print the API's answer", **usual)


def _segment(parser: Any, meaning: str) -> None:
    parser.add_argument("--segment", metavar="DIM=VALUE", action="append", default=[], help=meaning)


def _pairs(args: argparse.Namespace) -> dict[str, str]:
    found = {}
    for given in args.segment:
        dimension, equals, value = given.partition("=")
        if not (dimension and equals):
            raise ConfigurationError(f"--segment: {given!r} has no value; write it as plan=pro")
        found[dimension] = value
    return found


def _alerts(client: Client, args: argparse.Namespace) -> None:
    from stream_app.cli_alerts_text import alerts

    answer = client.get("/api/v1/alerts")
    print(orjson.dumps(answer).decode() if args.json else alerts(answer))


def _history(client: Client, args: argparse.Namespace) -> None:
    from stream_app.cli_alerts_text import history

    named = (
        ("kind", args.kind),
        ("rule", args.rule),
        ("state", args.state),
        ("from", args.begin),
        ("until", args.until),
        ("last", args.last),
    )
    asked = [(name, value) for name, value in named if value is not None]
    asked += [("segment", f"{dimension}:{value}") for dimension, value in _pairs(args).items()]
    answer = client.get("/api/v1/alerts/history", asked)
    print(orjson.dumps(answer).decode() if args.json else history(answer, _width()))


def _silences(client: Client, args: argparse.Namespace) -> None:
    from stream_app.cli_alerts_text import silences

    answer = client.get("/api/v1/silences")
    if not args.all:
        answer["silences"] = [one for one in answer["silences"] if one["state"] != "expired"]
    print(orjson.dumps(answer).decode() if args.json else silences(answer, _width()))


def _add(client: Client, args: argparse.Namespace) -> None:
    from stream_app.cli_alerts_text import about

    segment = _pairs(args)
    if not (args.rule or segment or args.all):
        raise ConfigurationError("--rule: neither rule nor segment is given; with --all every alert is silenced")
    wanted = {"rule": args.rule, "segment": segment or None, "for": args.span, "until": args.until, "from": args.begin,
              "reason": args.reason, "author": _author(args)}  # fmt: skip
    name = client.post("/api/v1/silences", _given(wanted))["id"]
    found = _seen(lambda: _silence(client, name), f"the silence {name}")
    start = "" if found["state"] == "active" else f"from {found['begins']} "
    print(f"{about(found)} will not be told of {start}until {found['ends']}.\nTo end it: stream-app silence end {name}")


def _end(client: Client, args: argparse.Namespace) -> None:
    from stream_app.cli_alerts_text import about

    before = _silence(client, args.id)
    client.delete(f"/api/v1/silences/{args.id}", _given({"author": _author(args), "reason": args.reason}))
    _seen(lambda: not _holds(_silence(client, args.id)), f"the end of the silence {args.id}")
    print(f"{about(before) if before else 'Alerts'} will be told of again.")


def _acknowledge(client: Client, args: argparse.Namespace) -> None:
    from stream_app.cli_alerts_text import acknowledged

    segment = _pairs(args)
    wanted = {"rule": args.rule, "segment": segment or None, "for": args.span, "until": args.until,
              "reason": args.reason, "author": _author(args)}  # fmt: skip

    def meant() -> list[dict[str, Any]]:
        return [
            row for row in client.get("/api/v1/alerts")["current"]
            if row["rule"] == args.rule and segment.items() <= row["segment"].items()
        ]  # fmt: skip

    ends = client.post("/api/v1/alerts/acknowledge", _given(wanted))["command"]["ends"]
    # Those that fire only since then, or are good again, are not waited for.
    rows = _seen(lambda: [row for row in meant() if _lasts(row["acknowledged"], ends)], "the acknowledgement")
    print(acknowledged(rows))


def _lasts(acknowledged: Mapping[str, Any] | None, ends: int | None) -> bool:
    """Whether somebody has acknowledged it, until then (ms) or longer; None: until it is good again."""
    if acknowledged is None:
        return False
    until = acknowledged.get("ends")
    return until is None or (ends is not None and dt.datetime.fromisoformat(until).timestamp() * 1000 >= ends)


def _silence(client: Client, name: str) -> dict[str, Any] | None:
    return next((one for one in client.get("/api/v1/silences")["silences"] if one["id"] == name), None)


def _holds(silence: Mapping[str, Any] | None) -> bool:
    return silence is not None and silence["state"] != "expired"


def _seen(look: Callable[[], Any], what: str) -> Any:
    """What `look` gives once it gives something.

    Raises:
        RefusedError: it does not within some seconds.
    """
    deadline = time.monotonic() + _PATIENCE
    while not (found := look()):
        if time.monotonic() > deadline:
            raise RefusedError(
                f"the service took the command, but {what} does not show after {_PATIENCE:.0f} s; look again with "
                "`stream-app silence list` or `stream-app alerts`, and at the log of the worker that judges"
            )
        time.sleep(_EVERY)
    return found


def _given(wanted: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in wanted.items() if value is not None}


def _author(args: argparse.Namespace) -> str:
    if args.author:
        return str(args.author)
    try:
        return getpass.getuser()
    except (OSError, KeyError) as error:  # a container's user may have no name
        raise ConfigurationError("--author: it is not known who you are; give your name") from error


def _width() -> int | None:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


_HANDLERS: dict[tuple[str, str | None], Callable[[Client, argparse.Namespace], None]] = {
    ("alerts", None): _alerts,
    ("alerts", "history"): _history,
    ("silence", "add"): _add,
    ("silence", "list"): _silences,
    ("silence", "end"): _end,
    ("acknowledge", None): _acknowledge,
}
