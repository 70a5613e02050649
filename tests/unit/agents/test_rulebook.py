"""The rulebook: a changed file is taken, a bad one changes nothing and is told of once."""

from __future__ import annotations

import pytest

from stream_app.agents.rulebook import Rulebook
from stream_app.domain.errors import ConfigurationError
from stream_app.settings import Settings

RULE = "rules: [{{name: {name}, definition: engagement, grain: day, index: 7, below: {below}}}]"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "rules.yml"
    path.write_text(RULE.format(name="a", below=0.3))
    return path


@pytest.fixture
def book(file):
    made = Rulebook(Settings(rules=file))
    made.changes, made.said = [], []
    made.changed = lambda: made.changes.append([rule.name for rule in made.rules])
    made.told = made.said.append
    return made


def test_without_a_file_there_are_no_rules():
    assert Rulebook(Settings()).rules == ()


def test_a_wrong_file_is_refused_at_the_start(file):
    file.write_text(RULE.format(name="a", below=7))
    with pytest.raises(ConfigurationError, match=r"line 1, rules\[0\].below"):
        Rulebook(Settings(rules=file))


async def test_a_changed_file_is_taken_and_an_unchanged_one_is_not_read_into_rules_again(book, file):
    await book.look()
    assert (book.changes, book.said) == ([], [])
    file.write_text(RULE.format(name="b", below=0.4))
    await book.look()
    await book.look()
    assert (book.changes, book.said) == ([["b"]], [None])


async def test_a_bad_file_keeps_the_old_rules_until_it_is_mended(book, file, caplog):
    file.write_text("rules: [{name: b}]")
    await book.look()
    await book.look()
    assert [rule.name for rule in book.rules] == ["a"]
    assert book.changes == []
    assert "rules[0].grain" in book.problem
    assert caplog.text.count("rules[0].grain") == 1
    file.write_text(RULE.format(name="c", below=0.4))
    await book.look()
    assert (book.changes, book.problem, book.said[-1]) == ([["c"]], None, None)


async def test_a_file_that_went_back_to_what_it_was_is_no_problem_any_more(book, file):
    before = file.read_text()
    file.write_text("rules: 7")
    await book.look()
    file.write_text(before)
    await book.look()
    assert book.problem is None


async def test_a_file_that_is_away_for_a_while_is_told_of_and_missed_once(book, file):
    text = file.read_text()
    file.unlink()
    await book.look()
    assert "cannot be read" in book.problem
    file.write_text(text)
    await book.look()
    assert (book.problem, book.said[-1], book.changes) == (None, None, [])


async def test_a_bad_file_that_was_away_for_a_while_is_bad_still(book, file):
    bad = "rules: [{name: b}]"
    file.write_text(bad)
    await book.look()
    file.unlink()
    await book.look()
    file.write_text(bad)
    await book.look()
    assert "rules[0].grain" in book.problem
    assert "rules[0].grain" in book.said[-1]


def test_rules_on_figures_that_are_not_kept_are_refused(file):
    file.write_text("rules: [{name: a, figure: value, measure: aov, definition: engagement, grain: month, below: 5}]")
    assert Rulebook(Settings(rules=file)).rules[0].measure == "aov"
    with pytest.raises(ConfigurationError, match=r"rule 'a' cannot be judged.*orders: true"):
        Rulebook(Settings(rules=file, orders=False))


def test_a_rule_whose_promise_does_not_hold_is_told_of_when_it_is_read(file, caplog):
    file.write_text(
        "rules: [{name: lost, figure: churn, definition: engagement, grain: day, above: 0.3, false_alarms: 1 per year}]"
    )
    Rulebook(Settings(rules=file))
    assert caplog.text.count("rule 'lost': false_alarms: 1 per year is not promised: ") == 1
