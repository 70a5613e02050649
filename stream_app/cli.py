"""The command line: run, demo, check, rebuild, analyze; alerts, silence and acknowledge of a running service."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import os
import re
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from stream_app import __version__, cli_alerts, cli_backtest
from stream_app.cli_analyze import add_options, analyze, arranged
from stream_app.domain.errors import StreamAppError
from stream_app.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

EXIT_OK, EXIT_WRONG, EXIT_INTERRUPTED, EXIT_PIPE_CLOSED = 0, 2, 130, 141


class Program:
    """What the sub-commands call. Imported when called: `--help` loads neither Kafka client nor web server."""

    def run(self, settings: Settings) -> int:
        """Run the service until it is stopped."""
        from stream_app.bootstrap import run

        return run(settings)

    def check(self, settings: Settings) -> int:
        """Try every connection and print what was found."""
        from stream_app.check import check

        return check(settings)

    def rebuild(self, settings: Settings, **options: bool) -> int:
        """Count anew beside the running service, and switch over."""
        from stream_app.rebuild import Options, rebuild

        return rebuild(settings, Options(**options))

    def demo(self, settings: Settings, **options: Any) -> int:
        """Play real and simulated events through the service."""
        from stream_app.demo.run import demo

        return demo(settings, **options)

    def analyze(self, path: str, given: Mapping[str, str], **options: Any) -> dict[str, Any]:
        """A figure of the events of a file."""
        from stream_app.offline import analyze

        return analyze(path, given, **options)


class _Parser(argparse.ArgumentParser):
    """Says what was probably meant by a word it does not know. Options are written out, never abbreviated."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False} | options)

    @property
    def options(self) -> list[str]:
        """Every option as it is written, such as `--json`, those of sub-commands included."""
        inner = [
            parser for action in self._actions if isinstance(action.choices, dict) for parser in action.choices.values()
        ]
        return [*self._option_string_actions, *(option for parser in inner for option in parser.options)]

    def error(self, message: str) -> NoReturn:
        """Exit with code 2, the message and where the usage is to be had."""
        word, known = "", []
        if found := re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message):
            word, known = found[1], re.findall(r"[\w-]+", found[2])
        elif message.startswith("unrecognized"):
            word = next((w for w in message.split() if w.startswith("-")), "").partition("=")[0]
            known = self.options
        close = difflib.get_close_matches(word, known, 1)
        hint = f"; did you mean {close[0]}?" if close else ""
        self.exit(EXIT_WRONG, f"{self.prog}: {message}{hint}\nsee `{self.prog} --help`\n")


class _Paragraphs(argparse.HelpFormatter):
    """Keeps the paragraphs of a text apart."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n\n".join(super(_Paragraphs, self)._fill_text(part, width, indent) for part in text.split("\n\n"))


_RUN_MORE = """\
Settings: options come before environment variables (STREAM_APP_<NAME>), these before the file (--config FILE or
STREAM_APP_CONFIG), the file before the default. docs/settings.md lists them all.

