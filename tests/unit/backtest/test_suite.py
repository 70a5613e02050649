"""`rules test`: what passes, what fails, and that it is said where and why."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from stream_app.backtest import run_tests
from stream_app.domain.alerts import RulesError
from stream_app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

RULES = """
rules:
  - {name: day-1, definition: engagement, grain: day, index: 1, below: 0.30, resolve: 0.35, for: 2, to: [console]}
  - {name: each, definition: engagement, grain: day, index: 1, segment: {plan: "*"}, below: 0.30, to: ["slack:#a"]}
  - {name: arm, definition: engagement, grain: day, index: 1, segment: {plan: new}, baseline: {plan: old}, drop: 20%}
  - {name: usual, definition: engagement, grain: day, index: 1, segment: {plan: new}, baseline: all, drop: 20%}
  - {name: kept, figure: crr, measure: kept_rate, definition: engagement, grain: month, below: 0.5}
"""
#: Day 3 and 4 are bad, day 5 good again: pending closes on the 5th, firing on the 6th, resolved on the 7th.
CELLS = "cells: [{rule: day-1, from: 2026-01-01, groups: 200, counted: 80x2 40x2 90}]"
FIRING = "{rule: day-1, state: firing, at: 2026-01-06, cohort: 2026-01-04, value: 0.20, began: 2026-01-03}"
RESOLVED = "{rule: day-1, state: resolved, at: 2026-01-07}"


@pytest.fixture
def test_file(tmp_path: Path) -> Path:
    (tmp_path / "rules.yml").write_text(RULES)
    return tmp_path / "test.yml"


def ran(file: Path, *cases: str) -> list[list[str]]:
    text = "".join(f"  - {{name: t, {case}}}\n" for case in cases)
    file.write_text(f"rules: rules.yml\ntests:\n{text}")
    return [list(outcome.differences) for outcome in run_tests(str(file))]


def refused(file: Path, *cases: str) -> str:
    with pytest.raises(RulesError) as caught:
        ran(file, *cases)
    return str(caught.value)


def test_what_is_told_is_all_of_it(test_file: Path) -> None:
    complete, first, none, twice = ran(
        test_file,
        f"{CELLS}, told: [{FIRING}, {RESOLVED}]",
        f"{CELLS}, told: [{FIRING}]",
        f"{CELLS}, told: []",
        f"{CELLS}, told: [{FIRING}, {RESOLVED}, {RESOLVED}]",
    )
    assert complete == []
    assert first[0] == "told:"
    assert "resolved" in first[1]
    assert first[2].strip() == "was not expected"
    assert [line.strip() for line in none].count("was not expected") == 2
    assert re.search(r"- line 6: .*resolved", twice[1])
    assert twice[2].strip() == "did not come"


def test_their_order_says_nothing_and_the_loosest_entry_takes_none_away(test_file: Path) -> None:
    assert ran(test_file, f"{CELLS}, told: [{{rule: day-1}}, {FIRING}]") == [[]]
    assert ran(test_file, f"{CELLS}, told: [{RESOLVED}, {FIRING}]") == [[]]


def test_changes_are_every_line_of_the_topic(test_file: Path) -> None:
    pending = "{rule: day-1, state: pending, at: 2026-01-05, to: []}"
    (all_of_them, without) = ran(
        test_file, f"{CELLS}, changes: [{pending}, {FIRING}, {RESOLVED}]", f"{CELLS}, changes: [{FIRING}, {RESOLVED}]"
    )
    assert all_of_them == []
    assert "pending" in without[1]


def test_a_field_that_differs_is_named(test_file: Path) -> None:
    wrong = FIRING.replace("2026-01-03", "2026-01-02")
    (said,) = ran(test_file, f"{CELLS}, told: [{wrong}, {RESOLVED}]")
    assert said[1].strip().startswith("- line 3: {rule: day-1, state: firing")
    assert "began: 2026-01-03" in said[2]
    assert said[3].strip() == "differs in began"


@pytest.mark.parametrize(
    ("written", "fits"),
    [("0.2", True), ("0.20", True), ("0.3", False), ("0.201", False), ("null", False), ("x", False)],
)
def test_numbers_are_compared_as_far_as_they_are_written(test_file: Path, written: str, fits: bool) -> None:
    wanted = FIRING.replace("value: 0.20", f"value: {written}")
    assert (ran(test_file, f"{CELLS}, told: [{wanted}, {RESOLVED}]") == [[]]) is fits


def test_fields_can_be_expected_to_be_empty(test_file: Path) -> None:
    resolved = RESOLVED.replace("}", ", note: null, flapping: false, segment: {}, to: [console]}")
    assert ran(test_file, f"{CELLS}, told: [{FIRING}, {resolved}]") == [[]]


def test_what_fires_at_an_instant(test_file: Path) -> None:
    one = "[{rule: day-1, segment: {}}]"
    right = f"firing: [{{at: '2026-01-05T23:59:59Z', alerts: []}}, {{at: 2026-01-06, alerts: {one}}}]"
    late, early = (f"firing: [{{at: {at}, alerts: {one}}}]" for at in ("2026-01-05", "2026-01-07"))
    found = ran(test_file, f"{CELLS}, {right}", f"{CELLS}, {late}", f"{CELLS}, {early}")
    assert found[0] == []
    assert [said[0] for said in found[1:]] == ["firing at 2026-01-05:", "firing at 2026-01-07:"]


def test_segments_have_cells_of_their_own_and_a_baseline_is_one(test_file: Path) -> None:
    each = (
        "cells: [{rule: each, from: 2026-01-01, segment: {plan: pro}, groups: 200, counted: 40 80},"
        " {rule: each, from: 2026-01-02, segment: {plan: free}, groups: 200, counted: 80}]"
    )
    arms = (
        "cells: [{rule: arm, from: 2026-01-01, segment: {plan: new}, groups: 1000, counted: 500 300},"
        " {rule: arm, from: 2026-01-01, segment: {plan: old}, groups: 1000, counted: 500x2}]"
    )
    everybody = (
        "cells: [{rule: usual, from: 2026-01-01, segment: {plan: new}, groups: 1000, counted: 500 300},"
        " {rule: usual, from: 2026-01-01, groups: 5000, counted: 2500x2}]"
    )
    found = ran(
        test_file,
        f"{each}, told: [{{segment: {{plan: pro}}, state: firing, at: 2026-01-03}}, {{state: resolved}}]",
        f"{arms}, told: [{{rule: arm, segment: {{plan: new}}, state: firing, threshold: 0.400, baseline: 0.5}}]",
        f"{everybody}, told: [{{rule: usual, segment: {{plan: new}}, state: firing, threshold: 0.400, baseline: 0.5}}]",
    )
    assert found == [[], [], []]


def test_cells_that_are_missing_are_no_data(test_file: Path) -> None:
    cells = "cells: [{rule: day-1, from: 2026-01-01, groups: 200 _x3 200, counted: 80 _x3 80}]"
    told = "told: [{reason: no_data, cohort: 2026-01-04}, {reason: data_back, cohort: 2026-01-05}]"
    assert ran(test_file, f"{cells}, {told}") == [[]]


def test_figures_of_periods_close_with_them(test_file: Path) -> None:
    cells = "cells: [{rule: kept, from: 2026-01-01, groups: 500, counted: 400 200}]"
    assert ran(test_file, f"{cells}, told: [{{at: 2026-03-01, cohort: 2026-02-01, state: firing}}]") == [[]]


def test_messages_are_those_that_would_have_been_sent(test_file: Path) -> None:
    messages = "[{at: 2026-01-06, kind: opened, firing: 1, changes: 1, to: [console]}, {kind: closed, firing: 0}]"
    right, wrong = ran(test_file, f"{CELLS}, messages: {messages}", f"{CELLS}, messages: []")
    assert right == []
    assert wrong[0] == "messages:"


def test_time_may_go_on_after_the_last_closing(test_file: Path) -> None:
    test_file.parent.joinpath("rules.yml").write_text(RULES.replace("for: 2", "repeat: 2d"))
    cells = "cells: [{rule: day-1, from: 2026-01-01, groups: 200, counted: 40}]"
    opened, again = "{kind: opened, at: 2026-01-03}", "{kind: repeated, at: 2026-01-05}"
    found = ran(
        test_file, f"{cells}, messages: [{opened}]", f"{cells}, until: 2026-01-06, messages: [{opened}, {again}]"
    )
    assert found == [[], []]


def test_nothing_comes_after_the_end_of_time(test_file: Path) -> None:
    volume = "volume: {from: 2026-01-01, users: 1000x30 10}"
    stream = "{rule: stream-volume, at: 2026-02-01}"
    found = ran(
        test_file,
        f"{CELLS}, until: 2026-01-06, told: [{FIRING}], messages: [{{kind: opened}}]",
        f"{CELLS}, until: 2026-01-05T23:59:59Z, told: [], messages: []",
        f"{CELLS}, until: 2026-01-01, changes: [], messages: []",
        f"{CELLS}, {volume}, told: [{FIRING}, {RESOLVED}, {stream}]",
        f"{CELLS}, {volume}, until: 2026-01-31, told: [{FIRING}, {RESOLVED}]",
    )
    assert found == [[]] * 5


def test_everything_that_is_wrong_is_said_with_its_line(test_file: Path) -> None:
    said = refused(
        test_file,
        "told: []",
        f"{CELLS}",
        "events: e, cells: [], told: []",
        "cells: [{rule: day-1, from: 2026-01-01, groups: 10x2, counted: 1}], told: []",
        "cells: [{rule: day-1, from: 2026-01-01, groups: 10, counted: 11}], told: []",
        "cells: [{rule: day-1, from: 2026-01-01, groups: 1.5, counted: 1}], told: []",
        "cells: [{rule: day-1, from: 2026-01-01, groups: ten, counted: 1}], told: []",
        "cells: [{rule: day-1, groups: 10}], told: [{stat: firing}]",
        "events: e, volume: {from: 2026-01-01, users: 5}, told: []",
        f"{CELLS}, map: {{a: b}}, told: []",
    )
    for line, words in (
        (3, "give either cells or events"),
        (4, "a test needs one of told, changes, firing, messages"),
        (5, "give either cells or events"),
        (6, "are 2 and not 1"),
        (7, "more than its group"),
        (8, "1.5 is not a whole number"),
        (9, "'ten' is not understood"),
        (10, "give either counted"),
        (10, "did you mean 'state'?"),
        (11, "a file of events has its own"),
        (12, "it is about a file of events"),
    ):
        assert re.search(rf"line {line}, tests\[{line - 3}\].*{re.escape(words)}", said), (line, words)


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (
            "cells: [{rule: other, from: 2026-01-01, groups: 9, counted: 9}], told: []",
            "'other' is no rule of rules.yml",
        ),
        ("cells: [{rule: each, from: 2026-01-01, groups: 9, counted: 9}], told: []", "judges values of plan"),
        ("cells: [{rule: day-1, from: 2026-01-01, segment: {plan: a}, groups: 9, counted: 9}], told: []", "all users"),
        ("cells: [{rule: day-1, from: first, groups: 9, counted: 9}], told: []", "'first' is not an instant"),
    ],
)
def test_cells_have_to_be_of_a_rule(test_file: Path, case: str, words: str) -> None:
    said = refused(test_file, case)
    assert "line 3" in said
    assert words in said


def test_files_that_cannot_be_read_are_named(test_file: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        run_tests(str(test_file))
    test_file.write_text(f"rules: gone.yml\ntests: [{{name: t, {CELLS}, told: []}}]")
    with pytest.raises(ConfigurationError, match=r"gone\.yml"):
        run_tests(str(test_file))
    for text in ("", "rules: [", "[]"):
        test_file.write_text(text)
        with pytest.raises(RulesError, match="line 1"):
            run_tests(str(test_file))


def test_settings_say_which_dimensions_and_time_zone_there_are(test_file: Path) -> None:
    test_file.parent.joinpath("app.yml").write_text("timezone: Asia/Kolkata\ndimensions: [plan]\n")
    text = "rules: rules.yml\nconfig: app.yml\ntests:\n"
    told = "told: [{state: firing, at: '2026-01-05T18:30:00Z'}, {state: resolved, at: 2026-01-07}]"
    test_file.write_text(f"{text}  - {{name: t, {CELLS}, {told}}}\n")
    assert [outcome.differences for outcome in run_tests(str(test_file))] == [[]]
    test_file.parent.joinpath("app.yml").write_text("dimensions: [country]\n")
    with pytest.raises(RulesError, match="plan"):
        run_tests(str(test_file))
