"""The real purchase log that ships with the package, as the purchase events a shop would have sent.

Every row is an order (its number is the order's id) at midnight UTC of its date. The one segment dimension, `tier`,
is the value tier of the customer's first order: low below $15, mid below $30, high from $30 on, which are about a
third of the customers each. What the log is and where it comes from: `data/NOTICE.txt`.
"""

from __future__ import annotations

import gzip
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROWS = 69_659
CUSTOMERS = 23_570
REVENUE_CENTS = 250_031_563
#: The instant at which the log ends, and the watermark that closes its last month.
UNTIL = "1998-07-01T00:00:00Z"

DIMENSION = "tier"
#: First-order value in cents from which on a customer is in the tier, highest first.
TIERS = ((3000, "high"), (1500, "mid"), (0, "low"))


class Row(NamedTuple):
    """One order of the log."""

    number: int  #: of the row in the file, from 1
    customer: str  #: such as "00001"
    date: str  #: YYYYMMDD
    amount: str  #: dollars, with two decimals, as in the file


def read() -> list[Row]:
    """The rows in the order in which they would have arrived: by date, rows of one date as in the file."""
    text = gzip.decompress(files(__package__).joinpath("data", "cdnow.txt.gz").read_bytes()).decode("ascii")
    rows = []
    for number, line in enumerate(text.splitlines()[1:], start=1):
        customer, date, _disks, amount = line.split()
        rows.append(Row(number, customer, date, amount))
    rows.sort(key=lambda row: row.date)
    return rows


def cents(amount: str) -> int:
    """An amount of the file in cents.

    >>> cents("11.77")
    1177
    """
    dollars, _, fraction = amount.partition(".")
    return int(dollars) * 100 + int(fraction)


def tier(amount: str) -> str:
    """The value tier of a first order.

    >>> tier("14.99"), tier("15.00"), tier("30.00")
    ('low', 'mid', 'high')
    """
    value = cents(amount)
    return next(name for limit, name in TIERS if value >= limit)


def events(rows: Iterable[Row] | None = None) -> Iterator[tuple[bytes, bytes]]:
    """The log as (key, value) of Kafka records: key = user id, value = a purchase event in JSON.

    Args:
        rows: as `read` gives them (the default); the first row seen of a customer sets the tier.
    """
    tiers: dict[str, str] = {}
    for row in read() if rows is None else rows:
        identity = f"cdnow-{row.number}"
        event = {
            "type": "purchase",
            "event_id": identity,
            "order_id": identity,
            "user_id": row.customer,
            "occurred_at": f"{row.date[:4]}-{row.date[4:6]}-{row.date[6:]}T00:00:00Z",
            "amount": row.amount,
            "currency": "USD",
            "segment": {DIMENSION: tiers.setdefault(row.customer, tier(row.amount))},
        }
        yield row.customer.encode(), orjson.dumps(event)
