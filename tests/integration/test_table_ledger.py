"""The ledger of the alerts' tables on a real Kafka."""

from __future__ import annotations

from stream_app.engine.table_ledger import TransactionalTableLedger, read_table
from stream_app.engine.tables import Record
from stream_app.engine.topics import MOST_BYTES


async def test_a_message_of_thousands_of_alerts_is_stored_and_read(kafka_broker, topic):
    name = await topic("j-outbox", config={"cleanup.policy": "compact", "max.message.bytes": str(MOST_BYTES)})
    settings: dict[str, object] = {"bootstrap_servers": kafka_broker.bootstrap}
    large = b'"' + b"x" * 5_000_000 + b'"'
    ledger = TransactionalTableLedger(settings, "j-app")
    await ledger.start()
    try:
        await ledger.write([Record(name, b"small", b"1"), Record(name, b"large", large), Record(name, b"last", b"2")])
    finally:
        await ledger.stop()
    assert [pair async for pair in read_table(settings, name)] == [(b"small", b"1"), (b"large", large), (b"last", b"2")]
