"""Questions and replies over real servers: one of the system's, and the embedded one."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from servers import eventually

from stream_app.stores import board as boards
from stream_app.stores.base import StoreUnavailable
from stream_app.stores.redis import RedisStore

if TYPE_CHECKING:
    from stream_app.stores.board import QuestionBoard


@pytest.fixture
async def board(url):
    """A board of a service; several are of several workers."""
    opened = []

    async def open_board(app: str = "board-test") -> QuestionBoard:
        opened.append(await RedisStore.open(url, app_id=app))
        return opened[-1].board()

    yield open_board
    for store in opened:
        await store.close()


@contextlib.asynccontextmanager
async def heard(board: QuestionBoard):
    found: list[bytes] = []

    async def listen() -> None:
        async for question in board.questions():
            found.append(question)  # noqa: PERF401 - it never ends

    task = asyncio.create_task(listen())
    yield found
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_every_worker_of_the_service_hears_a_question(board):
    asker, stranger = await board(), await board("other")
    async with heard(await board()) as one, heard(await board()) as other, heard(stranger) as none:
        await eventually(lambda: _published(asker, 2))
        await eventually(lambda: one and other)
        assert set(one) == set(other) == {b"hello?"}
        assert not none


async def _published(board: QuestionBoard, hearers: int) -> bool:
    return await board.publish(b"hello?") == hearers


async def test_replies_come_in_order_each_once_and_none_is_none(board):
    asker, worker = await board(), await board()
    assert await asker.next_reply("q1", 0.05) is None
    waiting = asyncio.create_task(asker.next_reply("q1", 5))
    big = bytes(range(256)) * 20_000
    for reply in (b"first\0\n", big, b"for another"):
        await worker.reply("q2" if reply == b"for another" else "q1", reply)
    assert [await waiting, await asker.next_reply("q1", 5)] == [b"first\0\n", big]
    assert await asker.next_reply("q1", 0.05) is None
    await asker.forget("q2")
    assert await asker.next_reply("q2", 0.05) is None


async def test_what_nobody_takes_vanishes(board, url, monkeypatch):
    monkeypatch.setattr(boards, "KEPT_SECONDS", 1)
    asker = await board()
    await asker.reply("q", b"late")

    async def gone() -> bool:
        return not await asker._client.exists(asker._list("q"))

    await eventually(gone, 10)


async def test_questions_are_heard_again_once_the_server_is_back(redis_server, board_of_server):
    asker, worker = await board_of_server(), await board_of_server()
    async with heard(worker) as found:
        await eventually(lambda: _published(asker, 1))
        redis_server.kill()
        with pytest.raises(StoreUnavailable, match="redis"):
            await asker.publish(b"?")
        with pytest.raises(StoreUnavailable, match="redis"):
            await asker.next_reply("q", 0.1)
        with pytest.raises(StoreUnavailable, match="redis"):
            await asker.reply("q", b"!")
        redis_server.start()
        count = len(found)
        await eventually(lambda: _published(asker, 1), 20)
        await eventually(lambda: len(found) > count)


@pytest.fixture
async def board_of_server(redis_url):
    opened = []

    async def open_board() -> QuestionBoard:
        opened.append(await RedisStore.open(redis_url, app_id="board-test"))
        return opened[-1].board()

    yield open_board
    for store in opened:
        await store.close()
