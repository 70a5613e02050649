"""Whether stored state may be gone on with, and how: what its newest marker says beside this worker's configuration."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stream_app.domain.errors import StateMismatchError
from stream_app.domain.fingerprint import differences
from stream_app.domain.migration import Rebuild, Same, plan

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stream_app.codecs.rows import Marker
    from stream_app.domain.rows import Layout
    from stream_app.engine.source_config import SourceConfig

log = logging.getLogger(__name__)

ANEW = "count anew with `stream-app rebuild`"


@dataclass(frozen=True)
class Accepted:
    """How to go on with a partition's state.

    Attributes:
        fingerprint: what it is of from now on.
        former: digests of what it was of before.
        layout: how its rows lie; None: as this configuration has them.
        rewrite: every row must be written anew.
        words: what is migrated; None: nothing.
    """

    fingerprint: str
    former: tuple[str, ...] = ()
    layout: Layout | None = None
    rewrite: bool = False
    words: str | None = None


def digest(fingerprint: str) -> str:
    """A short name of a fingerprint, as markers remember it."""
    return hashlib.sha256(fingerprint.encode()).hexdigest()[:16]


def accept(number: int, marker: Marker | None, config: SourceConfig) -> Accepted:
    """How to go on with the state of source partition `number`, whose newest marker this is.

    A worker migrates what is older than itself. What was migrated after it started is newer: it takes over another form
    of rows, which changes no figure, and refuses another configuration. Else two configurations would take turns.

    Raises:
        StateMismatchError: the state cannot be gone on with; the message says what differs and what to do.
    """
    if marker is None:
        return Accepted(config.fingerprint)
    if marker.sources and set(marker.sources) != set(config.topics):
        raise StateMismatchError(
            f"partition {number}: the stored state was counted from {_topics(marker.sources)}, this worker reads "
            f"{_topics(config.topics)}. Restore the earlier topics, give this service its own app_id, or {ANEW}."
        )
    if marker.partitions and config.partitions and marker.partitions != config.partitions:
        raise StateMismatchError(
            f"partition {number}: the stored state was counted from {marker.partitions} source partitions, there are "
            f"{config.partitions}: users have moved between partitions. Only counting anew helps, into topics that "
            "have the number from the start."
        )
    found = plan(marker.fingerprint, config.fingerprint)
    if isinstance(found, Same):
        return Accepted(config.fingerprint, marker.former)
    if isinstance(found, Rebuild):
        raise StateMismatchError(
            f"partition {number}: the stored state was counted under another configuration: {found.words}. "
            f"Restore the earlier settings, or {ANEW}."
        )
    if config.migrated is not None and len(marker.former) > config.migrated.get(number, 0):
        if found.figures:
            raise StateMismatchError(
                f"partition {number}: workers of another configuration have taken the state over since this one "
                f"started: {differences(marker.fingerprint, config.fingerprint)}. Give this worker their settings."
            )
        return Accepted(marker.fingerprint, marker.former)
    if found.rewrite and found.figures and not config.atomic:
        raise StateMismatchError(
            f"partition {number}: the stored state was counted under another configuration: {found.words}. Without "
            f"transactions its rows cannot be rewritten all at once. Restore the earlier settings, or {ANEW}."
        )
    former = (*marker.former, digest(marker.fingerprint))
    return Accepted(config.fingerprint, former, found.layout, found.rewrite, found.words)


def check_offset(number: int, topic: str, offset: int, beginning: int, end: int) -> int:
    """Checks the next offset to read against what the topic's partition holds, and says what is lost.

    Returns:
        How many records were deleted before they were read.

    Raises:
        StateMismatchError: the topic ends before it.
    """
    if offset > end:
        raise StateMismatchError(
            f"topic {topic}, partition {number}: the stored state has read up to offset {offset}, but the topic ends "
            f"at {end}; it was made anew. C{ANEW[1:]}."
        )
    if offset < beginning:
        log.error(
            "Topic %s, partition %d: %d records were deleted by retention before they were read (offsets %d to %d); "
            "their events are not counted. Operator action: lengthen the topic's retention.",
            topic, number, beginning - offset, offset, beginning - 1,
        )  # fmt: skip
    return max(beginning - offset, 0)


def _topics(names: Iterable[str]) -> str:
    return " and ".join(f"topic {name}" for name in sorted(names))
