"""A question as it goes from the worker that was asked to all others, and what comes back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import orjson

from stream_app.codecs.tallies import decode_tally, encode_tally
from stream_app.domain.events import rfc3339
from stream_app.domain.metrics.query import TAKEN_BY

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from stream_app.domain.events import Definition
    from stream_app.domain.metrics.query import Query
    from stream_app.domain.metrics.tally import Tally

VERSION = 1


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the owners of some partitions.

    Attributes:
        id: random; the same as long as the same is asked.
        asker: the worker that was asked, which counts its own partitions itself.
        fingerprint: of the figures; a worker that counts under another configuration does not answer.
        given: the parameters, as `metrics.query.parse` takes them.
        watermark, last_event: the service's at asking (ms).
        partitions: those without an answer.
    """

    id: str
    asker: str
    fingerprint: str
    given: Mapping[str, str]
    watermark: int | None
    last_event: int | None
    partitions: tuple[int, ...]

    def to_json(self) -> bytes:
        """As it is sent."""
        return orjson.dumps({"version": VERSION, **asdict(self)})

    @classmethod
    def from_json(cls, raw: bytes) -> Question | None:
        """None where it is none of this version."""
        try:
            plain = orjson.loads(raw)
            if plain.pop("version") != VERSION:
                return None
            return cls(**plain | {"partitions": tuple(plain["partitions"])})
        except (ValueError, KeyError, TypeError, AttributeError):
            return None


@dataclass(frozen=True, slots=True)
class Reply:
    """What the owner of a partition says.

    Attributes:
        partition: whose users were counted.
        epoch: of the owner; a later owner's is greater.
        tally: what they were counted to, None where that failed.
        reason: why it failed.
    """

    partition: int
    epoch: int
    tally: Tally | None = None
    reason: str = ""

    def to_bytes(self) -> bytes:
        """As it is sent."""
        head = orjson.dumps({"partition": self.partition, "epoch": self.epoch, "reason": self.reason})
        return head + b"\n" + (b"" if self.tally is None else encode_tally(self.tally))

    @classmethod
    def from_bytes(cls, raw: bytes) -> Reply:
        """The reply of these bytes.

        Raises:
            ValueError: they are none of this version.
        """
        head, _, body = raw.partition(b"\n")
        plain = orjson.loads(head)
        try:
            return cls(plain["partition"], plain["epoch"], decode_tally(body) if body else None, plain["reason"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"a reply begins with {head!r}") from error


def parameters(query: Query, known: Collection[Definition]) -> dict[str, str]:
    """The parameters that `metrics.query.parse` makes this query of, given the definitions that it knows by name."""
    events = query.definition.start, query.definition.returns
    named = query.definition.name in {definition.name for definition in known}
    wanted = {
        "figure": query.figure,
        **({"definition": query.definition.name} if named else dict(zip(("start", "return"), events, strict=True))),
        "grain": query.grain.value,
        "kind": query.kind,
        "brackets": ",".join(map(str, query.brackets)),
        "windows": query.windows,
        "cohorts": query.cohorts,
        "mean": query.mean,
        "from": "" if query.begin is None else rfc3339(query.begin),
        "until": "" if query.until is None else rfc3339(query.until),
        "segment": query.dimension or "",
        "top": str(query.top),
        "window": str(query.window),
        "last": "" if query.last is None else str(query.last),
    }
    return {name: value for name, value in wanted.items() if value and query.figure in TAKEN_BY[name]}
