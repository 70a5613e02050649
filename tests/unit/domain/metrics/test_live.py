"""The users of a partition as a census takes them: what the rows hold of what happened, and nothing else."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from support.counting import batch_of
from support.population import ListPopulation

from stream_app.domain.counters import Segments
from stream_app.domain.errors import QueryError
from stream_app.domain.events import ENGAGEMENT, REPURCHASE, Definition, Filter
from stream_app.domain.index import hash_keys
from stream_app.domain.metrics import live
from stream_app.domain.metrics.live import LivePopulation
from stream_app.domain.orders import OrderTable
from stream_app.domain.periods import DAY_MS, Calendar, Grain
from stream_app.domain.rows import LATER
from stream_app.domain.users import UserTable

BERLIN = Calendar("Europe/Berlin", "sunday")
DEFINITIONS = (ENGAGEMENT, REPURCHASE, Definition("seen", "visit", "any"))
FILTERS = (Filter("any"), Filter("purchase"), Filter("visit"))
START = 1_700_000_000_000


def events_of(seed: int, reach: int) -> list[dict[str, Any]]:
    """Events of a few users over so many days, most of them near each other."""
    random_ = random.Random(seed)
    near = [random_.randrange(reach) for _ in range(6)]
    found = []
    for number in range(120):
        day = random_.choice(near) + random_.randrange(4)
        kind = random_.choice(("visit", "visit", "purchase", "refund"))
        found.append({
            "user": f"u{random_.randrange(7)}", "time": START + day * DAY_MS + random_.randrange(DAY_MS), "kind": kind,
            "event_id": f"{number}", "order_id": f"o{random_.randrange(40)}",
            "amount": random_.choice((-5, -1)) if kind == "refund" else random_.choice((0, 3, 8)),
            "segment": {"plan": random_.choice("ab")},
        })  # fmt: skip
    return found


def counted(
    events: list[dict[str, Any]], seed: int, calendar: Calendar = BERLIN, definitions: Any = DEFINITIONS, **options: Any
) -> tuple[UserTable, OrderTable]:
    """The tables after these events in another order, in batches."""
    random_ = random.Random(seed)
    events = random_.sample(events, len(events))
    table, orders = UserTable(definitions, calendar, Segments(("plan",)), **options), OrderTable()
    while events:
        size = random_.randrange(1, 30)
        batch = batch_of(events[:size], ("plan",))
        table.advance(batch)
        orders.join(table.users_of(batch), batch)
        events = events[size:]
    return table, orders


def by_name(table: UserTable, events: list[dict[str, Any]]) -> list[str]:
    """The users' names in the order of their numbers."""
    names = sorted({e["user"] for e in events})
    numbers = table.index.find(hash_keys([name.encode() for name in names]))
    return [names[place] for place in np.argsort(numbers)]


def pairs_of(population: Any, names: list[str], what: Filter, grain: Grain) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    start = 0
    for part in population.slices():
        users, periods = part.active(what, grain)
        assert (np.diff(users) >= 0).all()
        assert ((np.diff(periods) > 0) | (np.diff(users) > 0)).all()
        for user, period in zip(users.tolist(), periods.tolist(), strict=True):
            found.setdefault(names[start + user], []).append(period)
        start += part.combos.size
    return found


@pytest.fixture(params=[2, 400, 900, 4000])
def reach(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(live, "SLICE", 3)
    found: int = request.param
    return found


@pytest.mark.parametrize(("seed", "hour_days"), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 8), (5, 32)])
def test_active_periods_are_those_that_bitmaps_and_rings_hold(seed, hour_days, reach):
    events = events_of(seed, reach)
    table, orders = counted(events, seed, hour_days=hour_days)
    names = by_name(table, events)
    known = ListPopulation(events, calendar=BERLIN, dimensions=("plan",), whole=False, hours=24 * hour_days)
    population = LivePopulation(table, orders.arranged())
    for what in FILTERS:
        for grain in Grain:
            expected = pairs_of(known, sorted(names), what, grain)
            assert pairs_of(population, names, what, grain) == expected, (what, grain)


