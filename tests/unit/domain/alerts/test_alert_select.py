from __future__ import annotations

from dataclasses import replace

import pytest
from support.alerts import FIRST, apply, cell, closing, course, rule, snapshot, told

from stream_app.domain.alerts import (
    AlertState,
    Baseline,
    FalseAlarms,
    Health,
    Outage,
    Reason,
    State,
    Test,
    alert_key,
    evaluate,
    from_snapshot,
)
from stream_app.domain.alerts.past import Past, Spoilt
from stream_app.domain.periods import DAY_MS, HOUR_MS

GOOD, BAD, SMALL = (100, 40), (100, 20), (5, 0)
ALL: tuple[str, ...] = ()
PRO, FREE = ("plan", "pro"), ("plan", "free")


def test_every_value_has_a_state_of_its_own():
    states: dict[str, AlertState] = {}
    changes = apply([rule(segment=("plan", "*"))], course({PRO: [GOOD, BAD], FREE: [BAD, GOOD]}), states)
    assert told(changes) == ["free firing 04", "pro firing 05", "free resolved 05"]
    assert states[alert_key("pro-day-7", {"plan": "pro"})].state is State.FIRING


def test_nothing_closed_gives_no_step():
    assert evaluate([rule()], {"pro-day-7": course({ALL: [BAD]}, closed=0)}, {}) == []


def test_a_rule_whose_figure_was_not_looked_for_is_left_as_it_is():
    states: dict[str, AlertState] = {}
    apply([rule()], course({ALL: [BAD]}), states)
    assert evaluate([rule()], {}, states) == []


def test_a_crash_before_storing_gives_the_same_changes_again():
    seen = {"pro-day-7": course({ALL: [GOOD, BAD, GOOD]})}
    first = evaluate([rule()], seen, {})
    assert evaluate([rule()], seen, {}) == first
    partly = {first[0].key: first[0].state}
    assert evaluate([rule()], seen, partly) == first[1:]


class TestARuleThatChanged:
    def test_goes_on_firing_without_a_word(self):
        states: dict[str, AlertState] = {}
        (fired,) = apply([rule()], course({ALL: [GOOD, BAD, BAD]}), states)
        stricter = rule(below=0.25, resolve=0.25)
        assert apply([stricter], course({ALL: [GOOD, BAD, BAD]}), states) == []
        (resolved,) = apply([stricter], course({ALL: [GOOD, BAD, BAD, GOOD]}), states)
        assert (resolved.state, resolved.ends) == (State.RESOLVED, fired.id)

    def test_is_withdrawn_where_it_fires_no_more(self):
        states: dict[str, AlertState] = {}
        (fired,) = apply([rule(to=("slack:#a",))], course({ALL: [BAD]}), states)
        (change,) = apply([rule(below=0.1, resolve=0.1)], course({ALL: [BAD]}), states)
        assert (change.state, change.reason) == (State.INACTIVE, Reason.RULE_CHANGED)
        assert (change.ends, change.to) == (fired.id, ("slack:#a",)), "those who were told are told"
        assert change.id != fired.id
        assert next(iter(states.values())).state is State.INACTIVE

    def test_tells_of_its_history_only_what_it_comes_to(self):
        states: dict[str, AlertState] = {}
        curve = [GOOD, (100, 31), GOOD, (100, 31)]
        assert apply([rule()], course({ALL: curve}), states) == []
        (change,) = apply([rule(below=0.35, resolve=0.35)], course({ALL: curve}), states)
        assert (change.state, change.cohort) == (State.FIRING, "2024-10-07")

    def test_of_another_figure_ends_the_old_alert_and_begins_a_new_one(self):
        states: dict[str, AlertState] = {}
        seen = {"pro-day-7": course({ALL: [BAD, BAD]})}
        (old,) = apply([rule()], seen, states)
        steps = evaluate([rule(index=6)], seen, states)
        assert [s.change.state for s in steps if s.change] == [State.INACTIVE, State.FIRING]
        interrupted = states | {steps[0].key: steps[0].state}
        assert evaluate([rule(index=6)], seen, interrupted)[0].change == steps[1].change, (
            "a crash between loses nothing"
        )
        assert old.id not in {s.change.id for s in steps if s.change}

    def test_is_not_told_again_that_there_is_no_data(self):
        states: dict[str, AlertState] = {}
        seen = course({ALL: [SMALL] * 3})
        assert told(apply([rule()], seen, states)) == ["all no_data 06"]
        assert apply([rule(below=0.2, resolve=0.2)], seen, states) == []
        grown = course({ALL: [SMALL] * 3 + [GOOD]})
        assert told(apply([rule(below=0.2, resolve=0.2)], grown, states)) == ["all data_back 07"]

    def test_is_told_again_that_there_is_no_data_where_the_message_ended_with_the_firing(self):
        states: dict[str, AlertState] = {}
        seen = course({ALL: [BAD, *[SMALL] * 3]})
        assert told(apply([rule()], seen, states)) == ["all firing 04", "all no_data 07"]
        changes = apply([rule(below=0.1, resolve=0.1)], seen, states)
        assert [c.reason for c in changes] == [Reason.RULE_CHANGED, Reason.NO_DATA]
        assert len({c.id for c in changes} & {states[k].trouble.id for k in states if states[k].trouble}) == 1

    def test_is_told_that_there_is_data_by_its_new_words(self):
        states: dict[str, AlertState] = {}
        seen = course({ALL: [SMALL] * 3})
        apply([rule()], seen, states)
        (change,) = apply([rule(min_group=5)], seen, states, now=closing(2).closed_at)
        assert (change.state, change.reason) == (State.FIRING, Reason.BELOW)
        assert next(iter(states.values())).health is Health.OK


