"""Workers of one application over one broker and one Redis, and what can be asked of them together."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import servers

from stream_app.demo import cdnow
from support.workers import Worker, visit

if TYPE_CHECKING:
    from collections.abc import Sequence

PARTITIONS = 4
EXPECTED = json.loads((Path(__file__).parents[1] / "data" / "cdnow_monthly.json").read_text())["cohorts"]


class Cluster:
    """Workers of one application; settings may be changed before they start."""

    def __init__(self, bootstrap: str, redis_url: str, folder: Path) -> None:
        self.app = servers.unique("service")
        self.bootstrap, self.folder = bootstrap, folder
        self.settings: dict[str, Any] = {
            "broker": bootstrap,
            "redis": redis_url,
            "app_id": self.app,
            "visits_topic": f"{self.app}-visits",
            "purchases_topic": f"{self.app}-purchases",
            "alerts_topic": f"{self.app}-alerts",
            "dead_letters_topic": f"{self.app}-dead-letters",
            "dimensions": cdnow.DIMENSION,
            "partitions": PARTITIONS,
        }
        self.workers: list[Worker] = []
        self.disks = False  # whether each worker runs in a folder of its own
        self.root: Path | None = None  # another checkout, whose code new workers run

    @property
    def purchases(self) -> str:
        return str(self.settings["purchases_topic"])

    @property
    def visits(self) -> str:
        return str(self.settings["visits_topic"])

    @property
    def alerts(self) -> str:
        return str(self.settings["alerts_topic"])

    def start(self, count: int = 1) -> list[Worker]:
        new = [self._worker().start() for _ in range(count)]
        self.workers += new
        return new

    def _worker(self) -> Worker:
        worker = Worker(self.folder, **self.settings)
        if self.disks:
            worker.disk = self.folder / f"disk-{worker.port}"
        worker.root = self.root or worker.root
        return worker

    def kill(self) -> None:
        """All of them; the end of a test."""
        for worker in self.workers:
            worker.kill()

    def get(self, path: str) -> Any:
        """From the first worker that answers."""
        for worker in self.workers:
            if worker.running and (found := worker.get(path)):
                return found
        return {}

    @property
    def totals(self) -> dict[str, int]:
        return (self.get("/api/v1/status").get("figures") or {}).get("totals", {})

    async def read(self, records: int, timeout: float = 90.0) -> None:
        """Waits until exactly that many records were read, and the figures say so."""
        await servers.eventually(lambda: self.totals.get("read") == records, timeout, f"{records} records to be read")

    async def through(self, records: int, timeout: float = 90.0) -> None:
        """Waits until that many records were read, and the watermark has passed the log's end."""
        await self.read(records, timeout)
        await servers.eventually(
            lambda: (self.get("/api/v1/retention?definition=repurchase&grain=month").get("as_of") or "") > "1998-07-01",
            timeout,
            "the log's last month to close",
        )

    def months(self, kind: str = "classic") -> list[list[int]]:
        """The purchase log's matrix: its 18 months, as far as they go for each cohort."""
        answer = self.get(f"/api/v1/retention?definition=repurchase&grain=month&kind={kind}")
        cohorts = answer["segments"][0]["cohorts"]
        return [c["retained"][: len(e["classic_counts"])] for c, e in zip(cohorts, EXPECTED, strict=True)]

    def shares(self) -> list[list[int]]:
        return sorted(worker.partitions for worker in self.workers if worker.running)

    async def shared_out(self, timeout: float = 60.0) -> None:
        """Waits until the running workers own all partitions between them, each its fair share."""
        count = sum(worker.running for worker in self.workers)

        def fair() -> bool:
            shares = self.shares()
            sizes = [len(share) for share in shares]
            owned = sorted(itertools.chain(*shares))
            everything = list(range(int(self.settings["partitions"])))
            return owned == everything and max(sizes) - min(sizes) <= 1 and len(shares) == count

        await servers.eventually(fair, timeout, "partitions to be shared out fairly")


def log_records() -> list[tuple[bytes, bytes]]:
    """The purchase log."""
    return list(cdnow.events())


def closing_visit() -> tuple[bytes, bytes]:
    """A visit after the log's end: the watermark passes it, so the last month closes."""
    return b"late-riser", visit("late-riser", "1998-07-02T00:00:00Z", 0)


def assert_matrix(cluster: Cluster) -> None:
    assert cluster.months() == [e["classic_counts"] for e in EXPECTED]
    assert cluster.months("rolling") == [e["on_or_after_counts"] for e in EXPECTED]


def assert_orders(cluster: Cluster) -> None:
    """Every order of the purchase log is kept, once."""
    events = [json.loads(value) for _, value in log_records()]
    (entry,) = cluster.get("/api/v1/value?definition=repurchase")["segments"]
    totals = entry["totals"]
    assert totals["customers"] == len({event["user_id"] for event in events})
    assert totals["orders"] == len({(event["user_id"], event["order_id"]) for event in events})
    assert totals["revenue"] == sum(round(float(event["amount"]) * 100) for event in events)
    assert (totals["refunded"], totals["conflicts"]) == (0, 0)


def pieces(records: Sequence[tuple[bytes, bytes]], count: int) -> list[Sequence[tuple[bytes, bytes]]]:
    """The records in so many consecutive parts of about one size."""
    size = -(-len(records) // count)
    return [records[start : start + size] for start in range(0, len(records), size)]
