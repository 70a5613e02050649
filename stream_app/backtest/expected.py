"""Whether what came is what was expected, and if not, where they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stream_app.domain.metrics.query import ParameterError, instant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stream_app.backtest.testcase import Expected, Wanted
    from stream_app.domain.periods import Calendar

    Row = Mapping[str, Any]

#: What an unexpected row is shown by, as far as it has it.
_SHOWN = ("rule", "segment", "kind", "state", "health", "reason", "at", "cohort", "value", "threshold", "group",
          "began", "changes", "firing", "to")  # fmt: skip


def differences(what: str, expected: Sequence[Expected], came: Sequence[Row], calendar: Calendar) -> list[str]:
    """How rows differ from what was expected of them, in lines; empty: each is there once, and nothing else.

    Their order says nothing: what has to come when is said by `at`.

    Args:
        what: they are, for people.
        expected: fields that are not named may be anything.
        came: the rows.
        calendar: in whose time zone dates are meant.
    """
    pairs = _paired([[not _wrong(one, row, calendar) for row in came] for one in expected])
    missing = [place for place in range(len(expected)) if place not in pairs]
    over = [place for place in range(len(came)) if place not in pairs.values()]
    said = []
    for place in missing:
        one = expected[place]
        near = min(over, key=lambda row: len(_wrong(one, came[row], calendar)), default=None)
        wrong = [] if near is None else _wrong(one, came[near], calendar)
        if near is not None and len(wrong) < len(one.fields) and not {"rule", "segment"} & set(wrong):
            over.remove(near)
            said += [f"- line {one.line}: {shown(one.fields)}", f"+ {_row(came[near], one.fields)}"]
            said += [f"  differs in {', '.join(wrong)}"]
        else:
            said += [f"- line {one.line}: {shown(one.fields)}", "  did not come"]
    for place in over:
        said += [f"+ {_row(came[place], ())}", "  was not expected"]
    return [f"{what}:", *(f"  {line}" for line in said)] if said else []


def shown(row: Row) -> str:
    """A row in one line, as it could be expected.

    >>> shown({"rule": "pro-day-7", "segment": {"plan": "pro"}, "value": 0.21, "began": None})
    '{rule: pro-day-7, segment: {plan: pro}, value: 0.21, began: null}'
    """
    return "{" + ", ".join(f"{name}: {_text(value)}" for name, value in row.items()) + "}"


def _row(row: Row, fields: Mapping[str, Wanted] | tuple[()]) -> str:
    names = [name for name in row if name in _SHOWN or name in fields]
    names.sort(key=lambda name: _SHOWN.index(name) if name in _SHOWN else len(_SHOWN))
    return shown({name: row[name] for name in names if name in fields or row[name] not in (None, "ok", {})})


def _text(value: object) -> str:
    if isinstance(value, dict):
        return shown(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _wrong(one: Expected, row: Row, calendar: Calendar) -> list[str]:
    """The fields in which a row is not what was expected."""
    return [name for name, wanted in one.fields.items() if not _is(name, wanted, row[name], calendar)]


def _is(name: str, wanted: Wanted, came: object, calendar: Calendar) -> bool:
    """Whether a value is what is written: numbers as far as they are written, instants by their time."""
    if not isinstance(wanted, str) or came is None:
        return wanted == came
    if isinstance(came, bool):
        return wanted == str(came).lower()
    if isinstance(came, int | float):
        try:
            number = float(wanted)
        except ValueError:
            return False
        decimals = len(wanted.partition(".")[2])
        return abs(number - came) <= (0.5 * 10.0**-decimals) * (1 + 1e-9) if isinstance(came, float) else number == came
    if name == "at":
        try:
            return instant(name, wanted, calendar) == instant(name, str(came), calendar)
        except ParameterError:
            return False
    return wanted == came


def _paired(fits: Sequence[Sequence[bool]]) -> dict[int, int]:
    """As many pairs as there can be of what is expected with what came and fits it (augmenting paths)."""
    taken: dict[int, int] = {}

    def place(one: int, tried: set[int]) -> bool:
        for row, fit in enumerate(fits[one]):
            if fit and row not in tried:
                tried.add(row)
                if row not in taken or place(taken[row], tried):
                    taken[row] = one
                    return True
        return False

    for one in range(len(fits)):
        place(one, set())
    return {one: row for row, one in taken.items()}
