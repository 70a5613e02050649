"""The messages of a backtest: sent when the live service would have, by the clock of events."""

from __future__ import annotations

from typing import Any

from support.alerts import CALENDAR, course, rule

from stream_app.backtest.judging import judge
from stream_app.domain.alerts import Flow, Flows, Hours, Quality, RuleSet, Sending
from stream_app.domain.events import rfc3339
from stream_app.domain.periods import DAY_MS

GOOD, BAD = (200, 80), (200, 40)
PRO, FREE = ("plan", "pro"), ("plan", "free")
#: Of cohorts from 2024-10-04, a Friday: the first cell closes on Saturday the 12th.
FIRST = "2024-10-12T00:00:00Z"


def told(sending: Sending, curves: dict[Any, Any], *, days: int = 0, **changes: Any) -> tuple[list[str], list[str]]:
    """When which message would have been sent and how many changes it tells; and why changes were withheld."""
    own = rule(segment=("plan", "*"), sending=sending, no_data=9, **changes)
    judged_ = course(curves)
    assert judged_.closed_at is not None
    done = judge(
        RuleSet((own,), Quality(volume=None)), {own.name: judged_}, Flows(),
        calendar=CALENDAR, watermark=judged_.closed_at + days * DAY_MS,
    )  # fmt: skip
    sent = [f"{rfc3339(one.at)[5:16]} {one.notice.kind.value} {len(one.notice.changes)}" for one in done.sent]
    return sent, [hold.value for _, hold in done.withheld]


def test_changes_of_one_instant_are_one_message() -> None:
    assert told(Sending(), {PRO: [BAD, BAD, GOOD], FREE: [BAD, GOOD, GOOD]})[0] == [
        "10-12T00:00 opened 2",
        "10-13T00:00 changed 1",
        "10-14T00:00 closed 1",
    ]


def test_a_message_has_the_curve_of_its_alert() -> None:
    own = rule(segment=("plan", "*"))
    done = judge(
        RuleSet((own,), Quality(volume=None)), {own.name: course({PRO: [GOOD, BAD]})}, Flows(),
        calendar=CALENDAR, watermark=None,
    )  # fmt: skip
    ((_, notice),) = done.sent
    assert notice.curve is not None
    assert [value for _, value, _ in notice.curve.points] == [0.4, 0.2]


def test_outside_business_hours_messages_wait_for_the_next_ones() -> None:
    hours = Sending(hours=Hours.parse("Mon-Fri 09:00-18:00"))
    assert told(hours, {PRO: [BAD, BAD]}, days=3)[0] == ["10-14T09:00 opened 1"]
    assert told(hours, {PRO: [BAD, BAD]})[0] == [], "the end came before Monday"
    assert told(hours, {PRO: [BAD, GOOD]}, days=3) == ([], ["hours", "hours"])


def test_what_is_over_the_cap_is_told_together_once_there_is_room() -> None:
    capped = Sending(at_most=(1, 3 * 86_400.0))
    curves = {PRO: [BAD] * 5, FREE: [GOOD, BAD, BAD, BAD, BAD], ("plan", "team"): [GOOD, GOOD, BAD, BAD, BAD]}
    assert told(capped, curves)[0] == ["10-12T00:00 opened 1", "10-15T00:00 changed 2"]


def test_what_fires_is_repeated_until_it_is_over() -> None:
    repeated = Sending(repeat=2 * 86_400.0)
    assert told(repeated, {PRO: [BAD] * 4 + [GOOD]}, days=5)[0] == [
        "10-12T00:00 opened 1",
        "10-14T00:00 repeated 0",
        "10-16T00:00 closed 1",
    ]


def test_a_repetition_waits_for_business_hours_and_for_the_cap() -> None:
    hours = Sending(repeat=2 * 86_400.0, hours=Hours.parse("Mon-Fri 09:00-18:00"), at_most=(1, 3 * 86_400.0))
    assert told(hours, {PRO: [BAD] * 3}, days=6)[0] == ["10-14T09:00 opened 1", "10-17T09:00 repeated 0"]


def test_alerts_on_the_stream_are_told_to_the_targets_of_the_rules() -> None:
    own = rule(to=("slack:#a",))
    volumes = [(20_000 + day, 1000 if day != 30 else 100) for day in range(33)]
    flows = Flows(Flow.of(volumes, CALENDAR, 0.5))
    done = judge(RuleSet((own,)), {own.name: course({(): [GOOD] * 33})}, flows, calendar=CALENDAR, watermark=None)
    assert [(change.rule, change.state.value) for change in done.changes] == [
        ("stream-volume", "firing"),
        ("stream-volume", "resolved"),
    ]
    assert [(one.notice.kind.value, one.notice.to) for one in done.sent] == [
        ("opened", ("slack:#a",)),
        ("closed", ("slack:#a",)),
    ]
