"""What lies between two configurations is told in words, and decides what becomes of the state."""

from __future__ import annotations

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
#: As version 0.1.0 wrote it.
FIRST = (
    '{"format":1,"horizon":{"day":384,"week":128,"month":64,"ring":128},"definitions":[["engagement","any","any",30],'
    '["repurchase","purchase","purchase",30]],"timezone":"UTC","week_start":"monday","dimensions":["plan","country"],'
    '"currency":"USD"}'
)


def of(definitions=BOTH, calendar=UTC, dimensions=("plan", "country"), currency="USD", version=2) -> str:
    return fingerprint(definitions, calendar, dimensions, currency, version)


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
    ],
)  # fmt: skip
def test_what_rows_hold_is_migrated(present, layout, words):
    found = plan(STORED, present)
    assert isinstance(found, Migrate)
    assert (found.layout, found.words) == (layout, words)


@pytest.mark.parametrize(
    ("present", "rewrite", "figures"),
    [
        (of(version=1), True, False),
        (of((replace(ENGAGEMENT, inactivity_days=7), REPURCHASE)), False, True),
        (of((replace(ENGAGEMENT, name="use"), REPURCHASE)), False, True),
        (of((REPURCHASE, ENGAGEMENT)), True, True),
        (of(dimensions=("country", "plan")), True, True),
        (of((ENGAGEMENT,)), True, True),
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
        (of((*BOTH, replace(ENGAGEMENT, name="use"))), "definition use: it was not kept so far"),
        (
            of((replace(ENGAGEMENT, returns="purchase"), REPURCHASE)),
            'definition engagement: it counted ["any","any"] and counts ["any","purchase"]',
        ),
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