class TestARuleThatWasRemoved:
    def test_is_withdrawn_once(self):
        states: dict[str, AlertState] = {}
        seen = course({ALL: [BAD, BAD, BAD], PRO: [BAD]})
        apply([rule(), rule(name="quiet", below=0.1, resolve=0.1)], seen, states)
        (change,) = apply([], seen, states)
        assert (change.rule, change.reason) == ("pro-day-7", Reason.RULE_REMOVED)
        assert change.at == "2024-10-14T00:00:00Z", "of the latest cell that was judged"
        assert apply([], seen, states) == []

    def test_is_told_again_when_it_is_put_back(self):
        states: dict[str, AlertState] = {}
        seen = course({ALL: [BAD, GOOD, BAD]})
        before = apply([rule()], seen, states)
        apply([], seen, states)
        (again,) = apply([rule()], seen, states)
        assert again.state is State.FIRING
        assert again.id not in {c.id for c in before}, "else it would be taken for what was sent already"

    def test_is_told_only_as_it_is_now_when_it_is_put_back_after_a_while(self):
        states: dict[str, AlertState] = {}
        days = [GOOD, BAD, GOOD, GOOD, BAD]
        apply([rule()], course({ALL: days[:1]}), states)
        apply([], course({ALL: days[:1]}), states)
        (change,) = apply([rule()], course({ALL: days}), states, now=closing(4).closed_at)
        assert (change.state, change.cohort) == (State.FIRING, closing(4).start)
        later = course({ALL: [*days, GOOD]})
        assert told(apply([rule()], later, states, now=closing(5).closed_at)) == ["all resolved 09"]

    def test_so_is_a_segment_it_no_longer_watches(self):
        states: dict[str, AlertState] = {}
        seen = course({PRO: [BAD], FREE: [BAD]})
        apply([rule(segment=("plan", "*"))], seen, states)
        (change,) = apply([rule(segment=("plan", "pro"))], seen, states)
        assert (change.segment, change.state) == ({"plan": "free"}, State.INACTIVE)

    def test_is_withdrawn_also_where_it_was_told_to_have_no_data(self):
        states: dict[str, AlertState] = {}
        seen = course({ALL: [SMALL] * 3})
        apply([rule()], seen, states)
        (change,) = apply([], seen, states)
        assert (change.reason, change.health, change.to) == (Reason.RULE_REMOVED, Health.OK, ("console",))


class TestARuleNewToAnOldService:
    @pytest.mark.parametrize(
        ("curve", "expected"),
        [
            ([BAD, GOOD, BAD], ["all firing 06"]),
            ([BAD, GOOD], []),
            ([GOOD, SMALL, SMALL, SMALL, SMALL], ["all no_data 07"]),
            ([GOOD, SMALL, SMALL, SMALL, GOOD], []),
        ],
    )
    def test_tells_only_what_is_so_now(self, curve, expected):
        quiet = {"pro-day-7": closing(len(curve)).closed_at}
        assert told(apply([rule()], course({ALL: curve}), {}, quiet_until=quiet)) == expected

    def test_judges_what_closes_from_then_on(self):
        states: dict[str, AlertState] = {}
        curve = [BAD, GOOD, BAD, GOOD]
        quiet = {"pro-day-7": closing(1).closed_at}
        assert told(apply([rule()], course({ALL: curve}, closed=2), states, quiet_until=quiet)) == []
        changes = apply([rule()], course({ALL: curve}), states, quiet_until=quiet)
        assert told(changes) == ["all firing 06", "all resolved 07"]

    def test_is_new_only_once(self):
        states: dict[str, AlertState] = {}
        quiet = {"pro-day-7": closing(9).closed_at}
        assert apply([rule()], course({ALL: [GOOD]}), states, quiet_until=quiet) == []
        assert told(apply([rule()], course({ALL: [GOOD, BAD, GOOD]}), states, quiet_until=quiet)) == [
            "all firing 05",
            "all resolved 06",
        ]