Exit codes: 0 stopped as asked; 1 gave up on something that a restart mends, as the log says: have a supervisor restart
it; 2 something has to be corrected first, which the message names, or a broker or Redis was away at the start.
"""


def parsers() -> tuple[_Parser, dict[str, _Parser]]:
    """The command line's parser, and those of its sub-commands by name."""
    parser = _Parser(
        prog="stream-app",
        description="Exact retention and churn from the events you already have in Kafka.",
        epilog="Every setting also has an environment variable STREAM_APP_<NAME>; see docs/settings.md.",
    )
    parser.add_argument("--version", action="version", version=f"stream-app {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)

    run = commands.add_parser(
        "run",
        help="read events from Kafka, serve figures, raise alerts",
        description="Read events from Kafka, serve figures on the web and raise alerts, until Ctrl-C or SIGTERM. Each "
        "process is one worker of the service.",
        epilog=_RUN_MORE,
        formatter_class=_Paragraphs,
    )
    demo = commands.add_parser(
        "demo",
        help="the whole service on this machine, with real and simulated events",
        description="Play a real purchase log and a simulated product, whose users stop coming back, through the whole "
        "service on this machine. It ends on Ctrl-C.",
    )
    check = commands.add_parser(
        "check",
        help="check configuration, rules and connections, then exit",
        description="Try configuration, rules, broker, topics, Redis and all alert targets one by one, and "
        "say what is wrong. Nothing is changed or sent; the exit code is 2 if anything is wrong.",
    )
    rebuild = commands.add_parser(
        "rebuild",
        help="count anew from the source topics, then have the service switch over",
        description="Count the source topics anew under these settings, beside the running service, and have the "
        "service go on with that. Interrupted, it leaves the service as it was, and goes on when called again.",
    )
    figures = commands.add_parser(
        "analyze",
        help="every figure of the events in a file, without Kafka",
        description="Count a figure of the events in a file, as the service would, without Kafka. Prints tables, or "
        "JSON, and writes pictures.",
    )

    connecting = ((run, ["--broker"]), (check, ["--broker"]), (rebuild, ["--broker"]), (demo, ["--broker", "--kafka"]))
    for command, broker in connecting:
        what = "play through this broker instead of an embedded one" if command is demo else "Kafka to connect to"
        command.add_argument("--config", metavar="FILE", help="settings, YAML")
        command.add_argument(*broker, dest="broker", metavar="HOST:PORT", help=what)
        if command is rebuild:
            continue
        command.add_argument("--redis", metavar="URL", help="Redis to keep the figures in; without it an embedded one")
        command.add_argument("--rules", metavar="FILE", help="alert rules, YAML")
    rebuild.add_argument(
        "--from-retained", action="store_true", help="count what the source topics still hold, if not every event"
    )
    rebuild.add_argument(
        "--delete-old", action="store_true", help="delete the former state's topics once no worker is left in it"
    )
    demo.add_argument("--once", action="store_true", help="exit when everything is through, with a summary")
    demo.add_argument("--json", action="store_true", help="with --once: the purchase log's monthly matrix as JSON")
    for command in (run, demo):
        command.add_argument(
            "--port",
            dest="web_port",
            metavar="N",
            help="port of the page (default: 8000, or as set); 0 takes a free one",
        )
    add_options(figures)
    named = {"run": run, "demo": demo, "check": check, "rebuild": rebuild, "analyze": figures}
    return parser, named | cli_alerts.add_parsers(commands) | cli_backtest.add_parsers(commands)


def _analyze(program: Program, args: argparse.Namespace) -> int:
    analyze(program.analyze, args)
    return EXIT_OK


def _alerts(_: Program, args: argparse.Namespace) -> int:
    return cli_alerts.run(args)


def _backtest(_: Program, args: argparse.Namespace) -> int:
    return cli_backtest.run(args)


def _serve(program: Program, args: argparse.Namespace) -> int:
    """Run, demo, check and rebuild: those that need settings."""
    names = ("broker", "redis", "rules", "web_port")
    overrides = {name: getattr(args, name, None) for name in names}
    settings = load_settings(args.config, os.environ, overrides)
    if args.command == "check":
        return program.check(settings)
    if args.command == "rebuild":
        return program.rebuild(settings, from_retained=args.from_retained, delete_old=args.delete_old)
    try:
        if args.command == "run":
            return program.run(settings)
        # Only a broker named on the command line: the demo must not write into one that a config file names.
        kafka = settings.bootstrap_servers if args.broker else None
        return program.demo(settings, once=args.once, as_json=args.json, kafka=kafka)
    except KeyboardInterrupt:
        return EXIT_OK  # how both are meant to end


#: What the sub-commands do; the others are of `_serve`.
_HANDLERS = {
    "analyze": _analyze,
    **dict.fromkeys(cli_alerts.COMMANDS, _alerts),
    **dict.fromkeys(cli_backtest.COMMANDS, _backtest),
}


def _close_stdout() -> None:
    """Point standard output away from a reader that has gone, so that the interpreter's last flush is quiet."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(argv: Sequence[str] | None = None, program: Program | None = None) -> int:
    """Run one sub-command.

    Args:
        argv: the arguments; those of the process if absent.
        program: what the sub-commands call; the real one if absent.

    Returns:
        0 done, 1 a test of a rules file failed, 2 something is wrong that the message on standard error names,
        130 interrupted, 141 the reader of the output went away; `run` and `demo` also end with 0 on Ctrl-C.
    """
    parser, commands = parsers()
    args, unknown = parser.parse_known_args(argv)
    if unknown:
        commands.get(args.command, parser).error(f"unrecognized arguments: {' '.join(unknown)}")
    if args.command is None:
        parser.error(f"no command given; use one of {', '.join(commands)}")
    if args.command == "demo" and args.json and not args.once:
        commands["demo"].error("--json needs --once: without it the demo does not end")
    if args.command == "analyze":
        arranged(commands["analyze"], args)
    if args.command == "backtest":
        arranged(commands["backtest"], args, "EVENTS")
    handler = _HANDLERS.get(args.command, _serve)
    try:
        code = handler(program or Program(), args)
        sys.stdout.flush()
    except StreamAppError as error:
        print(f"stream-app {args.command}: {error}", file=sys.stderr)
        return EXIT_WRONG
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _close_stdout()
        return EXIT_PIPE_CLOSED
    return code


if __name__ == "__main__":
    sys.exit(main())
