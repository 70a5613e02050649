"""Which figure a rule judges: figure, measure, definition, grain, parameters, index and segment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from stream_app.domain.alerts.measures import MEASURES, REFUSED, has_cohorts
from stream_app.domain.alerts.rule import EVERY
from stream_app.domain.alerts.rulekeys import PARAMETERS
from stream_app.domain.alerts.yamlnodes import suggest
from stream_app.domain.metrics.query import COHORTS, FIGURES, GRAINS, KINDS, WINDOWS, ParameterError, Query, parse
from stream_app.domain.periods import HORIZON, Grain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream_app.domain.alerts.measures import Measure
    from stream_app.domain.alerts.rulefields import Fields
    from stream_app.domain.events import Definition
    from stream_app.domain.periods import Calendar

#: Written or not, the figure is the same: a rule does not become another one by it.
_USUAL = {"kind": KINDS["retention"][0], "windows": WINDOWS[0], "cohorts": COHORTS[0]}
#: The most days of a period.
_DAYS = {Grain.HOUR: 1, Grain.DAY: 1, Grain.WEEK: 7, Grain.MONTH: 31, Grain.QUARTER: 92, Grain.HALF_YEAR: 184}


@dataclass(frozen=True)
class Judged:
    """What a rule judges; see the attributes of `Rule`."""

    figure: str
    measure: str
    definition: str
    grain: Grain
    index: int
    parameters: tuple[tuple[str, str], ...]
    overlap: str | None = None

    @property
    def spec(self) -> Measure:
        """What the measure is made of."""
        return MEASURES[self.figure][self.measure]


def read_figure(fields: Fields, definitions: Sequence[Definition], calendar: Calendar) -> Judged | None:
    """What is judged, None without a figure and measure; of use only if the reader has no new problem."""
    figure = fields.choice("figure", FIGURES) if fields.has("figure") else FIGURES[0]
    definition = fields.choice("definition", [one.name for one in definitions])
    if figure is not None and (figure, "") in REFUSED:
        fields.wrong("figure", f"{figure} {REFUSED[figure, '']}")
        figure = None
    named = fields.choice("grain", [grain.value for grain in Grain if figure is None or grain in GRAINS[figure]])
    measure = None if figure is None else _measure(fields, figure)
    if figure is None or measure is None:
        return None
    # With a wrong grain the horizon of days applies: that problem is listed, and no other follows from it.
    grain = Grain.DAY if named is None else Grain(named)
    query = _query(fields, figure, definition, grain, definitions, calendar)
    index = _index(fields, figure, measure, grain, query)
    kept = {name: _parameter(fields, name) or "" for name in PARAMETERS if fields.has(name)}
    parameters = tuple(sorted((name, value) for name, value in kept.items() if value != _USUAL.get(name)))
    overlap = None if query is None else _overlap(query, index or 0)
    return Judged(figure, measure, definition or "", grain, index or 0, parameters, overlap)


def _overlap(query: Query, index: int) -> str | None:
    """Where neighbouring cells are mostly of the same days of the same users: what to judge instead; else None."""
    if query.figure == "churn":  # customers are all that ever were, and most who are churned stay it
        return f"judge churn_rate of figure crr with a grain as long as its window ({query.window} days)"
    if query.figure == "crr" and query.window > _DAYS[query.grain]:
        return f"use a grain as long as the window ({query.window} days), or a shorter window"
    if query.figure == "stickiness":
        return "judge returning_rate of figure lifecycle"
    if query.cohorts == "recurring" and query.brackets and query.brackets[index - 1] > 1:
        return "use cohorts: first, or kind: classic"
    return None


def _measure(fields: Fields, figure: str) -> str | None:
    allowed = list(MEASURES[figure])
    if not fields.has("measure"):
        return allowed[0]
    name = fields.text("measure", f"one of {', '.join(allowed)}")
    if name is None or name in allowed:
        return name
    why = f"{name} {REFUSED[figure, name]}" if (figure, name) in REFUSED else (
        f"{name!r} is not a measure of {figure}; {suggest(name, allowed)}"
        f"allowed: {', '.join(allowed)}"
    )  # fmt: skip
    fields.wrong("measure", why)
    return None


def _parameter(fields: Fields, name: str) -> str | None:
    """A parameter as text; a list of brackets is written with commas, as in the API."""
    node, field = fields.at(name)
    if name == "brackets" and isinstance(node, yaml.SequenceNode):
        sizes = [fields.reader.text(one, field, "a size in periods") for one in node.value]
        return None if None in sizes else ",".join(one or "" for one in sizes)
    return fields.text(name, "a value")


def _query(
    fields: Fields, figure: str, definition: str | None, grain: Grain, definitions: Sequence[Definition],
    calendar: Calendar,
) -> Query | None:  # fmt: skip
    """The question, with every parameter that it refuses noted; None where it refuses any."""
    given = {"figure": figure, "grain": grain.value}
    if definition is not None:
        given["definition"] = definition
    wrong = False
    for name in (name for name in PARAMETERS if fields.has(name)):
        value = _parameter(fields, name)
        wrong |= value is None
        if value is not None:
            given[name] = value
    if given.get("kind") == "rolling":
        message = (
            "rolling retention is never final, since anybody may still come back; judge kind classic or bracket instead"
        )
        fields.wrong("kind", message)
        return None
    while True:
        try:
            query = parse(given, definitions=definitions, dimensions=(), calendar=calendar)
        except ParameterError as error:
            fields.wrong(error.parameter, error.message)
            wrong = True
            if error.parameter not in PARAMETERS or given.pop(error.parameter, None) is None:
                return None
            if error.parameter == "brackets":
                given.pop("kind", None)  # it would miss them
        else:
            return None if wrong else query


def _index(fields: Fields, figure: str, measure: str, grain: Grain, query: Query | None) -> int | None:
    if not has_cohorts(figure, measure):
        fields.refuse(["index"], f"{measure} of figure {figure} is of periods, not of cohorts at an index")
        return 0
    if not fields.has("index"):
        fields.wrong("index", f"is missing; {measure} of figure {figure} is of cohorts: say which period after theirs")
        return None
    node, _ = fields.at("index")
    if figure == "retention" and getattr(node, "value", None) == "0":
        message = "0 is the cohort's own period, where every user counts as retained (100 %); use 1 or more"
        fields.wrong("index", message)
        return None
    last = HORIZON[grain] - 1
    if query is not None and query.brackets:
        last = len(query.brackets)
    return fields.integer("index", 0 if figure == "value" else 1, last)


def read_segment(fields: Fields, dimensions: Sequence[str], key: str = "segment") -> tuple[str, str] | None:
    """A dimension and a value; None where the field is missing or wrong."""
    if not fields.has(key):
        return None
    reader = fields.reader
    node, field = fields.at(key)
    if not dimensions:
        reader.wrong(node, field, "no dimension is configured; set `dimensions` or leave the segment out")
        return None
    parts = reader.mapping(node, field, dimensions)
    if len(parts) > 1:
        reader.wrong(node, field, f"names {len(parts)} dimensions; name one, such as {{plan: pro}}")
    if node.value == []:
        reader.wrong(node, field, f"is empty; leave it out for all users, or name one of {', '.join(dimensions)}")
    for dimension, (_, value_node) in parts.items():
        what = f"one value, '{EVERY}' for every value, or '(none)' for users without one"
        value = reader.text(value_node, f"{field}.{dimension}", what)
        if value is not None:
            return dimension, value
    return None
