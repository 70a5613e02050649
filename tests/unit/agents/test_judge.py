"""The judge: one write a judgement, commands applied once, figures that cannot be had, what a takeover finds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pytest
from support.alerts import FIRST, course, rule, snapshot
from support.judging import NOW, Bench, Broker, Given, inline

from stream_app.agents.alert_rows import HISTORY_TABLE, TABLE, AlertRows
from stream_app.agents.figures import ERROR_AFTER, RETRY_AFTER
from stream_app.agents.look import Look
from stream_app.domain.alerts import Action, Command, Quality, Reason, RuleSet, Sending, State
from stream_app.domain.errors import UnansweredError
from stream_app.domain.events import rfc3339
from stream_app.domain.metrics.kept import Kept
from stream_app.domain.periods import DAY_MS
from stream_app.engine.ledger import Fenced
from stream_app.engine.tables import Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream_app.domain.metrics import Snapshot

GOOD, BAD = (100, 40), (100, 20)
PRO, FREE = ("plan", "pro"), ("plan", "free")
EVERY = rule(segment=("plan", "*"))


async def nobody(*_: Any) -> Any:
    raise UnansweredError("nobody is there")


def counted() -> Any:
    return Look(nobody, Kept(), currency="USD", minor_units=2, thread=inline)


async def bench(*rules: Any, **options: Any) -> Bench:
    return await Bench(*rules, look=options.pop("look", counted()), **options).own()


def silence(name: str = "s1", **more: Any) -> Command:
    return Command(
        name, Action.SILENCE, NOW, "ada", "a migration", **({"rule": "pro-day-7", "ends": NOW + 60_000} | more)
    )


async def test_changes_states_messages_and_history_are_one_write():
    one = await bench(EVERY)
    await one.see(snapshot({PRO: [GOOD, BAD], FREE: [GOOD, BAD]}))
    (write,) = one.broker.writes
    topics = [record.topic for record in write]
    assert topics.count("alerts") == topics.count("history") == 2
    assert topics.count("outbox") == 1
    assert one.told() == ["opened free-firing pro-firing"]
    assert sorted(alert["segment"]["plan"] for alert in one.shown[0]) == ["free", "pro"]
    assert [line["state"] for line in one.shown[1]] == ["firing", "firing"]
    points = one.notices[0].curve.points  # type: ignore[union-attr]
    assert [(value, group) for _, value, group in points] == [(0.4, 100), (0.2, 100)]


async def test_a_repeated_judgement_and_a_takeover_write_nothing_again():
    one = await bench(EVERY)
    await one.see(snapshot({PRO: [GOOD, BAD]}))
    await one.see(snapshot({PRO: [GOOD, BAD]}))
    other = await bench(EVERY, broker=one.broker)
    await other.see(snapshot({PRO: [GOOD, BAD]}))
    assert len(one.broker.writes) == 1
    assert other.notices == []
    assert [alert["id"] for alert in other.shown[0]] == [alert["id"] for alert in one.shown[0]]


async def test_what_a_silence_holds_is_told_when_it_ends_over_a_takeover():
    one = await bench(EVERY)
    await one.ask(silence(), 1)
    await one.see(snapshot({PRO: [GOOD, BAD]}))
    assert one.told() == []
    assert [alert["held"] for alert in one.shown[0]] == ["silenced"]
    assert [s["command"]["id"] for s in one.shown[2]] == ["s1"]
    other = await bench(EVERY, broker=one.broker)
    await other.tick(59)
    assert other.told() == []
    await other.tick(2)
    assert other.told() == ["opened pro-firing"]


async def test_a_command_is_applied_once():
    one = await bench(EVERY)
    await one.ask(silence(), 5)
    writes = len(one.broker.writes)
    await one.ask(silence("s2"), 5)
    assert len(one.broker.writes) == writes
    assert AlertRows(one.tables.tenure).commands == 5
    assert [s.command.id for s in AlertRows(one.tables.tenure).silences] == ["s1"]


async def test_a_command_that_is_none_is_passed_over(caplog):
    one = await bench(EVERY)
    assert one.tables.tenure is not None
    await one.judge.obey(one.tables.tenure, b"{", 3)
    assert AlertRows(one.tables.tenure).commands == 3
    assert "not understood" in caplog.text


@pytest.mark.parametrize(
    "wrong",
    [{"ends": "soon"}, {"ends": 10**18}, {"begins": -(10**18)}, {"at": 1.5}, {"segment": ["pro"]},
     {"segment": {"a": 1}}, {"id": 5},
     {"rule": ["x"]}, {"action": "acknowledge", "at": 10**18}, {"action": "unsilence", "silence": ["s"]}],
)  # fmt: skip
async def test_a_command_whose_fields_are_not_what_they_should_be_is_passed_over_too(wrong, caplog):
    one = await bench(EVERY)
    await one.see(snapshot({PRO: [GOOD, BAD]}))
    assert one.tables.tenure is not None
    await one.judge.obey(one.tables.tenure, orjson.dumps(silence().to_json() | wrong), 3)
    assert AlertRows(one.tables.tenure).commands == 3
    assert AlertRows(one.tables.tenure).silences == []
    assert "not understood" in caplog.text


class Commands:
    """A log with one command."""

    async def follow(self, start: int) -> Any:
        yield orjson.dumps(silence().to_json()), start + 1


async def test_a_command_whose_write_fails_ends_the_worker_since_nothing_would_be_judged_any_more(monkeypatch):
    one = await bench(EVERY)

    async def refused(*_: Any) -> None:
        raise OSError("the broker is gone")

    monkeypatch.setattr(one.tables.tenure._ledger, "write", refused)
    with pytest.raises(OSError, match="gone"):
        await one.judge.follow(Commands(), (OSError,))  # type: ignore[arg-type]
    assert one.tables.tenure is None


async def test_an_acknowledged_alert_is_not_repeated_and_its_message_says_who():
    again = rule(segment=("plan", "*"), sending=Sending(repeat=100.0))
    one = await bench(again)
    await one.see(snapshot({PRO: [GOOD, BAD]}))
    await one.tick(101)
    assert one.told() == ["opened pro-firing", "repeated"]
    await one.ask(Command("a1", Action.ACKNOWLEDGE, one.now, "ada", rule="pro-day-7"), 1)
    await one.tick(500)
    assert one.told() == ["opened pro-firing", "repeated", "edited"]
    assert one.notices[-1].standing[0].acknowledged["author"] == "ada"  # type: ignore[index]
    assert one.shown[0][0]["acknowledged"]["author"] == "ada"


async def test_an_acknowledgement_for_a_while_is_over_after_it_and_at_a_takeover_too():
    again = rule(segment=("plan", "*"), sending=Sending(repeat=100.0))
    one = await bench(again)
    await one.see(snapshot({PRO: [GOOD, BAD]}))
    await one.ask(Command("a1", Action.ACKNOWLEDGE, one.now, "ada", rule="pro-day-7", ends=one.now + 500_000), 1)
    await one.tick(499)
    assert one.told() == ["opened pro-firing", "edited"]
    assert one.shown[0][0]["acknowledged"]["ends"] == rfc3339(NOW + 500_000)
    other = await bench(again, broker=one.broker)
    await other.tick(500)
    assert other.told() == ["repeated"]
    assert other.shown[0][0]["acknowledged"] is None


async def test_each_command_that_does_something_is_a_row_of_the_history_in_its_own_write():
    one = await bench(EVERY)
    await one.see(snapshot({PRO: [GOOD, BAD]}))
    asked = [
        silence("s1"), silence("s1"), Command("e1", Action.UNSILENCE, NOW, "bob", silence="s1"),
        Command("e2", Action.UNSILENCE, NOW, "bob", silence="s1"),
        Command("a1", Action.ACKNOWLEDGE, NOW, "eve", "I look", rule="pro-day-7"),
        Command("a2", Action.ACKNOWLEDGE, NOW, "eve", rule="pro-day-7"),
        Command("a3", Action.ACKNOWLEDGE, NOW, "eve", rule="another"),
    ]  # fmt: skip
    for place, command in enumerate(asked):
        await one.ask(command, place + 1)
    (fired, *done) = one.judge.history
    assert "kind" not in fired
    assert [(row["command"], row["kind"], row["author"]) for row in done] == [
        ("s1", "silence", "ada"), ("e1", "silence", "bob"), ("a1", "acknowledgement", "eve"),
    ]  # fmt: skip
    assert done[2]["changes"] == [fired["id"]]
    writes = [{record.topic for record in write} for write in one.broker.writes]
    assert [("history" in topics, "states" in topics) for topics in writes[1:]] == [
        (True, True), (False, True), (True, True), (False, True), (True, True), (False, True), (False, True)
    ]  # fmt: skip
    assert one.shown[1] == [fired, *done]
    other = await bench(EVERY, broker=one.broker)
    assert other.judge.history == [fired, *done]


async def test_a_figure_is_asked_for_once_a_closing_and_again_where_the_rules_changed():
    given = Given({"pro-day-7": course({(): [GOOD]})})
    one = await bench(rule(), look=given)
    await one.see(snapshot({(): [GOOD]}))
    await one.see(snapshot({(): [GOOD]}))
    assert given.asked == 1
    await one.see(snapshot({(): [GOOD, GOOD]}))
    assert given.asked == 2
    one.judge.look_again()
    await one.tick()
    assert given.asked == 3


async def test_of_segments_that_a_rule_comes_to_watch_only_what_is_so_now_is_told():
    one = await bench(rule(segment=PRO))
    free = [GOOD, BAD, GOOD, BAD, GOOD, BAD, BAD]
    for days in range(1, len(free) + 1):
        await one.see(snapshot({PRO: [GOOD] * days, FREE: free[:days]}))
    one.book.current = RuleSet((EVERY,), one.book.current.quality)
    one.judge.look_again()
    await one.tick()
    assert one.told() == ["opened free-firing"]
    team = ("plan", "team")
    await one.see(snapshot({PRO: [GOOD] * 8, FREE: [*free, BAD], team: [(0, 0)] * 7 + [BAD]}))
    assert one.told()[1:] == ["changed team-firing"], "one that comes later is judged from its beginning"


def volume(*users: int) -> Snapshot:
    """So many users each day, all of them new."""
    sizes = {FIRST + day: np.array([number], np.int64) for day, number in enumerate(users)}
    blocks = {("engagement", "day.size", ()): sizes, ("engagement", "day.on", ()): {}}
    return replace(snapshot({(): [GOOD]}), blocks=blocks, watermark=(FIRST + len(users)) * DAY_MS)


async def test_outages_from_before_the_volume_was_watched_are_not_told_when_it_is():
    one = await bench(EVERY)
    one.book.current = RuleSet((EVERY,), Quality(volume=None, stalled=None))
    days = [*[1000] * 30, 10, 1000, 10, 1000]
    await one.see(volume(*days[:20]))
    await one.see(volume(*days))
    one.book.current = RuleSet((EVERY,), Quality(stalled=None))
    one.judge.look_again()
    await one.tick()
    assert one.told() == []
    await one.see(volume(*days, 10))
    assert one.told() == ["opened all-firing"]


class Interrupted(Given):
    """A look during which something happens, once."""

    what: Any = None

    async def courses(self, rules: Any, seen: Any) -> Any:
        what, self.what = self.what, None
        if what is not None:
            await what()
        return await super().courses(rules, seen)


async def test_what_a_former_tenure_saw_of_the_stream_is_not_told_in_the_next_one():
    look = Interrupted({"pro-day-7": course({PRO: [GOOD]})})
    one = await bench(EVERY, look=look)
    days = [*[1000] * 30, 10, 1000, 10]
    one.book.current = RuleSet((EVERY,), Quality(volume=None, stalled=None))
    await one.see(volume(*days[:20]))
    one.book.current = RuleSet((EVERY,), Quality(stalled=None))

    async def away_and_back() -> None:
        one.tables.on_assigned(False, 2)
        one.tables.on_assigned(True, 5)
        await one.tables.taken()
        await one.tick()

    look.what = away_and_back
    with pytest.raises(Fenced):
        await one.see(volume(*days, 1000))
    await one.tick()
    await one.see(volume(*days, 1000))
    assert one.told() == []


async def test_a_day_that_closes_is_judged_by_its_own_outages_whenever_a_tick_comes():
    one = await bench(EVERY)
    days = [1000] * 30
    await one.see(volume(*days))

    async def ticking(work: Any, *given: Any, **options: Any) -> Any:
        found = work(*given, **options)
        await one.tick(0)
        return found

    one.judge._thread = ticking
    await one.see(volume(*days, 10))
    await one.see(volume(*days, 10, 1000))
    assert one.told() == ["opened all-firing", "closed all-resolved"]


async def test_what_closes_in_a_segment_that_comes_in_during_a_census_is_judged_at_once():
    look = Interrupted({"pro-day-7": course({PRO: [BAD], FREE: [BAD]})})
    one = await bench(rule(segment=PRO), look=look)

    async def reload() -> None:
        one.book.current = RuleSet((EVERY,), one.book.current.quality)
        one.judge.look_again()

    look.what = reload
    await one.see(snapshot({(): [BAD]}))
    await one.tick()
    assert one.told() == ["opened pro-firing", "changed free-firing"]


async def test_a_rule_s_labels_are_those_of_its_alerts_until_they_are_withdrawn():
    page = (("severity", "page"),)
    one = await bench(rule(sending=Sending(labels=page)))
    await one.see(snapshot({(): [GOOD, BAD]}))
    one.book.current = RuleSet((), one.book.current.quality)
    assert one.judge.standing is not None
    assert [notice.labels for notice in one.judge.standing] == [page]
    one.judge.look_again()
    await one.tick()
    assert one.told() == ["opened all-firing", "closed all-inactive"]
    assert [notice.labels for notice in one.notices] == [page, page]


async def test_of_a_rule_that_is_put_back_a_value_that_came_meanwhile_tells_only_what_is_so_now():
    one = await bench(EVERY)
    await one.see(snapshot({PRO: [GOOD] * 3}))
    one.book.current = RuleSet((), one.book.current.quality)
    await one.see(snapshot({PRO: [GOOD] * 4}))
    one.book.current = RuleSet((EVERY,), one.book.current.quality)
    free, team = [(0, 0)] * 3 + [BAD, GOOD, BAD, GOOD], [(0, 0)] * 3 + [BAD, GOOD, BAD, BAD]
    await one.see(snapshot({PRO: [GOOD] * 7, FREE: free, ("plan", "team"): team}))
    assert one.told() == ["opened team-firing"]


def bought(every: Sequence[int], purchases: Sequence[int]) -> Snapshot:
    """So many users each day, and so many of them who bought."""
    seen = volume(*every)
    sizes = {FIRST + day: np.array([number], np.int64) for day, number in enumerate(purchases)}
    return replace(seen, blocks={**seen.blocks, ("repurchase", "day.size", ()): sizes})


WEEKS = [1000] * 28
BUYERS = rule(name="buyers", definition="repurchase", index=1)
WHOLE = Quality(stalled=None)


async def test_purchases_that_stop_are_told_of_and_not_judged_while_visits_are():
    one = await bench(BUYERS, rule(name="visitors", index=1))
    await one.see(bought([*WEEKS, 1000], [*WEEKS, 0]))
    reasons = {state.rule: state.reason for state in AlertRows(one.tables.tenure).states.values()}
    assert (reasons["buyers"], reasons["visitors"]) == (Reason.STREAM_OUTAGE, Reason.STILL_BELOW)
    await one.see(bought([*WEEKS, 1000, 1000], [*WEEKS, 0, 1000]))
    told = [change for notice in one.notices for change in notice.changes if notice.rule == "stream-volume"]
    assert [(change.segment, change.state) for change in told] == [
        ({"definition": "repurchase"}, State.FIRING),
        ({"definition": "repurchase"}, State.RESOLVED),
    ]


async def test_the_alert_on_a_kind_ends_with_the_last_rule_about_it():
    one = await bench(BUYERS)
    await one.see(bought([*WEEKS, 1000], [*WEEKS, 0]))
    one.book.current = RuleSet((rule(),), WHOLE)
    await one.tick()
    assert [alert["rule"] for alert in one.shown[0] if alert["rule"] == "stream-volume"], "not before it is judged"
    one.judge.look_again()
    await one.tick()
    assert not [alert for alert in one.shown[0] if alert["rule"] == "stream-volume"]
    assert one.judge.history[-1]["reason"] == "rule_removed"


async def test_a_takeover_leaves_the_alert_on_a_kind_as_it_is_until_it_judges():
    one = await bench(BUYERS)
    days = bought([*WEEKS, 1000], [*WEEKS, 0])
    await one.see(days)
    other = await bench(BUYERS, broker=one.broker)
    other.latest = days
    await other.tick()
    await other.tick()
    await other.see(days)
    assert other.notices == []
    assert "stream-volume" in [alert["rule"] for alert in other.judge.current()]


async def test_of_a_kind_that_comes_to_be_watched_only_what_is_so_now_is_told_whenever_a_tick_comes():
    month = {"start": "2024-09-01", "size": 200, "revenue": 1}
    days = [*WEEKS, 0, 1000, 1000]

    class Ticking(Given):
        async def answer(self, *_: Any) -> Any:
            await one.tick()
            return {"currency": "USD", "segments": [{"segment": {}, "cohorts": [month], "periods": [month]}]}

    one = await bench(rule(), look=Given({"pro-day-7": course({(): [GOOD]})}))
    await one.see(bought([1000] * 30, days[:30]))
    given = {"pro-day-7": course({(): [GOOD]}), "buyers": course({(): [GOOD, BAD]})}
    one.judge._figures._look = Ticking(given)  # type: ignore[assignment]
    one.book.current = RuleSet((rule(), BUYERS), WHOLE)
    await one.see(bought([1000] * 31, days))
    assert [notice.rule for notice in one.notices] == ["buyers"]


async def test_rules_that_change_while_a_figure_is_asked_for_are_judged_at_the_next_tick():
    one = await bench(rule(name="a"))

    class Changing(Given):
        async def courses(self, rules: Any, seen: Any) -> Any:
            if not self.asked:
                one.book.current = RuleSet((rule(name="a"), rule(name="b")), one.book.current.quality)
                one.judge.look_again()
            return await super().courses(rules, seen)

    one.judge._figures._look = Changing({name: course({(): [BAD]}) for name in "ab"})
    await one.see(snapshot({(): [BAD]}))
    assert [notice.rule for notice in one.notices] == ["a"]
    await one.tick()
    assert [notice.rule for notice in one.notices] == ["a", "b"]


async def test_a_figure_that_cannot_be_had_is_asked_for_again_and_told_of_after_a_while():
    given = Given({"pro-day-7": "partition 3 did not answer"})
    one = await bench(rule(), look=given)
    await one.see(snapshot({(): [GOOD, BAD]}))
    await one.tick(RETRY_AFTER / 1000)
    assert (given.asked, one.told()) == (2, [])
    await one.tick(ERROR_AFTER / 1000)
    assert [alert["health"] for alert in one.shown[0]] == ["error"]
    assert "partition 3" in one.shown[0][0]["note"]
    assert len(one.notices) == 1
    given.given = {"pro-day-7": course({(): [GOOD, BAD]})}
    await one.tick(RETRY_AFTER / 1000)
    assert [(alert["health"], alert["state"]) for alert in one.shown[0]] == [("ok", "firing")]


async def test_a_firing_has_the_revenue_that_its_missing_users_bring():
    month = {"start": "2024-09-01"}
    entry = {"segment": {}, "cohorts": [month | {"size": 200}], "periods": [month | {"revenue": 60_000}]}
    value = {"currency": "USD", "segments": [entry]}
    one = await bench(rule(), look=Given({"pro-day-7": course({(): [GOOD, BAD]})}, value))
    await one.see(snapshot({(): [GOOD, BAD]}))
    (fired,) = one.shown[0]
    assert fired["users_at_risk"] == 10  # 30 % of 100 users, less the 20 that came
    assert (fired["revenue_at_risk"], fired["currency"]) == (3_000, "USD")


async def test_a_firing_that_is_not_the_latest_step_of_its_judgement_keeps_its_revenue():
    month = {"start": "2024-09-01"}
    entry = {"segment": {}, "cohorts": [month | {"size": 200}], "periods": [month | {"revenue": 60_000}]}
    value = {"currency": "USD", "segments": [entry]}
    cells = {(): [GOOD, BAD, BAD]}
    one = await bench(rule(), look=Given({"pro-day-7": course(cells)}, value))
    await one.see(snapshot(cells))
    (fired,) = one.shown[0]
    assert (fired["users_at_risk"], fired["revenue_at_risk"], fired["currency"]) == (20, 6_000, "USD")


async def test_the_history_of_a_former_version_goes_on():
    broker = Broker()
    old = {"id": "0" * 32, "rule": "pro-day-7", "at": "2024-10-10T00:00:00Z"}
    broker.topics["states"] = {orjson.dumps("\0history"): orjson.dumps([old])}
    one = await bench(rule(), broker=broker)
    await one.see(snapshot({(): [GOOD, BAD]}))
    assert one.judge.history[0]["id"] == old["id"]
    assert len(one.judge.history) == 2
    assert orjson.dumps("\0history") not in broker.topics["states"]


async def test_only_the_latest_changes_are_kept(monkeypatch):
    monkeypatch.setattr("stream_app.agents.alert_rows.HISTORY", 3)
    one = await bench(rule())
    for days in range(2, 7):
        await one.see(snapshot({(): [GOOD, BAD, GOOD, BAD, GOOD, BAD][:days]}))
    assert [line["cohort"][-2:] for line in one.judge.history] == ["07", "08", "09"]
    assert sorted(one.broker.topics["history"]) == sorted(orjson.dumps(f"{n:012d}") for n in (2, 3, 4))


async def test_rows_that_did_not_change_are_parsed_once():
    one = await bench(EVERY)
    await one.see(snapshot({PRO: [GOOD, BAD]}))
    rows = AlertRows(one.tables.tenure, one.judge._parsed)
    assert rows.groups["pro-day-7"] is rows.groups["pro-day-7"]
    assert one.tables.tenure is not None
    await one.tables.tenure.write([Row(TABLE, "\0group pro-day-7", None), Row(HISTORY_TABLE, "x", None)])
    assert rows.groups == {}


@pytest.mark.parametrize("watermark", [None, 5])
async def test_nothing_is_judged_before_there_are_figures(watermark):
    one = await bench(rule())
    await one.judge.judge(lambda: None)
    assert one.broker.writes == []
