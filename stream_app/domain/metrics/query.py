"""The parameters of a figure: the same names, values and refusals for `stream-app analyze` and for the API."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from stream_app.domain.errors import QueryError
from stream_app.domain.events import ACTIVITY, Definition
from stream_app.domain.periods import EPOCH, HORIZON, KEPT, Grain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stream_app.domain.periods import Calendar

FIGURES = ("retention", "churn", "lifecycle", "crr", "stickiness", "value", "survival", "concentration")
KINDS = {"retention": ("classic", "rolling", "bracket"), "survival": ("churn", "return")}
WINDOWS = ("calendar", "24h")
COHORTS = ("first", "recurring")
MEANS = ("weighted", "simple")
MOST_TOP, MOST_LAST, MOST_WINDOW = 1000, 1000, 366
#: Days of the window of a definition that is given by its events, and of monthly activity for stickiness.
USUAL_WINDOW = 30

_EVERY = tuple(Grain)
_FROM_DAY = _EVERY[1:]
#: By figure: the grains it has, the usual one first.
GRAINS: Mapping[str, tuple[Grain, ...]] = {
    "retention": (Grain.DAY, *(g for g in _EVERY if g is not Grain.DAY)),
    "churn": _FROM_DAY,
    "lifecycle": (Grain.DAY, *(g for g in _EVERY if g is not Grain.DAY)),
    "crr": (Grain.MONTH, *(g for g in _FROM_DAY if g is not Grain.MONTH)),
    "stickiness": (Grain.DAY,),
    "value": (Grain.MONTH, *(g for g in _FROM_DAY if g is not Grain.MONTH)),
    "survival": (Grain.MONTH, *(g for g in _FROM_DAY if g is not Grain.MONTH)),
    "concentration": (Grain.MONTH, Grain.WEEK, Grain.QUARTER, Grain.HALF_YEAR),
}
_ALL = frozenset(FIGURES)
#: By parameter: the figures that take it.
TAKEN_BY: Mapping[str, frozenset[str]] = {
    "figure": _ALL,
    "definition": _ALL,
    "start": _ALL,
    "return": _ALL,
    "grain": _ALL,
    "kind": frozenset(KINDS),
    "brackets": frozenset({"retention"}),
    "windows": frozenset({"retention"}),
    "cohorts": frozenset({"retention"}),
    "mean": frozenset({"retention"}),
    "week_start": _ALL,
    "timezone": _ALL,
    "from": _ALL,
    "until": _ALL,
    "segment": _ALL,
    "top": _ALL,
    "window": frozenset({"churn", "crr", "stickiness", "survival"}),
    "last": _ALL,
}


class ParameterError(QueryError):
    """A parameter is unknown, has a value that is not allowed, or does not go with another.

    Attributes:
        parameter: its name, as in the API.
        value: as it was given.
        message: what is wrong and what to write.
        allowed: the names or values that are; for numbers one entry such as `1 to 1000`.
    """

    def __init__(self, parameter: str, value: str, message: str, allowed: Sequence[str] = ()) -> None:
        super().__init__(f"{parameter}: {message}")
        self.parameter = parameter
        self.value = value
        self.message = message
        self.allowed = list(allowed)

    def to_json(self) -> dict[str, Any]:
        """The body of an answer."""
        error = {"parameter": self.parameter, "value": self.value, "message": self.message, "allowed": self.allowed}
        return {"error": error}


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for. Every value is allowed and goes with the others, or there is no such object.

    Attributes:
        figure: one of `FIGURES`.
        definition: the retention definition; one that was given by its events is called `start/return`.
        grain: the length of periods.
        kind: of retention (`classic`, `rolling`, `bracket`) or survival (`churn`, `return`); else empty.
        brackets: sizes of brackets in periods, the first of which begins at index 1; empty for other kinds.
        windows: `calendar` or `24h`.
        cohorts: `first` or `recurring`.
        mean: `weighted` or `simple`.
        begin: cohorts and periods that begin before this instant (ms) are left out; None: none is.
        until: events from this instant (ms) on are left out, and it is the watermark where that is later; None: no end.
        dimension: the segment dimension; None: all users as one segment.
        top: how many of its largest values are shown; the rest are `(other)`.
        window: days of the inactivity window, or of activity for stickiness.
        last: how many cohorts, periods or days are shown, the latest ones; None: all.
    """

    figure: str
    definition: Definition
    grain: Grain
    kind: str = ""
    brackets: tuple[int, ...] = ()
    windows: str = "calendar"
    cohorts: str = "first"
    mean: str = "weighted"
    begin: int | None = None
    until: int | None = None
    dimension: str | None = None
    top: int = 20
    window: int = USUAL_WINDOW
    last: int | None = None

    @property
    def counted(self) -> bool:
        """Whether the service's counters give the answer; every other one is a census."""
        if self.begin is not None or self.until is not None or not self.definition.counted:
            return False
        if self.figure == "churn":
            return self.grain is Grain.DAY and self.window == self.definition.inactivity_days
        plain = self.kind in {"classic", "rolling"} and (self.windows, self.cohorts) == ("calendar", "first")
        return self.figure == "retention" and plain and self.grain in KEPT


