"""Short streams of events of several shapes, and what a plain reading of each says: figures and alerts."""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import orjson
from oracle import Oracle

from stream_app.domain.alerts import Rule
from stream_app.domain.events import ENGAGEMENT, REPURCHASE, Definition
from stream_app.domain.periods import Calendar, Grain

PARTITIONS = 2
TOPICS = ("visits", "purchases")
CALENDAR = Calendar("UTC")
DAY, HOUR = 86_400_000, 3_600_000
#: Of so many days from a user's first event the active hours are kept.
HOUR_DAYS = 1
START = 1_700_000_000_000 - 1_700_000_000_000 % DAY
GRAINS, KINDS = ("day", "week", "month"), ("classic", "rolling")
#: How many streams schedules are drawn over; the answers to each are computed once.
STREAMS = 16
#: What clocks say (ms) when a schedule begins.
NOW_MS = 1_800_000_000_000
TARGETS = ("slack:#a", "slack:#b")

# A short window: it decides how many days each user counts as active on, and has no part in the protocol.
_ENGAGEMENT = replace(ENGAGEMENT, inactivity_days=2)
_REPURCHASE = replace(REPURCHASE, inactivity_days=2)


@dataclass(frozen=True)
class Stream:
    """Records in the order of their arrival, what is counted of them, and the rules over it.

    Attributes:
        records: (topic, partition, key, value).
        events: those among them that are in order, as the oracle takes them.
        broken: how many are not.
        plans: the values of the dimension; none where there is no dimension.
        topics: the source topics.
        lateness: allowed (ms).
        idle_after: (ms).
        closed_right: no event arrives after its period closed, so that every cell is judged at its final value.
    """

    records: tuple[tuple[str, int, bytes, bytes], ...]
    events: tuple[dict[str, Any], ...]
    broken: int
    topics: tuple[str, ...]
    definitions: tuple[Definition, ...]
    dimensions: tuple[str, ...]
    plans: tuple[str, ...]
    rules: tuple[Rule, ...]
    lateness: int
    idle_after: int
    closed_right: bool


@cache
def stream(number: int) -> Stream:
    """The stream of this number.

    Of even number: almost in order, with a late day at the end of each source, so that its alerts are known; the
    others arrive in any order. Half of each have visits and purchases in one topic; a few have a dimension, so that
    one rule has many alerts, and two have both definitions.
    """
    chance = random.Random(number)
    closed_right, one_topic, rich = number % 2 == 0, number % 4 in (0, 3), number in (1, 12)
    plans = ("free", "pro", "team") if number in (1, 4, 12) else ()
    topics = TOPICS[:1] if one_topic else TOPICS
    drafts = _drafts(chance, topics, in_order=closed_right, users=6 if plans else 4)
    records: list[tuple[str, int, bytes, bytes]] = []
    events, broken = [], 0
    for i, (user, time, purchase) in enumerate(drafts):
        kind, topic = ("purchase", topics[-1]) if purchase else ("visit", topics[0])
        if not user.startswith("last") and chance.random() < 0.08:
            broken += 1
            records.append((topic, partition_of(user), user.encode(), b"broken"))
            continue
        segment = {"plan": chance.choice(plans or ("pro", "free"))}
        event = {"type": kind, "event_id": f"e{i}", "user_id": user, "occurred_at": time, "segment": segment}
        sale = {"order_id": f"o{i % 3}", "amount": i % 4 * 100} if purchase else {}  # some order is sent in two forms
        if purchase:
            event |= {"order_id": sale["order_id"], "amount": f"{i % 4}.00", "currency": "USD"}
        events.append({"user": user, "time": time, "kind": kind, "event_id": f"e{i}", "segment": segment} | sale)
        record = (topic, partition_of(user), user.encode(), orjson.dumps(event))
        records += [record] * (2 if chance.random() < 0.1 else 1)
    return Stream(
        tuple(records), tuple(events), broken, topics,
        definitions=(_ENGAGEMENT, _REPURCHASE) if rich else (_ENGAGEMENT,),
        dimensions=("plan",) if plans else (),
        plans=plans,
        rules=tuple(_rules(("plan", "*") if plans else None)),
        lateness=DAY if closed_right else 0,
        idle_after=10**12 if closed_right else 1000,
        closed_right=closed_right,
    )  # fmt: skip


