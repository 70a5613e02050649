from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.notify import START, closed, opened

from stream_app.domain.alerts import NoticeKind
from stream_app.notifiers import Outbox, Receipt, Status

HERE = Receipt("C1", "1.2")
BOTH = ("console", "slack:#retention")


def stored(outbox: Outbox) -> Outbox:
    """The outbox as another process finds it."""
    return Outbox.from_json(orjson.loads(orjson.dumps(outbox.to_json())))


def test_a_change_is_owed_once_to_each_target():
    outbox = Outbox()
    assert [e.target for e in outbox.add(opened(to=BOTH), START)] == list(BOTH)
    assert outbox.add(opened(to=BOTH), START + 1) == []
    assert outbox.add(opened(2, to=()), START) == []
    assert [e.status for e in outbox.open] == [Status.OWED, Status.OWED]


def test_it_is_known_after_it_was_sent_too():
    outbox = Outbox()
    (entry,) = outbox.add(opened(), START)
    done = outbox.sent(outbox.posting(entry, START), HERE, START + 1)
    assert (done.status, done.receipt, done.settled_at, done.notice) == (Status.SENT, HERE, START + 1, None)
    assert outbox.add(opened(), START + 2) == []
    assert stored(outbox).add(opened(), START + 2) == []
    assert outbox.due(START + 1e6) == []


def test_a_target_gets_its_changes_in_order_and_does_not_wait_for_another():
    outbox = Outbox()
    outbox.add(opened(1, to=BOTH), START)
    outbox.add(opened(2, to=BOTH), START)
    console, slack = outbox.due(START)
    assert (console.id[-1], slack.id[-1]) == ("1", "1")
    slack = outbox.not_posted(outbox.posting(slack, START), "down", START)
    outbox.sent(outbox.posting(console, START), HERE, START)
    assert [(e.target, e.id[-1]) for e in outbox.due(START)] == [("console", "2")]
    assert [(e.target, e.id[-1]) for e in outbox.due(START + 2)] == [("console", "2"), ("slack:#retention", "1")]


def test_what_is_being_posted_is_handed_out_to_nobody_else():
    outbox = Outbox()
    (entry,) = outbox.add(opened(), START)
    entry = outbox.posting(entry, START)
    assert outbox.due(START + 1e6) == []
    assert outbox.wake_at() is None
    outbox.interrupted(entry)
    (again,) = outbox.due(START + 1e6)
    assert again.status is Status.POSTING
    outbox.looking(again)
    assert outbox.due(START + 1e6) == []


def test_after_a_restart_a_post_under_way_is_one_to_be_looked_for():
    outbox = Outbox(settle=15)
    (entry,) = outbox.add(opened(), START)
    outbox.posting(entry, START)
    found = stored(outbox)
    assert found.due(START + 14) == [], "what was accepted must have become visible"
    (entry,) = found.due(START + 15)
    assert (entry.status, entry.first_try, entry.attempts) == (Status.POSTING, START, 1)
    assert entry.notice == opened()
    with pytest.raises(ValueError, match="is posting, not owed"):
        found.posting(entry, START + 15)


def test_waits_grow_up_to_a_cap():
    outbox = Outbox(first_wait=2, longest_wait=10)
    (entry,) = outbox.add(opened(), START)
    waits, now = [], START
    for _ in range(5):
        entry = outbox.not_posted(outbox.posting(entry, now), "down", now)
        waits.append(entry.not_before - now)
        now = entry.not_before
        assert outbox.wake_at() == now
    assert waits == [2, 4, 8, 10, 10]
    assert entry.first_try == START


def test_a_wait_that_is_asked_for_is_kept():
    outbox = Outbox()
    (entry,) = outbox.add(opened(), START)
    entry = outbox.not_posted(outbox.posting(entry, START), "429", START, wait=70)
    assert entry.not_before == START + 70


def test_an_unknown_outcome_is_not_owed_before_it_was_looked_for():
    outbox = Outbox(settle=15)
    (entry,) = outbox.add(opened(), START)
    entry = outbox.unknown(outbox.posting(entry, START), "dropped", START)
    assert (entry.status, entry.not_before) == (Status.POSTING, START + 15)
    (entry,) = outbox.due(START + 15)
    entry = outbox.not_posted(entry, "not there", START + 15, wait=0)
    assert (entry.status, outbox.due(START + 15)) == (Status.OWED, [entry])


def test_a_rejected_one_lets_the_next_pass():
    outbox = Outbox()
    outbox.add(opened(1), START)
    outbox.add(opened(2), START)
    (entry,) = outbox.due(START)
    entry = outbox.rejected(outbox.posting(entry, START), "invalid_blocks", START)
    assert (entry.status, entry.note) == (Status.REJECTED, "invalid_blocks")
    assert [e.id[-1] for e in outbox.due(START)] == ["2"]


