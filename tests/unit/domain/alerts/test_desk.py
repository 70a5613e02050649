"""Who is told what when."""

from __future__ import annotations

from dataclasses import replace

from support.desk import (
    DAY,
    HOUR,
    RULE,
    START,
    Desk,
    data_back,
    fires,
    no_data,
    plain,
    resolves,
    risk,
    silence,
    withdraws,
)

from stream_app.domain.alerts import Curve, Group, Health, Hold, Hours, Reason, Sending, State, alert_key
from stream_app.domain.alerts.command import Action
from stream_app.domain.alerts.notice import NoticeKind
from stream_app.domain.events import rfc3339

OFFICE = Sending(hours=Hours.parse("Mon-Fri 09:00-18:00"))
NIGHT, MORNING = START, START + 9 * HOUR
KEY = alert_key(RULE, {"plan": "pro"})


# -- threads


def test_a_firing_opens_a_thread_and_its_end_closes_it() -> None:
    desk, fired = Desk(Sending(labels=(("team", "growth"),), note="Runbook")), fires()
    (opened,) = desk.at(START, fired)
    assert (opened.kind, opened.id, opened.root, opened.at) == (NoticeKind.OPENED, fired.id, None, fired.at)
    assert (opened.to, opened.labels, opened.note, opened.promise) == (
        ("console",), (("team", "growth"),), "Runbook", "1 per year",
    )  # fmt: skip
    assert [one.change for one in opened.now] == [fired]
    over = resolves(fired)
    (closed,) = desk.at(START + DAY, over)
    assert (closed.kind, closed.id, closed.root) == (NoticeKind.CLOSED, over.id, fired.id)
    assert [one.change for one in closed.standing] == [over]
    assert desk.group is None


def test_changes_of_one_instant_are_one_message_worst_first() -> None:
    desk = Desk()
    given = [risk(fires("a"), 900), risk(fires("b"), 5, 70_000), risk(fires("c"), 10), risk(fires("d"), 10, 1)]
    (notice,) = desk.at(START, *given)
    assert plain(notice) == ("opened", ["b firing", "d firing", "a firing", "c firing"])
    assert [one.change.segment["plan"] for one in notice.standing] == ["b", "d", "a", "c"]
    assert notice.id not in {one.id for one in given}
    (again,) = Desk().at(START, *reversed(given))
    assert again == notice


def test_instants_are_told_in_their_order_each_by_itself() -> None:
    desk, first = Desk(), fires("a")
    second, over, last = fires("b", 1), resolves(first, 1), fires("c", 2)
    told = desk.at(START + 3 * DAY, first, second, over, last, resolves(second, 3), resolves(last, 3))
    assert [plain(notice) for notice in told] == [
        ("opened", ["a firing"]),
        ("changed", ["b firing", "a resolved"]),
        ("changed", ["c firing"]),
        ("closed", ["b resolved", "c resolved"]),
    ]
    assert [notice.root for notice in told] == [None, first.id, first.id, first.id]
    assert [one.change.state.value for one in told[2].standing] == ["firing", "firing", "resolved"]


def test_instants_are_told_in_their_order_in_whatever_order_they_are_given() -> None:
    told = Desk().at(START + DAY, fires("b", 1), fires("a", 0))
    assert [plain(notice) for notice in told] == [("opened", ["a firing"]), ("changed", ["b firing"])]


def test_an_alert_that_fires_again_in_an_open_thread_is_told_in_it() -> None:
    desk, first, other = Desk(), fires("a"), fires("b")
    desk.at(START, first, other)
    desk.at(START + DAY, resolves(first, 1))
    (notice,) = desk.at(START + 2 * DAY, fires("a", 2))
    assert plain(notice) == ("changed", ["a firing"])
    assert len(notice.now) == 2


def test_an_alert_that_fires_after_the_end_opens_another_thread() -> None:
    desk, first = Desk(), fires()
    desk.at(START, first)
    desk.at(START + DAY, resolves(first))
    (notice,) = desk.at(START + 2 * DAY, again := fires(day=2))
    assert (notice.kind, notice.id, notice.root) == (NoticeKind.OPENED, again.id, None)


