"""What counters give is, byte for byte, what a census gives: the service takes whichever holds the answer."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from oracle import Clock, Question
from oracle import answer as expected_answer
from properties.differences import difference
from properties.streams import Stream, arrivals, streams
from support.counting import DIMENSIONS, Part, merge

from stream_app.domain.metrics import counted
from stream_app.domain.metrics.query import MEANS, parse
from stream_app.web.matrices import Matrices


@st.composite
def parameters(draw: st.DrawFn) -> dict[str, str]:
    given = {"figure": draw(st.sampled_from(("retention", "retention", "churn")))}
    given["definition"] = draw(st.sampled_from(("engagement", "repurchase")))
    if given["figure"] == "retention":
        given["grain"] = draw(st.sampled_from(("day", "week", "month")))
        given["kind"] = draw(st.sampled_from(("classic", "rolling")))
        given["mean"] = draw(st.sampled_from(MEANS))
    if draw(st.booleans()):
        given |= {"segment": draw(st.sampled_from(DIMENSIONS)), "top": str(draw(st.integers(1, 3)))}
    if draw(st.booleans()):
        given["last"] = str(draw(st.integers(1, 6)))
    return given


@given(st.data(), streams(), st.integers(1, 3))
def test_counters_give_the_oracles_answer_at_every_snapshot(data: Any, stream: Stream, partitions: int) -> None:
    parts = [
        Part(stream.calendar, inactivity_days=stream.inactivity_days, number=number) for number in range(partitions)
    ]
    asked = data.draw(st.lists(parameters(), min_size=1, max_size=4))
    matrices, seen = Matrices(), []
    for batch in data.draw(arrivals(stream.events)):
        seen += batch
        for part in parts:
            part.take([e for e in batch if int(e["user"][1:]) % partitions == part.number])
            part.commit()
        last = max((event["time"] for event in seen), default=None)
        snapshot = merge(parts, watermark=stream.watermark if seen else None, last_event=last)
        for parameter in asked:
            query = parse(parameter, definitions=parts[0].definitions, dimensions=DIMENSIONS, calendar=stream.calendar)
            if not counted.known(snapshot, query):
                continue
            question = Question(
                query.figure, query.grain.value, snapshot.watermark, query.definition.name, query.definition.start,
                query.definition.returns, kind=query.kind, mean=query.mean, dimension=query.dimension, top=query.top,
                window=query.window, last=query.last,
            )  # fmt: skip
            expected = expected_answer(seen, Clock(stream.timezone, stream.week_start), question)
            found = counted.answer(counted.asked_at(snapshot, query), snapshot)
            assert difference(found | {"late_share": None}, expected) is None
            if query.figure == "retention":
                assert matrices.retention(snapshot, counted.asked_at(snapshot, query)) == orjson.dumps(found)
