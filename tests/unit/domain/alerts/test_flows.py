"""Which kinds of event are watched beside all events, and whose outages spoil which rule's cells."""

from __future__ import annotations

import pytest
from support.alerts import CALENDAR, FIRST, rule

from stream_app.domain.alerts import Flow, Flows, flows, kinds_of
from stream_app.domain.events import ENGAGEMENT, REPURCHASE, Definition

VISITS = Definition("visits", "visit", "visit")
FIRST_ORDER = Definition("first-order", "visit", "purchase")
BOOKS = (("category", "books"),)
ALL = (ENGAGEMENT, REPURCHASE, VISITS, FIRST_ORDER)
USUAL = [(FIRST + day, 100) for day in range(28)]
LOST = [*USUAL, (FIRST + 28, 0)]


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"definition": "repurchase"}, "repurchase"),
        ({"definition": "visits"}, "visits"),
        ({"definition": "first-order"}, "repurchase"),
        ({"definition": "engagement"}, None),
        ({"definition": "gone"}, None),
        ({"definition": "engagement", "figure": "value", "measure": "revenue"}, "repurchase"),
        ({"definition": "engagement", "figure": "concentration", "measure": "revenue_share"}, "repurchase"),
        ({"definition": "engagement", "figure": "concentration", "measure": "activity_share"}, None),
    ],
)
def test_a_rule_is_about_the_events_that_its_figure_follows(given, kind):
    assert kinds_of([rule(**given)], ALL).get("pro-day-7") == kind


def test_a_kind_that_no_definition_counts_is_not_watched():
    books = Definition("books", "visit", "purchase", return_where=BOOKS)
    often = Definition("often", "purchase", "purchase", min_active=2)
    assert kinds_of([rule(definition="first-order")], (ENGAGEMENT, FIRST_ORDER)) == {}
    assert kinds_of([rule(definition="books")], (*ALL, books)) == {}
    assert kinds_of([rule(definition="often")], (ENGAGEMENT, often)) == {}
    assert kinds_of([rule(definition="often")], (*ALL, often)) == {"pro-day-7": "repurchase"}


def test_definitions_of_the_same_events_have_one_volume():
    slow = Definition("slow", "purchase", "purchase", inactivity_days=180)
    rules = [rule(name="a", definition="slow"), rule(name="b", definition="repurchase")]
    assert kinds_of(rules, (*ALL, slow)) == {"a": "repurchase", "b": "repurchase"}
    assert kinds_of([rule(definition="slow")], (slow, REPURCHASE)) == {}, "without engagement the first is all events"


def test_each_volume_is_read_once_and_spoils_the_rules_that_are_about_it():
    read: list[str] = []

    def volumes(name: str) -> list[tuple[int, int]]:
        read.append(name)
        return LOST if name == "repurchase" else USUAL

    rules = [rule(name=name, definition=name) for name in ("engagement", "repurchase", "first-order")]
    seen = flows(rules, ALL, volumes, CALENDAR, 0.5)
    assert read == ["engagement", "repurchase"]
    assert (seen.overall, list(seen.kinds)) == (Flow(USUAL, []), ["repurchase"])
    assert {name: len(found) for name, found in seen.own_outages.items()} == {"repurchase": 1, "first-order": 1}


def test_where_volumes_are_not_watched_none_is_read():
    assert flows([rule(definition="repurchase")], ALL, lambda _: pytest.fail("read"), CALENDAR, None) == Flows()
