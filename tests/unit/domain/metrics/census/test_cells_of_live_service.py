"""What the rows of the service hold of years of events gives the figures of the whole history, or null."""

import random
from itertools import chain

import pytest
from support.population import figure

from stream_app.domain.events import ENGAGEMENT, REPURCHASE, Definition
from stream_app.domain.periods import DAY_MS, HORIZON, HOUR_MS, Calendar, Grain

SEEDS = range(3)
OFTEN = Definition("often", "any", "any", min_active=2)
BUYERS = Definition("buyers", "purchase", "visit", min_active=2)
DEFINITIONS = (ENGAGEMENT, REPURCHASE, OFTEN, BUYERS)
CALENDAR = Calendar("Europe/Berlin", "sunday")
FIRST = 10_950


def years_of_events(seed, days=1500, users=8):
    """Bursts of events that lie up to years apart: of most users, rows hold the first and the latest ones."""
    chance, events = random.Random(seed), []
    for number in range(users):
        for _ in range(chance.randrange(1, 5)):
            begin = chance.randrange(days)
            for _ in range(chance.randrange(1, 15)):
                time = (FIRST + begin) * DAY_MS + chance.randrange(30 * 24) * HOUR_MS
                kind = chance.choice(("visit", "visit", "purchase"))
                events.append({"user": f"u{number}", "time": time, "kind": kind, "amount": 5})
    return events


def both(given, events, **more):
    """The entry of all users, as the service and as a file gives it."""
    watermark = (FIRST + 1600) * DAY_MS + 5 * HOUR_MS
    answers = (
        figure(given, events, whole=whole, calendar=CALENDAR, watermark=watermark, definitions=DEFINITIONS, **more)
        for whole in (False, True)
    )
    return [answer["segments"][0] for answer in answers]


def known_share(live, whole):
    """How many of the cells that a file gives the service knows; each of them is the file's."""
    cells = [(a, b) for row, of in zip(live, whole, strict=True) for a, b in zip(row, of, strict=True)]
    assert all(a in (None, b) for a, b in cells)
    return sum(a is not None for a, _ in cells) / sum(b is not None for _, b in cells)


RETENTION = [
    {"grain": grain, "kind": kind} | ({"brackets": "1,2,4"} if kind == "bracket" else {})
    for grain in ("hour", "day", "week", "month", "quarter", "half-year")
    for kind in ("classic", "rolling", "bracket")
]
WINDOWS = [given | {"windows": "24h"} for given in RETENTION if given["grain"] in ("day", "week", "month")]
UNTIL = [given | {"until": "2003-01-01"} for given in [*RETENTION, *WINDOWS] if given["grain"] != "week"]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("start", ["any", "purchase", "visit"])
@pytest.mark.parametrize("given", [*RETENTION, *WINDOWS, *UNTIL], ids=lambda given: " ".join(given.values()))
def test_first_time_cohorts(given, start, seed):
    live, whole = both(given | {"start": start, "return": "any"}, years_of_events(seed))

    assert [(row["start"], row["size"]) for row in live["cohorts"]] == [
        (row["start"], row["size"]) for row in whole["cohorts"]
    ]
    share = known_share([row["retained"] for row in live["cohorts"]], [row["retained"] for row in whole["cohorts"]])
    assert share > 0
    if start == "any" and given["grain"] != "hour" and "windows" not in given and "until" not in given:
        assert share == 1


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ["often", "buyers"])
@pytest.mark.parametrize(
    "given", [one for one in RETENTION if one["grain"] != "hour"], ids=lambda g: " ".join(g.values())
)
def test_returns_in_several_sub_periods(given, name, seed):
    live, whole = both(given | {"definition": name}, years_of_events(seed))

    share = known_share([row["retained"] for row in live["cohorts"]], [row["retained"] for row in whole["cohorts"]])
    assert 0 < share <= 1


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "given", [one for one in RETENTION if one["grain"] != "hour"], ids=lambda g: " ".join(g.values())
)
def test_recurring_cohorts_are_those_whose_period_is_known(given, seed):
    live, whole = both(given | {"cohorts": "recurring"}, years_of_events(seed))
    of = {row["start"]: row for row in whole["cohorts"]}

    assert live["cohorts"]
    assert all(row["size"] == of[row["start"]]["size"] for row in live["cohorts"])
    share = known_share(
        [row["retained"] for row in live["cohorts"]], [of[row["start"]]["retained"] for row in live["cohorts"]]
    )
    assert share > 0


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["churn", "return"])
@pytest.mark.parametrize("grain", ["week", "half-year"])
@pytest.mark.parametrize("start", ["any", "purchase", "visit"])
def test_survival_ends_where_something_is_not_known(start, grain, kind, seed):
    given = {"figure": "survival", "kind": kind, "grain": grain, "start": start, "return": "any"}
    live, whole = both(given, years_of_events(seed))

    pairs = list(chain([(live["all"], whole["all"])], zip(live["cohorts"], whole["cohorts"], strict=True)))
    for part, of in pairs:
        length = len(part["days"])
        assert (part["start"], part["size"]) == (of["start"], of["size"])
        for name in ("days", "at_risk", "died", "survival", "low", "high"):
            assert part[name] == of[name][:length]
        assert part["median"] in (None, of["median"])
    if start == "any":  # rows hold the horizon; a file is not cut there, see test_cdnow_figures
        for part, of in pairs:
            assert part["days"] == [day for day in of["days"] if day < HORIZON[Grain.DAY]]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("grain", ["day", "week", "month", "quarter", "half-year"])
