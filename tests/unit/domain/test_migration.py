"""What lies between two configurations is told in words, and decides what becomes of the state."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from stream_app.domain.events import ENGAGEMENT, REPURCHASE, Definition
from stream_app.domain.fingerprint import fingerprint, of_figures, row_format
from stream_app.domain.migration import Migrate, Rebuild, Same, plan
from stream_app.domain.periods import Calendar
from stream_app.domain.rows import Layout

UTC = Calendar()
BOTH = (ENGAGEMENT, REPURCHASE)
STORED = fingerprint(BOTH, UTC, ("plan", "country"), "USD", 2)
#: As it was written before commit 615b990.
FIRST = (
    '{"format":1,"horizon":{"day":384,"week":128,"month":64,"ring":128},"definitions":[["engagement","any","any",30],'
    '["repurchase","purchase","purchase",30]],"timezone":"UTC","week_start":"monday","dimensions":["plan","country"],'
    '"currency":"USD"}'
)


#: What this version can keep and the ones before could not.
WEB = Definition("web", "any", "purchase", start_where=(("channel", "web"),), min_active=2)
EVERYTHING = {"hour_days": 8, "orders": True}


def of(
    definitions=BOTH, calendar=UTC, dimensions=("plan", "country"), currency="USD", version=2, **added: object
) -> str:
    return fingerprint(definitions, calendar, dimensions, currency, version, **added)


def test_the_first_versions_fingerprint_is_that_of_format_1():
    assert of(version=1) == FIRST


def test_the_same_configuration_needs_nothing():
    assert plan(STORED, of()) == Same()


@pytest.mark.parametrize(
    ("present", "layout", "words"),
    [
        (of(dimensions=("country",)), Layout((0, 1), (1,), 2, 2), "dimensions no longer kept: plan"),
        (of(dimensions=()), Layout((0, 1), (), 2, 2), "dimensions no longer kept: plan, country"),
        (of(dimensions=("country", "plan")), Layout((0, 1), (1, 0), 2, 2), "dimensions: they have another order"),
        (of((REPURCHASE,)), Layout((1,), (0, 1), 2, 2), "definition engagement: it is no longer kept"),
        (of((REPURCHASE, ENGAGEMENT)), Layout((1, 0), (0, 1), 2, 2), "definitions: they have another order"),
        (
            of((replace(ENGAGEMENT, name="use"), REPURCHASE)), Layout((0, 1), (0, 1), 2, 2),
            "definition engagement: it is called use",
        ),
        (
            of((replace(ENGAGEMENT, inactivity_days=7), REPURCHASE)), Layout((0, 1), (0, 1), 2, 2),
            "definition engagement: inactivity_days was 30 days and is 7 days",
        ),
        (of(version=1), Layout((0, 1), (0, 1), 2, 2), "rows had form 2 and have form 1"),
        (
            of((*BOTH, replace(ENGAGEMENT, name="use"))), Layout((0, 1), (0, 1), 2, 2),
            "definition use: it is new, over what is kept",
        ),
        (
            of((replace(ENGAGEMENT, returns="purchase"), REPURCHASE)), Layout((0, 1), (0, 1), 2, 2),
            'definition engagement: it counted ["any","any"] and counts ["any","purchase"]',
        ),
        (
            of((replace(REPURCHASE, returns="any", min_active=3, name="use"),)), Layout((1, 0), (0, 1), 2, 2),
            "it is no longer kept; definition use: it is new, over what is kept",
        ),
    ],
)  # fmt: skip
def test_what_rows_hold_is_migrated(present, layout, words):
    found = plan(STORED, present)
    assert isinstance(found, Migrate)
    assert found.layout == layout
    assert found.words.endswith(words)


@pytest.mark.parametrize(
    ("present", "rewrite", "figures"),
    [
        (of(version=1), True, False),
        (of((replace(ENGAGEMENT, inactivity_days=7), REPURCHASE)), False, True),
        (of((replace(ENGAGEMENT, name="use"), REPURCHASE)), False, True),
        (of((REPURCHASE, ENGAGEMENT)), True, True),
        (of(dimensions=("country", "plan")), True, True),
        (of((ENGAGEMENT,)), True, True),
        (of((*BOTH, replace(ENGAGEMENT, name="use"))), False, True),
    ],
)
def test_rows_are_rewritten_only_where_they_lie_differently(present, rewrite, figures):
    found = plan(STORED, present)
    assert isinstance(found, Migrate)
    assert (found.rewrite, found.figures) == (rewrite, figures)


@pytest.mark.parametrize(
    ("present", "words"),
    [
        (of(dimensions=("plan", "country", "channel")), "dimensions not kept so far: channel"),
        (of((*BOTH, Definition("visits", "visit", "visit"))), "definition visits: it was not kept so far"),
        (
            of((replace(ENGAGEMENT, returns="visit"), REPURCHASE)),
            'definition engagement: it counted ["any","any"] and counts ["any","visit"]',
        ),
        (of((*BOTH, WEB)), "definition web: it was not kept so far"),
        (of(orders=True), "orders were not kept so far (to go on without them, set orders: false)"),
        (of(hour_days=8), "hours were not kept so far (to go on so, set hour_days: 0)"),
        (of(actor="account_id"), 'actor was "user_id" and is "account_id"'),
        (of((replace(ENGAGEMENT, inactivity_days=128), REPURCHASE)), "definition engagement: rows keep 128 days"),
        (of(calendar=Calendar("Asia/Tokyo")), 'timezone was "UTC" and is "Asia/Tokyo"'),
        (of(calendar=Calendar("UTC", "sunday")), 'week_start was "monday" and is "sunday"'),
        (of(currency="EUR"), 'currency was "USD" and is "EUR"'),
    ],
)
def test_what_rows_do_not_hold_is_counted_anew(present, words):
    found = plan(STORED, present)
    assert isinstance(found, Rebuild)
    assert words in found.words


def test_another_horizon_is_counted_anew():
    found = plan(STORED.replace('"day":384', '"day":256'), of())
    assert isinstance(found, Rebuild)
    assert found.words.startswith('horizon was {"day":256')


@pytest.mark.parametrize(
    "stored",
    ["", "{", "[]", "7", "{}", STORED.replace('"format"', '"form"'), STORED[:-1] + ',"later":1}',
     STORED.replace('"format":2', '"format":3')],
)  # fmt: skip
def test_state_of_a_version_that_is_not_known_is_counted_anew(stored):
    assert isinstance(plan(stored, of()), Rebuild)


def test_all_reasons_are_told_at_once():
    found = plan(STORED, of(calendar=Calendar("Asia/Tokyo"), dimensions=("channel",), currency="EUR"))
    assert isinstance(found, Rebuild)
    assert found.words.count("; ") == 2


def test_figures_do_not_depend_on_the_form_of_rows():
    assert of_figures(of(version=1)) == of_figures(of(version=2)) == FIRST
    assert of_figures("simulated") == "simulated"
    assert [row_format(of(version=v)) for v in (1, 2)] == [1, 2]


@pytest.mark.parametrize(
    ("present", "layout", "words"),
    [
        (of((*BOTH, WEB), orders=True), Layout((0, 1, 2), (0, 1), 3, 2, 8), "hours are kept of 0 days, no longer of 8"),
        (of((*BOTH, WEB), hour_days=3, orders=True), Layout((0, 1, 2), (0, 1), 3, 2, 8), "hours are kept of 3 days"),
        (of((*BOTH, WEB), hour_days=8), Layout((0, 1, 2), (0, 1), 3, 2, 8), "orders are no longer kept"),
        (of((WEB, REPURCHASE), **EVERYTHING), Layout((2, 1), (0, 1), 3, 2, 8), "definition engagement: it is no l"),
        (of(), Layout((0, 1), (0, 1), 3, 2, 8), "definition web: it is no longer kept; hours are kept of 0 days"),
    ],
)  # fmt: skip
def test_what_is_no_longer_kept_is_taken_out_of_the_rows(present, layout, words):
    found = plan(of((*BOTH, WEB), **EVERYTHING), present)
    assert isinstance(found, Migrate)
    assert (found.layout, found.rewrite, found.figures) == (layout, True, True)
    assert words in found.words


@pytest.mark.parametrize("more", [{"min_active": 3}, {"inactivity_days": 7}, {"name": "online"}])
def test_what_is_over_the_same_filters_needs_no_new_rows(more):
    found = plan(of((*BOTH, WEB)), of((*BOTH, replace(WEB, **more))))
    assert isinstance(found, Migrate)
    assert (found.rewrite, found.figures) == (False, True)


def test_other_conditions_are_counted_anew():
    found = plan(of((*BOTH, WEB)), of((*BOTH, replace(WEB, start_where=(("channel", "app"),)))))
    assert isinstance(found, Rebuild)
    assert found.words == (
        'definition web: it counted ["any","purchase",{"start_where":[["channel","web"]],"min_active":2}] and counts '
        '["any","purchase",{"start_where":[["channel","app"]],"min_active":2}]'
    )


def test_without_what_is_new_state_is_that_of_the_version_before():
    assert of(hour_days=0, orders=False, actor="user_id") == STORED
    assert set(json.loads(STORED)) == set(json.loads(FIRST))


def test_new_rules_of_the_time_zone_that_move_the_hours_are_counted_anew():
    lord_howe = of(calendar=Calendar("Australia/Lord_Howe"), hour_days=8)
    assert json.loads(lord_howe)["hour_slack"] == 1
    found = plan(lord_howe.replace(',"hour_slack":1', ""), lord_howe)
    assert isinstance(found, Rebuild)
    assert found.words.startswith("hour_slack was 0 and is 1")
    assert isinstance(plan(lord_howe, of(calendar=Calendar("Australia/Lord_Howe"))), Migrate)
