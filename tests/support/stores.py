"""Comparing snapshots, which may hold the same counts in blocks of different lengths."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stream_app.domain.metrics import Snapshot


def plain(snapshot: Snapshot | None) -> dict | None:
    """A snapshot as plain values; zeros at the end of a block mean nothing."""
    if snapshot is None:
        return None
    return {
        "timezone": snapshot.calendar.timezone,
        "week_start": snapshot.calendar.week_start,
        "definitions": snapshot.definitions,
        "dimensions": snapshot.dimensions,
        "watermark": snapshot.watermark,
        "last_event": snapshot.last_event,
        "totals": dict(snapshot.totals),
        "epochs": dict(snapshot.epochs),
        "corrections": snapshot.corrections,
        "blocks": {
            key: {period: _trimmed(block.tolist()) for period, block in pages.items()}
            for key, pages in snapshot.blocks.items()
        },
    }


def _trimmed(values: list[int]) -> list[int]:
    while len(values) > 1 and values[-1] == 0:
        values.pop()
    return values
