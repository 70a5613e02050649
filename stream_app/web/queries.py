"""The parameters of the API: which there are, what they may be, and what is said of a wrong one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stream_app.domain.errors import QueryError
from stream_app.domain.metrics.retention import GRAINS, KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from multidict import MultiMapping

    from stream_app.domain.metrics import Snapshot

MAX_TOP = 1000
MAX_DAYS = 384
MAX_COHORTS = 1000

#: Parameter -> value as it was parsed; hashable once its items are sorted.
Query = Mapping[str, str | int | None]


class BadParameterError(QueryError):
    """A parameter is unknown, is there twice, or has a value that is not allowed.

    Attributes:
        parameter: its name.
        value: as it was given.
        allowed: the names or values that are; for numbers one entry `1 to 1000`.
    """

    def __init__(self, parameter: str, value: str, message: str, allowed: Sequence[str]) -> None:
        super().__init__(f"{parameter}: {message}")
        self.parameter = parameter
        self.value = value
        self.message = message
        self.allowed = list(allowed)

    def to_json(self) -> dict[str, Any]:
        """The body of the answer."""
        error = {"parameter": self.parameter, "value": self.value, "message": self.message, "allowed": self.allowed}
        return {"error": error}


@dataclass(frozen=True, slots=True)
class _Names:
    """A name out of those that a snapshot knows."""

    of: str
    default: str | None = None

    def allowed(self, snapshot: Snapshot) -> list[str]:
        if self.of == "definition":
            return [definition.name for definition in snapshot.definitions]
        return list(snapshot.dimensions)

    def parse(self, name: str, value: str | None, snapshot: Snapshot) -> str | None:
        allowed = self.allowed(snapshot)
        if value is None:
            return allowed[0] if self.of == "definition" else None
        return _chosen(name, value, allowed)


@dataclass(frozen=True, slots=True)
class _Choice:
    """A name out of fixed ones."""

    names: tuple[str, ...]
    default: str

    def parse(self, name: str, value: str | None, _: Snapshot) -> str:
        return self.default if value is None else _chosen(name, value, self.names)


@dataclass(frozen=True, slots=True)
class _Number:
    """A whole number from 1."""

    most: int
    default: int | None

    def parse(self, name: str, value: str | None, _: Snapshot) -> int | None:
        if value is None:
            return self.default
        number = int(value) if value.isascii() and value.isdigit() and len(value) < 10 else 0
        if not 1 <= number <= self.most:
            raise BadParameterError(
                name, value, f"{value!r} is not a whole number from 1 to {self.most}", [f"1 to {self.most}"]
            )
        return number


def _chosen(name: str, value: str, allowed: Sequence[str]) -> str:
    if value in allowed:
        return value
    message = f"{value!r} is not known; use {' or '.join(allowed)}" if allowed else f"{value!r}: none is configured"
    raise BadParameterError(name, value, message, allowed)


Spec = Mapping[str, _Names | _Choice | _Number]


def retention_spec(top: int) -> Spec:
    """The parameters of `/api/v1/retention`; `top` is the default of that name."""
    return {
        "definition": _Names("definition"),
        "grain": _Choice(tuple(GRAINS), "day"),
        "kind": _Choice(KINDS, "classic"),
        "segment": _Names("segment"),
        "top": _Number(MAX_TOP, top),
        "cohorts": _Number(MAX_COHORTS, None),
    }


def churn_spec(top: int) -> Spec:
    """The parameters of `/api/v1/churn`; `top` is the default of that name."""
    return {
        "definition": _Names("definition"),
        "segment": _Names("segment"),
        "days": _Number(MAX_DAYS, 90),
        "top": _Number(MAX_TOP, top),
    }


def parse(spec: Spec, given: MultiMapping[str], snapshot: Snapshot) -> Query:
    """The parameters, defaults filled in.

    Raises:
        BadParameterError: of the first one that is wrong.
    """
    for name in given:
        if name not in spec:
            known = f"use {', '.join(spec)}" if spec else "there are none here"
            raise BadParameterError(name, given[name], f"there is no such parameter; {known}", list(spec))
        values = given.getall(name)
        if len(values) > 1:
            raise BadParameterError(name, ", ".join(values), "it is given more than once; give it once", [])
    return {name: one.parse(name, given.get(name), snapshot) for name, one in spec.items()}