def test_what_a_changed_rule_withdraws_and_fires_at_one_instant_is_told_in_this_order() -> None:
    desk, first, second = Desk(), fires("a", 4), fires("b", 5)
    desk.at(START + 5 * DAY, first, second)
    gone = [withdraws(one, 5, Reason.RULE_CHANGED) for one in (first, second)]
    # Judged anew, the drop was seen in an earlier cell.
    anew = [fires("a", 2), fires("b", 3)]
    told = desk.at(START + 5 * DAY, gone[0], anew[0], gone[1], anew[1])
    assert [plain(notice) for notice in told] == [
        ("closed", ["a inactive", "b inactive"]),
        ("opened", ["a firing", "b firing"]),
    ]


def test_changes_without_targets_are_for_the_topic_alone() -> None:
    desk = Desk()
    assert desk.at(START, replace(fires(), state=State.PENDING, to=())) == []
    assert (desk.group, desk.withheld) == (None, [])


def test_a_judgement_that_is_repeated_tells_nothing_new() -> None:
    desk, fired, other = Desk(), fires("a"), fires("b")
    first = desk.at(START, fired, other)
    assert desk.at(START + HOUR, fired, other) == []
    over = resolves(fired)
    desk.at(START + DAY, over)
    assert desk.at(START + DAY, over) == []
    lost = Desk()
    assert [notice.id for notice in lost.at(START + 5 * HOUR, fired, other, other)] == [first[0].id]


def test_the_end_of_a_firing_of_a_former_version_is_told_under_its_message() -> None:
    desk, fired, other = Desk(), fires("a"), fires("b")
    told = desk.at(START + DAY, resolves(fired), resolves(other))
    assert [(one.kind, one.root, len(one.changes)) for one in told] == [
        (NoticeKind.CLOSED, fired.id, 1),
        (NoticeKind.CLOSED, other.id, 1),
    ]
    assert desk.group is None


def test_the_cap_counts_the_ends_of_firings_of_a_former_version() -> None:
    desk = Desk(Sending(at_most=(1, 86_400.0)))
    assert [one.changes[0].segment["plan"] for one in desk.at(START, resolves(fires("a")), resolves(fires("b")))] == [
        "a"
    ]
    assert desk.at(START + DAY - 1) == []
    assert [one.root for one in desk.at(START + DAY)] == [fires("b").id]
    assert desk.at(START + 2 * DAY) == []


# -- targets


def test_who_was_told_of_a_firing_is_told_of_its_end() -> None:
    desk, fired = Desk(to=["console", "slack:#old"]), fires()
    desk.at(START, fired)
    desk.to = ("console", "slack:#new")
    (more,) = desk.at(START + DAY, fires("b", 1))
    assert more.to == ("console", "slack:#new")
    (over,) = desk.at(START + 2 * DAY, resolves(fired, 2))
    assert over.to == ("console", "slack:#new", "slack:#old")


def test_a_removed_rule_s_firing_is_withdrawn_where_it_was_told() -> None:
    desk, fired = Desk(to=["slack:#growth"]), fires()
    desk.at(START, fired)
    desk.to = ()
    assert desk.at(START + HOUR) == []
    (notice,) = desk.at(START + DAY, withdraws(fired))
    assert (notice.kind, set(notice.to)) == (NoticeKind.CLOSED, {"slack:#growth", "console"})
    assert desk.group is None


def test_a_removed_rule_s_firing_is_withdrawn_with_the_labels_that_it_had() -> None:
    desk, fired = Desk(Sending(labels=(("severity", "page"),))), fires()
    desk.at(START, fired)
    desk.sending = Sending(labels=(("severity", "mail"),))
    desk.at(START + HOUR)
    desk.sending, desk.to = Sending(), ()
    desk.at(START + 2 * HOUR)
    (notice,) = desk.at(START + DAY, withdraws(fired))
    assert notice.labels == (("severity", "mail"),)


def test_a_group_that_was_stored_without_labels_is_read() -> None:
    desk = Desk()
    desk.at(START, fires())
    assert desk.group is not None
    stored = desk.group.to_json()
    del stored["labels"]
    assert Group.from_json(stored) == desk.group