def parse(
    given: Mapping[str, str],
    *,
    definitions: Sequence[Definition],
    dimensions: Sequence[str],
    calendar: Calendar,
    top: int = 20,
) -> Query:
    """The query of these parameters, defaults filled in.

    Args:
        given: the parameters as they were written, by their names in the API (`week_start`).
        definitions: those that can be named, the usual one first.
        dimensions: those that can be named.
        calendar: what counting is done by; a time zone or week start that is given must be its own.
        top: the default of that name.

    Raises:
        ParameterError: of the first one that is wrong.
    """
    for name, value in given.items():
        if name not in TAKEN_BY:
            near = get_close_matches(name, TAKEN_BY, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            message = f"there is no such parameter; {hint}use {', '.join(TAKEN_BY)}"
            raise ParameterError(name, value, message, list(TAKEN_BY))
    figure = _chosen("figure", given.get("figure", FIGURES[0]), FIGURES)
    for name, value in given.items():
        if figure not in TAKEN_BY[name]:
            takers = [one for one in FIGURES if one in TAKEN_BY[name]]
            message = f"figure {figure} has no such parameter; it belongs to {_listed(takers)}: leave it out"
            raise ParameterError(name, value, message, [one for one in TAKEN_BY if figure in TAKEN_BY[one]])
    _same("timezone", given, calendar.timezone)
    _same("week_start", given, calendar.week_start)
    definition = _definition(given, definitions)
    grains = [grain.value for grain in GRAINS[figure]]
    grain = Grain(_chosen("grain", given.get("grain", grains[0]), grains, f"figure {figure} has "))
    kinds = KINDS.get(figure, ("",))
    query = Query(
        figure=figure,
        definition=definition,
        grain=grain,
        kind=_chosen("kind", given.get("kind", kinds[0]), kinds),
        brackets=_brackets(given.get("brackets")),
        windows=_chosen("windows", given.get("windows", WINDOWS[0]), WINDOWS),
        cohorts=_chosen("cohorts", given.get("cohorts", COHORTS[0]), COHORTS),
        mean=_chosen("mean", given.get("mean", MEANS[0]), MEANS),
        begin=instant("from", given["from"], calendar) if "from" in given else None,
        until=instant("until", given["until"], calendar) if "until" in given else None,
        dimension=_chosen("segment", given["segment"], dimensions) if "segment" in given else None,
        top=_number("top", given.get("top"), MOST_TOP) or top,
        window=_number("window", given.get("window"), MOST_WINDOW)
        or (USUAL_WINDOW if figure == "stickiness" else definition.inactivity_days),
        last=_number("last", given.get("last"), MOST_LAST),
    )
    _together(query, given, calendar)
    return query


def _together(query: Query, given: Mapping[str, str], calendar: Calendar) -> None:
    """Refuses parameters that are each right and do not go together."""

    def refuse(name: str, message: str) -> None:
        raise ParameterError(name, given.get(name, ""), message)

    if query.kind == "bracket" and not query.brackets:
        refuse("brackets", "kind bracket needs the sizes of its brackets, such as 1,3,7")
    if query.brackets and query.kind != "bracket":
        refuse("brackets", f"kind {query.kind} has none; ask for kind bracket, or leave them out")
    if sum(query.brackets) >= HORIZON[query.grain]:
        most = HORIZON[query.grain] - 1
        refuse("brackets", f"they reach index {sum(query.brackets)}; by {query.grain} the last one is {most}")
    if query.windows == "24h":
        if query.grain not in KEPT:
            refuse("windows", f"a window of grain {query.grain} is not defined; use grain day, week or month")
        if query.cohorts == "recurring":
            refuse("windows", "24-hour windows begin at a user's first event; recurring cohorts have no such one")
        if query.definition.min_active > 1:
            refuse("windows", f"definition {query.definition.name} counts active sub-periods of calendar periods")
    if query.definition.min_active > 1 and query.figure == "retention" and query.grain is Grain.HOUR:
        refuse("grain", f"definition {query.definition.name} needs sub-periods, of which an hour has none")
    if query.begin is not None and query.until is not None and query.begin >= query.until:
        advice = "exchange them" if query.begin > query.until else "take a later until"
        refuse("from", f"{given['from']!r} is not before until, {given['until']!r}; {advice}")
    if query.figure in {"churn", "crr"}:  # their figures are of the ends of days
        for name, time in (("from", query.begin), ("until", query.until)):
            if time is not None and calendar.start(Grain.DAY, calendar.day(time)) != time:
                refuse(name, f"figure {query.figure} is of the ends of local days; write a date such as 1998-07-01")


def _same(name: str, given: Mapping[str, str], own: str) -> None:
    if name in given and given[name] != own:
        raise ParameterError(name, given[name], f"counting is done by {own!r}; ask with that, or leave it out", [own])


def _definition(given: Mapping[str, str], definitions: Sequence[Definition]) -> Definition:
    names = {definition.name: definition for definition in definitions}
    if "start" not in given and "return" not in given:
        default = next(iter(names), "")
        return names[_chosen("definition", given.get("definition", default), list(names))]
    if "definition" in given:
        raise ParameterError("definition", given["definition"], "give either its name, or start and return")
    for one, other in (("start", "return"), ("return", "start")):
        if one not in given:
            raise ParameterError(one, "", f"it is missing; give start and return, or neither: {other} alone is no "
                                 "definition", ACTIVITY)  # fmt: skip
    start, returns = (_chosen(name, given[name], ACTIVITY) for name in ("start", "return"))
    for known in definitions:  # the window of one that counts the same is the configured one
        if known.counted and (known.start, known.returns) == (start, returns) and not known.start_where:
            return known
    window = definitions[0].inactivity_days if definitions else USUAL_WINDOW
    return Definition(f"{start}/{returns}", start, returns, window)


def _brackets(given: str | None) -> tuple[int, ...]:
    if given is None:
        return ()
    sizes = tuple(map(int, given.split(","))) if re.fullmatch(r"[0-9]{1,4}(,[0-9]{1,4})*", given) else (0,)
    if 0 in sizes:
        message = f"{given!r} is no list of sizes in periods; write such as 1,3,7"
        raise ParameterError("brackets", given, message, ["1,3,7"])
    return sizes


def _number(name: str, given: str | None, most: int) -> int | None:
    if given is None:
        return None
    number = int(given) if given.isascii() and given.isdigit() and len(given) < 10 else 0
    if not 1 <= number <= most:
        message = f"{given!r} is not a whole number from 1 to {most}"
        raise ParameterError(name, given, message, [f"1 to {most}"])
    return number


def _chosen(name: str, given: str, allowed: Sequence[str], whose: str = "use ") -> str:
    if given in allowed:
        return given
    near = get_close_matches(given, allowed, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    known = f"{hint}{whose}{_listed(allowed)}" if allowed else "none is configured"
    raise ParameterError(name, given, f"{given!r} is not known; {known}", allowed)


def _listed(names: Sequence[str]) -> str:
    return " or ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)


_FIRST_YEAR, _LAST_YEAR = 1970, 2100


def instant(name: str, given: str, calendar: Calendar) -> int:
    """The instant (ms) a date or RFC 3339 time means; a date is its local midnight.

    Raises:
        ParameterError: it is neither, has no offset, or lies outside the years the calendar knows.
    """
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", given):
            date = dt.date.fromisoformat(given)
            if _FIRST_YEAR <= date.year < _LAST_YEAR:
                return calendar.start(Grain.DAY, (date - EPOCH).days)
        elif re.fullmatch(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})", given):
            moment = dt.datetime.fromisoformat(given.upper())
            if _FIRST_YEAR <= moment.year < _LAST_YEAR:
                return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(milliseconds=1)
    except ValueError:
        pass  # such as the 31st of June: told below like everything else
    message = (
        f"{given!r} is not an instant from {_FIRST_YEAR} to {_LAST_YEAR - 1}; write a date as 1998-07-01"
        " or a time with its offset as 1998-07-01T00:00:00Z or 1998-07-01T02:00:00+02:00"
    )
    raise ParameterError(name, given, message)
