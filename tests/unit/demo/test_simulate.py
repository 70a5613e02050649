"""The simulated product: its events, and the alert they must raise, by a computation that knows no engine."""

import datetime as dt
import math
from collections import Counter, defaultdict

import orjson
import pytest

from stream_app.demo import simulate
from stream_app.domain.alerts import Course, Observation, evaluate, load_rules
from stream_app.domain.events import ENGAGEMENT, REPURCHASE
from stream_app.domain.periods import DAY_MS, EPOCH, Calendar

SIMULATION = simulate.Simulation()
#: The first cohort whose day 7 falls on the day of the drop.
FIRST_DROPPED = SIMULATION.drops_on - dt.timedelta(days=7)


@pytest.fixture(scope="module")
def events():
    return [(key, orjson.loads(value)) for key, value in simulate.events(SIMULATION)]


@pytest.fixture(scope="module")
def rule():
    (rule,) = rules_of(simulate.rules_text()).rules
    return rule


def rules_of(text):
    return load_rules(
        text,
        source="rules.yml",
        definitions=(ENGAGEMENT, REPURCHASE),
        dimensions=simulate.DIMENSIONS,
        calendar=Calendar(),
    )


def day_7(events, plan):
    """Cohort date -> (users, users back on day 7), cohorts whose day 7 is over at the last event."""
    active, plans = defaultdict(set), {}
    for _, event in events:
        active[event["user_id"]].add(dt.date.fromisoformat(event["occurred_at"][:10]))
        plans[event["user_id"]] = event["segment"]["plan"]
    last = max(date for dates in active.values() for date in dates)
    size, back = Counter(), Counter()
    for user, dates in active.items():
        if plans[user] == plan:
            cohort = min(dates)
            size[cohort] += 1
            back[cohort] += cohort + dt.timedelta(days=7) in dates
    return {c: (size[c], back[c]) for c in sorted(size) if c + dt.timedelta(days=7) < last}


def changes(rule, cohorts):
    """What the rule says over the cohorts."""
    cells = []
    for cohort, (size, back) in cohorts.items():
        day = (cohort - EPOCH).days
        since, closed = (day + 7) * DAY_MS, (day + 8) * DAY_MS
        cells.append(Observation(day, cohort.isoformat(), since, closed, size, back, back / size))
    course = Course({("plan", "pro"): cells}, cells[-1].cohort, cells[-1].closed_at)
    return [step.change for step in evaluate([rule], {rule.name: course}, {}) if step.change is not None]


def test_the_same_seed_gives_the_same_events_and_another_seed_others():
    short = simulate.Simulation(days=3)
    assert list(simulate.events(short)) == list(simulate.events(short))
    assert list(simulate.events(short)) != list(simulate.events(simulate.Simulation(days=3, seed=8)))


def test_events_come_in_the_order_of_their_time_from_the_first_day_to_the_last(events):
    times = [event["occurred_at"] for _, event in events]
    assert times == sorted(times)
    assert times[0].startswith("1998-07-01T")  # the day after the purchase log's last
    assert times[-1].startswith("1998-08-29T")


def test_a_visit_is_keyed_by_its_user_has_an_id_of_its_own_and_a_segment_that_never_changes(events):
    assert 60_000 <= len(events) <= 100_000
    assert len({event["event_id"] for _, event in events}) == len(events)
    assert all(key.decode() == event["user_id"] for key, event in events)
    segments = defaultdict(set)
    for _, event in events:
        assert event["type"] == "visit"
        segments[event["user_id"]].add((event["segment"]["plan"], event["segment"]["country"]))
    assert all(len(values) == 1 for values in segments.values())
    assert {value for values in segments.values() for value in values} == {
        (plan.name, country) for plan in simulate.PLANS for country, _ in simulate.COUNTRIES
    }


def test_every_cohort_of_pro_is_large_enough_to_be_judged(events, rule):
    cohorts = day_7(events, "pro")
    assert len(cohorts) == SIMULATION.days - 8
    assert min(size for size, _ in cohorts.values()) >= rule.min_group == 100


def test_the_alert_fires_once_for_the_first_cohort_that_met_the_drop_and_never_before(events, rule):
    (change,) = changes(rule, day_7(events, "pro"))
    assert (change.rule, change.state, change.cohort) == ("pro-day-7", "firing", FIRST_DROPPED.isoformat())
    assert change.at == "1998-08-21T00:00:00Z"  # the day of the drop is over
    assert FIRST_DROPPED.isoformat() == "1998-08-13"


def test_no_figure_comes_near_the_limit_on_the_wrong_side(events, rule):
    before = simulate.return_probability(next(p for p in simulate.PLANS if p.name == "pro"), 7)
    after = before * SIMULATION.dropped_to
    for cohort, (size, back) in day_7(events, "pro").items():
        expected = after if cohort >= FIRST_DROPPED else before
        deviation = math.sqrt(expected * (1 - expected) / size)
        assert abs(rule.below - expected) > 4 * deviation, cohort
        assert abs(back / size - expected) < 3.5 * deviation, cohort
        assert (back / size < rule.below) == (cohort >= FIRST_DROPPED), cohort


def test_without_the_drop_nothing_fires(rule):
    steady = simulate.Simulation(drop_day=SIMULATION.days)
    events = [(key, orjson.loads(value)) for key, value in simulate.events(steady)]
    assert changes(rule, day_7(events, "pro")) == []


def test_the_other_plans_do_not_see_the_drop(events):
    for plan in (p for p in simulate.PLANS if p.name != "pro"):
        cohorts = day_7(events, plan.name)
        for late in (False, True):
            sums = [figures for cohort, figures in cohorts.items() if (cohort >= FIRST_DROPPED) is late]
            share = sum(back for _, back in sums) / sum(size for size, _ in sums)
            assert share == pytest.approx(plan.day_7, abs=0.08)


def test_the_rule_is_told_on_the_console_and_in_slack_only_where_a_channel_is_given(rule):
    assert rule.to == ("console",)
    (with_slack,) = rules_of(simulate.rules_text(slack_channel="#retention")).rules
    assert with_slack.to == ("console", "slack:#retention")


def test_that_the_simulated_events_end_is_no_alert():
    quality = rules_of(simulate.rules_text()).quality
    assert (quality.volume, quality.stalled, quality.behind) == (None, None, None)
