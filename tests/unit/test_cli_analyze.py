"""`stream-app analyze` on the command line: what it passes on, prints and writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
from support.program import ANSWER, FakeProgram

from stream_app.cli import EXIT_OK, EXIT_WRONG, main, parsers
from stream_app.cli_analyze import _PARAMETERS
from stream_app.domain.metrics.query import TAKEN_BY
from stream_app.offline import FORMATS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def events(tmp_path: Path) -> str:
    file = tmp_path / "events.csv"
    file.write_text("user_id,occurred_at,plan\na,2024-01-01,pro\na,2024-01-02,pro\nb,2024-01-02,free\n")
    return str(file)


def asked(*argv: str) -> tuple[str, dict[str, str], dict[str, Any]]:
    program = FakeProgram()
    assert main(["analyze", *argv], program) == EXIT_OK
    ((_, path, given, options),) = program.calls
    return path, given, options


def test_every_parameter_of_a_figure_is_an_option() -> None:
    _, commands = parsers()
    options = {option.removeprefix("--").replace("-", "_") for option in commands["analyze"].options}
    assert options >= set(TAKEN_BY)
    assert {name for name, _, _ in _PARAMETERS} == set(TAKEN_BY) - {"timezone", "week_start"}


def test_formats_are_those_that_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    for form in FORMATS:
        assert asked("f", "--format", form)[2]["reading"].format == form
    with pytest.raises(SystemExit):
        main(["analyze", "f", "--format", "xml"])
    assert "xml" in capsys.readouterr().err


def test_the_question_is_passed_on_as_it_was_written() -> None:
    argv = ["--figure", "retention", "--start", "visit", "--return", "purchase", "--grain", "week", "--kind", "bracket"]
    argv += [
        "--brackets",
        "1,3",
        "--windows",
        "calendar",
        "--cohorts",
        "first",
        "--mean",
        "simple",
        "--from",
        "2024-01-01",
    ]
    argv += ["--until", "2024-03-01", "--segment", "plan", "--top", "5", "--last", "7"]
    path, given, options = asked("events", *argv)
    assert path == "events"
    assert given == dict(zip([word.removeprefix("--") for word in argv[::2]], argv[1::2], strict=True))
    assert options["show"] is None
    assert asked("f", "--window", "7", "--definition", "repurchase")[1] == {"window": "7", "definition": "repurchase"}


def test_only_the_file_has_to_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    path, given, options = asked("-")
    assert (path, given) == ("-", {})
    assert (options["settings"].timezone, options["settings"].currency) == ("UTC", "USD")
    assert options["reading"].as_sent
    with pytest.raises(SystemExit):
        main(["analyze"])
    assert "FILE" in capsys.readouterr().err


def test_settings_come_from_a_file_and_options_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "settings.yml"
    config.write_text("timezone: Europe/Berlin\nweek_start: sunday\ncurrency: EUR\ninactivity_days: 14\n")
    monkeypatch.setenv("STREAM_APP_TIMEZONE", "Asia/Tokyo")
    settings = asked("f", "--config", str(config), "--currency", "jpy")[2]["settings"]
    assert (settings.timezone, settings.week_start) == ("Europe/Berlin", "sunday")
    assert (settings.currency, settings.minor_units, settings.inactivity_days) == ("JPY", 0, 14)
    settings = asked("f", "--config", str(config), "--timezone", "UTC", "--week-start", "tuesday")[2]["settings"]
    assert (settings.timezone, settings.week_start) == ("UTC", "tuesday")


@pytest.mark.parametrize(
    "argv",
    [
        ["f", "--map", "user_id=who", "occurred_at=when", "--set", "type=visit"],
        ["--map", "user_id=who", "--map", "occurred_at=when", "f", "--set", "type=visit"],
        ["--set", "type=visit", "--map", "user_id=who", "occurred_at=when", "f"],
    ],
)
def test_columns_are_mapped_wherever_the_file_is_written(argv: list[str]) -> None:
    path, _, options = asked(*argv)
    assert path == "f"
    assert options["reading"].columns == {"user_id": "who", "occurred_at": "when"}
    assert options["reading"].constants == {"type": "visit"}


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--map", "user=a"], "--map: there is no field 'user' of an event; did you mean user_id?"),
        (["--map", "user_id"], "--map: 'user_id' is not of the form field=value"),
        (["--map", "user_id=a", "user_id=b"], "--map: user_id is there twice"),
        (["--set", "kind=visit"], "--set: there is no field 'kind'"),
        (["--kind", "roling"], "--kind: 'roling' is not known; did you mean rolling?"),
        (["--figure", "churn", "--kind", "classic"], "--kind: figure churn has no such parameter"),
        (["--until", "yesterday"], "--until: 'yesterday' is not an instant"),
        (["--top", "0"], "--top: '0' is not a whole number from 1 to 1000"),
        (["--start", "visit"], "--return: it is missing"),
        (["--config", "/nowhere.yml"], "config: '/nowhere.yml' (option --config) cannot be read"),
        (["--map", "user_id=id"], "--map user_id=id: no such column; there are user_id, occurred_at, plan"),
        (["--png", "/nowhere/x.png"], "--png: '/nowhere/x.png' cannot be written: there is no such directory"),
        (["--png", "a.SVG"], "--png: 'a.SVG' is named as a picture of another form; write --svg for that, or name it"),
        (["--svg", "a.png"], "--svg: 'a.png' is named as a picture of another form; write --png for that, or name it"),
        (["--png", "a.jpg"], "--png: 'a.jpg' is named as a picture of another form; name it a.png"),
        (
            ["--from", "2024-02-01", "--until", "2024-01-05"],
            "--from: '2024-02-01' is not before until, '2024-01-05'; exchange them",
        ),
        (
            ["--from", "2024-02-01", "--until", "2024-02-01T00:00:00Z"],
            "--from: '2024-02-01' is not before until, '2024-02-01T00:00:00Z'; take a later until",
        ),
        (["--svg", "/"], "--svg: '/' cannot be written: Is a directory"),
    ],
)
def test_what_is_wrong_is_one_message_that_names_the_option(
    argv: list[str], said: str, events: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analyze", events, *argv]) == EXIT_WRONG
    printed = capsys.readouterr()
    assert f"stream-app analyze: {said}" in printed.err or said in printed.err
    assert printed.out == ""
    assert printed.err.count("stream-app") == 1


def test_json_is_the_answer_and_nothing_else(events: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", events, "--segment", "plan", "--json"]) == EXIT_OK
    answer = orjson.loads(capsys.readouterr().out)
    assert answer["schema"] == "stream-app/retention/1"
    assert [entry["segment"] for entry in answer["segments"]] == [{"plan": "free"}, {"plan": "pro"}]


def test_tables_are_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    asked("f")
    out = capsys.readouterr().out
    assert "1997-03-31" in out
    assert "schema" not in out
    assert ANSWER["schema"] not in out


@pytest.mark.parametrize("name", ["a", "a.b", "a.PNG"])
def test_a_picture_may_have_any_name_that_says_nothing_else(
    name: str, events: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analyze", events, "--json", "--png", str(tmp_path / name)]) == EXIT_OK
    assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    capsys.readouterr()


def test_a_backtest_refuses_a_picture_of_another_form_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backtest", "rules.yml", "events.jsonl", "--svg", "a.png"], FakeProgram()) == EXIT_WRONG
    assert capsys.readouterr().err.startswith("stream-app backtest: --svg: 'a.png' is named as a picture of another")


def test_pictures_are_written(events: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    png, svg = tmp_path / "a.png", tmp_path / "a.svg"
    assert main(["analyze", events, "--png", str(png), "--svg", str(svg)]) == EXIT_OK
    assert png.read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in svg.read_bytes()
    assert "2024-01-01" in capsys.readouterr().out


def test_a_terminal_has_a_progress_bar(events: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    options = asked(events)[2]
    show = options["show"]()
    show.begin("events", 100)
    show.at(50)
    show.end()
