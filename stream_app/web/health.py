"""How the parts of this process are, said by themselves and asked by probes.

starting  not yet able to do its work: the process is not ready
ok        as it should be
degraded  something is missing or owed, work goes on: ready, and listed
failed    it will not recover by itself: neither ready nor healthy, a supervisor should restart the process
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

log = logging.getLogger(__name__)


class State(StrEnum):
    """How a part is."""

    STARTING = "starting"
    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Part:
    """One part's own word.

    Attributes:
        state: how it is.
        detail: why, and what to do if anything; empty where all is well.
    """

    state: State
    detail: str = ""


class HealthBoard:
    """What every part said last. Without any part the process is ready.

    Args:
        expected: parts that are `starting` until they say otherwise.
    """

    def __init__(self, expected: Iterable[str] = ("partitions",)) -> None:
        self._parts = {name: Part(State.STARTING, "has not reported yet") for name in expected}

    def set(self, part: str, state: State | str, detail: str = "") -> None:
        """Put down how a part is. A changed state is logged, a changed detail is not.

        Args:
            part: its name, such as `partitions`, `redis` or `slack`.
            state: one of `State`, or its value.
            detail: why, and what to do.
        """
        new = Part(State(state), detail)
        old = self._parts.get(part)
        self._parts[part] = new
        if old is None or old.state is not new.state:
            level = logging.INFO if new.state in (State.OK, State.STARTING) else logging.WARNING
            level = logging.ERROR if new.state is State.FAILED else level
            log.log(level, "Health: %s is %s%s.", part, new.state.value, f", {detail}" if detail else "")

    def remove(self, part: str) -> None:
        """Forget a part that this process no longer has."""
        self._parts.pop(part, None)

    @property
    def healthy(self) -> bool:
        """No part has failed."""
        return all(part.state is not State.FAILED for part in self._parts.values())

    @property
    def ready(self) -> bool:
        """Every part does its work, if with something missing."""
        return all(part.state in (State.OK, State.DEGRADED) for part in self._parts.values())

    def to_json(self) -> dict[str, Any]:
        """Ready for JSON: whether it is ready, why not, what is degraded, and every part."""
        return {
            "healthy": self.healthy,
            "ready": self.ready,
            "reasons": self._said(State.STARTING, State.FAILED),
            "degraded": self._said(State.DEGRADED),
            "parts": {
                name: {"state": part.state.value, "detail": part.detail} for name, part in sorted(self._parts.items())
            },
        }

    def _said(self, *states: State) -> list[str]:
        return [
            f"{name}: {part.detail or part.state.value}"
            for name, part in sorted(self._parts.items())
            if part.state in states
        ]
