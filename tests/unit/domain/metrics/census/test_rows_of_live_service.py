import random

import pytest
from support.days import at, paid
from support.population import figure

from stream_app.domain.periods import Calendar


def years_of_events(seed):
    """Users who come in bursts over three years, so that rows hold some of their days and not others."""
    chance, events = random.Random(seed), []
    for number in range(8):
        for _ in range(chance.randrange(1, 5)):
            begin = chance.randrange(1100)
            events += [
                paid(f"u{number}", begin + chance.randrange(40), 100, segment={"plan": str(number % 2)})
                for _ in range(chance.randrange(1, 12))
            ]
    return events


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("name", "grain"),
    [
        *(("churn", grain) for grain in ("day", "week", "month", "quarter", "half-year")),
        *(("lifecycle", grain) for grain in ("day", "week", "month", "quarter", "half-year")),
        *(("crr", grain) for grain in ("day", "week", "month", "quarter", "half-year")),
        ("stickiness", "day"),
        *(("concentration", grain) for grain in ("week", "month", "quarter", "half-year")),
    ],
)
def test_a_row_of_the_live_service_is_that_of_the_whole_history_or_it_is_not_there(name, grain, seed):
    events, watermark = years_of_events(seed), at(1000 + 70 * seed)
    given = {"figure": name, "grain": grain, "segment": "plan"}
    more = {"calendar": Calendar("Europe/Berlin", "sunday"), "dimensions": ["plan"], "watermark": watermark}
    live, whole = (figure(given, events, whole=whole, **more)["segments"] for whole in (False, True))

    rows = "days" if name in {"churn", "stickiness"} else "periods"
    assert [one["segment"] for one in live] == [one["segment"] for one in whole]
    for part, of in zip(live, whole, strict=True):
        assert all(row in of[rows] for row in part[rows])
        assert part[rows]
        if name == "stickiness":
            assert part["histogram"] in ([], of["histogram"])
