"""The limit: aiokafka's consumer, which the service reads with, doing nothing but reading.

python -m tests.benchmarks.reading BOOTSTRAP TOPIC EVENTS RESULT
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from aiokafka import AIOKafkaConsumer

from tests.benchmarks.machine import peak_memory


async def main(bootstrap: str, topic: str, expected: int, result: Path) -> None:
    """Reads so many records, and writes what it took."""
    async with AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        read, started, cpu = 0, time.monotonic(), time.process_time()
        while read < expected:
            read += sum(map(len, (await consumer.getmany(timeout_ms=1000)).values()))
        seconds, cpu = time.monotonic() - started, time.process_time() - cpu
    part = result.with_suffix(".part")
    part.write_text(json.dumps({"events": read, "seconds": seconds, "cpu": cpu, "peak": peak_memory()}))
    part.rename(result)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])))
