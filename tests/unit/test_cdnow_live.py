"""The real purchase log in the tables of the live service: the rows that they still hold are those of `analyze`."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from stream_app.codecs.events import EventDecoder
from stream_app.demo import cdnow
from stream_app.domain.counters import Segments
from stream_app.domain.events import ENGAGEMENT, REPURCHASE
from stream_app.domain.metrics.census.asked import Asked
from stream_app.domain.metrics.figures import answer, census
from stream_app.domain.metrics.live import LivePopulation
from stream_app.domain.metrics.query import parse
from stream_app.domain.metrics.tally import Tally
from stream_app.domain.orders import OrderTable
from stream_app.domain.periods import DAY_MS, Calendar
from stream_app.domain.users import UserTable
from stream_app.offline import analyze

CHURN = json.loads((Path(__file__).parents[1] / "data" / "cdnow_churn.json").read_text())
DEFINITIONS, DIMENSIONS = (REPURCHASE, ENGAGEMENT), (cdnow.DIMENSION,)
CALENDAR = Calendar()
UNTIL = round(dt.datetime.fromisoformat(cdnow.UNTIL).timestamp() * 1000)
PARTITIONS = 3


@pytest.fixture(scope="module")
def log():
    return list(cdnow.events())


@pytest.fixture(scope="module")
def tables(log):
    """Users and orders by source partition."""
    found = []
    for number in range(PARTITIONS):
        own = [(key, value) for key, value in log if int(key) % PARTITIONS == number]
        decoder = EventDecoder(dimensions=DIMENSIONS, currency="USD", future_tolerance_ms=0)
        batch, letters = decoder.decode([key for key, _ in own], [value for _, value in own], UNTIL)
        assert not letters
        table, orders = UserTable(DEFINITIONS, CALENDAR, Segments(DIMENSIONS, 1000)), OrderTable()
        users = table.users_of(batch)
        table.advance_users(batch, users)
        orders.join(users, batch)
        found.append((table, orders))
    return found


@pytest.fixture(scope="module")
def path(log, tmp_path_factory):
    file = tmp_path_factory.mktemp("cdnow") / "events.jsonl"
    file.write_bytes(b"\n".join(value for _, value in log) + b"\n")
    return str(file)


def live(tables, given):
    query = parse(given, definitions=DEFINITIONS, dimensions=DIMENSIONS, calendar=CALENDAR)
    asked = Asked(query, CALENDAR, UNTIL, UNTIL - DAY_MS)
    tallies = [census(asked, LivePopulation(table, orders.arranged())) for table, orders in tables]
    return answer(asked, Tally.merged(tallies))


def from_file(path, given):
    return analyze(path, {"definition": "repurchase", "until": "1998-07-01"} | given)


@pytest.mark.parametrize(
    "given",
    [
        *({"figure": "churn", "grain": grain, "segment": "tier"} for grain in ("day", "week", "month", "quarter")),
        *({"figure": "lifecycle", "grain": grain} for grain in ("day", "week", "month", "half-year")),
        *({"figure": "crr", "grain": grain, "window": "45"} for grain in ("day", "week", "month")),
        {"figure": "stickiness", "segment": "tier"},
        {"figure": "concentration", "grain": "week"},
        {"figure": "concentration", "segment": "tier"},
        {"figure": "value", "segment": "tier"},
    ],
    ids=lambda given: " ".join(given.values()),
)
def test_live_rows_are_those_of_the_file(tables, path, given):
    found, whole = live(tables, given), from_file(path, given)

    assert {key: value for key, value in found.items() if key not in {"segments", "late_share"}} == {
        key: value for key, value in whole.items() if key not in {"segments", "late_share"}
    }
    assert [one["segment"] for one in found["segments"]] == [one["segment"] for one in whole["segments"]]
    rows = "days" if "days" in whole["segments"][0] else "periods"
    for one, of in zip(found["segments"], whole["segments"], strict=True):
        assert all(row in of[rows] for row in one[rows])
        assert one[rows][0] == of[rows][0]
        assert one[rows][-1] == of[rows][-1]
        if given["figure"] in {"value", "lifecycle"} and given.get("grain") != "day":
            assert one == of


def test_churn_as_of_the_ends_of_seven_days(tables):
    rows = {row["date"]: row for row in live(tables, {"figure": "churn"})["segments"][0]["days"]}

    for expected in CHURN["as_of"]:
        row = rows[expected["as_of_end_of_day"]]
        assert (row["customers"], row["active"], row["churned"]) == (
            expected["customers_to_date"],
            expected["active_gap_lt_30"],
            expected["churned_gap_ge_30"],
        )


def test_customer_retention_over_thirty_days_is_told_where_its_windows_are_held(tables):
    told = 0
    for expected in CHURN["periods_30d"]:
        begin, until = (
            (dt.date.fromisoformat(expected[name]) + dt.timedelta(days=1)).isoformat()
            for name in ("start_end_of_day", "end_end_of_day")
        )
        whole = live(tables, {"figure": "crr", "from": begin, "until": until})["segments"][0]["whole"]
        # Of December 31 on, the days after January 19, 1998 are neither in a bitmap nor in a ring any more.
        assert (whole is None) == (expected["end_end_of_day"] > "1998-01-19")
        if whole is not None:
            told += 1
            names = ("start_active", "end_active", "new", "new_active", "kept", "lost", "resurrected")
            of = ("S", "E", "N_new", "N_new_still_active_at_end", "kept_S_and_E", "lost", "resurrected")
            assert [whole[name] for name in names] == [expected[name] for name in of]
    assert told == 7