def test_what_waits_for_a_removed_rule_is_not_told_any_more() -> None:
    desk, fired = Desk(OFFICE), fires()
    desk.at(NIGHT, fired)
    desk.sending, desk.to = Sending(), ()
    assert desk.at(NIGHT + HOUR) == []
    over = withdraws(fired)
    assert desk.at(NIGHT + 2 * HOUR, over) == []
    assert (desk.group, desk.withheld) == (None, [(fired, Hold.RULE_GONE), (over, Hold.RULE_GONE)])


# -- holds


def test_a_silenced_firing_is_told_when_the_silence_ends() -> None:
    desk, fired = Desk(), fires()
    desk.silences = [silence(START, START + 2 * DAY, plan="pro")]
    assert [plain(one) for one in desk.at(START, fired, fires("free"))] == [("opened", ["free firing"])]
    assert desk.group is not None
    assert desk.group.waiting[KEY] == (fired, Hold.SILENCED)
    assert desk.at(START + 2 * DAY - 1) == []
    (notice,) = desk.at(START + 2 * DAY)
    assert (plain(notice), notice.id, notice.at) == (("changed", ["pro firing"]), fired.id, fired.at)
    assert desk.at(START + 3 * DAY) == []


def test_a_firing_that_ended_while_silenced_is_not_told_nor_is_its_end() -> None:
    desk, fired = Desk(), fires()
    desk.silences = [silence(START, START + 2 * DAY)]
    desk.at(START, fired)
    over = resolves(fired)
    assert desk.at(START + DAY, over) == []
    assert desk.withheld == [(fired, Hold.SILENCED), (over, Hold.SILENCED)]
    assert desk.at(START + 3 * DAY) == []
    assert desk.group is None


def test_the_end_of_a_told_firing_is_told_while_it_is_silenced() -> None:
    desk, fired = Desk(), fires()
    desk.at(START, fired)
    desk.silences = [silence(START + HOUR, START + 9 * DAY)]
    desk.at(START + HOUR)
    (notice,) = desk.at(START + DAY, resolves(fired))
    assert plain(notice) == ("closed", ["pro resolved"])


def test_a_news_that_comes_as_the_hold_ends_is_what_counts() -> None:
    desk, fired = Desk(), fires()
    desk.silences = [silence(START, START + DAY)]
    desk.at(START, fired)
    assert desk.at(START + DAY, resolves(fired)) == []


def test_what_happened_at_night_is_told_in_one_message_in_the_morning() -> None:
    desk = Desk(OFFICE)
    old = fires("a")
    desk.at(MORNING, old)
    friday, saturday = START + DAY, START + 2 * DAY
    assert desk.at(friday, fires("b", 1)) == []
    assert [plain(one) for one in desk.at(friday + 9 * HOUR)] == [("changed", ["b firing"])]
    assert desk.at(saturday, gone := fires("c", 2), fires("d", 2)) == []
    assert desk.at(saturday + DAY, resolves(gone, 3), resolves(old, 3)) == []
    assert desk.at(START + 4 * DAY + 9 * HOUR - 1) == []  # Monday
    (notice,) = desk.at(START + 4 * DAY + 9 * HOUR)
    assert plain(notice) == ("changed", ["d firing", "a resolved"])
    assert notice.at == resolves(old, 3).at
    assert {(one.segment["plan"], hold) for one, hold in desk.withheld} == {("c", Hold.HOURS)}


def test_a_weekend_as_the_docs_tell_it() -> None:
    desk = Desk(OFFICE)
    pro, free, trial, team = fires("pro", 1), fires("free", 1), fires("trial", 2), fires("team", 4)
    nights = [
        (1, (pro, free), [("opened", ["free firing", "pro firing"])]),
        (2, (trial,), []),
        (3, (resolves(trial, 3), resolves(free, 3)), []),
        (4, (team,), [("changed", ["team firing", "free resolved"])]),
        (5, (resolves(pro, 5), resolves(team, 5)), [("closed", ["pro resolved", "team resolved"])]),
    ]
    for day, changes, expected in nights:
        assert desk.at(START + day * DAY, *changes) == []
        assert [plain(one) for one in desk.at(START + day * DAY + 9 * HOUR)] == expected
    assert [change for change, _ in desk.withheld] == [trial, resolves(trial, 3)]


