"""What people ask of alerts: silences and acknowledgements, as commands that the judge applies in their order."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


#: The instants (ms) that have a date: of the years 1 to 9999.
_DATED = range(-62_135_596_800_000, 253_402_300_800_000)


class Action(StrEnum):
    """What is asked for."""

    SILENCE = "silence"
    UNSILENCE = "unsilence"
    ACKNOWLEDGE = "acknowledge"


@dataclass(frozen=True)
class Command:
    """One thing asked for.

    Attributes:
        id: unique; the id of the silence it makes. A command that comes twice is applied once.
        action: what is asked for.
        at: when (ms, wall clock).
        author: who.
        reason: why; may be empty for an acknowledgement.
        rule: the rule's name; None: every rule (silences only).
        segment: dimension -> value that alerts must have; empty: whatever their segment.
        ends: of a silence, when it ends (ms); of an acknowledgement, too, or None: it ends with the firing.
        begins: of a silence, when it begins (ms); `at` if None.
        silence: of an unsilence, the id of the silence that is to end.
    """

    id: str
    action: Action
    at: int
    author: str
    reason: str = ""
    rule: str | None = None
    segment: Mapping[str, str] | None = None
    ends: int | None = None
    begins: int | None = None
    silence: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Ready for JSON; `from_json` takes it back."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return plain | {"action": self.action.value, "segment": dict(self.segment or {})}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Command:
        """The command of a record; keys of later versions are ignored.

        Raises:
            ValueError, TypeError, KeyError: it is none. Whatever is applied must not fail: it would be tried for good.
        """
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        found = cls(**known | {"action": Action(data["action"])})
        texts = (found.id, found.author, found.reason, found.rule or "", found.silence or "")
        instants = (found.at, *(at for at in (found.begins, found.ends) if at is not None))
        segment = {} if found.segment is None else found.segment
        if not isinstance(segment, dict) or not all(isinstance(one, str) for one in (*texts, *segment.values())):
            raise ValueError("a field of the command is no text")
        if not all(type(at) is int and at in _DATED for at in instants):
            raise ValueError("an instant of the command is none")
        return found

    def covers(self, rule: str, segment: Mapping[str, str]) -> bool:
        """Whether it is about that alert."""
        wanted = self.segment or {}
        return self.rule in (None, rule) and all(segment.get(name) == value for name, value in wanted.items())


@dataclass(frozen=True)
class Silence:
    """A silence: alerts that it covers are judged and not told of, from `begins` to before `ends` (ms)."""

    command: Command
    begins: int
    ends: int

    def holds(self, now: int) -> bool:
        """Whether it is in force at that instant (ms)."""
        return self.begins <= now < self.ends

    def to_json(self) -> dict[str, Any]:
        """Ready for JSON; `from_json` takes it back."""
        return {"command": self.command.to_json(), "begins": self.begins, "ends": self.ends}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Silence:
        """As it was stored."""
        return cls(Command.from_json(data["command"]), data["begins"], data["ends"])
