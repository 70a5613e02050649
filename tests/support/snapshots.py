"""What counters say of a snapshot, in short: without what every answer says of itself, and without means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stream_app.domain.metrics import counted
from stream_app.domain.metrics.query import Query
from stream_app.domain.periods import Grain

if TYPE_CHECKING:
    from stream_app.domain.metrics import Snapshot


def retention(
    snapshot: Snapshot, *, definition: str, grain: str, kind: str = "classic", dimension: str | None = None,
    top: int = 20,
) -> dict[str, Any]:  # fmt: skip
    """The matrix: `definition`, `grain`, `kind`, `timezone`, `as_of`, and the cohorts of each segment."""
    query = Query(
        "retention", snapshot.definition(definition), Grain(grain), kind, dimension=dimension, top=top
    )  # fmt: skip
    return _short(snapshot, query, ("definition", "grain", "kind", "timezone", "as_of"), "cohorts")


def churn(
    snapshot: Snapshot, *, definition: str, dimension: str | None = None, days: int = 90, top: int = 20
) -> dict[str, Any]:
    """Churn: `definition`, `inactivity_days`, `timezone`, `as_of`, and the latest days of each segment."""
    known = snapshot.definition(definition)
    query = Query(
        "churn", known, Grain.DAY, window=known.inactivity_days, dimension=dimension, top=top, last=days
    )  # fmt: skip
    return _short(snapshot, query, ("definition", "inactivity_days", "timezone", "as_of"), "days")


def _short(snapshot: Snapshot, query: Query, names: tuple[str, ...], rows: str) -> dict[str, Any]:
    answer = counted.answer(counted.asked_at(snapshot, query), snapshot)
    segments = [{"segment": one["segment"], rows: one[rows]} for one in answer["segments"]]
    return {name: answer[name] for name in names} | {"segments": segments}
