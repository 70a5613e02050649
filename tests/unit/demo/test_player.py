"""How much the player has on the way, and when it stops; the real broker is in tests/integration."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaTimeoutError

from stream_app.demo import player


class Producer:
    """Acknowledges one record each time the event loop comes round; offsets count up per topic."""

    def __init__(self, failing_at: int | None = None) -> None:
        self.failing_at = failing_at
        self.sent = self.acknowledged = self.most = 0

    async def send(self, topic, value, key):
        loop = asyncio.get_running_loop()
        future, number = loop.create_future(), self.sent
        self.sent += 1
        self.most = max(self.most, self.sent - self.acknowledged)
        loop.call_soon(self.acknowledge, future, topic, number)
        return future

    def acknowledge(self, future, topic, number):
        self.acknowledged += 1
        if number == self.failing_at:
            future.set_exception(KafkaTimeoutError())
        else:
            future.set_result(SimpleNamespace(topic=topic, partition=0, offset=number))


def records(count):
    return (("visits", b"%d" % number, b"value") for number in range(count))


async def test_records_on_the_way_are_bounded_and_all_are_waited_for():
    producer, flight, told = Producer(), player._Flight(), []
    await player._send(records(1_050), producer, flight, 100, told.append)
    assert producer.most == 100
    assert flight.pending == 0
    assert flight.by_topic == {"visits": 1_050}
    assert flight.ends == {("visits", 0): 1_050}
    assert told[-1] == 1_050


async def test_the_first_record_that_fails_ends_the_playing_and_is_not_counted():
    producer, flight = Producer(failing_at=5), player._Flight()
    with pytest.raises(KafkaTimeoutError):
        await player._send(records(1_000_000), producer, flight, 100, lambda _: None)
    assert producer.sent <= 200
    assert flight.by_topic.total() < producer.sent


async def test_nothing_to_play_is_nothing_played():
    flight = player._Flight()
    await player._send(records(0), Producer(), flight, 100, lambda _: None)
    assert flight.by_topic.total() == 0


def test_there_is_no_progress_bar_for_a_program_or_away_from_a_terminal(monkeypatch):
    monkeypatch.setattr("sys.stderr", SimpleNamespace(isatty=lambda: True))
    assert player.progress_wanted(json=False)
    assert not player.progress_wanted(json=True)
    monkeypatch.setattr("sys.stderr", SimpleNamespace(isatty=lambda: False))
    assert not player.progress_wanted(json=False)
