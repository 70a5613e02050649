"""The alerts on the event stream itself: its volumes, a watermark that stands still, one far behind the clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stream_app.domain.alerts.change import AlertState, Change, Reason, State, alert_key
from stream_app.domain.alerts.machine import withdrawn
from stream_app.domain.alerts.rule import BEHIND, KIND, STALLED, STREAM_ALERTS, VOLUME, Side
from stream_app.domain.alerts.select import Step
from stream_app.domain.alerts.telling import identity
from stream_app.domain.events import rfc3339
from stream_app.domain.periods import Grain

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from stream_app.domain.alerts.flows import Flow, Flows
    from stream_app.domain.alerts.rule import Quality
    from stream_app.domain.periods import Calendar

#: What each of them measures: a share of the usual active users, or seconds.
MEASURES = {VOLUME: "volume", STALLED: "watermark", BEHIND: "lag"}
#: Of these alerts no setting changes how they are judged from here on.
_FINGERPRINT = "stream"
#: A lag that has fallen to this share of its bound is over, so that one near it is not told of again and again.
_CAUGHT_UP = 0.9


def stream_steps(
    quality: Quality,
    targets: Sequence[str],
    *,
    calendar: Calendar,
    flows: Flows | None,
    watermark: int | None,
    moved_at: int | None,
    now: int | None,
    states: Mapping[str, AlertState],
    quiet_until: Mapping[str, int] | None = None,
) -> list[Step]:
    """What becomes of the alerts on the stream.

    Args:
        quality: which there are, and their bounds.
        targets: of all rules, where `quality` names none.
        calendar: of the business time zone.
        flows: the volumes and their outages; None: they are not known yet, and only what was turned off is withdrawn.
        watermark: the service's watermark (ms); None before any event.
        moved_at: when (ms of the wall clock) it last moved, or since when it is watched; None: not known.
        now: the wall clock (ms); None: there is none, as in a backtest, and only the volume is judged.
        states: what is remembered, by `alert_key`.
        quiet_until: by the names of `watched_volumes`: where nothing is remembered, days that closed at or before this
            instant (ms) are history: only an outage that still lasts is told.
    """
    to = quality.to or tuple(targets)
    bounds = {VOLUME: quality.volume, STALLED: quality.stalled, BEHIND: quality.behind}
    kinds = {} if flows is None else flows.kinds
    alerts = [*((name, dict[str, str]()) for name in STREAM_ALERTS), *((VOLUME, segment_of(kind)) for kind in kinds)]
    watched = {alert_key(name, segment): (name, segment) for name, segment in alerts if bounds[name] is not None}
    steps = _withdrawn(states, watched, known=flows is not None or quality.volume is None)
    for key, (name, segment) in watched.items():
        quiet = (quiet_until or {}).get(_watched_as(segment)) if name == VOLUME else None
        state, quiet = _begun(states.get(key) or AlertState(name, segment, _FINGERPRINT), quiet, watermark)
        alert = _Alert(name, bounds[name] or 0.0, to)
        if name == VOLUME and flows is not None:
            flow = kinds[segment[KIND]] if segment else flows.overall
            besides = {outage.begins for outage in flows.overall.outages} if segment else ()
            steps += alert.volume(state, flow, calendar, quiet, besides)
        elif now is not None:
            steps += alert.stalled(state, watermark, moved_at, now) if name == STALLED else ()
            steps += alert.behind(state, watermark, now) if name == BEHIND else ()
    return steps


def watched_volumes(flows: Flows) -> tuple[str, ...]:
    """The names under which it is remembered since when each volume is watched."""
    return (_watched_as({}), *(_watched_as(segment_of(kind)) for kind in flows.kinds))


def segment_of(kind: str) -> dict[str, str]:
    """The segment of the alert on a kind of event; that on all events has none."""
    return {KIND: kind}


def _watched_as(segment: Mapping[str, str]) -> str:
    return alert_key(VOLUME, segment) if segment else VOLUME  # as it was named before there were kinds


def _withdrawn(states: Mapping[str, AlertState], watched: Collection[str], *, known: bool) -> list[Step]:
    """Withdraws what is not watched any more; of kinds, once it is known which there are."""
    steps = []
    for key, state in states.items():
        gone = key not in watched and (known or not state.segment)
        if gone and state.fingerprint and state.rule in STREAM_ALERTS:
            ended, change = withdrawn(state, Reason.RULE_REMOVED)
            steps.append(Step(key, ended, change))
    return steps


def _begun(state: AlertState, quiet: int | None, watermark: int | None) -> tuple[AlertState, int | None]:
    """The state of an alert that is on, and until when (ms) what there is to see is history."""
    if state.fingerprint:
        return state, quiet if state.judged is None else None
    # It was off: what came meanwhile is history.
    return replace(state, fingerprint=_FINGERPRINT, generation=state.generation + 1), watermark


@dataclass(frozen=True)
class _Seen:
    """What there is to tell of the stream at an instant, as the fields of a change."""

    at: int
    cohort: str
    value: float | None
    began: str
    group: int = 0
    count: int | None = None
    baseline: float | None = None


class _Alert:
    """One alert on the stream."""

    def __init__(self, name: str, bound: float, to: tuple[str, ...]) -> None:
        self._name, self._bound, self._to = name, bound, to

    def volume(
        self,
        before: AlertState,
        flow: Flow,
        calendar: Calendar,
        quiet: int | None,
        besides: Collection[int] = (),
    ) -> Iterator[Step]:
        """Judges each closed day once: an outage fires, and the first day that is none resolves.

        Args:
            before: the state.
            flow: the volumes, and which of them are outages.
            calendar: of the business time zone.
            quiet: until when (ms) days are history; None: none is.
            besides: begins (ms) of outages that are told by another alert: none of these days fires.
        """
        low = {outage.begins: outage for outage in flow.outages}
        state, stored, told = before, before, True
        for day, users in flow.volumes:
            if state.judged is not None and day <= state.judged:
                continue
            start, end = calendar.start_date(Grain.DAY, day), calendar.end(Grain.DAY, day)
            if not told and (quiet is None or end > quiet) and state.fired is not None:
                yield Step(state.key, state, state.fired)
                stored = state
            told = quiet is None or end > quiet
            begin = calendar.start(Grain.DAY, day)
            outage = None if begin in besides and state.fired is None else low.get(begin)
            before_it = None if state.fired is None else state.fired.baseline
            usual = before_it if outage is None else outage.usual
            share = users / usual if usual else None
            state = replace(
                state, judged=day, cohort=start, at=end, value=share, group=users, threshold=self._bound,
                cohorts=state.cohorts + (outage is not None), reason=Reason.NOT_BELOW,
            )  # fmt: skip
            seen = _Seen(end, start, share, start, round(usual or 0), users, usual)
            state, change = self._moved(state, seen, start, bad=outage is not None)
            if change is not None and told:
                yield Step(state.key, state, change)
                stored = state
        if not told and state.fired is not None:
            yield Step(state.key, state, state.fired)
            stored = state
        if state != stored:
            yield Step(state.key, state, None)

    def stalled(self, state: AlertState, watermark: int | None, moved_at: int | None, now: int) -> Iterator[Step]:
        """Fires where the watermark has not moved for too long, and resolves as soon as it is another."""
        if moved_at is None:
            return
        stood = (now - moved_at) / 1000
        where = "" if watermark is None else rfc3339(watermark)
        if state.state is State.FIRING:
            # Another worker may watch by now: that it has not seen the watermark move for long does not say it moved.
            moved = watermark != state.judged
            yield from self._one(state, _Seen(moved_at, where, stood, ""), watermark or 0, bad=not moved)
        elif stood >= self._bound:
            at = moved_at + round(self._bound * 1000)
            seen = _Seen(at, where, stood, rfc3339(moved_at))
            yield from self._one(replace(state, judged=watermark), seen, moved_at, bad=True)

    def behind(self, state: AlertState, watermark: int | None, now: int) -> Iterator[Step]:
        """Fires where the watermark is too far behind the clock, and resolves where it has caught up."""
        if watermark is None:
            return
        lag = (now - watermark) / 1000
        firing = state.state is State.FIRING
        bad = lag >= self._bound * (_CAUGHT_UP if firing else 1.0)
        yield from self._one(state, _Seen(now, rfc3339(watermark), lag, rfc3339(now)), watermark, bad=bad)

    def _one(self, before: AlertState, seen: _Seen, what: int, *, bad: bool) -> Iterator[Step]:
        state = replace(before, at=seen.at, cohort=seen.cohort, value=seen.value, threshold=self._bound)
        state, change = self._moved(state, seen, what, bad=bad)
        if change is not None:  # what only goes on is not stored at every look
            yield Step(state.key, state, change)

    def _moved(self, state: AlertState, seen: _Seen, what: str | int, *, bad: bool) -> tuple[AlertState, Change | None]:
        fired = state.fired
        if bad is (state.state is State.FIRING):
            return replace(state, reason=Reason.STILL_BELOW if bad else state.reason), None
        new = State.FIRING if bad else State.RESOLVED
        reason = Reason.BELOW if bad else Reason.RECOVERED
        change = Change(
            id=identity(state, [self._name, what, new.value]),
            rule=self._name,
            segment=dict(state.segment),
            state=new,
            at=rfc3339(seen.at),
            definition="",
            grain=Grain.DAY.value if self._name == VOLUME else "",
            index=0,
            cohort=seen.cohort,
            value=seen.value,
            threshold=self._bound,
            group=seen.group,
            count=seen.count,
            reason=reason,
            began=seen.began if fired is None else fired.began,
            ends=None if fired is None else fired.id,
            to=self._to or (() if fired is None else fired.to),  # who was told is told of the end
            figure="stream",
            measure=MEASURES[self._name],
            side=(Side.BELOW if self._name == VOLUME else Side.ABOVE).value,
            baseline=seen.baseline,
            cohorts=max(state.cohorts, 1),
        )
        state = replace(state, state=new, reason=reason, since=change.began if bad else None)
        return replace(state, fired=change if bad else None, cohorts=state.cohorts if bad else 0), change
