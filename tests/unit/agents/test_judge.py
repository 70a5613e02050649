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
from stream_app.domain.alerts import Action, Command, Quality, RuleSet, Sending
from stream_app.domain.errors import UnansweredError
from stream_app.domain.metrics.kept import Kept
from stream_app.domain.periods import DAY_MS
from stream_app.engine.tables import Row

if TYPE_CHECKING:
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
