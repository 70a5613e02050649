"""Workers ask each other: every partition is counted once, by its owner, or the answer is that it was not."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack

import pytest
from servers import eventually
from support.population import ListPopulation, ask
from support.questions import ListSource, MemoryBoard

from stream_app.domain.errors import QueryError, UnansweredError
from stream_app.domain.events import ENGAGEMENT, REPURCHASE, Definition
from stream_app.domain.metrics.figures import answer, census
from stream_app.domain.metrics.query import FIGURES, KINDS, parse
from stream_app.domain.periods import DAY_MS, Calendar
from stream_app.questions.answering import Answering
from stream_app.questions.asking import Asking
from stream_app.questions.counting import Counting
from stream_app.questions.question import Question, Reply, parameters
from stream_app.settings import Settings

SETTINGS = Settings(dimensions=("plan",))
CALENDAR = SETTINGS.calendar
START = 20_514 * DAY_MS
PARTITIONS = 4


def made(users: int = 40, seed: int = 3) -> list[dict]:
    chance = random.Random(seed)
    found = []
    for user in range(users):
        plan = chance.choice(("free", "pro"))
        for _ in range(chance.randrange(1, 9)):
            time = START + chance.randrange(60 * DAY_MS)
            kind = chance.choice(("visit", "visit", "purchase", "refund"))
            amount = -300 if kind == "refund" else 1_000
            found.append({"user": f"u{user}", "time": time, "kind": kind, "amount": amount, "segment": {"plan": plan}})
    return [{"event_id": f"e{number}"} | event for number, event in enumerate(found)]


EVENTS = made()
ASKED = ask({"figure": "lifecycle", "segment": "plan"}, EVENTS, calendar=CALENDAR, dimensions=("plan",))


def source(number: int, **options) -> ListSource:
    own = [event for event in EVENTS if int(event["user"][1:]) % PARTITIONS == number]
    return ListSource(own, CALENDAR, ("plan",), **options)


def expected(asked) -> dict:
    return answer(asked, census(asked, ListPopulation(EVENTS, calendar=CALENDAR, dimensions=("plan",))))


class Worker:
    """Its partitions, and its part in questions."""

    def __init__(self, board: MemoryBoard, *numbers: int, fingerprint: str = "a", patience: float = 30.0) -> None:
        self.owned = {number: source(number) for number in numbers}
        self.counting = Counting(lambda: self.owned)
        name = f"worker {numbers}"
        options = {"worker": name, "fingerprint": fingerprint}
        self.answering = Answering(board, self.counting, SETTINGS, **options)
        self.asking = Asking(
            board, self.counting, SETTINGS.definitions, partitions=PARTITIONS, patience=patience, **options
        )


@pytest.fixture
async def hearing():
    """Has workers answer until the test ends."""
    async with AsyncExitStack() as stack:

        async def begin(*workers: Worker) -> None:
            for worker in workers:
                task = asyncio.create_task(worker.answering.run())
                stack.callback(task.cancel)
            await asyncio.sleep(0)

        yield begin


async def test_the_sum_is_that_of_all_workers(hearing):
    board = MemoryBoard()
    one, other, third = Worker(board, 0), Worker(board, 1, 3), Worker(board, 2)
    await hearing(one, other, third)
    for worker in (one, other, third):
        assert answer(ASKED, await worker.asking.ask(ASKED, {})) == expected(ASKED)
    assert all(len(part.asked) == 3 for worker in (one, other, third) for part in worker.owned.values())


async def test_a_worker_that_owns_everything_asks_nobody():
    board = MemoryBoard()
    board.down = True
    alone = Worker(board, *range(PARTITIONS))
    assert answer(ASKED, await alone.asking.ask(ASKED, {})) == expected(ASKED)


async def test_what_a_former_owner_says_is_not_taken(hearing):
    board = MemoryBoard()
    asker, zombie, owner = Worker(board, 0, 1, 2), Worker(board, 3), Worker(board, 3)
    zombie.owned[3].events = zombie.owned[3].events[:5]
    owner.owned[3].epoch = 2
    owner.owned[3].held = asyncio.Event()
    await hearing(asker, zombie, owner)
    asking = asyncio.create_task(asker.asking.ask(ASKED, {0: 1, 1: 1, 2: 1, 3: 2}))
    await eventually(lambda: board.replies)
    owner.owned[3].held.set()
    assert answer(ASKED, await asking) == expected(ASKED)


async def test_an_own_partition_of_a_former_epoch_is_asked_of_the_later_owner(hearing):
    board = MemoryBoard()
    zombie, owner = Worker(board, 0, 1, 2, 3), Worker(board, 3)
    owner.owned[3].epoch = 2
    await hearing(zombie, owner)
    assert answer(ASKED, await zombie.asking.ask(ASKED, {3: 2})) == expected(ASKED)
    assert not zombie.owned[3].asked


async def test_a_partition_that_moves_in_the_middle_is_counted_by_its_new_owner(hearing):
    board = MemoryBoard()
    asker, leaving, coming = Worker(board, 0, 1), Worker(board, 2, 3), Worker(board)
    leaving.owned[3].held = asyncio.Event()
    await hearing(asker, leaving, coming)
    asking = asyncio.create_task(asker.asking.ask(ASKED, {}))
    await eventually(lambda: leaving.owned[3].asked)
    del leaving.owned[3]  # killed: its census never ends
    coming.owned[3] = source(3, epoch=2)
    assert answer(ASKED, await asking) == expected(ASKED)


async def test_partitions_that_nobody_counts_are_named(hearing):
    board = MemoryBoard()
    asker, other = Worker(board, 0, 1, patience=0.3), Worker(board, 2)
    await hearing(asker, other)
    with pytest.raises(UnansweredError, match=r"partitions \[3\] did not answer within 0.3 s"):
        await asker.asking.ask(ASKED, {})


async def test_a_board_that_is_down_is_named():
    board = MemoryBoard()
    board.down = True
    with pytest.raises(UnansweredError, match=r"partitions \[2, 3\] .*redis"):
        await Worker(board, 0, 1, patience=0.2).asking.ask(ASKED, {})


async def test_a_board_that_only_this_worker_hears_is_named():
    board = MemoryBoard()
    board.where = "embedded"
    with pytest.raises(UnansweredError, match=r"partitions \[2, 3\] .*give all workers one"):
        await Worker(board, 0, 1, patience=0.2).asking.ask(ASKED, {})


async def test_a_worker_of_another_configuration_does_not_answer(hearing):
    board = MemoryBoard()
    asker, other = Worker(board, 0, 1, 2, patience=0.3), Worker(board, 3, fingerprint="b")
    await hearing(other)
    with pytest.raises(UnansweredError, match=r"\[3\]"):
        await asker.asking.ask(ASKED, {})
    assert not other.owned[3].asked


async def test_a_partition_that_cannot_be_counted_says_so(hearing, monkeypatch, caplog):
    board = MemoryBoard()
    asker, other = Worker(board, 0, 1, 2, patience=0.5), Worker(board, 3)
    other.owned[3].events = [{"broken": True}]
    await hearing(other)
    with pytest.raises(UnansweredError, match=r"\[3\] .*its log has the details"):
        await asker.asking.ask(ASKED, {})
    assert "A census of partition 3 failed" in caplog.text


async def test_a_partition_in_recovery_is_waited_for(hearing):
    board = MemoryBoard()
    asker, other = Worker(board, 0, 1), Worker(board, 2, 3)
    asker.owned[1].ready = other.owned[3].ready = False
    await hearing(other)
    asking = asyncio.create_task(asker.asking.ask(ASKED, {}))
    await eventually(lambda: len(board.published) > 1)
    asker.owned[1].ready = other.owned[3].ready = True
    assert answer(ASKED, await asking) == expected(ASKED)


async def test_one_census_at_a_time(hearing):
    board = MemoryBoard()
    worker = Worker(board, 0, 1)
    worker.owned[0].held = asyncio.Event()
    first = asyncio.create_task(worker.counting.count(0, ASKED))
    second = asyncio.create_task(worker.counting.count(1, ASKED, wanted=lambda: False))
    await eventually(lambda: worker.owned[0].asked)
    assert not worker.owned[1].asked
    worker.owned[0].held.set()
    assert (await first).epoch == 1
    assert await second is None


async def test_what_the_rows_do_not_hold_is_an_error_of_the_question(monkeypatch):
    async def refuse(_asked):
        raise QueryError("definition: it is not kept")

    worker = Worker(MemoryBoard(), *range(PARTITIONS))
    worker.owned[2].census = refuse
    with pytest.raises(QueryError, match="not kept"):
        await worker.asking.ask(ASKED, {})


def test_a_question_and_a_reply_come_as_they_were_sent():
    question = Question("id", "me", "f", {"figure": "churn"}, 5, None, (1, 2))
    assert Question.from_json(question.to_json()) == question
    for raw in (b"", b"{}", b"[]", b'{"version":2}', question.to_json().replace(b'"version":1', b'"version":9')):
        assert Question.from_json(raw) is None
    refusal = Reply(3, 7, reason="because\nof that")
    assert Reply.from_bytes(refusal.to_bytes()) == refusal
    with pytest.raises(ValueError, match="a reply begins with"):
        Reply.from_bytes(b"{}\n")


GIVEN = [
    *({"figure": figure} for figure in FIGURES),
    *({"figure": figure, "kind": kind} for figure, kinds in KINDS.items() for kind in kinds if kind != "bracket"),
    {"kind": "bracket", "brackets": "1,3,7", "mean": "simple", "cohorts": "recurring", "grain": "quarter"},
    {"windows": "24h", "from": "2026-03-01", "until": "2026-04-01T10:00:00.125+02:00", "segment": "plan", "top": "3"},
    {"figure": "crr", "window": "7", "last": "5", "definition": "repurchase"},
    {"figure": "survival", "start": "purchase", "return": "any"},
    {"start": "purchase", "return": "purchase"},
    {"definition": "web"},
]


@pytest.mark.parametrize("given", GIVEN, ids=str)
def test_parameters_are_the_ones_of_the_query(given):
    web = Definition("web", "any", "any", start_where=(("channel", "web"),), min_active=2)
    known = (ENGAGEMENT, REPURCHASE, web)
    options = {"definitions": known, "dimensions": ("plan",), "calendar": Calendar("Europe/Berlin")}
    query = parse(given, **options)
    assert parse(parameters(query, known), **options) == query