class TestPeriodsWithoutUsers:
    def test_are_no_data_of_a_segment_that_is_named(self):
        seen = course({PRO: []}, closed=4)
        assert told(apply([rule(segment=PRO, no_data=3)], seen, {})) == ["pro no_data 06"]

    def test_are_seen_in_counters_even_of_a_segment_that_never_had_users(self):
        gone = rule(segment=("plan", "gone"), no_data=3)
        for closed, expected in ((2, []), (3, ["gone no_data 06"])):
            seen = from_snapshot(gone, snapshot({ALL: [GOOD] * 5, PRO: [GOOD] * 5}, closed=closed))
            assert told(apply([gone], seen, {})) == expected

    def test_are_not_missed_of_a_value_before_it_has_users(self):
        seen = course({PRO: [None] * 4 + [GOOD]})
        assert apply([rule(segment=("plan", "*"), no_data=3)], seen, {}) == []

    def test_are_missed_of_a_value_whose_users_are_gone_even_from_the_figures(self):
        states: dict[str, AlertState] = {}
        apply([rule(segment=("plan", "*"))], course({PRO: [BAD], FREE: [GOOD]}), states)
        changes = apply([rule(segment=("plan", "*"))], course({FREE: [GOOD] * 5}), states)
        assert told(changes) == ["pro no_data 07"]
        assert changes[0].to == ()
        assert states[alert_key("pro-day-7", {"plan": "pro"})].state is State.FIRING

    def test_move_nothing_in_an_alert_that_fires(self):
        assert told(apply([rule(no_data=9)], course({ALL: [BAD, None, SMALL, None, GOOD]}), {})) == [
            "all firing 04",
            "all resolved 08",
        ]