def _drafts(
    chance: random.Random, topics: tuple[str, ...], *, in_order: bool, users: int
) -> list[tuple[str, int, bool]]:
    """Who came when, and whether it was a purchase, in the order of arrival."""
    span = 4 if in_order else 3
    names = [f"user-{i}" for i in range(users)]
    drafts = [
        (chance.choice(names), START + chance.randrange(span * DAY), chance.random() < 0.4) for _ in range(6 + users)
    ]
    if not in_order:
        return drafts
    drafts.sort(key=lambda draft: draft[1] + chance.randrange(DAY))
    last = START + (span + 4) * DAY
    ends = [(_last_user(p), last, purchase) for p in range(PARTITIONS) for purchase in (False, True)]
    return drafts + [end for end in ends if len(topics) == 2 or not end[2]]


def _last_user(partition: int) -> str:
    return next(name for i in range(100) if partition_of(name := f"last-{i}") == partition)


def _rules(segment: tuple[str, str] | None) -> list[Rule]:
    day = {"definition": "engagement", "grain": Grain.DAY, "min_group": 1}
    rules = [
        Rule(name="next day", index=1, below=0.5, resolve=0.5, to=TARGETS[:1], **day),
        Rule(name="two in a row", index=2, below=0.6, resolve=0.9, steps=2, to=TARGETS, **day),
    ]
    if segment is not None:  # many alerts of one rule: changes of one instant are one message
        rules.append(Rule(name="each plan", index=1, below=0.6, resolve=0.7, to=TARGETS, segment=segment, **day))
    return rules


def partition_of(user: str) -> int:
    """Any fixed rule will do: all records of one user in one partition."""
    return zlib.crc32(user.encode()) % PARTITIONS


def watermark(number: int) -> int:
    """As of when the figures of a stream are compared: past all of it."""
    made = stream(number)
    return max(event["time"] for event in made.events) - made.lateness


@cache
def _oracle(number: int) -> Oracle:
    return Oracle(stream(number).events)


@cache
def expected(number: int) -> str:
    """What the oracle says of a stream."""
    made = stream(number)
    return text(
        _oracle(number).retention(
            definition=d.name, grain=grain, kind=kind, dimension=dimension, watermark=watermark(number)
        )
        for d in made.definitions for grain in GRAINS for kind in KINDS for dimension in (None, *made.dimensions)
    )  # fmt: skip


@cache
def stored(number: int) -> dict[str, Any]:
    """What is to be kept of a stream's users: active hours of the first day, and orders (time, amount, conflict)."""
    found: dict[str, Any] = {}
    events = stream(number).events
    for user in {event["user"] for event in events}:
        own = [event for event in events if event["user"] == user]
        hours = sorted({event["time"] // HOUR for event in own})
        forms: dict[str, set[tuple[int, int]]] = {}
        for event in own:
            if event["kind"] == "purchase":
                forms.setdefault(event["order_id"], set()).add((event["time"], event["amount"]))
        orders = sorted((*max(met), len(met) > 1) for met in forms.values())
        found[user] = ([hour for hour in hours if hour < hours[0] + 24 * HOUR_DAYS], orders)
    return found


def text(answers: Any) -> str:
    return orjson.dumps([answer["segments"] for answer in answers], option=orjson.OPT_SORT_KEYS).decode()


@cache
def changes(number: int) -> list[tuple[str, str, str, str]]:
    """The changes that the rules come to, sorted: (rule, segment, cohort, state). For streams that closed right."""
    found = []
    for rule in stream(number).rules:
        dimension = None if rule.segment is None else rule.segment[0]
        answer = _oracle(number).retention(
            definition=rule.definition, grain=rule.grain.value, dimension=dimension, watermark=watermark(number)
        )
        for part in answer["segments"]:
            segment = orjson.dumps(part["segment"]).decode()
            found += [(rule.name, segment, cohort, state) for cohort, state in _steps(rule, part["cohorts"])]
    return sorted(found)


def _steps(rule: Rule, cohorts: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """One alert, cohort by cohort."""
    state, breaches, found = "inactive", 0, []
    for cohort in cohorts:
        if len(cohort["retained"]) <= rule.index or cohort["retained"][rule.index] is None:
            continue
        value = cohort["retained"][rule.index] / cohort["size"]
        before = state
        if state == "firing":
            state = "resolved" if value >= rule.resolve else "firing"
            breaches = 0 if state == "resolved" else breaches
        else:
            breaches = breaches + 1 if value < rule.below else 0
            if breaches >= rule.steps:
                state = "firing"
            elif breaches:
                state = "pending"
            elif state == "pending":
                state = "inactive"
        if state != before:
            found.append((cohort["start"], state))
    return found