def test_a_resolution_belongs_under_what_it_resolves_at_the_same_target():
    outbox = Outbox()
    first = opened(1, to=BOTH)
    console, slack = outbox.add(first, START)
    outbox.sent(outbox.posting(console, START), Receipt("console", "x"), START)
    outbox.sent(outbox.posting(slack, START), HERE, START)
    outbox = stored(outbox)
    after_console, after_slack = outbox.add(closed(2, first), START)
    assert outbox.thread(after_slack) == HERE
    assert outbox.thread(after_console) == Receipt("console", "x")
    assert outbox.thread(outbox.add(closed(3, opened(9)), START)[0]) is None


def test_what_was_settled_long_ago_is_forgotten_and_what_is_owed_never():
    outbox = Outbox(keep=100)
    sent, refused, _ = (outbox.add(opened(i, to=(f"slack:#{i}",)), START)[0] for i in (1, 2, 3))
    outbox.sent(outbox.posting(sent, START), HERE, START)
    outbox.rejected(outbox.posting(refused, START), "no", START + 50)
    assert outbox.prune(START + 99) == []
    assert outbox.prune(START + 100) == [sent.key]
    assert outbox.prune(START + 1e9) == [refused.key]
    assert [e.id[-1] for e in outbox.entries] == ["3"]
    assert outbox.add(opened(1), START)[0].number > outbox.entries[0].number


@given(st.data())
def test_a_restart_at_any_moment_loses_no_entry_and_no_order(data: st.DataObject):
    outbox, now, added = Outbox(), START, []
    for number in range(data.draw(st.integers(1, 25))):
        action = data.draw(st.sampled_from(["add", "act", "restart"]))
        now += data.draw(st.integers(0, 400))
        if action == "add":
            outbox.add(opened(number), now)
            added.append(opened(number).id)
        elif action == "restart":
            before = outbox.entries
            outbox = stored(outbox)
            assert outbox.entries == before
        for entry in outbox.due(now) if action == "act" else ():
            if entry.status is Status.OWED:
                entry = outbox.posting(entry, now)  # noqa: PLW2901
            step = data.draw(st.sampled_from(["sent", "rejected", "not_posted", "unknown", "crash"]))
            if step == "sent":
                outbox.sent(entry, HERE, now)
            elif step == "crash":
                outbox = stored(outbox)
            else:
                getattr(outbox, step)(entry, step, now)
    assert [e.id for e in outbox.entries] == added
    settled = [e.status in (Status.SENT, Status.REJECTED) for e in outbox.entries]
    assert settled == sorted(settled, reverse=True), "in order: the settled ones are the first"


def test_a_new_owner_counts_from_its_own_taking_over_whatever_the_former_ones_clock_said():
    outbox = Outbox(settle=15)
    (entry,) = outbox.add(opened(), START)
    entry = outbox.posting(entry, START - 500)  # its clock is slow
    taken = Outbox(outbox.entries, settle=15, taken_at=START)
    assert taken.due(START + 14) == []
    assert taken.due(START + 15) == [taken.entries[0]]
    owed = Outbox()
    owed.add(opened(), START)
    assert len(Outbox(owed.entries, taken_at=START).due(START)) == 1, "what nobody has begun to post waits for nothing"


def test_an_entry_of_the_version_before_is_one_of_a_single_change():
    change = {
        "id": "b", "rule": "r", "segment": {}, "state": "resolved", "at": "2026-03-09T00:00:00Z", "began": "a",
        "definition": "engagement", "grain": "day", "index": 7, "cohort": "2026-03-02", "value": 0.4, "threshold": 0.3,
        "group": 200, "retained": 80, "reason": "recovered", "since": "2026-03-01", "to": ["console"],
    }  # fmt: skip
    rows = [
        {"id": "a", "target": "console", "number": 0, "change": None, "added_at": START, "began": None,
         "status": "sent", "attempts": 1, "not_before": START, "first_try": START, "settled_at": START,
         "receipt": ["c", "1"], "note": None},
        {"id": "b", "target": "console", "number": 1, "change": change, "added_at": START, "began": "a",
         "status": "owed", "attempts": 0, "not_before": 0.0, "first_try": None, "settled_at": None, "receipt": None,
         "note": None},
    ]  # fmt: skip
    outbox = Outbox.from_json({"entries": rows})
    (entry,) = outbox.due(START)
    assert outbox.thread(entry) == Receipt("c", "1")
    assert entry.notice is not None
    assert (entry.notice.id, entry.notice.kind, entry.notice.root) == ("b", NoticeKind.CLOSED, "a")
    (told,) = entry.notice.changes
    assert (told.ends, told.began, told.count) == ("a", "2026-03-01", 80)
    assert stored(outbox).entries == outbox.entries