def test_of_what_waits_for_an_alert_the_latest_counts_and_its_told_firing_is_ended_once() -> None:
    desk, first = Desk(OFFICE), fires()
    desk.at(MORNING, first)
    saturday = START + 2 * DAY
    over, again = resolves(first, 2), fires(day=3)
    assert desk.at(saturday, over) == []
    assert desk.at(saturday + DAY, again) == []
    end = resolves(again, 4)
    assert desk.at(saturday + 2 * DAY, end) == []
    (notice,) = desk.at(saturday + 2 * DAY + 9 * HOUR)
    assert (plain(notice), notice.id, notice.root) == (("closed", ["pro resolved"]), end.id, first.id)
    assert desk.withheld == [(over, Hold.HOURS), (again, Hold.HOURS)]


def test_more_messages_than_the_cap_wait_and_are_told_together() -> None:
    desk = Desk(Sending(at_most=(2, 86_400.0)))
    assert len(desk.at(START, fires("a"))) == 1
    assert len(desk.at(START + HOUR, fires("b"))) == 1
    assert desk.at(START + 2 * HOUR, fires("c")) == []
    assert desk.at(START + 3 * HOUR, resolves(fires("a"), 0), fires("d")) == []
    assert desk.group is not None
    assert {hold for _, hold in desk.group.waiting.values()} == {Hold.CAP}
    assert desk.at(START + DAY - 1) == []
    assert [plain(one) for one in desk.at(START + DAY)] == [("changed", ["c firing", "d firing", "a resolved"])]
    # Two lie within the last 24 hours now.
    assert desk.at(START + DAY + HOUR - 1, fires("e")) == []
    assert len(desk.at(START + DAY + HOUR)) == 1


def test_the_cap_counts_across_threads() -> None:
    desk, fired = Desk(Sending(at_most=(2, 86_400.0))), fires()
    desk.at(START, fired)
    desk.at(START + HOUR, resolves(fired))
    assert desk.at(START + 2 * HOUR, fires(day=2)) == []
    assert len(desk.at(START + DAY)) == 1


def test_the_cap_holds_while_a_backlog_is_told() -> None:
    desk = Desk(Sending(at_most=(2, 86_400.0)))
    told = desk.at(START + 9 * DAY, *[fires(str(day), day) for day in range(9)])
    assert [plain(one)[1] for one in told] == [["0 firing"], ["1 firing"]]
    (rest,) = desk.at(START + 10 * DAY)
    assert len(rest.changes) == 7


# -- repetition, acknowledgement, silence of what was told


def test_what_fires_is_repeated_until_it_ends() -> None:
    desk, fired = Desk(Sending(repeat=3 * 86_400.0)), fires()
    desk.at(START, fired)
    assert desk.at(START + 3 * DAY - 1) == []
    (first,) = desk.at(START + 3 * DAY)
    assert (first.kind, first.root, first.changes, first.at) == (
        NoticeKind.REPEATED, fired.id, (), rfc3339(START + 3 * DAY),
    )  # fmt: skip
    assert [one.change for one in first.now] == [fired]
    assert desk.at(START + 3 * DAY + 1) == []
    desk.at(START + 4 * DAY, fires("free", 4))  # a message, too
    assert desk.at(START + 6 * DAY) == []
    (second,) = desk.at(START + 7 * DAY)
    assert second.kind is NoticeKind.REPEATED
    assert second.id != first.id
    desk.at(START + 8 * DAY, resolves(fired, 8), resolves(fires("free", 4), 8))
    assert desk.at(START + 30 * DAY) == []


def test_a_repetition_has_one_id_whoever_makes_it_when() -> None:
    desk = Desk(Sending(repeat=86_400.0))
    desk.at(START, fires())
    before = desk.group
    (early,) = desk.at(START + DAY)
    desk.group = before
    (late,) = desk.at(START + DAY + 5 * HOUR)
    assert early.id == late.id


