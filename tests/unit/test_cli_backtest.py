"""`stream-app backtest` and `rules` on the command line: what they print, write and end with."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import pytest

from stream_app.cli import main
from stream_app.cli_backtest import EXIT_FAILED, EXIT_OK

EXAMPLES = Path(__file__).parents[2] / "docs" / "alerts" / "examples"
RULES, EVENTS, TESTS = (str(EXAMPLES / name) for name in ("rules.yml", "events.csv", "rules_test.yml"))
EXIT_WRONG = 2
#: Of the documented line: other keys may be added, these stay.
KEYS = {"rule", "segment", "state", "at", "cohort", "value", "threshold", "group", "began"}
#: A value of every kind, one of them in money, and names that terminals and pictures must not obey.
ODD = """
defaults: {no_data: 99, min_group: 1}
quality: off
rules:
  - {name: "back $x$", definition: engagement, grain: day, index: 1, segment: {plan: "*"}, below: 0.9}
  - {name: value, figure: value, measure: aov, definition: repurchase, grain: day, below: 1500}
  - {name: drop, definition: engagement, grain: day, index: 1, drop: 20%, over: 2}
"""


@pytest.fixture
def odd(tmp_path: Path) -> tuple[str, str]:
    (tmp_path / "rules.yml").write_text(ODD)
    rows = [
        {"user_id": f"{plan}{day}{user}", "occurred_at": f"2026-01-{at:02d}T08:00:00Z", "plan": plan, "amount": amount}
        for day in range(1, 15)
        for plan in ("a", "\u001b[2J", *(f"p{n}" for n in range(14)))
        for user in range(4)
        for at, amount in ((day, 20), *(((day + 1, 5.5),) if user < 4 - day % 3 else ()))
    ]
    (tmp_path / "events.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return str(tmp_path / "rules.yml"), str(tmp_path / "events.jsonl")


def test_json_is_one_line_a_change_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backtest", RULES, EVENTS, "--json"]) == EXIT_OK
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(row.keys() >= KEYS for row in rows)
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    (fired,) = (row for row in rows if row["state"] == "firing")
    assert {key: fired[key] for key in KEYS} == {
        "rule": "next-day", "segment": {"plan": "pro"}, "state": "firing", "at": "2026-03-09T00:00:00Z",
        "cohort": "2026-03-07", "value": 0.25, "threshold": 0.4, "group": 12, "began": "2026-03-06",
    }  # fmt: skip


@pytest.fixture
def broken(tmp_path: Path) -> tuple[str, str]:
    """An alert that fires, then has no data for two days, then some that is still bad, and then is good again."""
    (tmp_path / "rules.yml").write_text(
        "defaults: {no_data: 2, min_group: 5}\nquality: off\n"
        "rules: [{name: back, definition: engagement, grain: day, index: 1, below: 0.5}]\n"
    )
    rows = [
        {"type": "visit", "event_id": f"{day}-{user}-{at}", "user_id": f"{day}-{user}",
         "occurred_at": f"2026-03-{at:02d}T08:00:00Z"}
        for day, users, returned in [(1, 10, 9), (2, 10, 1), (5, 10, 2), (6, 10, 9), (7, 10, 9)]
        for user in range(users)
        for at in (day, *([day + 1] if user < returned else []))
    ]  # fmt: skip
    (tmp_path / "events.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return str(tmp_path / "rules.yml"), str(tmp_path / "events.jsonl")


def test_what_is_of_health_alone_is_no_line_of_json_but_where_it_is_asked_for(
    broken: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = []
    for options in ((), ("--health",)):
        assert main(["backtest", *broken, "--json", *options]) == EXIT_OK
        lines.append([json.loads(line) for line in capsys.readouterr().out.splitlines()])
    assert [row["state"] for row in lines[0]] == ["firing", "resolved"]
    told = [(row["state"], row["health"], row["reason"]) for row in lines[1]]
    assert told == [
        ("firing", "ok", "below"), ("firing", "no_data", "no_data"), ("firing", "ok", "data_back"),
        ("resolved", "ok", "recovered"),
    ]  # fmt: skip
    assert main(["backtest", *broken]) == EXIT_OK
    text = capsys.readouterr().out
    assert "1 firing, 4 changes" in text
    assert "no data" in text
    assert main(["backtest", *broken, "--health"]) == EXIT_WRONG
    assert "--health: it is for --json" in capsys.readouterr().err


def test_people_get_a_table_of_changes_and_the_messages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backtest", RULES, EVENTS]) == EXIT_OK
    text = capsys.readouterr().out
    assert text.startswith("3 rules, events until 2026-03-17T00:00:00Z: 1 firing, 4 changes, 2 messages\n")
    assert re.search(
        r"^2026-03-09T00:00:00Z +next-day +plan = pro +firing +2026-03-07 +25\.0 % +40\.0 % +12 ", text, re.M
    )
    assert "2026-03-09T09:00:00Z  opened    to slack:#growth: next-day: Day-1 retention of plan = pro fell to" in text
    assert text.endswith("Nothing came of: order-value\n")


def test_events_can_come_through_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = []
    for argv in ([EVENTS], ["-"], ["--set", "type=visit", EVENTS]):
        with Path(EVENTS).open("rb") as file:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(file.read())))
            assert main(["backtest", RULES, *argv]) == EXIT_OK
        outputs.append(capsys.readouterr().out)
    assert len(set(outputs)) == 1


def test_until_and_settings_are_taken(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["backtest", RULES, EVENTS, "--json", "--until", "2026-03-09"]) == EXIT_OK
    assert [json.loads(line)["state"] for line in capsys.readouterr().out.splitlines()] == ["pending", "firing"]
    assert main(["backtest", RULES, EVENTS, "--json", "--timezone", "Asia/Kolkata"]) == EXIT_OK
    assert '"at":"2026-03-08T18:30:00Z"' in capsys.readouterr().out
    (tmp_path / "app.yml").write_text("dimensions: [country]\n")
    assert main(["backtest", RULES, EVENTS, "--config", str(tmp_path / "app.yml")]) == EXIT_WRONG
    assert "plan" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([RULES, "gone.csv"], "gone.csv"),
        (["gone.yml", EVENTS], "gone.yml"),
        ([EVENTS, EVENTS], "line 1"),
        ([RULES, EVENTS, "--until", "soon"], "--until: 'soon' is not an instant"),
        ([RULES, EVENTS, "--png", "/gone/p.png"], "--png: '/gone/p.png' cannot be written"),
        ([RULES, EVENTS, "--map", "when=at"], "--map"),
    ],
)
def test_what_is_wrong_is_said(argv: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backtest", *argv]) == EXIT_WRONG
    captured = capsys.readouterr()
    assert words in captured.err
    assert not captured.out


def test_events_have_to_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["backtest", RULES])
    assert "EVENTS" in capsys.readouterr().err


def test_a_picture_shows_what_fired(tmp_path: Path, odd: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    png, svg = tmp_path / "p.png", tmp_path / "p.svg"
    assert main(["backtest", *odd, "--set", "type=purchase", "--png", str(png), "--svg", str(svg)]) == EXIT_OK
    assert png.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    texts = [text.strip() for text in re.findall(r"<!--(.*?)-->", svg.read_text())]
    assert "Backtest: 18 alerts of 3 rules fired" in texts
    assert "the 12 of 18 alerts with the most users at risk" in texts
    assert "drop: all users" in texts
    assert any(text.startswith("back $x$") and text.endswith("plan = a") for text in texts)
    assert "\x1b" not in capsys.readouterr().out


def test_a_picture_of_nothing_says_so(tmp_path: Path, odd: tuple[str, str]) -> None:
    svg = tmp_path / "p.svg"
    assert main(["backtest", *odd, "--set", "type=purchase", "--until", "2026-01-02", "--svg", str(svg)]) == EXIT_OK
    assert "nothing fired" in re.findall(r"<!-- (.*?) -->", svg.read_text())


def test_money_is_told_in_major_units(odd: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backtest", *odd, "--set", "type=purchase", "--currency", "EUR"]) == EXIT_OK
    assert re.search(r" value +all users +firing .* 1\d\.\d\d EUR +15\.00 EUR ", capsys.readouterr().out)


def test_check_reads_rules_without_a_broker(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "check", RULES]) == EXIT_OK
    said = capsys.readouterr().out
    assert "3 rules, to slack:#growth, console" in said
    assert "dimensions plan" in said
    (tmp_path / "bad.yml").write_text("rules: [{name: r, definition: engagement, grain: day, index: 0, bellow: 0.3}]")
    assert main(["rules", "check", str(tmp_path / "bad.yml")]) == EXIT_WRONG
    said = capsys.readouterr().err
    assert "did you mean 'below'?" in said
    assert "rules[0].index" in said


def test_tests_that_pass_end_with_0_and_those_that_fail_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rules", "test", TESTS]) == EXIT_OK
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "4 tests, 0 failed"
    assert all(line.startswith("passed") for line in said[:-1])
    wrong = Path(TESTS).read_text().replace("threshold: 2500}", "threshold: 2600}")
    wrong = wrong.replace("rules: rules.yml", f"rules: {RULES}").replace("events: events.csv", f"events: {EVENTS}")
    (tmp_path / "test.yml").write_text(wrong)
    assert main(["rules", "test", TESTS, str(tmp_path / "test.yml")]) == EXIT_FAILED
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "8 tests, 1 failed"
    assert [line for line in said if line.startswith("FAILED")] == [
        f"FAILED  {tmp_path}/test.yml:34: orders of less value are told after one week"
    ]
    assert "differs in threshold" in "\n".join(said)


def test_a_test_file_that_is_wrong_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "test.yml").write_text("tests: []")
    assert main(["rules", "test", str(tmp_path / "test.yml")]) == EXIT_WRONG
    assert "rules: is missing" in capsys.readouterr().err


def test_check_warns_of_a_rule_whose_promise_does_not_hold(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "rules.yml"
    path.write_text(
        "rules: [{name: dau, figure: stickiness, definition: engagement, grain: day, below: 0.3, false_alarms: 1/year}]"
    )
    assert main(["rules", "check", str(path)]) == EXIT_OK
    assert f"{path}: rule 'dau': false_alarms: 1/year is not promised: " in caplog.text
