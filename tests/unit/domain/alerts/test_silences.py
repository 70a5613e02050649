"""What commands do to silences and to firing alerts."""

from __future__ import annotations

from typing import Any

import pytest
from support.desk import DAY, HOUR, RULE, START, Desk, fires, resolves, silence

from stream_app.domain.alerts import Applied, Group, Silence, apply
from stream_app.domain.alerts.command import Action, Command
from stream_app.domain.events import rfc3339


def command(action: Action, **more: Any) -> Command:
    values: dict[str, Any] = {"id": "c", "author": "mia", "reason": "deploy", "rule": RULE, "at": START} | more
    return Command(action=action, **values)


def test_a_silence_begins_when_it_was_asked_for_or_later() -> None:
    asked = command(Action.SILENCE, ends=START + DAY, segment={"plan": "pro"})
    applied = apply(asked, [], {}, START + 5)
    assert applied.silences == (Silence(asked, START, START + DAY),)
    assert applied.row == {
        "kind": "silence", "id": "c", "command": "c", "action": "silence", "at": rfc3339(START), "author": "mia",
        "reason": "deploy", "rule": RULE, "segment": {"plan": "pro"}, "begins": rfc3339(START),
        "ends": rfc3339(START + DAY), "silence": "c", "changes": [], "state": None,
    }  # fmt: skip
    assert applied.said == (
        f"{RULE} (plan=pro) silenced from 2026-01-01T00:00:00Z to 2026-01-02T00:00:00Z (deploy), silence c"
    )
    later = command(Action.SILENCE, begins=START + HOUR, ends=START + DAY, rule=None)
    applied = apply(later, [], {}, START)
    assert [(one.begins, one.holds(START), one.holds(START + HOUR)) for one in applied.silences] == [
        (START + HOUR, False, True)
    ]
    assert applied.said.startswith("every rule silenced")


@pytest.mark.parametrize(
    ("more", "now", "said"),
    [
        ({"ends": START + DAY}, START + DAY, "silence c ended at 2026-01-02T00:00:00Z already, nothing changed"),
        ({"ends": START}, START, "silence c ends before it begins, nothing changed"),
        ({"ends": None}, START, "silence c ends before it begins, nothing changed"),
        ({"ends": START + 1, "begins": START + 2}, START, "silence c ends before it begins, nothing changed"),
    ],
)
def test_a_silence_that_holds_nothing_is_left_out(more: dict[str, Any], now: int, said: str) -> None:
    assert apply(command(Action.SILENCE, **more), [], {}, now) == Applied(said)


def test_a_silence_that_is_ended_holds_no_longer_and_is_remembered() -> None:
    running, planned = silence(START, START + DAY, name="a"), silence(START + 2 * DAY, START + 3 * DAY, name="b")
    for one in (running, planned):
        applied = apply(command(Action.UNSILENCE, silence=one.command.id), [running, planned], {}, START + HOUR)
        (ended,) = applied.silences
        assert ended.command == one.command
        assert (ended.ends, applied.gone) == (START + HOUR, ())
        assert ended.begins <= ended.ends
        assert not any(ended.holds(now) for now in range(START, START + 4 * DAY, HOUR) if now >= START + HOUR)
        assert applied.said == f"silence {one.command.id} of {RULE} ended"
        assert applied.row is not None
        assert applied.row["ends"] == rfc3339(START + HOUR)
        told = [applied.row[name] for name in ("kind", "action", "id", "silence", "rule", "author")]
        assert told == ["silence", "unsilence", "c", one.command.id, RULE, "mia"]


def test_nothing_is_done_about_a_silence_that_is_not_there_or_over() -> None:
    over = silence(START, START + HOUR)
    assert apply(command(Action.UNSILENCE, silence="x"), [over], {}, START) == Applied(
        "there is no silence x, nothing changed"
    )
    assert apply(command(Action.UNSILENCE, silence="s"), [over], {}, START + HOUR).said.startswith("silence s ended at")


@pytest.mark.parametrize(
    "asked",
    [
        command(Action.SILENCE, ends=START + DAY),
        command(Action.UNSILENCE, silence="s"),
        command(Action.ACKNOWLEDGE),
        command(Action.ACKNOWLEDGE, ends=START + DAY),
    ],
    ids=lambda asked: asked.action.value,
)
def test_a_command_that_comes_twice_changes_nothing_the_second_time(asked: Command) -> None:
    desk = Desk()
    desk.at(START, fires())
    silences = {"s": silence(START - DAY, START + DAY)}
    first = apply(asked, silences.values(), desk.groups, START + 1)
    assert (first.silences, first.groups) != ((), {})
    silences |= {one.command.id: one for one in first.silences}
    second = apply(asked, silences.values(), desk.groups | dict(first.groups), START + 2)
    assert (second.silences, second.gone, second.groups, second.row) == ((), (), {}, None)
    assert second.said.endswith(("nothing changed",))