def test_what_was_acknowledged_is_not_repeated_until_it_fires_anew() -> None:
    desk, fired, other = Desk(Sending(repeat=86_400.0)), fires("a"), fires("b")
    desk.at(START, fired, other)
    assert desk.command(START + HOUR, Action.ACKNOWLEDGE) == f"{RULE}: acknowledged, 2 firing"
    (edited,) = desk.at(START + HOUR)
    assert (edited.kind, edited.root, edited.changes) == (NoticeKind.EDITED, desk.notices[0].id, ())
    assert [one.acknowledged for one in edited.standing] == [
        {"author": "mia", "reason": "seen", "at": rfc3339(START + HOUR), "ends": None}
    ] * 2
    assert desk.at(START + 9 * DAY) == []
    over = resolves(fired, 9)
    assert len(desk.at(START + 9 * DAY, over)) == 1
    (anew,) = desk.at(START + 10 * DAY, fires("a", 10))
    assert [(one.change.segment["plan"], one.acknowledged is None) for one in anew.now] == [("a", True), ("b", False)]
    (repeated,) = desk.at(START + 11 * DAY)
    assert repeated.kind is NoticeKind.REPEATED


def test_what_was_acknowledged_for_a_while_is_repeated_when_that_is_over() -> None:
    desk = Desk(Sending(repeat=86_400.0))
    desk.at(START, fires())
    end = START + 3 * DAY + HOUR
    assert desk.command(START + HOUR, Action.ACKNOWLEDGE, ends=end).endswith(
        "acknowledged until 2026-01-04T01:00:00Z, 1 firing"
    )
    (edited,) = desk.at(START + HOUR)
    assert edited.standing[0].acknowledged is not None
    assert edited.standing[0].acknowledged["ends"] == rfc3339(end)
    assert desk.at(end - 1) == []
    (repeated,) = desk.at(end)
    assert (repeated.kind, repeated.standing[0].acknowledged) == (NoticeKind.REPEATED, None)
    assert [one.kind for one in desk.at(end + DAY)] == [NoticeKind.REPEATED]


def test_where_nothing_is_repeated_the_message_shows_that_an_acknowledgement_is_over() -> None:
    desk = Desk()
    desk.at(START, fires())
    desk.command(START, Action.ACKNOWLEDGE, ends=START + HOUR)
    desk.at(START + 1)
    (edited,) = desk.at(START + HOUR)
    assert (edited.kind, edited.standing[0].acknowledged) == (NoticeKind.EDITED, None)
    assert desk.at(START + DAY) == []


def test_an_acknowledgement_of_what_waits_runs_out_like_any_other() -> None:
    desk = Desk(OFFICE)
    desk.at(NIGHT, fires())
    desk.command(NIGHT, Action.ACKNOWLEDGE, ends=MORNING)
    desk.at(NIGHT + 1)
    (notice,) = desk.at(MORNING)
    assert notice.standing[0].acknowledged is None


def test_an_acknowledgement_of_version_0_5_ends_with_the_firing() -> None:
    desk = Desk(Sending(repeat=86_400.0))
    desk.at(START, fires())
    desk.command(START, Action.ACKNOWLEDGE)
    assert desk.group is not None
    former = {
        key: replace(one, acknowledged={"author": "mia", "reason": "", "at": rfc3339(START)})
        for key, one in desk.group.members.items()
    }
    desk.group = replace(desk.group, members=former)
    desk.at(START + 1)
    assert desk.at(START + 30 * DAY) == []


def test_what_was_acknowledged_before_it_was_told_is_told_once_and_not_repeated() -> None:
    desk, fired = Desk(replace(OFFICE, repeat=3600.0)), fires()
    desk.at(NIGHT, fired)
    assert desk.command(NIGHT + HOUR, Action.ACKNOWLEDGE).endswith("acknowledged, 1 firing")
    assert desk.at(NIGHT + HOUR) == []
    (notice,) = desk.at(MORNING)
    assert [one.acknowledged is not None for one in notice.now] == [True]
    assert desk.at(MORNING + 5 * HOUR) == []


def test_an_acknowledgement_of_what_was_never_told_is_not_one_of_the_next_firing() -> None:
    desk, fired = Desk(OFFICE), fires()
    desk.at(NIGHT, fired)
    desk.command(NIGHT + 1, Action.ACKNOWLEDGE)
    desk.at(NIGHT + 2, withdraws(fired, 0, Reason.RULE_CHANGED), again := fires(day=-1))
    (notice,) = desk.at(MORNING)
    assert [(one.change, one.acknowledged) for one in notice.now] == [(again, None)]


