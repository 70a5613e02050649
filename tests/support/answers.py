"""Small answers of every figure, made by hand."""

from __future__ import annotations

import copy
from typing import Any

NAMES = ("retention", "churn", "lifecycle", "crr", "stickiness", "value", "survival", "concentration")
HEADS: dict[str, dict[str, Any]] = {
    "retention": {"kind": "classic", "windows": "calendar", "cohorts": "first", "mean": "weighted"},
    "churn": {"inactivity_days": 30},
    "lifecycle": {},
    "crr": {"inactivity_days": 30},
    "stickiness": {"window": 30},
    "value": {"currency": "USD", "minor_units": 2},
    "survival": {"kind": "churn", "inactivity_days": 30},
    "concentration": {"currency": "USD", "minor_units": 2},
}
ENTRIES: dict[str, dict[str, Any]] = {
    "retention": {
        "cohorts": [
            {"start": "1997-01-01", "size": 200, "retained": [200, 50, 0, None]},
            {"start": "1997-02-01", "size": 9, "retained": [9, 9, None]},
            {"start": "1997-03-01", "size": 0, "retained": [0, 0]},
        ],
        "mean": {
            "rate": [1.0, 59 / 209, 0.0, None],
            "low": [0.982, 0.2258, 0.0, None],
            "high": [1.0, 0.3468, 0.0188, None],
            "users": [209, 209, 200, 0],
            "cohorts": [2, 2, 1, 0],
        },
    },
    "churn": {
        "days": [
            {"date": "1997-01-01", "customers": 0, "active": 0, "churned": 0},
            {"date": "1997-01-02", "customers": 1200, "active": 900, "churned": 300},
        ]
    },
    "lifecycle": {
        "periods": [
            {"start": "1997-01-01", "active": 5, "new": 5, "returning": 0, "resurrected": 0, "dormant": 0,
             "quick_ratio": None},
            {"start": "1997-02-01", "active": 4, "new": 1, "returning": 3, "resurrected": 0, "dormant": 2,
             "quick_ratio": 0.5},
        ]
    },
    "crr": {
        "periods": [
            {"start": "1997-01-01", "end": "1997-01-31", "start_active": 0, "end_active": 5, "new": 5, "new_active": 5,
             "kept": 0, "lost": 0, "resurrected": 0, "crr": None, "kept_rate": None, "churn_rate": None},
            {"start": "1997-02-01", "end": "1997-02-28", "start_active": 200, "end_active": 250, "new": 100,
             "new_active": 100, "kept": 140, "lost": 60, "resurrected": 10, "crr": 0.75, "kept_rate": 0.7,
             "churn_rate": 0.3},
        ],
        "whole": None,
    },
    "stickiness": {
        "days": [
            {"date": "1997-01-01", "dau": 3, "mau": 3, "stickiness": 1.0},
            {"date": "1997-01-02", "dau": 1, "mau": 4, "stickiness": 0.25},
            {"date": "1997-01-03", "dau": 0, "mau": 0, "stickiness": None},
        ],
        "histogram": [{"days": 1, "users": 3}, {"days": 2, "users": 1}, {"days": 3, "users": 0}],
    },
    "value": {
        "totals": {"customers": 4, "orders": 6, "revenue": 123456, "refunded": 1000, "repeat_customers": 1,
                   "repeat_rate": 0.25, "frequency": 1.5, "aov": 20576.0, "conflicts": 0},
        "cohorts": [
            {"start": "1997-01-01", "size": 3, "revenue": [90000, 93456], "ltv": [30000.0, 31152.0]},
            {"start": "1997-02-01", "size": 1, "revenue": [None], "ltv": [None]},
        ],
        "periods": [
            {"start": "1997-01-01", "customers": 3, "orders": 4, "revenue": 90000, "aov": 22500.0, "revenue_before": 0,
             "kept_revenue": 0, "returning_revenue": 0, "grr": None, "nrr": None, "new_revenue": 90000,
             "resurrected_revenue": 0},
            {"start": "1997-02-01", "customers": 2, "orders": 2, "revenue": 33456, "aov": 16728.0,
             "revenue_before": 90000, "kept_revenue": -500, "returning_revenue": -500, "grr": -500 / 90000,
             "nrr": -500 / 90000, "new_revenue": 33956, "resurrected_revenue": 0},
        ],
    },
    "survival": {
        "all": {"start": None, "size": 5, "events": 3, "censored": 2, "median": 30, "days": [10, 20, 30],
                "at_risk": [5, 4, 2], "died": [1, 1, 1], "survival": [0.8, 0.6, 0.3], "low": [0.2, 0.13, 0.01],
                "high": [0.97, 0.88, 0.72]},
        "cohorts": [
            {"start": "1997-01-01", "size": 5, "events": 3, "censored": 2, "median": None, "days": [10, 20, 30],
             "at_risk": [5, 4, 2], "died": [1, 1, 1], "survival": [0.8, 0.6, 0.3], "low": [0.2, 0.13, 0.01],
             "high": [0.97, 0.88, 0.72]},
            {"start": "1997-02-01", "size": 0, "events": 0, "censored": 0, "median": None, "days": [], "at_risk": [],
             "died": [], "survival": [], "low": [], "high": []},
        ],
    },
    "concentration": {
        "periods": [
            {"start": "1997-01-01", "users": 11, "top_users": 2, "activity": 40, "top_activity": 20,
             "activity_share": 0.5, "customers": 3, "top_customers": 1, "revenue": 10000, "top_revenue": 6000,
             "revenue_share": 0.6},
            {"start": "1997-02-01", "users": 0, "top_users": 0, "activity": 0, "top_activity": 0,
             "activity_share": None, "customers": 0, "top_customers": 0, "revenue": 0, "top_revenue": 0,
             "revenue_share": None},
        ]
    },
}  # fmt: skip
GRAINS = {"churn": "day", "stickiness": "day"}
_NOTHING: dict[str, Any] = {
    "cohorts": [],
    "days": [],
    "periods": [],
    "histogram": [],
    "whole": None,
    "mean": {"rate": [], "low": [], "high": [], "users": [], "cohorts": []},
}


def answer(figure: str, *segments: dict[str, str], **changes: Any) -> dict[str, Any]:
    """An answer of a figure, all its segments alike; without any it is of all users."""
    return {
        "schema": f"stream-app/{figure}/1",
        "definition": "repurchase",
        "grain": GRAINS.get(figure, "month"),
        **HEADS[figure],
        "timezone": "UTC",
        "as_of": "1997-04-01T00:00:00Z",
        "late_share": 0.0,
        "segments": [{"segment": segment, **copy.deepcopy(ENTRIES[figure])} for segment in segments or ({},)],
        **changes,
    }


def empty(figure: str) -> dict[str, Any]:
    """The answer of a figure before any event: a segment of nothing."""
    entry = {name: _NOTHING.get(name) for name in ENTRIES[figure]}
    if figure == "value":
        entry["totals"] = dict.fromkeys(ENTRIES["value"]["totals"], 0) | dict.fromkeys(
            ("repeat_rate", "frequency", "aov")
        )
    if figure == "survival":
        entry["all"] = ENTRIES["survival"]["cohorts"][1] | {"start": None}
    return answer(figure, as_of=None, late_share=None, segments=[{"segment": {}, **copy.deepcopy(entry)}])
