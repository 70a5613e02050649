from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.alerts import CALENDAR, FIRST

from stream_app.domain.alerts import (
    AlertState,
    Change,
    Flow,
    Flows,
    Quality,
    Reason,
    State,
    counts_volume,
    evaluate,
    outages,
    stream_steps,
    volumes,
    volumes_of,
    watched_volumes,
)
from stream_app.domain.events import ENGAGEMENT, REPURCHASE, Definition
from stream_app.domain.metrics import Snapshot
from stream_app.domain.periods import DAY_MS, Calendar, Grain

if TYPE_CHECKING:
    from collections.abc import Sequence

HOUR = 3_600_000
WEEKS = [1000, 1010, 990, 1020, 1000, 600, 580]  # Friday to Thursday: 2024-10-04 is a Friday


def series(*more: int, weeks: int = 8) -> list[tuple[int, int]]:
    """So many usual weeks, then these days."""
    return [(FIRST + i, users) for i, users in enumerate([*WEEKS * weeks, *more])]


def days_of(found: Sequence[Any]) -> list[int]:
    return [CALENDAR.day(one.begins) - FIRST for one in found]


class TestOutages:
    def test_a_day_with_less_than_half_its_usual_users_is_one(self):
        (found,) = outages(series(499), CALENDAR, 0.5)
        assert days_of([found]) == [56]
        assert (found.seen, found.usual, found.share) == (499, 1000, 0.499)
        assert found.ends - found.begins == DAY_MS
        assert outages(series(500), CALENDAR, 0.5) == []

    def test_a_weekday_is_compared_with_its_like(self):
        assert outages(series(1000, 1000, 1000, 1000, 1000, 310, 289), CALENDAR, 0.5) != []
        assert days_of(outages(series(1000, 1000, 1000, 1000, 1000, 310, 289), CALENDAR, 0.5)) == [62]

    def test_less_than_three_like_days_say_nothing(self):
        assert outages(series(0, weeks=2), CALENDAR, 0.5) == []
        assert days_of(outages(series(0, weeks=3), CALENDAR, 0.5)) == [21]

    def test_few_users_say_nothing(self):
        assert outages([(day, users // 25) for day, users in series(0)], CALENDAR, 0.5) == []

    def test_an_outage_is_no_example_of_a_usual_day(self):
        weekly = [*WEEKS * 3, *([100, *WEEKS[1:]] * 4)]
        found = outages([(FIRST + i, users) for i, users in enumerate(weekly)], CALENDAR, 0.5)
        assert days_of(found) == [21, 28, 35, 42]

    def test_a_lower_level_becomes_usual_within_three_weeks(self):
        lower = [users // 4 for users in WEEKS]
        found = days_of(outages(series(*lower * 6), CALENDAR, 0.5))
        assert found[:7] == list(range(56, 63))
        assert max(found) < 56 + 7 * 3

    def test_they_can_be_turned_off(self):
        assert outages(series(0), CALENDAR, None) == []

    def test_a_day_of_a_clock_change_is_whole(self):
        berlin = Calendar("Europe/Berlin")
        first = (berlin.day(1_711_843_200_000) - 21, 1000)  # 2024-03-31 has 23 hours
        seen = [(first[0] + i, 1000 if i < 21 else 10) for i in range(22)]
        (found,) = outages(seen, berlin, 0.5)
        assert found.ends - found.begins == 23 * HOUR


class TestVolumes:
    def test_are_the_active_users_of_each_closed_day(self):
        def blocks(values: dict[int, list[int]]) -> dict[int, Any]:
            return {FIRST + day: np.array(block, np.int64) for day, block in values.items()}

        snapshot = Snapshot(
            calendar=CALENDAR,
            definitions=(REPURCHASE, ENGAGEMENT),
            dimensions=(),
            watermark=(FIRST + 4) * DAY_MS,
            last_event=(FIRST + 4) * DAY_MS + 1,
            blocks={
                ("engagement", "day.size", ()): blocks({0: [5], 1: [2], 4: [9]}),
                ("engagement", "day.on", ()): blocks({0: [5], 1: [2, 4], 3: [0, 0, 1, 3], 4: [9]}),
            },
        )
        assert volumes(snapshot, "engagement") == [(FIRST, 5), (FIRST + 1, 6), (FIRST + 2, 0), (FIRST + 3, 4)]
        assert volumes(snapshot, "repurchase") == []

    def test_there_are_none_before_any_event(self):
        nothing = Snapshot(CALENDAR, (ENGAGEMENT,), (), None, None, {})
        assert volumes(nothing, "engagement") == []

    def test_are_those_of_a_lifecycle_by_day(self):
        rows = [{"start": "2024-10-04", "active": 5, "new": 5}, {"start": "2024-10-05", "active": 6, "new": 2}]
        assert volumes_of({"segments": [{"segment": {}, "periods": rows}]}) == [(FIRST, 5), (FIRST + 1, 6)]
        assert volumes_of({"segments": []}) == []

    def test_are_of_engagement_or_else_of_the_first_definition(self):
        other = Definition("other", "visit", "visit")
        assert counts_volume([REPURCHASE, ENGAGEMENT]) is ENGAGEMENT
        assert counts_volume([other, REPURCHASE]) is other
        rare = Definition("engagement", "any", "any", min_active=3)
        assert counts_volume([rare, REPURCHASE]) is REPURCHASE  # counters count no users of the other one
        assert counts_volume([rare]) is None


class Stream:
    """The alerts on a stream, looked at again and again."""

    def __init__(self, quality: Quality | None = None, targets: tuple[str, ...] = ("slack:#a",)) -> None:
        self.quality, self.targets = quality or Quality(), targets
        self.states: dict[str, AlertState] = {}

    def look(self, seen: Sequence[tuple[int, int]] = (), **given: Any) -> list[Change]:
        """Looks at the stream; further volumes are those of kinds, by the definition that counts them."""
        share = self.quality.volume
        quiet, kinds = given.pop("quiet_until", None), given.pop("kinds", {})
        flows = Flows(Flow.of(seen, CALENDAR, share), {name: Flow.of(v, CALENDAR, share) for name, v in kinds.items()})
        options = {"watermark": None, "moved_at": None, "now": None, "flows": flows} | given
        if quiet is not None:
            options["quiet_until"] = dict.fromkeys(watched_volumes(flows), quiet)
        changes = []
        for key, state, change in stream_steps(
            self.quality, self.targets, calendar=CALENDAR, states=self.states, **options
        ):
            self.states[key] = state
            changes += [change] if change is not None else []
        return changes


class TestTheVolumeAlert:
    def test_fires_at_an_outage_and_resolves_with_the_first_day_that_is_none(self):
        fired, resolved = Stream().look(series(100, 200, 1000))
        assert (fired.rule, fired.state, fired.figure, fired.measure) == (
            "stream-volume", State.FIRING, "stream", "volume",
        )  # fmt: skip
        assert (fired.cohort, fired.at, fired.began) == ("2024-11-29", "2024-11-30T00:00:00Z", "2024-11-29")
        assert (fired.value, fired.threshold, fired.group, fired.count, fired.baseline) == (0.1, 0.5, 1000, 100, 1000)
        assert fired.to == ("slack:#a",)
        assert (resolved.state, resolved.reason, resolved.cohort) == (State.RESOLVED, Reason.RECOVERED, "2024-12-01")
        assert (resolved.ends, resolved.began, resolved.cohorts) == (fired.id, "2024-11-29", 2)

    def test_judges_a_day_once(self):
        stream = Stream()
        assert [c.state for c in stream.look(series(100))] == [State.FIRING]
        assert stream.look(series(100)) == []
        assert [c.state for c in stream.look(series(100, 200, 1000))] == [State.RESOLVED]

    def test_has_targets_of_its_own_if_they_are_named(self):
        (fired,) = Stream(Quality(to=("console",))).look(series(100))
        assert fired.to == ("console",)

    @pytest.mark.parametrize(
        ("more", "expected"),
        [((100, 1000, 1000), []), ((100, 1000, 100), ["2024-12-01"]), ((100, 100, 100), ["2024-11-29"])],
    )
    def test_of_a_service_that_is_new_to_it_tells_only_what_is_so_now(self, more, expected):
        seen = series(*more)
        changes = Stream().look(seen, quiet_until=CALENDAR.end(Grain.DAY, seen[-1][0]))
        assert [c.cohort for c in changes] == expected

    def test_tells_of_an_outage_that_was_history_before_it_tells_its_end(self):
        seen = series(100, 1000)
        changes = Stream().look(seen, quiet_until=CALENDAR.end(Grain.DAY, seen[-2][0]))
        assert [c.state for c in changes] == [State.FIRING, State.RESOLVED]

    def test_is_withdrawn_when_it_is_turned_off_and_told_anew_when_it_is_back(self):
        stream = Stream()
        (fired,) = stream.look(series(100))
        stream.quality = Quality(volume=None)
        (gone,) = stream.look(series(100))
        assert (gone.state, gone.reason, gone.ends) == (State.INACTIVE, Reason.RULE_REMOVED, fired.id)
        assert stream.look(series(100)) == []
        stream.quality = Quality()
        seen = series(100, 100)
        (again,) = stream.look(seen, watermark=CALENDAR.end(Grain.DAY, seen[-1][0]))
        assert again.state is State.FIRING
        assert again.id != fired.id

    def test_tells_its_end_to_those_who_were_told_where_no_rule_names_a_target_any_more(self):
        stream = Stream()
        (fired,) = stream.look(series(100))
        stream.targets = ()
        (resolved,) = stream.look(series(100, 1000))
        assert (resolved.ends, resolved.to) == (fired.id, ("slack:#a",))

    def test_tells_nothing_of_the_time_in_which_it_was_off(self):
        stream = Stream()
        stream.look(series(1000))
        stream.quality = Quality(volume=None)
        stream.look(series(1000))
        stream.quality = Quality()
        seen = series(1000, 100, 1000)
        assert stream.look(seen, watermark=CALENDAR.end(Grain.DAY, seen[-1][0])) == []

    def test_is_not_taken_for_one_of_a_rule_that_was_removed(self):
        stream = Stream()
        stream.look(series(100))
        assert evaluate([], {}, stream.states) == []


USUAL = series(1000, 1000, 1000, 1000)
KIND = {"definition": "repurchase"}


class TestTheVolumeOfAKind:
    """Purchases, while visits go on."""

    def look(self, stream: Stream, *bought: int, seen: Sequence[tuple[int, int]] = USUAL, **given: Any) -> list[Change]:
        return stream.look(seen, kinds={"repurchase": series(*bought)}, **given)

    def test_has_an_alert_of_its_own(self):
        fired, resolved = self.look(Stream(), 0, 0, 0, 1000)
        assert (fired.rule, fired.segment, fired.state) == ("stream-volume", KIND, State.FIRING)
        assert (fired.cohort, fired.value, fired.count, fired.group, fired.to) == (
            "2024-11-29", 0.0, 0, 1000, ("slack:#a",),
        )  # fmt: skip
        assert (resolved.segment, resolved.state, resolved.ends) == (KIND, State.RESOLVED, fired.id)

    def test_leaves_the_alert_on_all_events_what_it_was(self):
        alone, beside = Stream(), Stream()
        seen = series(100, 1000)
        assert [c for c in self.look(beside, 1000, 1000, seen=seen) if not c.segment] == alone.look(seen)
        key = '["stream-volume"]'
        assert beside.states[key] == alone.states[key]

    def test_says_nothing_of_a_day_that_all_events_lack(self):
        changes = self.look(Stream(), 100, 1000, seen=series(100, 1000))
        assert [(c.segment, c.state) for c in changes] == [({}, State.FIRING), ({}, State.RESOLVED)]

    def test_fires_where_it_outlasts_an_outage_of_all_events(self):
        changes = self.look(Stream(), 100, 100, 1000, seen=series(100, 1000, 1000))
        assert [(c.segment, c.cohort[-2:], c.state.value) for c in changes] == [
            ({}, "29", "firing"),
            ({}, "30", "resolved"),
            (KIND, "30", "firing"),
            (KIND, "01", "resolved"),
        ]

    def test_goes_on_firing_while_all_events_are_lacking_too(self):
        changes = self.look(Stream(), 100, 100, 100, 1000, seen=series(1000, 100, 1000, 1000))
        assert [(c.cohort[-2:], c.state.value) for c in changes if c.segment] == [("29", "firing"), ("02", "resolved")]

    def test_judges_a_day_once(self):
        stream = Stream()
        assert [c.state for c in self.look(stream, 0)] == [State.FIRING]
        assert self.look(stream, 0) == []

    def test_that_is_new_tells_only_what_is_so_now(self):
        stream = Stream()
        stream.look(USUAL)
        end = CALENDAR.end(Grain.DAY, USUAL[-1][0])
        assert self.look(stream, 0, 1000, 1000, 1000, quiet_until=end) == []
        assert [c.cohort for c in self.look(Stream(), 1000, 1000, 0, 0, quiet_until=end)] == ["2024-12-01"]

    def test_is_withdrawn_when_no_rule_is_about_it_any_more_and_told_anew_when_one_is_again(self):
        stream = Stream()
        (fired,) = self.look(stream, 0)
        (gone,) = stream.look(USUAL)
        assert (gone.segment, gone.state, gone.reason, gone.ends) == (
            KIND, State.INACTIVE, Reason.RULE_REMOVED, fired.id,
        )  # fmt: skip
        assert stream.look(USUAL) == []
        (again,) = self.look(stream, 0, 1000, 0, 0, watermark=CALENDAR.end(Grain.DAY, USUAL[-1][0]))
        assert (again.cohort, again.id != fired.id) == ("2024-12-01", True)

    def test_is_withdrawn_when_volumes_are_turned_off(self):
        stream = Stream()
        self.look(stream, 0)
        stream.quality = Quality(volume=None)
        assert [(c.segment, c.reason) for c in stream.look()] == [(KIND, Reason.RULE_REMOVED)]

    def test_is_left_as_it_is_while_it_is_not_known_what_is_watched(self):
        stream = Stream()
        self.look(stream, 0)
        assert stream.look(flows=None) == []


class TestTheWatermarkAlert:
    MARK, START = FIRST * DAY_MS, FIRST * DAY_MS + HOUR

    def test_fires_when_the_watermark_has_stood_for_two_hours(self):
        stream = Stream()
        assert stream.look(watermark=self.MARK, moved_at=self.START, now=self.START + 2 * HOUR - 1) == []
        (fired,) = stream.look(watermark=self.MARK, moved_at=self.START, now=self.START + 2 * HOUR + 60_000)
        assert (fired.rule, fired.measure, fired.side) == ("stream-stalled", "watermark", "above")
        assert (fired.at, fired.began) == ("2024-10-04T03:00:00Z", "2024-10-04T01:00:00Z")
        assert (fired.cohort, fired.value, fired.threshold) == ("2024-10-04T00:00:00Z", 7260.0, 7200.0)
        assert stream.look(watermark=self.MARK, moved_at=self.START, now=self.START + 3 * HOUR) == []

    def test_resolves_when_it_moves(self):
        stream = Stream()
        (fired,) = stream.look(watermark=self.MARK, moved_at=self.START, now=self.START + 2 * HOUR)
        moved = self.START + 4 * HOUR
        (resolved,) = stream.look(watermark=self.MARK + 1, moved_at=moved, now=moved + 1000)
        assert (resolved.state, resolved.ends, resolved.at) == (State.RESOLVED, fired.id, "2024-10-04T05:00:00Z")
        (again,) = stream.look(watermark=self.MARK + 1, moved_at=moved, now=moved + 2 * HOUR)
        assert again.id != fired.id

    def test_that_was_turned_off_and_on_is_told_of_again(self):
        stream = Stream()
        given = {"watermark": self.MARK, "moved_at": self.START, "now": self.START + 2 * HOUR}
        (fired,) = stream.look(**given)
        stream.quality = Quality(stalled=None)
        assert [c.state for c in stream.look(**given)] == [State.INACTIVE]
        stream.quality = Quality()
        (again,) = stream.look(**given)
        assert (again.state, again.id != fired.id) == (State.FIRING, True)

    def test_does_not_resolve_because_another_worker_watches_now(self):
        stream = Stream()
        stream.look(watermark=self.MARK, moved_at=self.START, now=self.START + 2 * HOUR)
        later = self.START + 5 * HOUR
        assert stream.look(watermark=self.MARK, moved_at=later, now=later + 1) == []
        assert stream.look(watermark=self.MARK, moved_at=later, now=later + 3 * HOUR) == []

    def test_fires_where_there_was_never_an_event(self):
        stream = Stream()
        (fired,) = stream.look(watermark=None, moved_at=self.START, now=self.START + 2 * HOUR)
        assert (fired.state, fired.cohort) == (State.FIRING, "")
        (resolved,) = stream.look(watermark=self.MARK, moved_at=self.START + 3 * HOUR, now=self.START + 3 * HOUR)
        assert resolved.state is State.RESOLVED

    def test_is_not_looked_at_where_nobody_has_watched(self):
        assert Stream().look(watermark=self.MARK, moved_at=None, now=self.START + 9 * HOUR) == []


class TestTheLagAlert:
    MARK = FIRST * DAY_MS

    def look(self, stream: Stream, lag: float, mark: int = MARK) -> list[Change]:
        return stream.look(watermark=mark, moved_at=mark, now=mark + round(lag * 1000))

    def test_is_off_unless_asked_for(self):
        assert self.look(Stream(Quality(stalled=None)), 1e6) == []

    def test_fires_past_its_bound_and_resolves_well_within_it(self):
        stream = Stream(Quality(behind=600.0, stalled=None))
        assert self.look(stream, 599) == []
        (fired,) = self.look(stream, 600)
        assert (fired.rule, fired.measure, fired.value, fired.threshold) == ("stream-behind", "lag", 600.0, 600.0)
        assert self.look(stream, 545, self.MARK + 1) == []
        (resolved,) = self.look(stream, 539, self.MARK + 2)
        assert (resolved.state, resolved.ends) == (State.RESOLVED, fired.id)