def test_what_is_silenced_is_not_repeated_and_the_message_shows_it_from_begin_to_end() -> None:
    desk, fired = Desk(Sending(repeat=86_400.0)), fires()
    desk.at(START, fired)
    desk.silences = [silence(START + HOUR, START + 5 * DAY)]
    assert desk.at(START + HOUR - 1) == []
    (begun,) = desk.at(START + HOUR)
    assert begun.kind is NoticeKind.EDITED
    assert begun.standing[0].silenced == {
        "id": "s", "author": "mia", "reason": "known", "ends": rfc3339(START + 5 * DAY),
    }  # fmt: skip
    assert desk.at(START + 4 * DAY) == []
    ended = desk.at(START + 5 * DAY)
    assert [one.kind for one in ended] == [NoticeKind.REPEATED]
    assert ended[0].standing[0].silenced is None


def test_the_silence_that_ends_last_is_shown_and_only_of_what_fires() -> None:
    desk, over = Desk(), fires("b")
    desk.at(START, fires("a"), over)
    desk.at(START + 1, resolves(over, 0))
    desk.silences = [silence(START, START + end * DAY, name=str(end)) for end in (2, 5, 3)]
    (edited,) = desk.at(START + 2)
    shown = {one.change.segment["plan"]: one.silenced and one.silenced["id"] for one in edited.standing}
    assert shown == {"a": "5", "b": None}


def test_each_edit_has_an_id_of_its_own() -> None:
    desk = Desk()
    desk.at(START, fires())
    for hour in range(1, 9):
        desk.silences = [silence(START, START + DAY)] if hour % 2 else []
        desk.at(START + hour * HOUR)
    edits = [one for one in desk.notices if one.kind is NoticeKind.EDITED]
    assert len({one.id for one in edits}) == len(edits) == 8


def test_no_repetition_outside_the_hours() -> None:
    desk = Desk(replace(OFFICE, repeat=8 * 3600.0))
    desk.at(MORNING, fires())
    assert desk.at(MORNING + 8 * HOUR - 1) == []
    assert desk.at(MORNING + 9 * HOUR) == []
    assert desk.at(MORNING + DAY - 1) == []
    assert desk.at(MORNING + DAY)[0].kind is NoticeKind.REPEATED


def test_no_repetition_over_the_cap() -> None:
    desk = Desk(Sending(repeat=6 * 3600.0, at_most=(2, 86_400.0)))
    desk.at(START, fires())
    assert desk.at(START + 6 * HOUR)[0].kind is NoticeKind.REPEATED
    assert desk.at(START + DAY - 1) == []
    assert desk.at(START + DAY)[0].kind is NoticeKind.REPEATED


# -- health


def test_no_data_and_its_return_are_told_like_a_firing() -> None:
    desk, missing = Desk(), no_data()
    (opened,) = desk.at(START, missing)
    assert (opened.kind, opened.id, opened.standing[0].change.health) == (
        NoticeKind.OPENED, missing.id, Health.NO_DATA,
    )  # fmt: skip
    assert opened.now == ()
    (closed,) = desk.at(START + DAY, data_back())
    assert (closed.kind, closed.root) == (NoticeKind.CLOSED, missing.id)


def test_a_firing_alert_without_data_still_fires_and_has_one_line() -> None:
    desk, fired = Desk(), fires()
    desk.at(START, fired)
    (told,) = desk.at(START + DAY, no_data(day=1, state=State.FIRING))
    (line,) = told.standing
    assert (line.change.id, line.change.state, line.change.health) == (fired.id, State.FIRING, Health.NO_DATA)
    (back,) = desk.at(START + 2 * DAY, data_back(day=2, state=State.FIRING))
    assert (back.kind, [one.change for one in back.standing]) == (NoticeKind.CHANGED, [fired])
    assert desk.at(START + 3 * DAY, resolves(fired, 3))[0].kind is NoticeKind.CLOSED


