import pytest
from support.days import at, date, events_of, paid, some_events
from support.population import figure

WEEKS = {"figure": "survival", "grain": "week", "window": "3"}


def entry(given, events, **more):
    return figure(WEEKS | given, events, **more)["segments"][0]


def lives(given, events, **more):
    """(days with events, how many died, how many were censored) of all."""
    found = entry(given, events, **more)["all"]
    return found["days"], found["died"], found["censored"]


def test_a_customer_churns_a_window_after_the_last_day_before_the_first_gap():
    events = events_of({"ann": [0, 3, 10], "bob": [0], "cid": [2, 4, 7]})
    answer = figure(WEEKS, events, watermark=at(20, 0))

    assert (answer["kind"], answer["inactivity_days"]) == ("churn", 3)
    found = answer["segments"][0]["all"]
    assert (found["days"], found["died"], found["at_risk"]) == ([3, 6, 8], [1, 1, 1], [3, 2, 1])
    assert (found["start"], found["size"], found["events"], found["censored"]) == (None, 3, 3, 0)
    assert found["median"] == 6


def test_activity_on_the_day_of_the_window_end_keeps_a_customer():
    assert lives({}, events_of({"ann": [0, 3, 6]}), watermark=at(8, 0)) == ([], [], 1)
    assert lives({}, events_of({"ann": [0, 4]}), watermark=at(8, 0)) == ([3], [1], 0)


def test_who_is_churned_by_the_end_of_the_last_closed_day_has_churned():
    assert lives({}, events_of({"ann": [0]}), watermark=at(3, 23)) == ([], [], 1)
    assert lives({}, events_of({"ann": [0]}), watermark=at(4, 0)) == ([3], [1], 0)


def test_customers_agree_with_the_churn_figure():
    for seed in range(4):
        events = some_events(seed, users=30)
        day = figure({"figure": "churn", "window": "3", "last": "1"}, events)["segments"][0]["days"][0]
        found = entry({}, events)["all"]
        assert found["size"] == day["customers"]
        assert found["events"] >= day["churned"]  # some are back


def test_the_day_of_the_start_counts_as_activity_whatever_the_return():
    events = [paid("ann", 0, 100), *events_of({"ann": [2]})]

    assert lives({"start": "purchase", "return": "visit"}, events, watermark=at(9, 0)) == ([5], [1], 0)


def test_activity_before_the_start_is_not_seen():
    events = [*events_of({"ann": [0, 8]}), paid("ann", 6, 100)]

    assert lives({"start": "purchase", "return": "visit"}, events, watermark=at(20, 0)) == ([5], [1], 0)


def test_days_until_the_first_return_on_a_later_day():
    events = events_of({"ann": [0, 0, 4, 9], "bob": [0], "cid": [1, 2]})
    answer = figure(WEEKS | {"kind": "return"}, events, watermark=at(6, 0))
    found = answer["segments"][0]["all"]

    assert (answer["kind"], answer["inactivity_days"]) == ("return", None)
    assert (found["days"], found["died"], found["at_risk"]) == ([1, 4], [1, 1], [3, 2])
    assert (found["events"], found["censored"], found["median"]) == (2, 1, 4)


def test_what_an_open_day_holds_is_not_seen():
    events = events_of({"ann": [0, 5], "bob": [5]})

    assert lives({"kind": "return"}, events, watermark=at(5, 23)) == ([], [], 1)


def test_a_row_for_each_closed_cohort_and_one_of_all():
    events = events_of({"ann": [0, 1], "bob": [8], "cid": [15], "dan": [15, 16]})
    found = entry({"kind": "return"}, events, watermark=at(17, 0))

    assert [(row["start"], row["size"], row["days"]) for row in found["cohorts"]] == [
        (date(0), 1, [1]),
        (date(7), 1, []),
    ]
    assert (found["all"]["size"], found["all"]["events"]) == (4, 2)


def test_from_leaves_cohorts_out_of_all_too_and_last_only_of_the_rows():
    events = events_of({"ann": [0], "bob": [8], "cid": [15]})
    since = entry({"from": date(7)}, events, watermark=at(30))
    last = entry({"last": "1"}, events, watermark=at(30))

    assert ([row["start"] for row in since["cohorts"]], since["all"]["size"]) == ([date(7), date(14)], 2)
    assert ([row["start"] for row in last["cohorts"]], last["all"]["size"]) == ([date(14)], 3)


def test_until_ends_what_is_seen():
    events = events_of({"ann": [0, 6], "bob": [2]})

    assert lives({"kind": "return", "until": date(5)}, events) == ([], [], 2)
    assert entry({"kind": "return", "until": date(5)}, events, whole=False) == entry(
        {"kind": "return", "until": date(5)}, events
    )


def test_of_a_file_customers_are_watched_to_its_end_and_by_the_service_for_384_days():
    events = events_of({"ann": [0, 383], "bob": [0, 384], "cid": [0, 10]})

    assert lives({"kind": "return"}, events, watermark=at(900)) == ([10, 383, 384], [1, 1, 1], 0)
    assert lives({"kind": "return"}, events, watermark=at(900), whole=False) == ([10, 383], [1, 1], 1)


def test_nobody():
    nobody = entry({}, [])

    assert nobody["cohorts"] == []
    assert (nobody["all"]["size"], nobody["all"]["median"], nobody["all"]["days"]) == (0, None, [])


@pytest.mark.parametrize("kind", ["churn", "return"])
def test_slices_and_partitions_add_up(kind):
    given = {"figure": "survival", "kind": kind, "segment": "plan"}
    once = figure(given, some_events(5), dimensions=["plan"], per_slice=100)

    assert figure(given, some_events(5), dimensions=["plan"], partitions=3, per_slice=1) == once
