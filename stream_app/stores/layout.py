"""How a snapshot lies in Redis. Every key begins with `stream-app:<app_id>:`.

    meta                          string: JSON, everything of a snapshot but its blocks, and which version it is
    blocks:<definition>:<measure> hash: field JSON `["plan","pro",<bucket>]` or `[<bucket>]`, value see `stores.blocks`
    changes                       list: JSON `[version, {"<definition>:<measure>": [field, ...]}]`, latest first
    alerts:now                    string: JSON, the alerts that are firing, pending or cannot be judged
    alerts:silences               string: JSON, the silences
    alerts:past                   sorted set: JSON of each change of an alert, by the time it was judged for

A writer that does not find its own last version writes everything anew and begins an epoch. Within an epoch versions
follow each other without a gap, so a reader that has version v fetches only what the versions after v changed. All
keys of a version are written in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import orjson

from stream_app.domain.counters import Series
from stream_app.domain.events import Definition
from stream_app.domain.metrics import Snapshot
from stream_app.domain.metrics.snapshot import Corrections
from stream_app.domain.periods import Calendar
from stream_app.stores.blocks import bucket_size, encode_bucket

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis.asyncio.client import Pipeline

    from stream_app.domain.counters import BlockKey
    from stream_app.domain.metrics import Blocks

FORMAT = 2
#: How many versions a reader may be behind and still fetch only what changed.
CHANGES_KEPT = 64
_WHERES = ("start_where", "return_where")
#: (definition, measure), one hash each.
Page = tuple[str, str]
#: The buckets of each series, by hash.
Parts = Mapping[Page, Mapping[Series, set[int]]]


class Keys:
    """The names of the keys of one service."""

    def __init__(self, app_id: str) -> None:
        self.prefix = f"stream-app:{app_id}:"
        self.meta = self.prefix + "meta"
        self.changes = self.prefix + "changes"
        self.alerts_now = self.prefix + "alerts:now"
        self.silences = self.prefix + "alerts:silences"
        self.alerts_past = self.prefix + "alerts:past"

    def page(self, page: Page) -> str:
        """The hash of one definition and measure."""
        return f"{self.prefix}blocks:{page[0]}:{page[1]}"


@dataclass(frozen=True)
class Meta:
    """Everything of a published snapshot but its blocks.

    Attributes:
        epoch: random name, new with each full version: within an epoch, versions follow each other without a gap.
        version: number of the version, one more than the last.
        fingerprint: of the configuration the figures belong to.
        pages: the hashes there are.
        figures: the other fields of the snapshot, JSON-ready.
    """

    epoch: str
    version: int
    fingerprint: str
    pages: tuple[Page, ...]
    figures: Mapping[str, Any]

    def to_json(self) -> bytes:
        """As it is stored."""
        return orjson.dumps({"format": FORMAT, **asdict(self)})

    @property
    def name(self) -> tuple[str, int]:
        """What identifies a version."""
        return self.epoch, self.version

    @classmethod
    def from_json(cls, raw: bytes | str | None) -> Meta | None:
        """None where nothing is stored, or by a version of stream-app with another format."""
        if raw is None:
            return None
        try:
            stored = orjson.loads(raw)
            if stored["format"] != FORMAT:
                return None
            pages = tuple((definition, measure) for definition, measure in stored["pages"])
            return cls(stored["epoch"], stored["version"], stored["fingerprint"], pages, stored["figures"])
        except (ValueError, KeyError, TypeError):
            return None


def figures_of(snapshot: Snapshot) -> dict[str, Any]:
    """The fields of a snapshot but its blocks."""
    return {
        "timezone": snapshot.calendar.timezone,
        "week_start": snapshot.calendar.week_start,
        "definitions": [_plain(definition) for definition in snapshot.definitions],
        "dimensions": list(snapshot.dimensions),
        "watermark": snapshot.watermark,
        "last_event": snapshot.last_event,
        "totals": dict(snapshot.totals),
        "epochs": {str(number): epoch for number, epoch in snapshot.epochs.items()},
        "corrections": asdict(snapshot.corrections),
    }


def _plain(definition: Definition) -> dict[str, Any]:
    """Conditions are named only where there are any: a worker of the version before knows none."""
    usual = Definition(definition.name, definition.start, definition.returns)
    fields = {"name", "start", "returns", "inactivity_days"}
    return {
        name: value for name, value in asdict(definition).items() if name in fields or value != getattr(usual, name)
    }


def _definition(plain: Mapping[str, Any]) -> Definition:
    """The inverse of `_plain`; JSON has lists for tuples."""
    wheres = {name: tuple((of, value) for of, value in plain[name]) for name in _WHERES if name in plain}
    return Definition(**{**plain, **wheres})


def snapshot_of(figures: Mapping[str, Any], blocks: Blocks, calendar: Calendar | None = None) -> Snapshot:
    """The snapshot of these fields and blocks.

    Args:
        figures: as `figures_of` made them.
        blocks: must not change afterwards.
        calendar: taken where it is the one that the figures name: its clock changes are computed only once.
    """
    if calendar is None or (calendar.timezone, calendar.week_start) != (figures["timezone"], figures["week_start"]):
        calendar = Calendar(figures["timezone"], figures["week_start"])
    return Snapshot(
        calendar=calendar,
        definitions=tuple(map(_definition, figures["definitions"])),
        dimensions=tuple(figures["dimensions"]),
        watermark=figures["watermark"],
        last_event=figures["last_event"],
        blocks=blocks,
        totals=figures["totals"],
        # A worker of the version before does not write these.
        epochs={int(number): epoch for number, epoch in figures.get("epochs", {}).items()},
        corrections=Corrections(**figures.get("corrections", {})),
    )


def field_of(series: Series, bucket: int) -> bytes:
    """The field of a bucket within its hash."""
    return orjson.dumps([*series, bucket])


def parse_field(field: bytes) -> tuple[Series, int]:
    """The series and bucket of a field."""
    *series, bucket = orjson.loads(field)
    return ((series[0], series[1]) if series else ()), bucket


def touched(dirty: Iterable[BlockKey]) -> Parts:
    """The buckets that changed blocks lie in."""
    pages: dict[Page, dict[Series, set[int]]] = {}
    for key in dirty:
        series = pages.setdefault((key.definition, key.measure), {})
        series.setdefault(key.series, set()).add(key.period // bucket_size(key.measure))
    return pages


def everything(snapshot: Snapshot) -> Parts:
    """All buckets of a snapshot."""
    pages: dict[Page, dict[Series, set[int]]] = {}
    for (definition, measure, series), blocks in snapshot.blocks.items():
        size = bucket_size(measure)
        pages.setdefault((definition, measure), {})[series] = {period // size for period in blocks}
    return pages


def write(
    pipe: Pipeline, keys: Keys, meta: Meta, snapshot: Snapshot, *, parts: Parts, former: Iterable[Page] | None
) -> None:
    """Add a version to a transaction.

    Args:
        pipe: the transaction.
        keys: the names of the keys.
        meta: of the version.
        snapshot: has the blocks of `parts`.
        parts: what to write: the changed buckets, or everything.
        former: the hashes to remove first, where a new epoch begins; None within one.
    """
    if former is not None:
        pipe.unlink(keys.changes, *(keys.page(page) for page in former))
    changes: dict[str, list[str]] = {}
    for page, series_buckets in parts.items():
        fields: dict[Any, Any] = {}
        size = bucket_size(page[1])
        for series, buckets in series_buckets.items():
            blocks = snapshot.block(*page, series)
            for bucket in buckets:
                periods = range(bucket * size, (bucket + 1) * size)
                pairs = [(period, blocks[period]) for period in periods if period in blocks]
                fields[field_of(series, bucket)] = encode_bucket(pairs)
        if fields:
            pipe.hset(keys.page(page), mapping=fields)
            changes[":".join(page)] = [field.decode() for field in fields]
    if former is None:
        pipe.lpush(keys.changes, orjson.dumps([meta.version, changes]))
        pipe.ltrim(keys.changes, 0, CHANGES_KEPT - 1)
    pipe.set(keys.meta, meta.to_json())