def test_an_alert_that_recovered_and_then_has_no_data_is_shown_without_data() -> None:
    desk, fired = Desk(), fires()
    desk.at(START, fired, fires("other"))
    desk.at(START + DAY, resolves(fired))
    (told,) = desk.at(START + 5 * DAY, no_data(day=5, state=State.RESOLVED))
    assert [(one.change.segment["plan"], one.change.health) for one in told.standing] == [
        ("other", Health.OK),
        ("pro", Health.NO_DATA),
    ]


def test_a_resolution_says_that_there_is_data_again() -> None:
    desk, fired = Desk(), fires()
    desk.at(START, fired)
    desk.at(START + DAY, no_data(day=1, state=State.FIRING))
    assert desk.at(START + 2 * DAY, resolves(fired, 2))[0].kind is NoticeKind.CLOSED
    assert desk.group is None


def test_a_firing_after_no_data_goes_on_in_the_thread() -> None:
    desk = Desk()
    desk.at(START, no_data())
    fired = fires(day=1)
    (told,) = desk.at(START + DAY, fired)
    assert (told.kind, [one.change for one in told.standing]) == (NoticeKind.CHANGED, [fired])
    # What an error was, ends beside the firing: it was said already.
    assert desk.at(START + DAY, back := data_back(day=1, state=State.FIRING)) == []
    assert desk.withheld == [(back, Hold.UNOPENED)]


def test_what_ends_no_data_beside_what_it_says_names_it() -> None:
    desk, missing = Desk(), no_data()
    desk.at(START, missing, fires("b"))
    (told,) = desk.at(START + DAY, fires(day=1))
    assert told.over == (missing,)
    assert desk.at(START + 2 * DAY, resolves(fires(day=1), 2))[0].over == ()
    desk.at(START + 3 * DAY, error := no_data(day=3, state=State.RESOLVED))
    (back,) = desk.at(START + 4 * DAY, data_back(day=4, state=State.RESOLVED))
    assert back.over == (), f"it says so itself: {error.id}"


def test_an_alert_without_data_is_withdrawn_with_its_rule() -> None:
    desk, missing = Desk(), no_data()
    desk.at(START, missing)
    gone = replace(withdraws(fires()), ends=None)
    assert desk.at(START + DAY, gone)[0].kind is NoticeKind.CLOSED
    held = Desk(OFFICE)
    held.at(NIGHT, missing)
    assert held.at(NIGHT + HOUR, gone) == []
    assert (held.group, held.withheld) == (None, [(missing, Hold.HOURS), (gone, Hold.HOURS)])


def test_no_data_that_waits_does_not_hide_the_end_of_a_firing_that_was_told_before_there_were_threads() -> None:
    desk, fired = Desk(), fires()
    desk.silences = [silence(START, START + 9 * DAY)]
    desk.at(START, no_data(state=State.FIRING))
    assert [one.root for one in desk.at(START + DAY, resolves(fired))] == [fired.id]


def test_what_fires_is_worse_than_what_has_no_data_and_that_than_what_recovered() -> None:
    desk, fired = Desk(), risk(fires("a"), 900)
    desk.at(START, fired)
    (told,) = desk.at(START + DAY, risk(resolves(fired), 900), no_data("b", 1), risk(fires("c", 1), 1))
    assert plain(told)[1] == ["c firing", "b inactive", "a resolved"]


# -- pictures


def curve(plan: str, value: float = 0.2) -> dict[str, Curve]:
    return {alert_key(RULE, {"plan": plan}): Curve({"plan": plan}, (("2026-01-01", value, 100),), 0.3, None)}


def test_the_picture_is_that_of_the_worst_alert_also_after_it_waited() -> None:
    desk = Desk(OFFICE)
    curves = curve("a") | curve("b")
    desk.at(NIGHT, risk(fires("a"), 5), risk(fires("b"), 9), curves=curves)
    (notice,) = desk.at(MORNING)
    assert notice.curve == curve("b")[alert_key(RULE, {"plan": "b"})]
    assert desk.group is not None
    assert set(desk.group.curves) == {alert_key(RULE, {"plan": "b"})}
    (more,) = desk.at(MORNING + HOUR, fires("c"))
    assert more.curve == notice.curve
    (last,) = desk.at(MORNING + 2 * HOUR, risk(fires("d"), 1), curves=curve("d"))
    assert last.curve == curve("d")[alert_key(RULE, {"plan": "d"})]