@pytest.mark.parametrize("seed", range(3))
def test_firsts_segments_and_orders_are_those_of_the_events(seed, reach):
    events = events_of(seed, reach)
    table, orders = counted(events, seed)
    names = by_name(table, events)
    known = ListPopulation(events, calendar=BERLIN, dimensions=("plan",), per_slice=100)
    (expected,) = known.slices()
    places = [sorted(names).index(name) for name in names]
    parts = list(LivePopulation(table, orders.arranged()).slices())
    for what in FILTERS:
        assert np.concatenate([p.first(what) for p in parts]).tolist() == expected.first(what)[places].tolist()
    combos = np.concatenate([part.combos for part in parts]).tolist()
    values = [known.segments.combos[combo] for combo in expected.combos[places].tolist()]
    assert [table.segments.combos[combo] for combo in combos] == values
    sold = [(3 * number + user, *rest) for number, part in enumerate(parts)
            for user, *rest in zip(*(c.tolist() for c in part.orders()), strict=True)]  # fmt: skip
    users, *columns = (column.tolist() for column in expected.orders())
    assert sorted((names[user], *rest) for user, *rest in sold) == sorted(
        (sorted(names)[user], *rest) for user, *rest in zip(users, *columns, strict=True)
    )
    assert [user for user, *_ in sold] == sorted(user for user, *_ in sold)


def test_its_days_are_those_of_the_first_event_and_the_last_activity():
    events = [{"user": "a", "time": START + day * DAY_MS, "kind": kind, "event_id": kind}
              for day, kind in ((0, "refund"), (2, "visit"), (5, "purchase"), (9, "refund"))]  # fmt: skip
    table = UserTable(DEFINITIONS, BERLIN, Segments(()))
    table.advance(batch_of(events, ()))
    population = LivePopulation(table)
    first = BERLIN.day(START)
    assert (population.first_day, population.last_day, population.whole) == (first, first + 5, False)


def test_nobody_is_in_no_slice():
    population = LivePopulation(UserTable(DEFINITIONS, BERLIN, Segments(())), OrderTable().arranged())
    assert (list(population.slices()), population.first_day, population.last_day) == ([], None, None)


def test_a_user_with_nothing_but_a_refund_is_there_and_was_never_active():
    table, orders = counted([{"user": "a", "time": START, "kind": "refund", "event_id": "r"}], 0)
    (part,) = LivePopulation(table, orders.arranged()).slices()
    assert part.first(FILTERS[0]).tolist() == [LATER]
    assert part.active(FILTERS[0], Grain.DAY).users.size == 0


def test_what_is_not_kept_is_refused_with_what_to_do():
    table = UserTable((ENGAGEMENT,), BERLIN, Segments(()))
    table.advance(batch_of([{"user": "a", "time": START, "kind": "visit", "event_id": "r"}], ()))
    (part,) = LivePopulation(table).slices()
    with pytest.raises(QueryError, match=r"does not keep .* 'purchase' \(kept: any\); configure"):
        part.active(Filter("purchase"), Grain.DAY)
    with pytest.raises(QueryError, match="set orders: true"):
        part.orders()


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("zone", ["Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo", "Pacific/Apia"])
def test_hours_around_a_clock_change_are_the_same_for_every_order_of_arrival(zone, seed):
    """In Lord Howe clocks go by half an hour: an hour may have a smaller ordinal than the one before it.

    Apia has skipped a day: 2011-12-30.
    """
    calendar = Calendar(zone)
    change = {
        "Australia/Lord_Howe": 1_712_415_600_000, "America/Sao_Paulo": 1_518_919_200_000,
        "Pacific/Apia": 1_325_239_200_000,
    }.get(zone, START)  # fmt: skip
    random_ = random.Random(seed)
    events = [
        {"user": f"u{n % 3}", "time": change + random_.randrange(-30, 30) * 30 * 60_000, "kind": "visit",
         "event_id": f"{n}"}
        for n in range(30)
    ]  # fmt: skip
    table, _ = counted(events, seed, calendar, hour_days=2)
    names = by_name(table, events)
    expected: dict[str, set[int]] = {}
    for event in events:
        expected.setdefault(event["user"], set()).add(int(calendar.hours(np.array([event["time"]]))[0]))
    found = pairs_of(LivePopulation(table), names, FILTERS[0], Grain.HOUR)
    assert found == {user: sorted(hours) for user, hours in expected.items()}
