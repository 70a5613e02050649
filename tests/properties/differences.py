"""Where an answer is not as expected, in words."""

from __future__ import annotations

import math
from typing import Any


def difference(one: Any, other: Any, path: str = "") -> str | None:
    """Where two answers differ; numbers that are not whole may by rounding."""
    if isinstance(one, dict) and isinstance(other, dict):
        if list(one) != list(other):
            return f"{path}: {list(one)} != {list(other)}"
        return next((found for key in one if (found := difference(one[key], other[key], f"{path}.{key}"))), None)
    if isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            return f"{path}: {len(one)} entries, not {len(other)}: {one} != {other}"
        pairs = enumerate(zip(one, other, strict=True))
        return next((found for i, (a, b) in pairs if (found := difference(a, b, f"{path}[{i}]"))), None)
    if type(one) is type(other) and (
        one == other or (isinstance(one, float) and math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12))
    ):
        return None
    return f"{path}: {one!r} is not {other!r}"


def wrong(got: Any, whole: Any, path: str = "") -> str | None:
    """Where an answer says something that is not so; null, and rows that are not there, say nothing."""
    if got is None:
        return None
    if whole is None:
        return f"{path}: {got} is not there"
    if isinstance(got, dict):
        if "at_risk" in got:  # a curve may end early: what came later is censored
            shown = len(got["days"])
            cut = {name: values[:shown] if isinstance(values, list) else values for name, values in whole.items()}
            free = {"events", "censored"} | ({"median"} if got["median"] is None else set())
            return difference(*({n: v for n, v in one.items() if n not in free} for one in (got, cut)), path)
        if "histogram" in got and [d["date"] for d in got["days"][-1:]] != [d["date"] for d in whole["days"][-1:]]:
            got = got | {"histogram": None}
        return next((found for key in got if (found := wrong(got[key], whole[key], f"{path}.{key}"))), None)
    if isinstance(got, list) and got and isinstance(got[0], dict):
        rows = {row.get("start", row.get("date", row.get("days"))): row for row in whole}
        key = next(name for name in ("start", "date", "days") if name in got[0])
        return next(
            (found for row in got if (found := wrong(row, rows.get(row[key], {}), f"{path}[{row[key]}]"))), None
        )
    if isinstance(got, list):
        if len(got) > len(whole):
            return f"{path}: {got} is longer than {whole}"
        return next((f for i, one in enumerate(got) if (f := wrong(one, whole[i], f"{path}[{i}]"))), None)
    return difference(got, whole, path)
