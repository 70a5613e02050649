"""The example that the documents show: its tests pass, and its rules say on its events what the tests expect."""

from __future__ import annotations

from pathlib import Path

from stream_app.backtest import backtest, read_rules, run_tests
from stream_app.settings import Settings

EXAMPLES = Path(__file__).parents[3] / "docs" / "alerts" / "examples"


def test_the_example_passes() -> None:
    outcomes = run_tests(str(EXAMPLES / "rules_test.yml"))
    assert [outcome.differences for outcome in outcomes] == [[]] * 4


def test_every_rule_of_the_example_is_tested() -> None:
    rules, _ = read_rules(EXAMPLES / "rules.yml", Settings())
    tests = (EXAMPLES / "rules_test.yml").read_text("utf-8")
    assert {rule.name for rule in rules.rules if f"rule: {rule.name}" not in tests} == set()


def test_its_events_can_be_judged_from_the_file() -> None:
    rules, settings = read_rules(EXAMPLES / "rules.yml", Settings())
    done = backtest(rules, str(EXAMPLES / "events.csv"), settings=settings)
    told = [(change.rule, change.state.value, change.cohort) for change in done.changes if change.rule == "next-day"]
    assert told == [
        ("next-day", "pending", "2026-03-06"),
        ("next-day", "firing", "2026-03-07"),
        ("next-day", "resolved", "2026-03-09"),
    ]
