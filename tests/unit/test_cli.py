"""The command line: what it passes on, what it prints, how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.program import FakeProgram

from stream_app import __version__, cli_backtest
from stream_app.cli import EXIT_INTERRUPTED, EXIT_OK, EXIT_WRONG, main, parsers
from stream_app.domain.errors import ConfigurationError, ConnectionFailedError

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def no_settings_in_the_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith("STREAM_APP_"):
            monkeypatch.delenv(name)


def python(*argv: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *argv], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def refused(*argv: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv, FakeProgram())
    assert caught.value.code == EXIT_WRONG


@pytest.mark.parametrize("command", ["run", "check", "demo"])
def test_settings_come_from_options_environment_and_file(command, tmp_path, monkeypatch):
    (tmp_path / "r.yaml").write_text("rules: []")
    (tmp_path / "c.yaml").write_text("partitions: 7\ncurrency: EUR\n")
    monkeypatch.setenv("STREAM_APP_CURRENCY", "CHF")
    program = FakeProgram()
    options = ["--config", str(tmp_path / "c.yaml"), "--broker", "k:1", "--redis", "redis://r"]
    assert main([command, *options, "--rules", str(tmp_path / "r.yaml")], program) == EXIT_OK
    ((called, settings, _),) = program.calls
    assert called == command
    assert (settings.broker, settings.redis, settings.rules) == ("kafka://k:1", "redis://r", tmp_path / "r.yaml")
    assert (settings.partitions, settings.currency) == (7, "CHF")


def test_demo_passes_on_how_it_is_to_end():
    program = FakeProgram()
    assert main(["demo"], program) == EXIT_OK
    assert main(["demo", "--once", "--json", "--kafka", "kafka://k:1", "--port", "81"], program) == EXIT_OK
    (_, _, plain), (_, settings, full) = program.calls
    assert plain == {"once": False, "as_json": False, "kafka": None}
    assert full == {"once": True, "as_json": True, "kafka": "k:1"}
    assert settings.web_port == 81


def test_a_second_worker_on_a_host_is_given_its_port_on_the_command_line(monkeypatch):
    monkeypatch.setenv("STREAM_APP_WEB_PORT", "80")
    program = FakeProgram()
    assert main(["run", "--port", "8001"], program) == EXIT_OK
    assert main(["run", "--port", "0"], program) == EXIT_OK
    assert main(["run"], program) == EXIT_OK
    assert [settings.web_port for _, settings, _ in program.calls] == [8001, 0, 80]


def test_a_wrong_port_is_told(capsys):
    assert main(["run", "--port", "65536"], FakeProgram()) == EXIT_WRONG
    assert "web_port: '65536' (option --port) is out of range" in capsys.readouterr().err


def test_rebuild_passes_on_what_it_may_do():
    program = FakeProgram()
    assert main(["rebuild", "--broker", "k:1"], program) == EXIT_OK
    assert main(["rebuild", "--from-retained", "--delete-old"], program) == EXIT_OK
    (_, settings, plain), (_, _, full) = program.calls
    assert settings.broker == "kafka://k:1"
    assert plain == {"from_retained": False, "delete_old": False}
    assert full == {"from_retained": True, "delete_old": True}


def test_demo_writes_into_no_broker_that_is_not_named_on_its_command_line(monkeypatch):
    monkeypatch.setenv("STREAM_APP_BROKER", "production:9092")
    program = FakeProgram()
    main(["demo"], program)
    assert program.calls[0][2]["kafka"] is None


def test_demo_json_without_once_is_refused(capsys):
    refused("demo", "--json")
    assert "--json needs --once" in capsys.readouterr().err


@pytest.mark.parametrize("error", [ConfigurationError("x: do y"), ConnectionFailedError("x: do y")])
@pytest.mark.parametrize("argv", [["run"], ["check"], ["demo"], ["rebuild"], ["analyze", "f"]])
def test_an_error_is_one_message_and_exit_code_2(argv, error, capsys):
    assert main(argv, FakeProgram(fails=error)) == EXIT_WRONG
    printed = capsys.readouterr()
    assert printed.err == f"stream-app {argv[0]}: x: do y\n"
    assert printed.out == ""


def test_a_wrong_setting_is_told_before_anything_is_called(capsys):
    program = FakeProgram()
    assert main(["run", "--broker", "http://k:1"], program) == EXIT_WRONG
    assert not program.calls
    assert "broker: 'http://k:1' (option --broker)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "code"),
    [(["run"], EXIT_OK), (["demo"], EXIT_OK), (["check"], EXIT_INTERRUPTED), (["analyze", "f"], EXIT_INTERRUPTED)],
)
def test_ctrl_c_ends_run_and_demo_well_and_breaks_off_the_others(argv, code, capsys):
    assert main(argv, FakeProgram(fails=KeyboardInterrupt())) == code
    assert capsys.readouterr().err == ""


def test_a_file_that_cannot_be_read_is_told(capsys):
    fails = FileNotFoundError(2, "No such file or directory")
    assert main(["analyze", "f.jsonl"], FakeProgram(fails=fails)) == EXIT_WRONG
    assert "FILE: 'f.jsonl' cannot be read: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["dmeo"], "did you mean demo?"),
        (["run", "--brokr", "k:1"], "did you mean --broker?"),
        (["run", "--redis-url=x"], "did you mean --redis?"),
        (["analyze", "f", "--until=x", "--jsn"], "did you mean --json?"),
        (["analyze", "f", "--week-start", "mon"], "did you mean monday?"),
        (["analyze"], "FILE"),
        (["analyze", "f", "--currency", "us"], "three letters"),
        (["analyze", "f", "--timezone", "Mars/Olympus"], "IANA"),
        ([], "run, demo, check, rebuild, analyze"),
    ],
)
def test_a_wrong_command_line_is_refused_with_what_was_probably_meant(argv, said, capsys):
    refused(*argv)
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["analyze", "f", "--timezone", "Mars"], "argument --timezone: 'Mars' is not an IANA time zone name"),
        (["silence", "add", "--reason", "r"], "one of the arguments --for --until is required"),
        (["run", "--prot", "1"], "unrecognized arguments: --prot 1; did you mean --port?"),
    ],
)
def test_a_usage_error_is_its_message_and_where_the_usage_is(argv, said, capsys):
    refused(*argv)
    message, where, *rest = capsys.readouterr().err.splitlines()
    prog = " ".join(["stream-app", *(word for word in argv if word in ("analyze", "silence", "add", "run"))])
    assert message.startswith(f"{prog}: {said}")
    assert where == f"see `{prog} --help`"
    assert rest == []


def every_parser():
    """Those of sub-commands and of what is below them, by name; of `cli_backtest` there are tests of its own."""
    _, commands = parsers()
    for name, parser in commands.items():
        if name not in cli_backtest.COMMANDS:
            yield name, parser
            for action in parser._actions:
                inner = action.choices if isinstance(action.choices, dict) else {}
                yield from ((f"{name} {below}", one) for below, one in inner.items())


@pytest.mark.parametrize(("name", "parser"), every_parser(), ids=lambda given: given if isinstance(given, str) else "")
def test_help_says_what_a_command_does_and_what_each_option_means(name, parser):
    assert parser.description
    text = parser.format_help()
    assert text.startswith(f"usage: stream-app {name} ")
    assert all(action.help for action in parser._actions if not isinstance(action.choices, dict))


def test_the_help_of_run_tells_of_settings_and_exit_codes(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    text = parsers()[1]["run"].format_help()
    assert "\n\nSettings: options come before environment variables (STREAM_APP_<NAME>)" in text
    assert "\n\nExit codes: 0 stopped as asked; 1 " in text


def test_what_may_be_left_out_of_alerts_is_in_brackets():
    text = parsers()[1]["alerts"].format_help()
    assert text.startswith("usage: stream-app alerts [-h] [--url URL] [--config FILE] [--json] [history ...]\n")


def test_version_and_help_need_nothing_but_the_package():
    done = python("-m", "stream_app", "--version")
    assert (done.returncode, done.stdout) == (0, f"stream-app {__version__}\n")
    code = (
        "import sys, stream_app.cli\n"
        "heavy = {'faust', 'aiokafka', 'redis', 'aiohttp', 'slack_sdk'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = python("-c", code)
    assert done.returncode == 0, done.stderr


def test_a_reader_that_goes_away_is_no_error_to_talk_about():
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from support.program import FakeProgram, ANSWER; from stream_app.cli import main\n"
        "answer = ANSWER | {'segments': ANSWER['segments'] * 20_000}\n"
        "sys.exit(main(['analyze', 'f'], FakeProgram(answer=answer)))"
    )
    writer = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert writer.stdout is not None
    writer.stdout.readline()
    writer.stdout.close()
    assert writer.stderr.read() == b""
    assert writer.wait(60) == 141