class TestAFigureThatCannotBeHad:
    NOW = closing(9).closed_at

    def test_is_told_once(self):
        states: dict[str, AlertState] = {}
        apply([rule()], course({ALL: [BAD]}), states)
        (change,) = apply([rule()], {"pro-day-7": "worker 2 is silent"}, states, now=self.NOW)
        assert (change.reason, change.health, change.note) == (Reason.ERROR, Health.ERROR, "worker 2 is silent")
        assert (change.state, change.at, change.to) == (State.FIRING, "2024-10-21T00:00:00Z", ("console",))
        assert apply([rule()], {"pro-day-7": "worker 3 is silent"}, states, now=self.NOW + DAY_MS) == []
        assert next(iter(states.values())).note == "worker 3 is silent"

    def test_and_that_it_is_there_again_after_what_was_judged_since(self):
        states: dict[str, AlertState] = {}
        apply([rule()], course({ALL: [BAD]}), states)
        apply([rule()], {"pro-day-7": "silent"}, states, now=closing(1).closed_at)
        changes = apply([rule()], course({ALL: [BAD, GOOD, GOOD]}), states, now=closing(2).closed_at)
        assert told(changes) == ["all resolved 05", "all data_back 06"]
        state = next(iter(states.values()))
        assert (state.health, state.note, state.trouble) == (Health.OK, None, None)
        assert apply([rule()], course({ALL: [BAD, GOOD, GOOD]}), states, now=closing(2).closed_at) == []

    def test_is_told_to_be_there_again_in_the_order_of_time(self):
        states: dict[str, AlertState] = {}
        rules = [rule(name="a"), rule(name="b")]
        apply(rules, course({ALL: [GOOD]}), states)
        apply(rules, {"a": "silent"}, states, now=closing(0).closed_at)
        seen = {"a": course({ALL: [GOOD]}), "b": course({ALL: [GOOD, BAD, GOOD]})}
        changes = apply(rules, seen, states, now=closing(2).closed_at + 1000)
        assert [(c.rule, c.at) for c in changes] == [
            ("b", "2024-10-13T00:00:00Z"),
            ("b", "2024-10-14T00:00:00Z"),
            ("a", "2024-10-14T00:00:01Z"),
        ]

    def test_has_no_data_if_that_was_so_before(self):
        states: dict[str, AlertState] = {}
        seen = course({ALL: [SMALL] * 3})
        apply([rule()], seen, states)
        apply([rule()], {"pro-day-7": "silent"}, states, now=self.NOW)
        (change,) = apply([rule()], seen, states, now=self.NOW + 1)
        assert (change.reason, change.health) == (Reason.NO_DATA, Health.NO_DATA)

    def test_may_be_so_from_the_first_day(self):
        states: dict[str, AlertState] = {}
        (change,) = apply([rule(segment=PRO)], {"pro-day-7": "silent"}, states, now=self.NOW)
        assert (change.segment, change.cohort, change.health) == ({"plan": "pro"}, "", Health.ERROR)
        assert told(apply([rule(segment=PRO)], course({PRO: [BAD]}), states, now=self.NOW)) == [
            "pro firing 04",
            "pro data_back 04",
        ]

    def test_is_for_the_topic_alone_where_a_rule_is_on_every_value(self):
        states: dict[str, AlertState] = {}
        every = rule(segment=("plan", "*"))
        apply([every], course({PRO: [GOOD], FREE: [GOOD]}), states)
        changes = apply([every], {"pro-day-7": "silent"}, states, now=self.NOW)
        assert [(c.segment["plan"], c.reason, c.to) for c in changes] == [
            ("pro", Reason.ERROR, ()),
            ("free", Reason.ERROR, ()),
        ]

    def test_is_no_news_of_a_value_that_was_withdrawn(self):
        states: dict[str, AlertState] = {}
        every = rule(segment=("plan", "*"))
        apply([every], course({PRO: [GOOD]}), states)
        apply([], {}, states)
        assert apply([every], {"pro-day-7": "silent"}, states, now=self.NOW) == []

    def test_of_a_rule_that_was_put_back_leaves_what_closed_meanwhile_history(self):
        states: dict[str, AlertState] = {}
        apply([rule()], course({ALL: [GOOD]}), states)
        apply([], {}, states)
        apply([rule()], {"pro-day-7": "silent"}, states, now=closing(5).closed_at)
        changes = apply([rule()], course({ALL: [GOOD, BAD, GOOD, BAD, GOOD]}), states, now=closing(5).closed_at)
        assert [change.reason for change in changes] == [Reason.DATA_BACK]

    def test_was_told_and_so_is_its_end_where_the_rule_comes_to_watch_every_value(self):
        states: dict[str, AlertState] = {}
        cells = [GOOD, None, None, None]
        (missing,) = apply([rule(segment=PRO)], course({PRO: cells}), states)
        every = rule(segment=("plan", "*"))
        (error,) = apply([every], {"pro-day-7": "silent"}, states, now=closing(3).closed_at)
        (back,) = apply([every], course({PRO: [*cells, GOOD]}), states, now=closing(4).closed_at)
        assert [one.reason for one in (missing, error, back)] == [Reason.NO_DATA, Reason.ERROR, Reason.DATA_BACK]
        assert [one.to for one in (missing, error, back)] == [("console",)] * 3

    def test_that_comes_and_goes_between_two_cells_is_told_under_ids_of_its_own(self):
        states: dict[str, AlertState] = {}
        seen = course({ALL: [GOOD]})
        ids = [
            change.id
            for turn in range(3)
            for given in ({"pro-day-7": "silent"}, {"pro-day-7": seen})
            for change in apply([rule()], given, states, now=self.NOW + 1000 * turn)
        ]
        assert len(set(ids)) == 6


