"""The ledger of the alerts' tables on a real Kafka."""

from __future__ import annotations

import random

from stream_app.engine.table_ledger import TransactionalTableLedger, read_table
from stream_app.engine.tables import Record
from stream_app.engine.topics import MOST_BYTES


async def taken_over(settings: dict[str, object], name: str) -> None:
    """As before every reading: from then on the end of what was committed does not move."""
    successor = TransactionalTableLedger(settings, name)
    await successor.start()
    await successor.stop()


async def test_a_message_of_thousands_of_alerts_is_stored_and_read(kafka_broker, topic):
    name = await topic("j-outbox", config={"cleanup.policy": "compact", "max.message.bytes": str(MOST_BYTES)})
    settings: dict[str, object] = {"bootstrap_servers": kafka_broker.bootstrap}
    large = b'"' + random.Random(1).randbytes(2_500_000).hex().encode() + b'"'  # hardly to be compressed
    ledger = TransactionalTableLedger(settings, "j-app")
    await ledger.start()
    try:
        await ledger.write([Record(name, b"small", b"1"), Record(name, b"large", large), Record(name, b"last", b"2")])
    finally:
        await ledger.stop()
    await taken_over(settings, "j-app")
    assert [pair async for pair in read_table(settings, name)] == [(b"small", b"1"), (b"large", large), (b"last", b"2")]


async def test_a_topic_of_before_takes_a_message_of_a_thousand_alerts_too(kafka_broker, topic):
    name = await topic("j-outbox-of-before", config={"cleanup.policy": "compact"})
    settings: dict[str, object] = {"bootstrap_servers": kafka_broker.bootstrap}
    line = '{"rule": "day-7", "segment": {"country": "%d"}, "state": "firing", "value": 0.%d}'
    large = ("[" + ",".join(line % (n, n * 7919) for n in range(20_000)) + "]").encode()
    assert len(large) > 1_300_000
    ledger = TransactionalTableLedger(settings, "j-before")
    await ledger.start()
    try:
        await ledger.write([Record(name, b"large", large)])
    finally:
        await ledger.stop()
    await taken_over(settings, "j-before")
    assert [pair async for pair in read_table(settings, name)] == [(b"large", large)]
