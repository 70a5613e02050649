"""A backtest says what the live service would have said: the same changes, whenever periods had closed for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties.histories import DEFINITIONS, pasts
from properties.sides import DIMENSIONS, Tables, answered, line, shared_out
from properties.test_observations import FORMS, asked_of, each_with_its_own_order, rules
from support.alerts import apply, rule
from support.counting import merge

from stream_app.backtest import backtest
from stream_app.domain.alerts import Quality, RuleSet, counted_by, from_answer, from_snapshot, volumes, volumes_of
from stream_app.domain.periods import DAY_MS, Grain
from stream_app.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from properties.histories import Past

    from stream_app.domain.alerts import AlertState, Change, Course, Rule
    from stream_app.domain.metrics import Snapshot

QUIET = Quality(volume=None)
#: What the service keeps everything of that it takes.
KEPT = [(figure, form) for figure, form in FORMS if form.get("windows") != "24h"]


def service_keeps(rule: Rule) -> bool:
    """Whether a service without hours can judge it; and several periods of it lie within the events."""
    by_hour = rule.grain is Grain.DAY and next(d for d in DEFINITIONS if d.name == rule.definition).min_active > 1
    return rule.grain in (Grain.DAY, Grain.WEEK) and not by_hour


class Service:
    """Two partitions of a service that takes events as time goes on."""

    def __init__(self, past: Past, events: Sequence[dict[str, Any]]) -> None:
        self._past, self._events = past, events
        self._parts = [Tables(past, 0) for _ in range(2)]
        for number, part in enumerate(self._parts):
            part.number = number
            part.crash()  # begins again, with its number
        self._taken = 0

    def at(self, watermark: int, rules: Sequence[Rule]) -> dict[str, Course]:
        """The courses of rules when the watermark has come that far."""
        last = self._take(watermark)
        snapshot = merge(self._parts, watermark=watermark, last_event=last)
        return {rule.name: self._course(rule, snapshot) for rule in rules}

    def volumes(self, watermark: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """By each counted definition its users by day: from counters, and from the answer to a question."""
        last = self._take(watermark)
        snapshot = merge(self._parts, watermark=watermark, last_event=last)
        counted, asked = {}, {}
        for one in (definition for definition in DEFINITIONS if definition.counted):
            by_day = rule(definition=one.name, figure="lifecycle", measure="active", index=0)
            question = asked_of(self._past, by_day, watermark, snapshot.last_event)
            counted[one.name] = volumes(snapshot, one.name)
            asked[one.name] = volumes_of(answered(question, [part.population() for part in self._parts]))
        return counted, asked

    def _take(self, watermark: int) -> int | None:
        due = [event for event in self._events if event["time"] <= watermark]
        for part, own in zip(self._parts, shared_out(due[self._taken :], 2), strict=True):
            part.take(own)
            part.commit()
        self._taken = len(due)
        return max((event["time"] for event in due), default=None)

    def _course(self, rule: Rule, snapshot: Snapshot) -> Course:
        if counted_by(rule, snapshot):
            return from_snapshot(rule, snapshot)
        assert snapshot.watermark is not None
        asked = asked_of(self._past, rule, snapshot.watermark, snapshot.last_event)
        answer = answered(asked, [part.population() for part in self._parts])
        return from_answer(rule, answer, snapshot.calendar, snapshot.watermark)


@pytest.mark.parametrize(("figure", "form"), KEPT, ids=lambda v: v if isinstance(v, str) else "".join(v))
@given(data=st.data())
def test_a_file_gives_the_changes_of_the_service_that_saw_its_events(
    data: Any, figure: str, form: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    past = data.draw(pasts(most=80, reaches=(10, 40)))
    events = each_with_its_own_order(past.events)
    short = rules(past, figure, form).filter(service_keeps)
    own = [
        replace(rule, name=name, index=min(rule.index, 2), min_group=1, no_data=2, steps=steps)
        for rule, name, steps in ((data.draw(short), "one", 1), (data.draw(short), "two", 2))
    ]
    file = tmp_path_factory.mktemp("events") / "events.jsonl"
    file.write_bytes(b"".join(map(line, events)))
    settings = Settings(
        timezone=past.timezone, week_start=past.week_start, definitions=DEFINITIONS, dimensions=DIMENSIONS
    )
    found = backtest(RuleSet(tuple(own), QUIET), str(file), settings=settings)
    states: dict[str, AlertState] = {}
    changes: list[Change] = []
    if events:
        service, last = Service(past, events), events[-1]["time"]
        looks = data.draw(st.sets(st.integers(events[0]["time"] // DAY_MS, last // DAY_MS), max_size=12))
        for watermark in [*sorted(look * DAY_MS for look in looks), last]:
            if watermark <= last:
                changes += apply(own, service.at(watermark, own), states)
    assert sorted(map(plain, found.changes), key=str) == sorted(map(plain, changes), key=str)
    assert [change.at for change in found.changes] == sorted(change.at for change in found.changes)


@given(data=st.data())
def test_the_volume_of_each_kind_of_event_is_the_same_by_counters_as_by_a_question(data: Any) -> None:
    past = data.draw(pasts(most=80, reaches=(10, 40)))
    if past.events:
        last = past.events[-1]["time"]
        for watermark in (data.draw(st.integers(past.events[0]["time"], last)), last):
            counted, asked = Service(past, past.events).volumes(watermark)
            assert counted == asked


def plain(change: Change) -> dict[str, Any]:
    """Without what is put in after the judgement."""
    return change.to_json() | {"revenue_at_risk": None, "currency": None}
