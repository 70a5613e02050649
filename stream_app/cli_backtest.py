"""`stream-app backtest` and `rules`: what they take, and what they print and write."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Any

import orjson

from stream_app.cli_analyze import add_counting, add_reading, pictures, reading_of, settings_of
from stream_app.domain.alerts.change import State, alert_key
from stream_app.domain.alerts.group import OF_HEALTH
from stream_app.domain.errors import ConfigurationError
from stream_app.domain.metrics.query import ParameterError, instant
from stream_app.settings import load_settings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from stream_app.backtest import Backtest
    from stream_app.domain.alerts import Change

COMMANDS = ("backtest", "rules")
EXIT_OK, EXIT_FAILED = 0, 1


def add_parsers(commands: Any) -> dict[str, Any]:
    """Adds the sub-commands; gives their parsers by name."""
    backtest = commands.add_parser(
        "backtest",
        help="which alerts rules would have raised on the events in a file",
        description="Replay the events in a file through the code of the running service: which alerts would have "
        "fired and recovered, when, and by which figures. Sends nothing.",
    )
    backtest.add_argument("rules", metavar="RULES", help="alert rules, YAML")
    backtest.add_argument(
        "file", metavar="EVENTS", nargs="?", help="events, as `analyze` reads them; - is standard input"
    )
    backtest.add_argument(
        "--until", metavar="INSTANT", help="leave out events from here on: a date, or 1997-07-01T00:00:00Z"
    )
    add_counting(backtest)
    add_reading(backtest)
    output = backtest.add_argument_group("what to give")
    output.add_argument(
        "--json", action="store_true", help="print one line of JSON a change of state, in order of time"
    )
    output.add_argument(
        "--health",
        action="store_true",
        help="with --json: also a line where an alert has no data, an error, or can be judged again; its state is what "
        "it was",
    )
    output.add_argument("--png", metavar="FILE", help="write a picture of what fired")
    output.add_argument("--svg", metavar="FILE", help="write a picture of what fired")

    rules = commands.add_parser(
        "rules",
        help="check a rules file, and test it against expected alerts",
        description="Check rules files, and test them against expected alerts. Neither needs a service.",
    )
    parts = rules.add_subparsers(dest="action", metavar="check|test", required=True)
    check = parts.add_parser(
        "check",
        help="read a rules file and say what is wrong in it",
        description="Read rules files as the service does and say what is wrong in them, line by line, and what is "
        "doubtful. Exit code 2 if anything is wrong.",
    )
    check.add_argument("rules", metavar="RULES", nargs="+", help="alert rules, YAML")
    test = parts.add_parser(
        "test",
        help="run test files: what is given, and which alerts are expected",
        description="Run test files, in the manner of promtool: events or cells that are given, and the alerts that "
        "are expected of them. Exit code 1 if a test fails.",
    )
    test.add_argument("files", metavar="FILE", nargs="+", help="tests, YAML")
    for parser in (check, test):
        parser.add_argument("--config", metavar="FILE", help="settings, YAML: definitions, dimensions, time zone")
    return {"backtest": backtest, "rules": rules}


def run(args: argparse.Namespace) -> int:
    """Does what one of these sub-commands is asked to.

    Raises:
        StreamAppError: something is wrong that the message names.
    """
    handlers: dict[str, Callable[[argparse.Namespace], int]] = {"check": _check, "test": _test}
    return _backtest(args) if args.command == "backtest" else handlers[args.action](args)


def _backtest(args: argparse.Namespace) -> int:
    from stream_app.backtest import backtest, read_rules

    if args.health and not args.json:
        raise ConfigurationError("--health: it is for --json; add that, or leave it out: the text has those lines, too")
    wanted = pictures(args)  # before a long file is read
    rules, settings = read_rules(args.rules, settings_of(args))
    show = None
    if sys.stderr.isatty():
        from stream_app.offline import Bar

        show = Bar
    try:
        until = None if args.until is None else instant("until", args.until, settings.calendar)
        done = backtest(rules, args.file, settings=settings, until=until, reading=reading_of(args), show=show)
    except ParameterError as error:
        raise ConfigurationError(f"--{error.parameter}: {error.message}") from error
    for form, path in wanted.items():
        _write(done, form, path, settings.currency)
    _print(done, settings.currency, as_json=args.json, health=args.health)
    return EXIT_OK


def _print(done: Backtest, currency: str, *, as_json: bool, health: bool) -> None:
    if as_json:
        for change in done.changes if health else _of_state(done.changes):
            print(orjson.dumps(change.to_json()).decode())
        return
    from stream_app.cli_backtest_text import text

    print(text(done, shutil.get_terminal_size().columns if sys.stdout.isatty() else None, currency))


def _of_state(changes: Iterable[Change]) -> Iterator[Change]:
    """Without those that are of an alert's health alone, which bear the state that it was in."""
    states: dict[str, State] = {}
    for change in changes:
        key = alert_key(change.rule, change.segment)
        # That there is data again can come with a change to pending or inactive, as one line.
        if change.reason not in OF_HEALTH or change.state is not states.get(key, State.INACTIVE):
            yield change
        states[key] = change.state


def _write(done: Backtest, form: str, path: Path, currency: str) -> None:
    from stream_app.cli_backtest_picture import picture

    try:
        path.write_bytes(picture(done, form, currency))
    except OSError as error:
        raise ConfigurationError(f"--{form}: {str(path)!r} cannot be written: {error.strerror or error}") from error


def _check(args: argparse.Namespace) -> int:
    from stream_app.backtest import read_rules

    settings = load_settings(args.config, {})
    for path in args.rules:
        found, used = read_rules(path, settings)
        print(f"{path}: {_counted(len(found.rules), 'rule')}, to {', '.join(found.targets) or 'nobody'}")
        if used.dimensions and not settings.dimensions:
            named = ", ".join(used.dimensions)
            print(f"  the service has to be configured with the dimensions {named} (--config checks that it is)")
    return EXIT_OK


def _test(args: argparse.Namespace) -> int:
    from stream_app.backtest import run_tests

    failed = ran = 0
    for path in args.files:
        for outcome in run_tests(path, args.config):
            ran += 1
            failed += bool(outcome.differences)
            print(f"{'FAILED' if outcome.differences else 'passed'}  {path}:{outcome.line}: {outcome.name}")
            _indented(outcome.differences)
    print(f"{_counted(ran, 'test')}, {failed} failed")
    return EXIT_FAILED if failed else EXIT_OK


def _indented(lines: Sequence[str]) -> None:
    for line in lines:
        print(f"    {line}")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
