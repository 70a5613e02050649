"""What the live service refuses to answer, with the reason."""

from __future__ import annotations

import pytest

from stream_app.domain.events import ENGAGEMENT, REPURCHASE, Definition, Filter
from stream_app.domain.metrics.kept import Kept
from stream_app.domain.metrics.query import ParameterError, parse
from stream_app.domain.periods import Calendar

CALENDAR = Calendar("Europe/Berlin")
FILTERS = frozenset({Filter("any"), Filter("purchase")})
OFTEN = Definition("often", "any", "any", min_active=3)
EVERYTHING = Kept(hour_days=8, orders=True, filters=FILTERS)
NOTHING = Kept(hour_days=0, orders=False, filters=FILTERS)


def checked(kept: Kept, **given: str) -> None:
    given = {name.rstrip("_"): value for name, value in given.items()}
    known = (ENGAGEMENT, REPURCHASE, OFTEN)
    kept.check(parse(given, definitions=known, dimensions=(), calendar=CALENDAR), CALENDAR)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"figure": "lifecycle", "grain": "half-year"},
        {"figure": "value", "until": "1998-06-15T10:30:01+02:00"},
        {"grain": "hour"},
        {"windows": "24h", "until": "1998-06-15T10:00:00+02:00"},
        {"figure": "crr", "grain": "month", "until": "1998-06-15"},
        {"figure": "concentration", "until": "1998-07-01"},
        {"start": "purchase", "return": "any"},
    ],
    ids=str,
)
def test_what_is_kept_is_answered(given):
    checked(EVERYTHING, **given)


@pytest.mark.parametrize(
    ("kept", "given", "parameter", "word"),
    [
        (NOTHING, {"grain": "hour"}, "grain", "set hour_days"),
        (NOTHING, {"windows": "24h"}, "windows", "set hour_days"),
        (NOTHING, {"definition": "often"}, "definition", "set hour_days"),
        (NOTHING, {"figure": "value"}, "figure", "set orders: true"),
        (NOTHING, {"figure": "concentration"}, "figure", "set orders: true"),
        (EVERYTHING, {"figure": "lifecycle", "grain": "hour"}, "grain", "grain day or longer"),
        (EVERYTHING, {"cohorts": "recurring", "grain": "hour"}, "cohorts", "cohorts first"),
        (EVERYTHING, {"start": "visit", "return": "any"}, "start", "the setting definitions"),
        (EVERYTHING, {"start": "any", "return": "visit"}, "return", "the setting definitions"),
        (EVERYTHING, {"until": "1998-06-15T00:00:00Z"}, "until", "a day begins"),
        (EVERYTHING, {"grain": "month", "until": "1998-06-15"}, "until", "a month begins"),
        (EVERYTHING, {"windows": "24h", "until": "1998-06-15T10:30:00Z"}, "until", "an hour begins"),
        (EVERYTHING, {"figure": "survival", "until": "1998-06-15T10:00:00Z"}, "until", "a day begins"),
    ],
    ids=str,
)
def test_what_is_not_kept_is_refused_with_what_to_change(kept, given, parameter, word):
    with pytest.raises(ParameterError) as refused:
        checked(kept, **given)
    assert refused.value.parameter == parameter
    assert word in refused.value.message


def test_definitions_with_few_active_days_a_week_need_no_hours():
    checked(NOTHING, definition="often", grain="week")
