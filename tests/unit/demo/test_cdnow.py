"""The shipped purchase log: what it holds, and the events made of it."""

import gzip
import hashlib
from importlib.resources import files

import orjson
import pytest

from stream_app.demo import cdnow


@pytest.fixture(scope="module")
def events():
    return [(key, orjson.loads(value)) for key, value in cdnow.events()]


def test_the_shipped_file_is_the_one_its_notice_names():
    data = files("stream_app.demo").joinpath("data")
    digest = hashlib.sha256(gzip.decompress(data.joinpath("cdnow.txt.gz").read_bytes())).hexdigest()
    assert digest == "eff6889ed364c5199d6eacbbeb7a6d559971df4406ac876f322c373f00a072ef"
    assert digest in data.joinpath("NOTICE.txt").read_text()


def test_rows_customers_and_revenue_are_those_of_the_log(events):
    assert len(events) == cdnow.ROWS == 69_659
    assert len({key for key, _ in events}) == cdnow.CUSTOMERS == 23_570
    assert sum(cdnow.cents(event["amount"]) for _, event in events) == cdnow.REVENUE_CENTS == 250_031_563
    assert sum(event["amount"] == "0.00" for _, event in events) == 80


def test_a_row_becomes_one_order_with_its_amount_as_written(events):
    key, first = events[0]
    assert key == b"00001"
    assert first == {
        "type": "purchase",
        "event_id": "cdnow-1",
        "order_id": "cdnow-1",
        "user_id": "00001",
        "occurred_at": "1997-01-01T00:00:00Z",
        "amount": "11.77",
        "currency": "USD",
        "segment": {"tier": "low"},
    }


def test_every_row_is_an_order_of_its_own_keyed_by_its_customer(events):
    assert {event["order_id"] for _, event in events} == {f"cdnow-{row}" for row in range(1, cdnow.ROWS + 1)}
    assert all(event["event_id"] == event["order_id"] for _, event in events)
    assert all(key.decode() == event["user_id"] for key, event in events)


def test_events_come_in_the_order_of_their_dates_and_rows_of_one_date_as_in_the_file(events):
    order = [(event["occurred_at"], int(event["order_id"].removeprefix("cdnow-"))) for _, event in events]
    assert order == sorted(order)
    assert order[0][0] == "1997-01-01T00:00:00Z"
    assert order[-1][0] == "1998-06-30T00:00:00Z" < cdnow.UNTIL


def test_a_customers_tier_is_that_of_the_first_order_and_never_changes(events):
    tiers = {}
    for _, event in events:
        expected = tiers.setdefault(event["user_id"], cdnow.tier(event["amount"]))
        assert event["segment"] == {"tier": expected}
    sizes = {name: list(tiers.values()).count(name) / cdnow.CUSTOMERS for _, name in cdnow.TIERS}
    assert all(0.3 < size < 0.37 for size in sizes.values()), sizes


@pytest.mark.parametrize(
    ("amount", "tier"), [("0.00", "low"), ("14.99", "low"), ("15.00", "mid"), ("29.99", "mid"), ("30.00", "high")]
)
def test_a_tier_begins_at_its_limit(amount, tier):
    assert cdnow.tier(amount) == tier
