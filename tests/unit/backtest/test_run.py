"""A backtest of a file: what is read of it, what is counted, and what is at risk."""

from __future__ import annotations

import doctest
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from stream_app.backtest import backtest, expected, named_dimensions, read_rules, rulesfile, runs
from stream_app.backtest.questions import questions_of
from stream_app.demo import cdnow
from stream_app.domain.alerts import Quality
from stream_app.domain.alerts.revenue import until
from stream_app.domain.alerts.rule import EVERYBODY
from stream_app.domain.errors import ConfigurationError
from stream_app.domain.metrics.query import ParameterError
from stream_app.domain.periods import Calendar
from stream_app.offline import Reading, analyze
from stream_app.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

UNTIL = 899_251_200_000  # 1998-07-01


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The purchase log that ships with the package, as a file of events."""
    path = tmp_path_factory.mktemp("log") / "events.jsonl"
    path.write_bytes(b"".join(value + b"\n" for _, value in cdnow.events()))
    return str(path)


def run(text: str, path: str, folder: Path, settings: Settings | None = None, **options: Any) -> Any:
    (folder / "rules.yml").write_text(text)
    rules, settings = read_rules(folder / "rules.yml", settings or Settings())
    return backtest(rules, path, settings=settings, **options)


MONTHLY = """
quality: off
rules:
  - {name: month-1, definition: repurchase, grain: month, index: 1, segment: {tier: "*"}, below: 0.15, no_data: 99}
  - {name: lost, figure: crr, measure: churn_rate, definition: repurchase, grain: month, above: 0.72, resolve: 0.70}
"""


def test_what_is_judged_is_what_analyze_prints(log: str, tmp_path: Path) -> None:
    done = run(MONTHLY, log, tmp_path, until=UNTIL)
    given = {"definition": "repurchase", "grain": "month", "segment": "tier", "until": "1998-07-01"}
    rates = {
        (entry["segment"]["tier"], cohort["start"]): (cohort["size"], cohort["retained"][1])
        for entry in analyze(log, given)["segments"]
        for cohort in entry["cohorts"]
    }
    judged = {
        (series[1], one.start): (one.group, one.count)
        for series, seen in done.courses["month-1"].streams.items()
        for one in seen
    }
    assert judged == rates
    assert len(judged) == 9
    told = {(change.segment["tier"], change.cohort) for change in done.changes if change.rule == "month-1"}
    bad = {place: count / size < 0.15 for place, (size, count) in rates.items()}
    moved = {
        (tier, start)
        for tier, start in rates
        if bad[tier, start] is not bad.get((tier, max((s for _, s in rates if s < start), default="")), False)
    }
    assert told == moved
    assert len(moved) > 3


AGAINST_ALL = """
quality: off
rules:
  - {name: all, definition: repurchase, grain: month, index: 1, below: 0.15}
  - {name: one, definition: repurchase, grain: month, index: 1, segment: {tier: "*"}, baseline: all, drop: 10%}
  - {name: bought, figure: lifecycle, definition: repurchase, grain: month, below: 0.15}
  - name: less
    figure: lifecycle
    definition: repurchase
    grain: month
    segment: {tier: low}
    baseline: {}
    drop: 10%
