"""What counters say is, byte for byte, what a census of the same users says, and what the web keeps of it."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from properties.streams import Stream, arrivals, streams
from support.counting import DIMENSIONS, Part, merge

from stream_app.domain.metrics import counted
from stream_app.domain.metrics.figures import answer, census
from stream_app.domain.metrics.live import LivePopulation
from stream_app.domain.metrics.query import parse
from stream_app.domain.metrics.tally import Tally
from stream_app.web.matrices import Matrices

QUESTIONS = [
    {"figure": "retention", "definition": definition, "grain": grain, "kind": kind, **more}
    for definition in ("engagement", "repurchase")
    for grain in ("day", "week", "month")
    for kind in ("classic", "rolling")
    for more in ({}, {"segment": "plan", "top": "2"}, {"mean": "simple", "last": "2"})
] + [
    {"figure": "churn", "definition": definition, **more}
    for definition in ("engagement", "repurchase")
    for more in ({}, {"last": "5"}, {"segment": "plan", "top": "2", "last": "60"}, {"segment": "country"})
]


@given(st.data(), streams(), st.integers(1, 3))
def test_counters_say_what_a_census_says(data: Any, stream: Stream, partitions: int) -> None:
    parts = [Part(stream.calendar, inactivity_days=stream.inactivity_days, number=n) for n in range(partitions)]
    for batch in data.draw(arrivals(stream.events)):
        for part in parts:
            part.take([e for e in batch if int(e["user"][1:]) % partitions == part.number])
    for part in parts:
        part.commit()
    snapshot = merge(parts, watermark=stream.watermark, last_event=stream.last_event)
    matrices = Matrices()
    for given_ in QUESTIONS:
        query = parse(given_, definitions=parts[0].definitions, dimensions=DIMENSIONS, calendar=stream.calendar)
        if not counted.known(snapshot, query):
            continue
        asked = counted.asked_at(snapshot, query)
        tally = Tally.merged([census(asked, LivePopulation(part.table)) for part in parts])
        expected = orjson.dumps(answer(asked, tally))
        assert orjson.dumps(counted.answer(asked, snapshot)) == expected, given_
        if query.figure == "retention":
            assert matrices.retention(snapshot, asked) == expected, given_
