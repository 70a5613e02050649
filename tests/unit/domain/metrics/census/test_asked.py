import numpy as np
import pytest
from support.days import FIRST, at, date, events_of
from support.population import ask

from stream_app.domain.metrics.tally import Tally
from stream_app.domain.periods import HORIZON, Calendar, Grain

BERLIN = Calendar("Europe/Berlin")


def asked(**given):
    return ask(given, events_of({"ann": [0]}), calendar=BERLIN, watermark=at(900))


@pytest.mark.parametrize("grain", list(Grain))
def test_until_at_the_start_of_a_period_cuts_it_off(grain):
    begin = int(BERLIN.at(grain, np.array(at(400))))
    question = asked(until=_written(BERLIN.start(grain, begin)))

    assert question.cut(grain) == begin


@pytest.mark.parametrize("grain", list(Grain))
def test_until_within_a_period_leaves_it(grain):
    period = int(BERLIN.at(grain, np.array(at(400))))
    question = asked(until=_written(BERLIN.start(grain, period) + 1000))

    assert question.cut(grain) == period + 1


def test_without_until_nothing_is_cut_off():
    assert asked().cut(Grain.DAY) is None


def test_of_a_file_every_period_is_known():
    periods = np.array([-(10**6), 0, 10**6])

    assert asked().known(Grain.DAY, periods, Tally([""], first_day=0, last_day=9, whole=True)).all()


def test_of_rows_what_lies_within_the_horizon_of_the_first_day_or_the_ring_of_the_last_is_known():
    tally = Tally([""], first_day=FIRST, last_day=FIRST + 900)
    days = FIRST + np.arange(901)
    unknown = days[~asked().known(Grain.DAY, days, tally)]

    assert (unknown[0], unknown[-1]) == (FIRST + 384, FIRST + 900 - 128)
    # Weeks that begin before the ring are not whole.
    weeks = np.unique(BERLIN.periods(Grain.WEEK, days))
    missing = weeks[~asked().known(Grain.WEEK, weeks + 100, tally)]
    assert not missing.size or BERLIN.first_day(Grain.WEEK, int(missing[-1]) + 100) < FIRST + 900 - 127


def test_hours_are_known_from_the_first_day_on_for_as_many_as_are_kept():
    tally = Tally([""], first_day=FIRST, last_day=FIRST + 900, hours=48)
    first = int(BERLIN.hours(np.array(BERLIN.start(Grain.DAY, FIRST))))

    assert asked().known(Grain.HOUR, np.array([first, first + 47, first + 48]), tally).tolist() == [True, True, False]


def test_groups_of_users_are_known_by_when_their_own_bitmaps_begin():
    tally = Tally([""], first_day=FIRST, last_day=FIRST + 900, hours=48)
    early, late = asked().reach(Grain.DAY, tally, np.array([FIRST, FIRST + 7]))

    assert early.tolist() == [FIRST + HORIZON[Grain.DAY], FIRST + 7 + HORIZON[Grain.DAY]]
    assert late == FIRST + 900 - 127


def test_from_shows_periods_that_begin_at_it_or_later():
    assert asked(**{"from": date(1)}).first_shown(Grain.DAY) == FIRST + 1
    assert asked(**{"from": f"{date(1)}T00:00:00Z"}).first_shown(Grain.DAY) == FIRST + 2


def _written(time):
    return f"{np.datetime64(time, 'ms')}Z"
