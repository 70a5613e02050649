"""The command line: what it passes on, what it prints, how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from stream_app import __version__
from stream_app.cli import EXIT_INTERRUPTED, EXIT_OK, EXIT_WRONG, instant, main
from stream_app.cli_tables import retention_table
from stream_app.domain.errors import ConfigurationError, ConnectionFailedError
from stream_app.domain.periods import Calendar

ROOT = Path(__file__).parents[2]

ANSWER = {
    "definition": "repurchase",
    "grain": "month",
    "kind": "classic",
    "timezone": "UTC",
    "as_of": "1997-04-01T00:00:00Z",
    "segments": [
        {
            "segment": {"plan": "pro"},
            "cohorts": [
                {"start": "1997-01-01", "size": 200, "retained": [200, 50, 0, None]},
                {"start": "1997-02-01", "size": 9, "retained": [9, 9, None]},
                {"start": "1997-03-01", "size": 0, "retained": [0, 0]},
            ],
        }
    ],
}


class FakeProgram:
    """Notes what it is called with; `fails` is raised instead of an answer."""

    def __init__(self, fails: BaseException | None = None, answer: dict | None = None):
        self.calls: list[tuple] = []
        self._fails = fails
        self._answer = ANSWER if answer is None else answer

    def _note(self, *call):
        self.calls.append(call)
        if self._fails is not None:
            raise self._fails

    def run(self, settings):
        self._note("run", settings, {})
        return 0

    def check(self, settings):
        self._note("check", settings, {})
        return 0

    def rebuild(self, settings, **options):
        self._note("rebuild", settings, options)
        return 0

    def demo(self, settings, **options):
        self._note("demo", settings, options)
        return 0

    def analyze(self, path, **options):
        self._note("analyze", path, options)
        return self._answer


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


def test_analyze_passes_on_its_question(capsys):
    program = FakeProgram()
    argv = ["analyze", "-", "--definition", "repurchase", "--grain", "week", "--kind", "rolling", "--segment", "plan"]
    argv += ["--timezone", "Europe/Berlin", "--week-start", "sunday", "--until", "1998-07-01", "--currency", "jpy"]
    assert main([*argv, "--top", "5", "--json"], program) == EXIT_OK
    _, path, options = program.calls[0]
    calendar = options.pop("calendar")
    assert (path, calendar.timezone, calendar.week_start) == ("-", "Europe/Berlin", "sunday")
    assert options == {
        "definition": "repurchase",
        "grain": "week",
        "kind": "rolling",
        "segment": "plan",
        "until_ms": 899_244_000_000,
        "currency": "JPY",
        "minor_units": 0,
        "top": 5,
    }
    assert orjson.loads(capsys.readouterr().out) == ANSWER


def test_analyze_has_defaults_for_everything_but_the_file(capsys):
    program = FakeProgram()
    assert main(["analyze", "events.jsonl"], program) == EXIT_OK
    _, path, options = program.calls[0]
    assert path == "events.jsonl"
    assert options["calendar"].timezone == "UTC"
    assert options["until_ms"] is None
    assert options["segment"] is None
    assert (options["definition"], options["grain"], options["kind"]) == ("engagement", "day", "classic")
    assert "repurchase retention by month" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "ms"),
    [
        ("1998-07-01T00:00:00Z", 899_251_200_000),
        ("1998-07-01T02:00:00+02:00", 899_251_200_000),
        ("1998-07-01 00:00:00.5z", 899_251_200_500),
        ("1998-07-01", 899_244_000_000),
        ("2018-11-04", 1_541_286_000_000),
    ],
)
def test_until_is_an_instant_or_a_local_date(given, ms):
    assert instant(given, Calendar("Europe/Berlin")) == ms


def test_a_date_whose_midnight_does_not_exist_begins_at_its_first_instant():
    assert instant("2018-11-04", Calendar("America/Sao_Paulo")) == 1_541_300_400_000


@pytest.mark.parametrize("given", ["1998-07-01T00:00:00", "1998-06-31", "yesterday", "1969-12-31", "", "9999-01-01"])
def test_an_until_that_is_no_instant_is_told(given, capsys):
    assert main(["analyze", "-", "--until", given], FakeProgram()) == EXIT_WRONG
    assert f"--until: {given!r} is not an instant" in capsys.readouterr().err


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
        (["analyze", "f", "--kind", "roling"], "did you mean rolling?"),
        (["analyze"], "FILE"),
        (["analyze", "f", "--top", "0"], "use 1 to 1000"),
        (["analyze", "f", "--currency", "us"], "three letters"),
        (["analyze", "f", "--timezone", "Mars/Olympus"], "IANA"),
        ([], "run, demo, check, rebuild, analyze"),
    ],
)
def test_a_wrong_command_line_is_refused_with_what_was_probably_meant(argv, said, capsys):
    refused(*argv)
    assert said in capsys.readouterr().err


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
        "import sys; sys.path.insert(0, 'tests/unit')\n"
        "from test_cli import FakeProgram, ANSWER; from stream_app.cli import main\n"
        "answer = ANSWER | {'segments': ANSWER['segments'] * 20_000}\n"
        "sys.exit(main(['analyze', 'f'], FakeProgram(answer=answer)))"
    )
    writer = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert writer.stdout is not None
    writer.stdout.readline()
    writer.stdout.close()
    assert writer.stderr.read() == b""
    assert writer.wait(60) == 141


def test_the_table_tells_zero_from_not_observed_and_from_an_empty_cohort():
    assert retention_table(ANSWER).splitlines()[3:] == [
        "",
        "plan = pro",
        "cohort      size      1    2  3",
        "1997-01-01   200   25.0  0.0  -",
        "1997-02-01     9  100.0    -",
        "1997-03-01     0",
    ]


def test_the_table_says_what_its_figures_are():
    heading = "\n".join(retention_table(ANSWER).splitlines()[:3])
    for said in ("repurchase", "month", "classic", "in %", "UTC", "1997-04-01T00:00:00Z", "- is not yet observed"):
        assert said in heading
    rolling = retention_table(ANSWER | {"kind": "rolling", "as_of": None, "segments": []})
    assert "month k or later, as far as observed" in rolling
    assert "there are no events" in rolling
    assert "no cohorts" in rolling


@pytest.mark.parametrize("width", [1, 20, 25, 40, 80])
def test_a_wide_table_is_cut_at_whole_columns_and_says_so(width):
    cohorts = [{"start": "1997-01-01", "size": 10, "retained": [10, *range(30)]}]
    lines = retention_table(ANSWER | {"segments": [{"segment": {}, "cohorts": cohorts}]}, width=width).splitlines()
    assert all(len(line) <= width for line in lines)
    if width >= 40:
        shown = lines[5].split()
        assert shown[:3] == ["cohort", "size", "1"]
        assert lines[7].startswith(f"({32 - len(shown)} further periods not shown")
        assert len(lines[6].split()) == len(shown)


def test_values_cannot_command_the_terminal():
    answer = ANSWER | {"segments": [{"segment": {"plan": "\x1b[2Jx\n"}, "cohorts": []}]}
    assert "plan = \ufffd[2Jx\ufffd\n  no cohorts" in retention_table(answer)