"""


def test_all_users_that_a_segment_is_compared_with_are_those_of_a_rule_without_one(log: str, tmp_path: Path) -> None:
    done = run(AGAINST_ALL, log, tmp_path, until=UNTIL)
    for everybody, one in (("all", "one"), ("bought", "less")):
        cells = done.courses[everybody].streams[()]
        assert len(cells) >= 2
        assert done.courses[one].baselines[EVERYBODY] == cells
    fell = [change for change in done.changes if change.rule == "one" and change.reason.value == "below"]
    assert fell
    by_start = {cell.start: cell.value for cell in done.courses["all"].streams[()]}
    assert [change.baseline for change in fell] == [by_start[change.cohort] for change in fell]


def test_revenue_at_risk_is_by_the_months_before_the_change(log: str, tmp_path: Path) -> None:
    done = run(MONTHLY, log, tmp_path, until=UNTIL)
    first = next(change for change in done.changes if change.rule == "lost")
    assert (first.at, first.currency) == ("1997-03-01T00:00:00Z", "USD")
    known = analyze(log, {"figure": "value", "definition": "repurchase", "until": "1997-03-01"})["segments"][0]
    users = sum(cohort["size"] for cohort in known["cohorts"])
    assert first.users_at_risk is not None
    assert first.revenue_at_risk == round(first.users_at_risk * known["totals"]["revenue"] / users)
    assert all(change.revenue_at_risk is None for change in done.changes if change.state != "firing")


def test_a_month_that_has_not_ended_says_nothing_of_revenue() -> None:
    rows = [{"start": f"2026-0{month}-01", "size": 10 * month, "revenue": 100 * month} for month in (1, 2, 3)]
    answer = {"currency": "USD", "segments": [{"segment": {}, "cohorts": rows, "periods": rows, "totals": {}}]}
    march = 1_772_323_200_000
    for at, revenue, cohorts in ((march - 1, 100, 1), (march, 300, 2), (march + 1, 300, 2), (0, 0, 0)):
        (entry,) = until(answer, at, Calendar("UTC"))["segments"]
        assert (entry["totals"]["revenue"], len(entry["cohorts"])) == (revenue, cohorts)


def test_a_file_without_orders_has_no_revenue_at_risk(tmp_path: Path) -> None:
    file = tmp_path / "e.csv"
    rows = [f"{user},2026-01-{day:02d}T10:00:00Z" for day in range(1, 9) for user in range(day * 100, day * 100 + 100)]
    file.write_text("user_id,occurred_at\n" + "\n".join(rows))
    text = "rules: [{name: r, definition: engagement, grain: day, index: 1, below: 0.5}]"
    done = run(text, str(file), tmp_path)
    assert [(change.state, change.users_at_risk, change.revenue_at_risk) for change in done.changes] == [
        ("firing", 50, None)
    ]


def test_an_outage_in_the_file_is_told_and_not_judged(tmp_path: Path) -> None:
    file = tmp_path / "e.jsonl"
    lines = [
        f'{{"user_id": "u{day}-{user}", "occurred_at": "2026-03-{at:02d}T10:00:00Z"}}'
        for day in range(1, 31)
        for user in range(100)
        for at in ((day, day + 1) if user < 60 else (day,))
        if at != 25 or user < 10
    ]
    file.write_text("\n".join(lines))
    text = "{}rules: [{{name: r, definition: engagement, grain: day, index: 1, below: 0.35, min_group: 50}}]"
    reading = Reading(columns={"user_id": "user_id"})
    watched = run(text.format(""), str(file), tmp_path, reading=reading)
    assert [(change.rule, change.state.value) for change in watched.changes] == [
        ("stream-volume", "firing"),
        ("stream-volume", "resolved"),
    ]
    blind = run(text.format("quality: off\n"), str(file), tmp_path, reading=reading)
    assert [(change.rule, change.cohort) for change in blind.changes][:1] == [("r", "2026-03-24")]


#: One of purchases, one of revenue, one of all events.
OF_KINDS = """
rules:
  - {name: bought, definition: repurchase, grain: day, index: 1, below: 0.3, min_group: 50}
  - {name: revenue, figure: value, measure: revenue, definition: engagement, grain: day, drop: 40%, min_group: 50}
  - {name: visited, definition: engagement, grain: day, index: 1, below: 0.3, min_group: 50}
"""


def shop(buyers: Mapping[int, tuple[int, int]], visitors: Mapping[int, int] | None = None) -> str:
    """Events of March: 120 new users a day, of whom 80 are back on the next; 100 buy, and 60 again.

    Args:
        buyers: how many buy on a day instead, of the new ones and of those of the day before.
        visitors: how many are back on a day instead.
    """
    rows = ["user_id,event_id,occurred_at,type,order_id,amount"]
    for day in range(1, 31):
        new, again = buyers.get(day, (100, 60))
        back = (visitors or {}).get(day, 80)
        for since, came, paid in ((day, 120, new), (day - 1, back if day > 1 else 0, again if day > 1 else 0)):
            at = f"2026-03-{day:02d}T10:00:00Z"
            rows += [f"u{since}-{n},v{day}-{since}-{n},{at},visit,," for n in range(came)]
            rows += [f"u{since}-{n},p{day}-{since}-{n},{at},purchase,o{day}-{since}-{n},500" for n in range(paid)]
    return "\n".join(rows)


def test_purchases_that_are_lost_are_told_and_not_judged_while_visits_are(tmp_path: Path) -> None:
    file = tmp_path / "e.csv"
    lost = dict.fromkeys((24, 25, 26), (0, 0))
    file.write_text(shop(lost, {25: 20}))
    done = run(OF_KINDS, str(file), tmp_path)
    told = [(change.rule, dict(change.segment), change.state.value, change.cohort) for change in done.changes]
    assert told == [
        ("stream-volume", {"definition": "repurchase"}, "firing", "2026-03-24"),
        ("visited", {}, "firing", "2026-03-24"),
        ("visited", {}, "resolved", "2026-03-25"),
        ("stream-volume", {"definition": "repurchase"}, "resolved", "2026-03-27"),
    ]
    blind = run(f"quality: off\n{OF_KINDS}", str(file), tmp_path)
    assert {change.rule for change in blind.changes} == {"bought", "revenue", "visited"}


def test_purchases_that_fall_by_less_than_half_are_judged(tmp_path: Path) -> None:
    file = tmp_path / "e.csv"
    file.write_text(shop(dict.fromkeys(range(24, 31), (88, 24))))
    done = run(OF_KINDS, str(file), tmp_path)
    assert [(change.rule, change.state.value, change.cohort) for change in done.changes] == [
        ("bought", "firing", "2026-03-23")
    ]


def test_the_volumes_of_kinds_are_asked_for_in_the_same_reading(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(OF_KINDS)
    rules, settings = read_rules(tmp_path / "rules.yml", Settings())
    asked = questions_of(rules, settings)
    assert list(asked.volumes) == ["engagement", "repurchase"]
    assert set(asked.volumes.values()) <= set(asked.all)
    assert questions_of(replace(rules, quality=Quality(volume=None)), settings).volumes == {}


@pytest.mark.parametrize("form", ["jsonl", "csv", "mapped"])
def test_rules_on_several_dimensions_share_one_reading_of_the_file(tmp_path: Path, form: str) -> None:
    plans, countries = ("pro", "free"), ("DE", "NO", "")
    rows = [
        {"user_id": f"u{user}", "occurred_at": f"2026-01-{day:02d}T10:00:00Z", "plan": plans[user % 2],
         "country": countries[user % 3]}
        for user in range(60)
        for day in ((1, 2) if user % 6 < 4 else (1, 3))
    ]  # fmt: skip
    file = tmp_path / "events"
    if form == "csv":
        file.write_text("\n".join(",".join(row) for row in (rows[0], *(row.values() for row in rows))))
    else:
        file.write_text("\n".join(map(json.dumps, rows)))
    text = """
