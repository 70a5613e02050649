"""Tables and pictures of answers as `analyze` gives them, for every figure, grain and kind."""

from __future__ import annotations

import datetime as dt
import json
import re

import pytest

from stream_app.domain.metrics.query import FIGURES, GRAINS, KINDS
from stream_app.offline import analyze
from stream_app.reports import plots
from stream_app.reports.tables import table

BEGIN = dt.datetime(2024, 1, 1, 8, tzinfo=dt.UTC)
ASKED = [
    {"figure": figure, "grain": grain.value, "kind": kind} if kind else {"figure": figure, "grain": grain.value}
    for figure in FIGURES
    for grain in GRAINS[figure]
    for kind in KINDS.get(figure, ("",))
]
SPECIAL = [
    {"windows": "24h"},
    {"windows": "24h", "grain": "week", "kind": "rolling"},
    {"cohorts": "recurring", "mean": "simple"},
    {"figure": "crr", "from": "2024-01-15", "until": "2024-04-01"},
    {"figure": "value", "last": "2"},
    {"figure": "stickiness", "window": "7", "last": "20"},
]


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    """150 days of 23 users, of whom some pay, pay back, and stay away for a while."""
    path = tmp_path_factory.mktemp("events") / "events.jsonl"
    with path.open("w") as file:
        for number in range(600):
            user, kind = number * number % 23, "purchase" if number % 3 else "visit"
            when = BEGIN + dt.timedelta(hours=number * 6 + (0 if user % 4 else user * 40))
            record = {"type": kind, "event_id": f"e{number}", "user_id": f"u{user}", "occurred_at": when.isoformat()}
            if kind == "purchase":
                amount = f"{number % 7 * 5 - 5}.00"
                record |= {"order_id": f"o{number // 2}", "amount": amount, "currency": "USD"}
            file.write(json.dumps(record | {"segment": {"plan": ["pro", "free"][user % 2]}}) + "\n")
    return str(path)


def name(asked):
    return "-".join(asked.values())


def asked_of(events, asked):
    return analyze(events, asked | ({"brackets": "1,2,4"} if asked.get("kind") == "bracket" else {}))


@pytest.mark.parametrize("asked", [*ASKED, *SPECIAL], ids=name)
def test_every_answer_has_its_table(events, asked):
    text = table(asked_of(events, asked | {"segment": "plan"}), width=100)
    assert "plan = pro" in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("asked", [one for one in ASKED if one["grain"] == "week"] + SPECIAL, ids=name)
def test_every_answer_has_its_picture(events, asked):
    answer = asked_of(events, asked)
    assert re.search(r"<!-- time zone UTC, as of 2024-0[456]-\d\dT.* -->", plots.svg(answer).decode())
