"""The row of an alert: what it says of one that fires, is pending, or cannot be judged."""

from __future__ import annotations

from dataclasses import replace

from stream_app.domain.alerts import AlertState, Change, Health, Reason, Rule, Standing, State, alert_key
from stream_app.domain.alerts.group import HEALTH, Group, Hold
from stream_app.domain.alerts.shown import shown
from stream_app.domain.periods import Grain

PRO = {"plan": "pro"}
KEY = alert_key("fell", PRO)
RULE = Rule("fell", "engagement", Grain.DAY, 7, 0.3, 0.3)
FIRED = Change(
    "c0ffee", "fell", PRO, State.FIRING, "2026-03-29T00:00:00Z", "engagement", "day", 7, "2026-03-21", 0.2, 0.3, 100,
    20, Reason.BELOW, "2026-03-19", to=("console",), users_at_risk=20, revenue_at_risk=5000, currency="EUR",
)  # fmt: skip
FIRING = AlertState(
    "fell", PRO, "f", State.FIRING, fired=FIRED, cohort="2026-03-22", at=1_774_828_800_000, value=0.25, group=120,
    threshold=0.3, since="2026-03-19", shortfall=26.4, cohorts=4,
)  # fmt: skip
ADA, GRACE = ({"author": name, "reason": "", "at": "x", "ends": end} for name, end in (("ada", None), ("grace", "y")))


def test_a_firing_alert_says_how_it_fired_and_how_it_is_now():
    row = shown(FIRING)
    assert row | FIRED.to_json() | {"users_at_risk": 26, "revenue_at_risk": 6500, "cohorts": 4} == row
    assert row["latest"] == {
        "cohort": "2026-03-22", "at": "2026-03-30T00:00:00Z", "value": 0.25, "threshold": 0.3, "group": 120,
        "reason": "not_judged",
    }  # fmt: skip


def test_what_is_at_risk_stays_unknown_and_is_never_less_than_nothing():
    unknown = replace(FIRING, fired=replace(FIRED, users_at_risk=None, revenue_at_risk=None))
    assert (shown(unknown)["users_at_risk"], shown(unknown)["revenue_at_risk"]) == (None, None)
    unpriced = replace(FIRING, fired=replace(FIRED, revenue_at_risk=None))
    assert (shown(unpriced)["users_at_risk"], shown(unpriced)["revenue_at_risk"]) == (26, None)
    better = shown(replace(FIRING, shortfall=-3.0))
    assert (better["users_at_risk"], better["revenue_at_risk"]) == (0, 0)


def test_a_pending_one_says_what_is_judged_and_how_far_it_is():
    state = AlertState("fell", PRO, "f", State.PENDING, cohort="2026-03-22", value=0.25, group=120, threshold=0.3,
                       since="2026-03-21", streak=2)  # fmt: skip
    row = shown(state, rule=RULE)
    assert (row["state"], row["value"], row["group"], row["threshold"]) == ("pending", 0.25, 120, 0.3)
    assert (row["cohort"], row["began"], row["streak"]) == ("2026-03-22", "2026-03-21", 2)
    assert (row["figure"], row["measure"], row["grain"], row["index"]) == ("retention", "rate", "day", 7)
    assert "figure" not in shown(state)


def test_one_that_cannot_be_judged_says_why():
    row = shown(AlertState("fell", {}, "f", health=Health.ERROR, note="nobody answers", missing=3), rule=RULE)
    assert (row["state"], row["health"], row["note"], row["missing"]) == ("inactive", "error", "nobody answers", 3)


def test_who_has_seen_it_is_named_whether_it_was_told_or_waits():
    told = Group(members={KEY: Standing(FIRED, acknowledged=ADA)})
    assert shown(FIRING, told)["acknowledged"] == ADA
    former = Group(members={KEY: Standing(FIRED, acknowledged={"author": "ada", "reason": "", "at": "x"})})
    assert shown(FIRING, former)["acknowledged"] == ADA
    health = Group(members={KEY: Standing(FIRED), KEY + HEALTH: Standing(FIRED, acknowledged=GRACE)})
    assert shown(FIRING, health)["acknowledged"] == GRACE
    waits = Group(waiting={KEY: (FIRED, Hold.HOURS)}, seen={KEY: GRACE})
    assert (shown(FIRING, waits)["acknowledged"], shown(FIRING, waits)["held"]) == (GRACE, "hours")
    assert (shown(FIRING, Group())["acknowledged"], shown(FIRING, Group())["held"]) == (None, None)