class TestAnOutage:
    def outage(self, position: int, begins: float = 0.0, ends: float = 1.0) -> Outage:
        since = closing(position).since
        return Outage(since + round(begins * DAY_MS), since + round(ends * DAY_MS), 0.1, 1000.0, 100)

    def test_keeps_its_cells_from_being_judged(self):
        states: dict[str, AlertState] = {}
        changes = apply([rule()], course({ALL: [GOOD, BAD, GOOD]}), states, outages=[self.outage(1)])
        assert changes == []
        apply([rule()], course({ALL: [GOOD, BAD]}), states := {}, outages=[self.outage(1)])
        assert next(iter(states.values())).reason is Reason.STREAM_OUTAGE

    def test_of_a_kind_of_event_keeps_the_cells_of_the_rules_about_it_from_being_judged(self):
        rules = [rule(name="bought"), rule(name="visited")]
        changes = apply(
            rules, course({ALL: [GOOD, BAD, GOOD]}), {}, own_outages={"bought": [self.outage(1)], "gone": []}
        )
        assert [(c.rule, c.state.value) for c in changes] == [("visited", "firing"), ("visited", "resolved")]

    def test_of_all_events_and_of_a_kind_on_the_same_day_is_one(self):
        halves = [self.outage(1, 0.0, 0.24)]
        changes = apply([rule()], course({ALL: [GOOD, BAD]}), {}, outages=halves, own_outages={"pro-day-7": halves})
        assert told(changes) == ["all firing 05"]

    @pytest.mark.parametrize(("covered", "expected"), [(0.24, ["all firing 05"]), (0.25, [])])
    def test_of_a_quarter_of_the_period_is_enough(self, covered, expected):
        outages = [self.outage(1, 0.5, 0.5 + covered)]
        assert told(apply([rule()], course({ALL: [GOOD, BAD]}), {}, outages=outages)) == expected

    def test_is_no_example_for_later_cells(self):
        relative = rule(below=float("nan"), resolve=float("nan"), drop=0.3, baseline=Baseline(last=2))
        curve = [(100, 40), (100, 40), (100, 4), (100, 25)]
        (fired,) = apply([relative], course({ALL: curve}), {}, outages=[self.outage(2)])
        assert fired.baseline == pytest.approx(0.4)

    def test_is_not_missing_data(self):
        outages = [self.outage(i) for i in range(1, 6)]
        assert apply([rule()], course({ALL: [GOOD, *[SMALL] * 5, GOOD]}), {}, outages=outages) == []

    def test_of_a_day_spoils_the_examples_of_its_hours_once_the_day_has_closed(self):
        hours = [
            replace(
                cell(0, 40),
                cohort=i,
                since=closing(0).since + i * HOUR_MS,
                closed_at=closing(0).since + (i + 1) * HOUR_MS,
            )
            for i in range(48)
        ]
        past = Past(hours, 1, Spoilt([self.outage(0)]))
        day = closing(0).closed_at
        assert [one.cohort for one in past.before(20, day - 4 * HOUR_MS)] == list(range(20))
        assert [one.cohort for one in past.before(26, day + 2 * HOUR_MS)] == [24, 25]

    def test_of_a_day_is_not_known_to_an_hour_before_the_day_closes(self):
        within = replace(cell(1, 20), closed_at=closing(1).since + DAY_MS // 24)
        seen = replace(course({ALL: [GOOD]}), streams={ALL: [cell(0, 40), within]}, last_closed=FIRST + 1)
        assert told(apply([rule()], seen, {}, outages=[self.outage(1)])) == ["all firing 05"]


def test_a_budget_is_split_over_the_segments_that_had_a_group_large_enough_by_then():
    """The same evidence fires a rule's only segment, and does not where it is one of many."""
    sequential = rule(
        test=Test.SEQUENTIAL, false_alarms=FalseAlarms(1.0, 365.25, "1 per year"), overdispersion=0.0,
        segment=("plan", "*"), resolve=float("nan"),
    )  # fmt: skip

    def fires_at(first_large: int) -> str:
        others = {("plan", f"v{i}"): [SMALL] * first_large + [GOOD] * (10 - first_large) for i in range(500)}
        changes = apply([sequential], course({PRO: [(100, 20)] * 10} | others), {})
        (fired,) = [change for change in changes if change.state is State.FIRING]
        return fired.at

    (alone,) = apply([sequential], course({PRO: [(100, 20)] * 10}), {})
    assert fires_at(10) == alone.at
    assert fires_at(5) == alone.at
    assert fires_at(0) > alone.at


def test_what_it_is_compared_with_is_of_the_same_cohort():
    relative = rule(segment=PRO, below=float("nan"), resolve=float("nan"), drop=0.3, baseline=Baseline(segment=FREE))
    seen = course({PRO: [(100, 40), (100, 20)]}, baselines={FREE: [(100, 40), (100, 20)]})
    assert apply([relative], seen, {}) == []
    seen = course({PRO: [(100, 40), (100, 20)]}, baselines={FREE: [(100, 40), (100, 40)]})
    assert told(apply([relative], seen, {})) == ["pro firing 05"]
