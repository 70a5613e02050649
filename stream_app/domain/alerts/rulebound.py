"""Past what a rule's figure is bad, and how that is tested."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from stream_app.domain.alerts import spans
from stream_app.domain.alerts.measures import MEASURES
from stream_app.domain.alerts.rule import EVERY, EVERYBODY, Baseline, FalseAlarms, Side, Test
from stream_app.domain.alerts.rulefigure import read_segment
from stream_app.domain.periods import HORIZON, Grain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream_app.domain.alerts.rulefields import Fields
    from stream_app.domain.alerts.rulefigure import Judged

#: A bound on a share may be past 1, so that a rule can be tried that always fires.
MAX_SHARE = 1.5
MOST_RISE = 10.0
BOUNDS = ("below", "above", "drop", "rise")
#: How many earlier cohorts a baseline is made of, by grain; with a season so many of its kind.
OVER = {Grain.HOUR: 168, Grain.DAY: 28, Grain.WEEK: 8, Grain.MONTH: 6, Grain.QUARTER: 4, Grain.HALF_YEAR: 4}
OVER_SEASON = 8
WEEKDAYS = 7

_PERCENT = re.compile(r"([0-9]{1,4}(?:\.[0-9]{1,6})?)\s*%")
_NUMBER = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,6})?|\.[0-9]{1,6}")
_A_SHARE = f"a share above 0 and up to {MAX_SHARE}, such as 0.30"


@dataclass(frozen=True)
class Bound:
    """The bound of a rule; see the attributes of `Rule`."""

    side: Side = Side.BELOW
    below: float = math.nan
    resolve: float = math.nan
    drop: float | None = None
    baseline: Baseline | None = None


@dataclass(frozen=True)
class Tested:
    """How a rule is tested; see the attributes of `Rule`."""

    test: Test = Test.THRESHOLD
    false_alarms: FalseAlarms | None = None
    overdispersion: float | None = None
    steps: int = 1


def read_test(fields: Fields, judged: Judged | None) -> Tested:
    """The test; of use only if the reader has no new problem.

    A default is not taken where the rule's own fields exclude it, or a figure that is no share of a group.
    """
    own = fields.own
    budget = fields.written("false_alarms", spans.RATE_EXAMPLES, _budget)
    chosen = fields.choice("test", [one.value for one in Test])
    steps = fields.integer("for", 1, HORIZON[Grain.DAY]) or 1
    rho = fields.number("overdispersion", "a number from 0 to 0.99, such as 0.01", lambda v: 0 <= v <= 0.99)
    if judged is None or (chosen is None and fields.has("test")):  # defaults, or a wrong test
        return Tested()
    share = judged.spec.share
    if "test" not in own:
        if "false_alarms" in own:
            chosen = Test.SEQUENTIAL
        elif "for" in own or not share:
            chosen = Test.THRESHOLD
        elif chosen is None:
            chosen = Test.SEQUENTIAL if fields.has("false_alarms") else Test.THRESHOLD
    if chosen == Test.THRESHOLD:
        fields.refuse(["false_alarms"], "a threshold test promises no number of false alarms", "write test: sequential")
        fields.refuse(["overdispersion"], "it belongs to test: sequential", "give the rule false_alarms")
        return Tested(Test.THRESHOLD, steps=steps)
    if not share:
        _no_share(fields, judged)
    elif not fields.has("false_alarms"):
        fields.wrong("test", "a sequential test needs a budget; add one, such as false_alarms: 1 per year")
    why = "a sequential test weighs all cohorts since the drop began, and `for` belongs to test: threshold"
    fields.refuse(["for"], why)
    return Tested(Test.SEQUENTIAL, budget, rho)


def _no_share(fields: Fields, judged: Judged) -> None:
    shares = [name for name, one in MEASURES[judged.figure].items() if one.share]
    instead = f"; of this figure it can judge {', '.join(shares)}" if shares else ""
    why = f"{judged.measure} is no share of a group, which the sequential test needs{instead}"
    if "test" in fields.own:
        fields.wrong("test", f"{why}; write test: threshold")
    else:
        fields.wrong("false_alarms", f"{why}; leave it out, and the test is a threshold")


def _budget(text: str) -> FalseAlarms:
    count, days = spans.rate(text, rare=True)
    return FalseAlarms(count, days, " ".join(text.split()))


def read_bound(
    fields: Fields, judged: Judged, test: Test, segment: tuple[str, str] | None, dimensions: Sequence[str]
) -> Bound:
    """The bound; of use only if the reader has no new problem."""
    there = [key for key in BOUNDS if key in fields.own]
    if not there:
        usual = judged.spec.side
        fields.wrong(usual.value, f"is missing; a rule needs a bound, {' or '.join(s.value for s in Side)}, or drop or "
                                  "rise against a baseline")  # fmt: skip
        return Bound()
    for key in there[1:]:
        fields.wrong(key, f"is given beside {there[0]}; keep one of the two")
    if there[0] in ("drop", "rise"):
        return _relative(fields, there[0], judged, segment, dimensions)
    fields.refuse(["baseline", "season", "over"], "it belongs to drop or rise")
    return _absolute(fields, there[0], share=judged.spec.share, test=test)


def _absolute(fields: Fields, key: str, *, share: bool, test: Test) -> Bound:
    found = {}
    for name in (key, "resolve"):
        if name in fields.own:
            value = _share(fields, name, test) if share else fields.number(name, "a number", math.isfinite)
            if value is not None:
                found[name] = value
    if key not in found:
        return Bound()
    bound = found[key]
    resolve = found.get("resolve", bound)
    if key == "below" and resolve < bound:
        fields.wrong("resolve", f"{resolve:g} is less than below ({bound:g}); use it or more")
    if key == "above" and resolve > bound:
        fields.wrong("resolve", f"{resolve:g} is more than above ({bound:g}); use it or less")
    return Bound(Side(key), bound, resolve)


def _share(fields: Fields, key: str, test: Test) -> float | None:
    share = fields.reader.number(*fields.at(key), _A_SHARE)
    if share is not None and not 0 < share <= MAX_SHARE:
        hint = f"; for {share:g} % write {share / 100:g}" if MAX_SHARE < share <= 100 * MAX_SHARE else ""
        fields.wrong(key, f"{share:g} is not a share: it must be above 0 and up to {MAX_SHARE}{hint}")
        return None
    if share is not None and share >= 1 and test is Test.SEQUENTIAL:
        fields.wrong(key, f"{share:g} is no bound that a share can pass; a sequential test needs one below 1")
        return None
    return share


def _relative(
    fields: Fields, key: str, judged: Judged, segment: tuple[str, str] | None, dimensions: Sequence[str]
) -> Bound:
    fields.refuse(["resolve"], "a relative rule recovers at what its baseline allows")
    most = 1.0 if key == "drop" else MOST_RISE
    share = fields.written(key, "a share, such as 15%", lambda text: _relation(text, most, key))
    baseline = _baseline(fields, judged, segment, dimensions)
    return Bound(Side.BELOW if key == "drop" else Side.ABOVE, drop=share, baseline=baseline)


def _relation(text: str, most: float, key: str) -> float:
    percent, plain = _PERCENT.fullmatch(text.strip()), _NUMBER.fullmatch(text.strip())
    share = float(percent[1]) / 100 if percent else float(text) if plain else 0.0
    if 0 < share < most:
        return share
    hint = f"; for {text.strip()} % write {text.strip()}%" if plain and 1 <= share < 100 * most else ""
    raise ValueError(f"{text!r} must be a share of the baseline above 0 and below {most:.0%}, such as {key}: 15%{hint}")


def _baseline(
    fields: Fields, judged: Judged, segment: tuple[str, str] | None, dimensions: Sequence[str]
) -> Baseline | None:
    if "baseline" in fields.own and isinstance(fields.own["baseline"][1], yaml.MappingNode):
        return _other(fields, judged, segment, dimensions)
    if fields.has("baseline"):
        kind = fields.choice("baseline", ["earlier", "all"])
        if kind == "all":
            return _everybody(fields, judged, segment, dimensions)
        if kind is None:
            return None
    season = fields.choice("season", ["week"])
    if season is not None and judged.grain is not Grain.DAY:
        fields.wrong("season", f"compares a weekday with its like, and a {judged.grain} has none; use grain day, or "
                               "leave it out")  # fmt: skip
    usual = OVER[judged.grain] if season is None else OVER_SEASON
    over = fields.integer("over", 1, HORIZON[judged.grain]) if fields.has("over") else usual
    if over is None:
        return None
    return Baseline(None, over, 1 if season is None else WEEKDAYS)


def _other(
    fields: Fields, judged: Judged, segment: tuple[str, str] | None, dimensions: Sequence[str]
) -> Baseline | None:
    node, _ = fields.at("baseline")
    if node.value == []:
        return _everybody(fields, judged, segment, dimensions)
    fields.refuse(["season", "over"], "it belongs to baseline: earlier, and this one is of the same time")
    other = read_segment(fields, dimensions, "baseline")
    if other is None:
        return None
    if other[1] == EVERY:
        fields.wrong("baseline", f"must be one value, not '{EVERY}', such as {{{other[0]}: free}}")
        return None
    if segment is None:
        if not fields.has("segment"):
            fields.wrong("baseline", "all users cannot be compared with a part of them; give the rule a segment, such "
                                     f"as {{{other[0]}: '{EVERY}'}}")  # fmt: skip
        return None
    if segment[0] != other[0]:
        fields.wrong("baseline", f"is of dimension {other[0]} and the rule's segment of {segment[0]}; name another "
                                 f"value of {segment[0]}")  # fmt: skip
        return None
    if segment == other:
        fields.wrong("baseline", "is the rule's own segment; name another value, or baseline: earlier")
        return None
    return Baseline(other, OVER[judged.grain])


def _everybody(
    fields: Fields, judged: Judged, segment: tuple[str, str] | None, dimensions: Sequence[str]
) -> Baseline | None:
    fields.refuse(["season", "over"], "it belongs to baseline: earlier, and this one is of the same time")
    if not judged.spec.share:
        fields.wrong("baseline", f"all users are compared with by shares, and {judged.measure} is none; name another "
                                 "value, or baseline: earlier")  # fmt: skip
        return None
    if segment is None:
        if not fields.has("segment"):
            some = f"{{{dimensions[0] if dimensions else 'plan'}: '{EVERY}'}}"
            fields.wrong("baseline", f"all users are the rule's own; give it a segment, such as {some}")
        return None
    return Baseline(EVERYBODY, OVER[judged.grain])