rules:
  - {name: plan, definition: engagement, grain: day, index: 1, segment: {plan: "*"}, below: 0.6, min_group: 1}
  - {name: country, definition: engagement, grain: day, index: 1, segment: {country: NO}, below: 0.6, min_group: 1}
  - {name: none, definition: engagement, grain: day, index: 1, segment: {country: (none)}, below: 0.9, min_group: 1}
  - {name: all, definition: engagement, grain: day, index: 1, below: 0.6, min_group: 1}
"""
    reading = Reading(columns={"segment.plan": "plan"} if form == "mapped" else {"user_id": "user_id"})
    courses = run(text, str(file), tmp_path, reading=reading).courses
    found = {name: {s: seen[0].value for s, seen in course.streams.items()} for name, course in courses.items()}
    assert found == {
        "plan": {("plan", "free"): 2 / 3, ("plan", "pro"): 2 / 3},
        "country": {("country", "NO"): 0.5},
        "none": {("country", "(none)"): 0.5},
        "all": {(): 2 / 3},
    }


def test_until_leaves_out_what_comes_later(log: str, tmp_path: Path) -> None:
    whole = run(MONTHLY, log, tmp_path, until=UNTIL)
    part = run(MONTHLY, log, tmp_path, until=UNTIL - 365 * 86_400_000)
    end = "1997-07-01T00:00:00Z"
    assert part.watermark == UNTIL - 365 * 86_400_000
    assert list(part.changes) == [change for change in whole.changes if change.at <= end]
    assert 0 < len(part.changes) < len(whole.changes)
    with pytest.raises(ParameterError, match="ends of local days"):
        run(MONTHLY, log, tmp_path, until=UNTIL - 1)


def test_an_empty_file_has_nothing_to_judge(tmp_path: Path) -> None:
    (tmp_path / "e.jsonl").write_text("")
    done = run(MONTHLY, str(tmp_path / "e.jsonl"), tmp_path)
    assert (done.watermark, list(done.changes), list(done.sent)) == (None, [], [])


def test_without_settings_any_dimension_can_be_named_with_them_only_theirs(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(MONTHLY)
    assert read_rules(tmp_path / "rules.yml", Settings())[1].dimensions == ("tier",)
    with pytest.raises(ConfigurationError, match="tier"):
        read_rules(tmp_path / "rules.yml", Settings(dimensions=("plan",)))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_rules(tmp_path / "gone.yml", Settings())
    assert named_dimensions("rules: [") == named_dimensions("[]") == named_dimensions("rules: [{segment: x}]") == ()


@pytest.mark.parametrize("module", [runs, rulesfile, expected])
def test_the_examples_of_the_modules_hold(module: Any) -> None:
    found = doctest.testmod(module)
    assert found.failed == 0
    assert found.attempted


@pytest.mark.parametrize("text", ["", "x3", "5x", "1,000", "5x1000000", "__"])
def test_what_is_no_number_of_cells_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write|more than"):
        runs.numbers(text)
