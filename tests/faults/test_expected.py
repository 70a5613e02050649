"""The fast oracle gives what the plain one gives."""

from __future__ import annotations

import itertools

import pytest
from oracle import Oracle

from faults.expected import Expected
from faults.load import Event, Load

LOAD = Load(seed=7, events=3_000, partitions=4, days=150, users=400)


@pytest.mark.parametrize(("timezone", "week_start"), [("Europe/Berlin", "sunday"), ("America/New_York", "monday")])
def test_both_oracles_agree_on_every_figure(timezone: str, week_start: str) -> None:
    events = [record for record in LOAD.arrivals() if isinstance(record, Event)] + LOAD.closing()
    fast = Expected(timezone=timezone, week_start=week_start, inactivity_days=30)
    fast.add(events)
    plain = Oracle(
        ({"user": e.user, "time": e.time, "kind": e.kind, "event_id": e.event_id,
          "segment": {"plan": e.plan, "country": e.country}} for e in events),
        timezone=timezone, week_start=week_start,
    )  # fmt: skip
    for watermark in (LOAD.end - 40 * 86_400_000, fast.last_event - 600_000):
        for definition in ("engagement", "repurchase"):
            for dimension in (None, "plan", "country"):
                chosen = {"definition": definition, "dimension": dimension, "watermark": watermark}
                for grain in ("week", "month") if dimension == "country" else ("day", "week", "month"):
                    for kind in ("classic", "rolling"):
                        of = chosen | {"grain": grain, "kind": kind}
                        assert fast.retention(**of) == plain.retention(**of)
                assert fast.churn(days=90, **chosen) == plain.churn(days=90, known_days=128, **chosen)


def test_a_load_is_what_it_says_and_the_same_again() -> None:
    records = list(LOAD.arrivals())
    assert records == list(LOAD.arrivals())
    assert len(records) == LOAD.events
    events = [r for r in records if isinstance(r, Event)]
    assert 0 < len(records) - len(events) < 30
    assert {e.kind for e in events} == {"visit", "purchase", "refund"}
    assert len(set(events)) < len(events)  # some twice
    orders = [e.order for e in set(events) if e.kind == "purchase"]
    assert len(set(orders)) < len(orders)  # some orders under two event ids
    assert sum(later.time < earlier.time for earlier, later in itertools.pairwise(events)) > 200
    assert max(e.time for e in events) < LOAD.end
