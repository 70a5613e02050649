"""What the demo prints at its end."""

import pytest

from stream_app.demo.summary import Matrix, Summary, indexes, render, share

MONTHLY = {
    "grain": "month",
    "segments": [
        {"segment": {}, "cohorts": [{"start": "1997-01-01", "size": 7846, "retained": [7846, 1157, 0, None]}]},
        {"segment": {"tier": "low"}, "cohorts": [{"start": "1997-02-01", "size": 50, "retained": [50, None]}]},
    ],
}
ALERT = {
    "state": "firing",
    "rule": "pro-day-7",
    "segment": {"plan": "pro"},
    "value": 0.123,
    "threshold": 0.3,
    "group": 1134,
    "grain": "day",
    "index": 7,
    "cohort": "1998-08-13",
    "at": "1998-08-21T00:00:00Z",
}
TOTALS = {"read": 168_000, "counted": 167_990, "dead_lettered": 7, "dropped": 3, "late": 0, "users": 41_734}


def summary(**changes):
    return Summary(**{"played": {"purchases": 69_659, "visits": 98_272}, "totals": TOTALS, "seconds": 12.34} | changes)


def test_every_event_read_is_accounted_for():
    text = render(summary())
    assert "Played 69,659 purchases, 98,272 visits in 12.3 s." in text
    assert "Read 168,000 events: 167,990 counted, 7 dead-lettered, 3 dropped. 41,734 users." in text


def test_a_cell_that_is_not_observed_is_a_dot_and_a_zero_is_a_zero():
    text = render(summary(matrices=[Matrix("Back in month", MONTHLY, at=(1, 2, 3))]))
    (row,) = (line for line in text.splitlines() if line.startswith("1997-01-01"))
    assert row.split() == ["1997-01-01", "7,846", "14.7", "%", "0.0", "%", "·"]


def test_only_the_asked_for_segment_is_shown():
    text = render(summary(matrices=[Matrix("Back in month", MONTHLY, {"tier": "low"})]))
    assert "1997-02-01" in text
    assert "1997-01-01" not in text
    assert "no cohort yet" in render(summary(matrices=[Matrix("Back in month", MONTHLY, {"tier": "none"})]))


def test_of_many_cohorts_the_last_observed_ones_are_shown():
    cohorts = [
        {"start": f"1998-07-{day:02d}", "size": 10, "retained": [10, 5 if day < 29 else None]} for day in range(1, 31)
    ]
    daily = {"grain": "day", "segments": [{"segment": {}, "cohorts": cohorts}]}
    text = render(summary(matrices=[Matrix("Back on day", daily, at=(1,))]))
    assert "1998-07-17" in text
    assert "1998-07-28" in text
    assert "1998-07-16" not in text
    assert "1998-07-29" not in text
    assert "the last 12 of 28" in text


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_long_row_is_thinned_to_the_width(width):
    cohort = {"start": "1997-01-01", "size": 100, "retained": list(range(100, 40, -1))}
    answer = {"grain": "day", "segments": [{"segment": {}, "cohorts": [cohort]}]}
    text = render(summary(matrices=[Matrix("Back on day", answer)]), width=width)
    table = text[text.index("Back on day") : text.index("Alerts")]
    assert max(len(line) for line in table.splitlines()) <= width
    assert "day 59" in table
    assert "…" not in table


def test_an_alert_is_one_line_that_says_what_where_and_how_much():
    text = render(summary(alerts=[ALERT]))
    assert (
        "firing   pro-day-7 (plan=pro): 12.3 % of 1,134 users of the day of 1998-08-13 were back on day 7, limit 30 %; "
        "closed 1998-08-21T00:00:00Z"
    ) in text
    assert "(all users)" in render(summary(alerts=[ALERT | {"segment": {}}]))
    assert "Alerts: none." in render(summary())


def test_an_alert_without_a_share_says_what_happened_to_it():
    nothing = ALERT | {"state": "inactive", "health": "no_data", "reason": "no_data", "value": None, "threshold": None}
    told = render(summary(alerts=[nothing]))
    assert "no_data  pro-day-7 (plan=pro): no_data, 1998-08-13; 1998-08-21T00:00:00Z" in told
    stream = {"rule": "stream-volume", "segment": {}, "figure": "stream", "reason": "below"}
    assert "firing   stream-volume (all users): below, 1998-08-13" in render(summary(alerts=[ALERT | stream]))


def test_the_page_is_named_only_where_there_is_one():
    assert "Page: http://127.0.0.1:8000/" in render(summary(page="http://127.0.0.1:8000/"))
    assert "Page" not in render(summary())


def test_shown_indexes_end_with_the_last():
    assert indexes(0, most=5) == []
    assert indexes(5, most=5) == [1, 2, 3, 4, 5]
    assert indexes(60, most=5) == [12, 24, 36, 48, 60]


def test_a_cell_beyond_its_row_or_of_an_empty_cohort_is_a_dot():
    assert share({"size": 4, "retained": [4, 1]}, 2) == "·"
    assert share({"size": 0, "retained": [0, 0]}, 1) == "·"