def test_value_is_kept_whole(grain, seed):
    live, whole = both({"figure": "value", "grain": grain}, years_of_events(seed))

    assert live == whole


def visit(user, hour, kind="visit"):
    return {"user": user, "time": FIRST * DAY_MS + hour * HOUR_MS, "kind": kind, "amount": 0}


def known_of(given, events, **more):
    """The first row as the service gives it."""
    answer = figure(given, events, watermark=(FIRST + 1600) * DAY_MS, whole=False, **more)
    return answer["segments"][0]["cohorts"][0]["retained"]


def test_the_last_hour_that_is_kept_is_known_and_the_next_is_not():
    found = known_of({"grain": "hour"}, [visit("ann", 5), visit("ann", 5 + 47), visit("ann", 5 + 48)], hours=48)

    assert found[:48] == [1] + [0] * 46 + [1]
    assert set(found[48:]) == {None}


def test_the_last_window_whose_hours_are_all_kept_is_known_and_the_next_is_not():
    events = [visit("ann", 5), visit("ann", 5 + 47), visit("ann", 5 + 48)]

    assert known_of({"windows": "24h"}, events, hours=48)[:3] == [1, 1, None]
    assert known_of({"windows": "24h"}, events, hours=47)[:3] == [1, None, None]


def test_of_windows_that_do_not_begin_with_the_bitmap_those_of_the_last_to_begin_decide():
    events = [visit("ann", 0), visit("ann", 23, "purchase"), visit("ann", 23 + 24 + 10)]
    given = {"windows": "24h", "start": "purchase", "return": "visit"}

    assert known_of(given, events, hours=48)[:2] == [1, None]
    assert known_of(given, events, hours=23 + 48)[:2] == [1, 1]


def test_survival_ends_with_the_bitmap_of_a_return_that_came_before_the_start():
    day = 24
    events = [
        *(visit("ann", at * day) for at in (0, 389, 1000)), visit("ann", 100 * day, "purchase"),
        visit("bob", 100 * day, "purchase"), *(visit("bob", at * day) for at in (100, 400)),
    ]  # fmt: skip
    given = {"figure": "survival", "kind": "return", "start": "purchase", "return": "visit"}
    live, whole = (figure(given, events, whole=whole)["segments"][0]["all"] for whole in (False, True))

    # Ann's days from the 384th on are not kept, so that who is at risk on day 300 of hers is not known.
    assert (whole["days"], whole["at_risk"]) == ([289, 300], [2, 1])
    assert (live["days"], live["size"], live["censored"]) == ([], 2, 2)
