"""The fingerprint differs exactly where stored state would mean something else."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from stream_app.domain.events import ENGAGEMENT, REPURCHASE
from stream_app.domain.fingerprint import differences, fingerprint
from stream_app.domain.periods import Calendar

BASE = {
    "definitions": (ENGAGEMENT, REPURCHASE), "calendar": Calendar(), "dimensions": ("plan",), "currency": "USD",
}  # fmt: skip


def test_it_is_readable_and_the_same_for_the_same_configuration():
    made = fingerprint(**BASE)
    assert made == fingerprint(**{**BASE, "calendar": Calendar("UTC", "monday"), "dimensions": ["plan"]})
    assert orjson.loads(made)["timezone"] == "UTC"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"definitions": (ENGAGEMENT,)}, "definitions"),
        ({"definitions": (REPURCHASE, ENGAGEMENT)}, "definitions"),
        ({"definitions": (replace(ENGAGEMENT, inactivity_days=7), REPURCHASE)}, "definitions"),
        ({"calendar": Calendar("Asia/Tokyo")}, 'timezone was "UTC" and is "Asia/Tokyo"'),
        ({"calendar": Calendar("UTC", "sunday")}, 'week_start was "monday" and is "sunday"'),
        ({"dimensions": ()}, 'dimensions was ["plan"] and is []'),
        ({"dimensions": ("plan", "country")}, "dimensions"),
        ({"currency": "EUR"}, 'currency was "USD" and is "EUR"'),
        ({"definitions": (ENGAGEMENT, replace(REPURCHASE, min_active=2))}, '{"min_active":2}'),
        ({"definitions": (ENGAGEMENT, replace(REPURCHASE, return_where=(("channel", "web"),)))}, '[["channel","web"]]'),
        ({"definitions": (ENGAGEMENT, replace(REPURCHASE, start="any"))}, "definitions"),
        ({"hour_days": 8}, "hour_days was null and is 8"),
        ({"orders": True}, "orders was null and is true"),
        ({"actor": "account_id"}, 'actor was null and is "account_id"'),
    ],
)
def test_every_part_of_it_tells(change, named):
    before, after = fingerprint(**BASE), fingerprint(**{**BASE, **change})
    assert before != after
    assert named in differences(before, after)


@pytest.mark.parametrize("stored", ["", "{", "[]", "7", '"text"'])
def test_one_that_cannot_be_read_differs_as_a_whole(stored):
    assert differences(stored, fingerprint(**BASE)).startswith("it was ")
