"""What was before a cell: the cells it is judged by, and those of an unwhole event stream, which it is not."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from stream_app.domain.alerts.observation import Observation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stream_app.domain.alerts.observation import Course, Outage
    from stream_app.domain.alerts.rule import Rule
    from stream_app.domain.counters import Series

#: The most earlier cells that a judgement looks at.
MOST = 1000
#: A cell is not judged if outages cover this share of its period.
_UNWHOLE = 0.25


class Spoilt:
    """Which periods the event stream was not whole in.

    Args:
        outages: its outages, in any order; two that overlap are of the same day.
    """

    def __init__(self, outages: Sequence[Outage]) -> None:
        by_day = {outage.begins: outage for outage in outages}
        self._outages = [by_day[begins] for begins in sorted(by_day)]
        self._ends = [outage.ends for outage in self._outages]

    def __bool__(self) -> bool:
        return bool(self._outages)

    def since(self, cell: Observation) -> int | None:
        """The instant (ms) from which it is known that outages spoil the cell's period; None: they do not."""
        wanted = _UNWHOLE * (cell.closed_at - cell.since)
        covered = 0
        for outage in self._outages[bisect_right(self._ends, cell.since) :]:
            if outage.begins >= cell.closed_at:
                break
            covered += min(outage.ends, cell.closed_at) - max(outage.begins, cell.since)
            if covered >= wanted:
                return outage.ends
        return None


class Past:
    """The cells of one segment that others are judged by, oldest first.

    Args:
        cells: its closed cells, oldest first.
        least: cells of smaller groups are left out.
        spoilt: and those of outages, as soon as these are known.
    """

    def __init__(self, cells: Sequence[Observation], least: int, spoilt: Spoilt) -> None:
        self._cells = [cell for cell in cells if cell.group >= least]
        self._late: dict[int, int] = {}
        if spoilt:
            # A cell that closes within a day is spoilt by what is known only when that day has closed.
            known = {cell.cohort: since for cell in self._cells if (since := spoilt.since(cell)) is not None}
            self._cells = [c for c in self._cells if c.cohort not in known or known[c.cohort] > c.closed_at]
            self._late = {cell.cohort: known[cell.cohort] for cell in self._cells if cell.cohort in known}
        self._cohorts = [cell.cohort for cell in self._cells]

    def before(self, cohort: int, now: int) -> Sequence[Observation]:
        """The cells of earlier cohorts, by what is known at that instant (ms)."""
        stop = bisect_left(self._cohorts, cohort)
        found = self._cells[max(stop - MOST, 0) : stop]
        if not self._late:
            return found
        return [cell for cell in found if self._late.get(cell.cohort, now + 1) > now]


class Known:
    """A rule's course, as its judgements need it.

    Args:
        rule: the rule.
        course: of its figure.
        outages: of the event stream, as far as it is what the rule is about.
    """

    def __init__(self, rule: Rule, course: Course, outages: Sequence[Outage]) -> None:
        self._rule, self._course = rule, course
        self._spoilt = Spoilt(outages)
        least = max(rule.min_group, 1)
        self._pasts: dict[Series, Past] = {}
        firsts = (next((c.closed_at for c in cells if c.group >= least), None) for cells in course.streams.values())
        self._firsts = sorted(first for first in firsts if first is not None)
        other = rule.baseline and rule.baseline.segment
        self._other = Past(course.baselines.get(other, ()) if other else (), 1, self._spoilt)

    def cells(self, series: Series, judged: int | None, *, named: bool) -> Iterator[Observation]:
        """The closed cells after `judged`, oldest first; an empty one where there is nobody.

        Args:
            series: the segment.
            judged: the latest cohort that was judged; None: none yet.
            named: whether the rule names the segment, so that it is missed even before it first has users.
        """
        course = self._course
        observed = course.streams.get(series, ())
        if course.last_closed is None:
            return
        begin = judged
        if begin is None:
            firsts = [cell.cohort for cell in observed[:1]]
            firsts += [min(course.closings)] if named and course.closings else []
            if not firsts:
                return
            begin = min(firsts) - 1
        place = bisect_right(observed, begin, key=lambda cell: cell.cohort)
        for cohort in range(begin + 1, course.last_closed + 1):
            if place < len(observed) and observed[place].cohort == cohort:
                yield observed[place]
                place += 1
            elif cohort in course.closings:
                start, since, closed_at = course.closings[cohort]
                yield Observation(cohort, start, since, closed_at, 0, None, 0.0)

    def past(self, series: Series, cell: Observation) -> Sequence[Observation]:
        """What was before a cell of a segment."""
        past = self._pasts.get(series)
        if past is None:
            cells, least = self._course.streams.get(series, ()), max(self._rule.min_group, 1)
            past = self._pasts[series] = Past(cells, least, self._spoilt)
        return past.before(cell.cohort, cell.closed_at)

    def alike(self, cell: Observation) -> Sequence[Observation]:
        """The cells of the segment that is compared with, up to the same cohort."""
        return self._other.before(cell.cohort + 1, cell.closed_at)

    def streams(self, cell: Observation) -> int:
        """How many of the rule's segments had a group large enough by the time a cell closed; 1 or more.

        By then, and not by now: so a replay of history judges as a service does that judges each closing in its time.
        """
        return max(bisect_right(self._firsts, cell.closed_at), 1)

    def spoilt(self, cell: Observation) -> bool:
        """Whether the event stream was not whole in a cell's period, as far as is known when the cell closes."""
        known = self._spoilt.since(cell) if self._spoilt else None
        return known is not None and known <= cell.closed_at
