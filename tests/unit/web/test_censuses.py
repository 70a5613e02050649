"""Figures that no counter gives: asked of all workers, counted once for all who ask, refused where nothing is kept."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from servers import eventually
from support.figures import product
from support.population import ListPopulation
from support.web import FakeReader

from stream_app.domain.errors import UnansweredError
from stream_app.domain.events import Definition
from stream_app.domain.metrics.figures import answer, census
from stream_app.domain.metrics.kept import Kept
from stream_app.domain.metrics.query import FIGURES
from stream_app.domain.periods import DAY_MS, Calendar
from stream_app.web import censuses

SNAPSHOT = product(users=5)
EVENTS = [
    {"user": f"u{n % 5}", "time": SNAPSHOT.watermark - n * DAY_MS, "kind": "purchase", "amount": 100 * n}
    for n in range(1, 30)
]


class Workers:
    """All of them: what was asked, and what they answer."""

    def __init__(self) -> None:
        self.asked: list = []
        self.epochs: list = []
        self.observed: list = []
        self.down = False
        self.held: asyncio.Event | None = None

    async def ask(self, asked, epochs):
        self.asked.append(asked)
        self.epochs.append(epochs)
        if self.held is not None:
            await self.held.wait()
        if self.down:
            raise UnansweredError("partitions [3] did not answer within 30 s; ask again")
        return census(asked, ListPopulation(EVENTS, calendar=Calendar(), dimensions=("plan",)))

    def expected(self) -> dict:
        asked = self.asked[-1]
        return answer(asked, census(asked, ListPopulation(EVENTS, calendar=Calendar(), dimensions=("plan",))))


@pytest.fixture
def workers():
    return Workers()


@pytest.fixture
async def site(open_site, workers):
    reader = FakeReader(replace(SNAPSHOT, epochs={0: 3, 1: 1}))
    kept = Kept(hour_days=8)
    return await open_site(
        reader, ask=workers.ask, observe=lambda *seen: workers.observed.append(seen), kept=kept, currency="EUR"
    )


@pytest.mark.parametrize("figure", [one for one in FIGURES if one != "retention"])
async def test_every_figure_is_the_domain_s_answer(site, workers, figure):
    address = f"/api/v1/{figure}?definition=repurchase&segment=plan" + ("&window=7" if figure == "churn" else "")
    status, body, _ = await site.get(address)
    assert status == 200
    assert body == workers.expected()
    assert body["schema"] == f"stream-app/{figure}/1"
    assert body["as_of"] == SNAPSHOT.as_of
    assert workers.epochs == [{0: 3, 1: 1}]
    ((observed, outcome, seconds),) = workers.observed
    assert (observed, outcome) == (figure, "answered")
    assert seconds > 0


@pytest.mark.parametrize(
    "query",
    ["kind=bracket&brackets=1,3", "windows=24h", "cohorts=recurring", "grain=quarter", "grain=hour",
     "start=purchase&return=any", "until=2026-03-10", "from=2026-03-10"],
)  # fmt: skip
async def test_retention_that_is_not_counted_as_events_come_is_a_census(site, workers, query):
    status, body, _ = await site.get(f"/api/v1/retention?{query}")
    assert (status, body) == (200, workers.expected())


async def test_what_counters_hold_asks_nobody(site, workers):
    for query in ("retention", "retention?grain=month&kind=rolling", "churn?last=10", "churn"):
        assert (await site.get(f"/api/v1/{query}"))[0] == 200
    assert not workers.asked


async def test_the_same_question_is_counted_once_for_all(site, workers):
    workers.held = asyncio.Event()
    asking = [asyncio.create_task(site.get(f"/api/v1/crr{query}")) for query in ("", "?grain=month", "?segment=plan")]
    await eventually(lambda: len(workers.asked) == 2)
    workers.held.set()
    found = await asyncio.gather(*asking)
    assert found[0][1] == found[1][1] != found[2][1]
    assert len(workers.asked) == 2


async def test_an_answer_is_kept_until_something_is_published_and_it_is_not_young(site, workers, monkeypatch):
    await site.get("/api/v1/crr")
    site.reader.now = replace(site.reader.now, watermark=SNAPSHOT.watermark + 1)
    await site.get("/api/v1/crr")
    assert len(workers.asked) == 1  # it is too young
    monkeypatch.setattr(censuses, "_LEAST_SECONDS", -1.0)
    monkeypatch.setattr(censuses, "_TIMES", 0.0)
    await site.get("/api/v1/crr?grain=week")
    await site.get("/api/v1/crr?grain=week")
    assert len(workers.asked) == 2  # nothing was published
    site.reader.now = replace(site.reader.now, watermark=SNAPSHOT.watermark + 2)
    _, body, _ = await site.get("/api/v1/crr?grain=week")
    assert len(workers.asked) == 3
    assert body == workers.expected()
    assert workers.asked[-1].watermark == SNAPSHOT.watermark + 2


async def test_an_answer_is_named_by_what_it_says(site):
    _, _, headers = await site.get("/api/v1/crr")
    status, body, _ = await site.get("/api/v1/crr", **{"If-None-Match": headers["ETag"]})
    assert (status, body) == (304, "")
    assert (await site.get("/api/v1/lifecycle", **{"If-None-Match": headers["ETag"]}))[0] == 200


async def test_partitions_that_do_not_answer_are_503_and_asked_again(site, workers):
    workers.down = True
    status, body, headers = await site.get("/api/v1/lifecycle")
    assert (status, headers["Retry-After"]) == (503, "2")
    assert "partitions [3]" in body["error"]["message"]
    workers.down = False
    assert (await site.get("/api/v1/lifecycle"))[0] == 200
    assert [outcome for _, outcome, _ in workers.observed] == ["unanswered", "answered"]


async def test_what_fails_is_500_and_counted(site, workers, monkeypatch):
    monkeypatch.setattr(censuses.figures, "answer", lambda *_: 1 / 0)
    assert (await site.get("/api/v1/lifecycle"))[0] == 500
    assert workers.observed[0][:2] == ("lifecycle", "failed")


@pytest.mark.parametrize(
    ("address", "parameter", "word"),
    [
        ("lifecycle?grain=hour", "grain", "grain day or longer"),
        ("crr?until=2026-03-10T12:00:00Z", "until", "ends of local days"),
        ("lifecycle?until=2026-03-10T12:00:00Z", "until", "a day begins"),
        ("retention?start=visit&return=any", "start", "the setting definitions"),
        ("value?kind=classic", "kind", "no such parameter"),
        ("value?figure=churn", "figure", "ask /api/v1/FIGURE"),
        ("value?grain=week&grain=month", "grain", "more than once"),
        ("value?timezone=Asia/Tokyo", "timezone", "counting is done by 'UTC'"),
    ],
)
async def test_what_cannot_be_answered_is_refused_with_the_reason(site, workers, address, parameter, word):
    status, body, _ = await site.get(f"/api/v1/{address}")
    assert (status, body["error"]["parameter"]) == (400, parameter)
    assert word in body["error"]["message"]
    assert not workers.asked


async def test_without_workers_it_says_so(open_site):
    site = await open_site()
    status, body, _ = await site.get("/api/v1/lifecycle")
    assert status == 503
    assert "no workers" in body["error"]["message"]


async def test_kept_answers_are_bounded(site, monkeypatch):
    monkeypatch.setattr(censuses, "_KEPT_BYTES", 3_000)
    for last in range(1, 20):
        assert (await site.get(f"/api/v1/lifecycle?last={last}"))[0] == 200
    kept = site.server._censuses._kept
    assert len(kept) < 10
    assert (await site.get("/api/v1/lifecycle?last=19"))[0] == 200


async def test_conditions_of_definitions_are_in_the_status(open_site):
    web = Definition("web", "any", "purchase", start_where=(("channel", "web"),), min_active=2)
    site = await open_site(FakeReader(replace(SNAPSHOT, definitions=(*SNAPSHOT.definitions, web))))
    _, body, _ = await site.get("/api/v1/status")
    assert body["figures"]["definitions"][-1] == {
        "name": "web", "start": "any", "returns": "purchase", "inactivity_days": 30, "start_where": {"channel": "web"},
        "min_active": 2,
    }  # fmt: skip
