"""What commands do: silences begin and end, firing alerts are acknowledged. A command that comes twice does nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from stream_app.domain.alerts.command import Action, Command, Silence
from stream_app.domain.alerts.group import bad
from stream_app.domain.alerts.history import row_of
from stream_app.domain.alerts.standings import ends
from stream_app.domain.events import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from stream_app.domain.alerts.change import Change
    from stream_app.domain.alerts.group import Group


@dataclass(frozen=True)
class Applied:
    """What a command changed.

    Attributes:
        said: what became of it, for the log.
        silences: those to store; new, or changed.
        gone: ids of silences to forget.
        groups: those to store, by rule.
        row: what the history says of it; None: nothing changed.
    """

    said: str
    silences: Sequence[Silence] = ()
    gone: Sequence[str] = ()
    groups: Mapping[str, Group] = field(default_factory=dict)
    row: Mapping[str, Any] | None = None


def apply(command: Command, silences: Iterable[Silence], groups: Mapping[str, Group], now: int) -> Applied:
    """What a command changes; it is said if that is nothing.

    Args:
        command: what is asked for.
        silences: all that are remembered.
        groups: by rule.
        now: the wall clock (ms).
    """
    known = {one.command.id: one for one in silences}
    if command.action is Action.SILENCE:
        return _silence(command, known, now)
    if command.action is Action.UNSILENCE:
        return _unsilence(command, known, now)
    return _acknowledge(command, groups, now)


def _silence(command: Command, known: Mapping[str, Silence], now: int) -> Applied:
    begins, ends = command.at if command.begins is None else command.begins, command.ends
    if command.id in known:
        return Applied(f"silence {command.id} is known already, nothing changed")
    if ends is None or ends <= begins:
        return Applied(f"silence {command.id} ends before it begins, nothing changed")
    if ends <= now:
        return Applied(f"silence {command.id} ended at {rfc3339(ends)} already, nothing changed")
    about = _about(command)
    return Applied(
        f"{about} silenced from {rfc3339(begins)} to {rfc3339(ends)} ({command.reason}), silence {command.id}",
        (Silence(command, begins, ends),),
        row=row_of(command, rule=command.rule, segment=command.segment or {}, begins=begins, ends=ends),
    )


def _unsilence(command: Command, known: Mapping[str, Silence], now: int) -> Applied:
    found = known.get(command.silence or "")
    if found is None:
        return Applied(f"there is no silence {command.silence}, nothing changed")
    # Ended by a worker whose clock is ahead of this one's, it may seem to last: it is not ended a second time.
    if found.ends <= now or found.ends != found.command.ends:
        return Applied(f"silence {command.silence} ended at {rfc3339(found.ends)} already, nothing changed")
    ended = replace(found, begins=min(found.begins, now), ends=now)
    about = found.command
    row = row_of(command, rule=about.rule, segment=about.segment or {}, begins=ended.begins, ends=ended.ends)
    return Applied(f"silence {command.silence} of {_about(about)} ended", (ended,), row=row)


def _acknowledge(command: Command, groups: Mapping[str, Group], now: int) -> Applied:
    about, until = _about(command), None if command.ends is None else rfc3339(command.ends)
    if command.ends is not None and command.ends <= now:
        return Applied(f"{about}: the acknowledgement ended at {until} already, nothing changed")
    who = {"author": command.author, "reason": command.reason, "at": rfc3339(command.at), "ends": until}
    changed: dict[str, Group] = {}
    new: list[Change] = []
    seen = 0
    for rule, group in groups.items():
        told = {key: one for key, one in group.members.items() if _meant(command, one.change)}
        # What fires and was not told yet may have been seen on the page: it need not be repeated either.
        held = [key for key, (change, _) in group.waiting.items() if _meant(command, change)]
        members = {
            key: replace(one, acknowledged=who) for key, one in told.items() if _outlasts(command, one.acknowledged)
        }
        waiting = {key: who for key in held if _outlasts(command, group.seen.get(key))}
        new += [one.change for one in members.values()] + [group.waiting[key][0] for key in waiting]
        seen += len(told) + len(held) - len(members) - len(waiting)
        if members or waiting:
            changed[rule] = replace(group, members={**group.members, **members}, seen={**group.seen, **waiting})
    if new:
        return Applied(
            f"{about}: acknowledged{f' until {until}' if until else ''}, {len(new)} firing",
            groups=changed,
            row=row_of(
                command, rule=command.rule, segment=command.segment or {}, ends=command.ends,
                changes=[change.id for change in new],
            ),
        )  # fmt: skip
    return Applied(f"{about}: {'acknowledged already' if seen else 'nothing fires'}, nothing changed")


def _outlasts(command: Command, acknowledged: Mapping[str, Any] | None) -> bool:
    """Whether nobody has acknowledged it, or for a shorter time: whoever does so first stays named."""
    if acknowledged is None:
        return True
    end = ends(acknowledged)
    return end is not None and (command.ends is None or command.ends > end)


def _meant(command: Command, change: Change) -> bool:
    return bad(change) and command.covers(change.rule, change.segment)


def _about(command: Command) -> str:
    """What a command is about: `pro-day-7 (plan=pro)`."""
    segment = ", ".join(f"{name}={value}" for name, value in sorted((command.segment or {}).items()))
    return (command.rule or "every rule") + (f" ({segment})" if segment else "")