def test_a_silence_is_not_ended_again_by_a_clock_that_is_behind() -> None:
    running, asked = silence(START, START + DAY), command(Action.UNSILENCE, silence="s")
    (ended,) = apply(asked, [running], {}, START + HOUR).silences
    assert apply(asked, [ended], {}, START + HOUR - 1) == Applied(
        "silence s ended at 2026-01-01T01:00:00Z already, nothing changed"
    )


def test_a_silence_that_was_ended_does_not_begin_again_by_its_command() -> None:
    asked = command(Action.SILENCE, ends=START + DAY)
    (begun,) = apply(asked, [], {}, START).silences
    (ended,) = apply(command(Action.UNSILENCE, id="d", silence="c"), [begun], {}, START + 1).silences
    assert apply(asked, [ended], {}, START + 2).silences == ()


def test_an_acknowledgement_is_of_the_firing_alerts_it_names() -> None:
    desk = Desk()
    desk.at(START, fires("a"), fires("b"), done := fires("c"))
    desk.at(START + HOUR, resolves(done, 0))
    applied = apply(command(Action.ACKNOWLEDGE, segment={"plan": "a"}), [], desk.groups, START)
    seen = {one.change.segment["plan"]: one.acknowledged for one in applied.groups[RULE].members.values()}
    assert seen == {
        "a": {"author": "mia", "reason": "deploy", "at": rfc3339(START), "ends": None}, "b": None, "c": None
    }  # fmt: skip
    assert applied.said == f"{RULE} (plan=a): acknowledged, 1 firing"
    others = apply(command(Action.ACKNOWLEDGE, author="noa"), [], applied.groups, START)
    seen = {one.change.segment["plan"]: one.acknowledged for one in others.groups[RULE].members.values()}
    assert [who and who["author"] for who in seen.values()] == ["mia", "noa", None]
    again = apply(command(Action.ACKNOWLEDGE, author="kim"), [], others.groups, START)
    assert again == Applied(f"{RULE}: acknowledged already, nothing changed")


def test_an_acknowledgement_is_a_row_of_the_history_that_says_what_was_seen() -> None:
    desk = Desk()
    desk.at(START, told := fires("a"))
    desk.silences = [silence(START, START + DAY)]
    desk.at(START + 1, held := fires("b"))
    row = apply(command(Action.ACKNOWLEDGE, ends=START + DAY), [], desk.groups, START + 2).row
    assert row is not None
    assert (row["kind"], row["rule"], row["segment"], row["ends"]) == (
        "acknowledgement", RULE, {}, rfc3339(START + DAY)
    )  # fmt: skip
    assert (row["command"], row["changes"]) == ("c", [told.id, held.id])
    desk.at(START + 3, fires("d"))
    again = apply(command(Action.ACKNOWLEDGE, ends=START + DAY), [], desk.groups, START + 4).row
    assert again is not None
    assert again["id"] != row["id"]


def test_a_longer_acknowledgement_takes_the_place_of_a_shorter_one_and_no_other_does() -> None:
    desk = Desk()
    desk.at(START, fires())
    said = []
    for author, end in (("mia", 2), ("noa", 1), ("kim", 2), ("ada", 3), ("eve", None), ("bob", 9), ("joe", None)):
        more = {"ends": None if end is None else START + end * HOUR, "author": author}
        said.append(desk.command(START, Action.ACKNOWLEDGE, **more).endswith("1 firing"))
    assert said == [True, False, False, True, True, False, False]
    assert desk.group is not None
    assert [one.acknowledged and one.acknowledged["author"] for one in desk.group.members.values()] == ["eve"]


def test_an_acknowledgement_that_comes_after_its_end_is_left_out() -> None:
    desk = Desk()
    desk.at(START, fires())
    late = apply(command(Action.ACKNOWLEDGE, ends=START + HOUR), [], desk.groups, START + HOUR)
    assert late == Applied(f"{RULE}: the acknowledgement ended at 2026-01-01T01:00:00Z already, nothing changed")


def test_who_acknowledges_first_what_waits_stays_named() -> None:
    desk = Desk()
    desk.silences = [silence(START, START + DAY)]
    desk.at(START, fires())
    for author in ("mia", "noa"):
        desk.command(START, Action.ACKNOWLEDGE, author=author)
    assert desk.group is not None
    assert [who["author"] for who in desk.group.seen.values()] == ["mia"]


def test_an_acknowledgement_of_what_does_not_fire_says_so() -> None:
    desk = Desk()
    desk.at(START, fires())
    other: dict[str, Group] = {"other": Group()} | desk.groups
    assert apply(command(Action.ACKNOWLEDGE, rule="other"), [], other, START) == Applied(
        "other: nothing fires, nothing changed"
    )
    assert apply(command(Action.ACKNOWLEDGE, rule="no-rule"), [], other, START).groups == {}
