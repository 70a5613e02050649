"""The outbox: which notifications are owed, which are being posted, and what became of the others.

    owed --posting--> posting --sent------> sent
      ^                  |     --rejected--> rejected
      +-- not posted ----+     --unknown---> posting, to be looked for

Pure bookkeeping: time is passed in, and each step answers the entry to store. Whoever uses it stores an entry before
acting on it. So an entry that is found `posting` after a restart is one whose outcome nobody knows: `due` hands it out
again as such, and it must be looked for before it is posted again.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stream_app.notifiers.entry import OPEN, Entry, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stream_app.domain.alerts import Notice
    from stream_app.notifiers.base import Receipt

DAY = 86_400.0


class Outbox:
    """All notifications, at most one a target under way; a target's notifications keep their order.

    Args:
        entries: as they were stored.
        first_wait: seconds before the second attempt; each further wait is twice as long.
        longest_wait: the most it grows to.
        settle: seconds before a post of unknown outcome is looked for: longer than a post may take, also one that a
            former owner of the outbox has under way, and what was accepted must have become visible.
        keep: seconds a settled entry is remembered, so that a repeated change is not told twice.
        taken_at: when these entries were taken over. Posts that were under way then, at a former owner whose clock
            may differ, are looked for `settle` later.
    """

    def __init__(
        self,
        entries: Iterable[Entry] = (),
        *,
        first_wait: float = 2.0,
        longest_wait: float = 300.0,
        settle: float = 15.0,
        keep: float = 400 * DAY,
        taken_at: float = -math.inf,
    ) -> None:
        self._entries = {e.key: e for e in sorted(entries, key=lambda e: e.number)}
        self._queues: dict[str, dict[str, None]] = {}
        self._busy: set[str] = set()
        for entry in tuple(self._entries.values()):
            if entry.status is Status.POSTING:
                self._put(replace(entry, not_before=max(entry.not_before, taken_at + settle)))
            if entry.status in OPEN:
                self._queues.setdefault(entry.target, {})[entry.key] = None
        self._first_wait = first_wait
        self._longest_wait = longest_wait
        self._settle = settle
        self._keep = keep

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries in their order."""
        return tuple(self._entries.values())

    @property
    def open(self) -> tuple[Entry, ...]:
        """What is owed or being posted."""
        return tuple(self._entries[key] for queue in self._queues.values() for key in queue)

    def add(self, notice: Notice, now: float) -> list[Entry]:
        """The entries a notice adds, one a target; none for what is known already."""
        added: list[Entry] = []
        number = next(reversed(self._entries.values())).number + 1 if self._entries else 0
        for target in dict.fromkeys(notice.to):
            entry = Entry(notice.id, target, number + len(added), notice, now, notice.root)
            if entry.key not in self._entries:
                self._queues.setdefault(target, {})[entry.key] = None
                added.append(self._put(entry))
        return added

    def due(self, now: float) -> list[Entry]:
        """What to act on: the first open entry of each target, if its time has come and nobody is at it.

        An `owed` one is to be posted, a `posting` one to be looked for.
        """
        return [e for e in self._heads() if e.not_before <= now]

    def wake_at(self) -> float | None:
        """When something will be due; None where nothing waits."""
        return min((e.not_before for e in self._heads()), default=None)

    def thread(self, entry: Entry) -> Receipt | None:
        """The message an entry belongs under, if it was sent there."""
        first = self._entries.get(f"{entry.root} {entry.target}")
        return first.receipt if first is not None else None

    def posting(self, entry: Entry, now: float) -> Entry:
        """An owed entry is about to be posted. Store it, then post."""
        current = self._at(entry, Status.OWED)
        self._busy.add(entry.key)
        return self._put(
            replace(
                current,
                status=Status.POSTING,
                attempts=current.attempts + 1,
                first_try=now if current.first_try is None else current.first_try,
                not_before=now + self._settle,
            )
        )

    def looking(self, entry: Entry) -> None:
        """A posting entry is about to be looked for."""
        self._busy.add(self._at(entry, Status.POSTING).key)

    def sent(self, entry: Entry, receipt: Receipt, now: float) -> Entry:
        """It was posted, now or earlier."""
        return self._settled(entry, Status.SENT, now, receipt=receipt, note=None)

    def rejected(self, entry: Entry, note: str, now: float) -> Entry:
        """It was refused for good."""
        return self._settled(entry, Status.REJECTED, now, note=note)

    def not_posted(self, entry: Entry, note: str, now: float, *, wait: float | None = None) -> Entry:
        """It was surely not posted: it is owed again, after `wait` seconds (default: the growing wait)."""
        current = self._at(entry, Status.POSTING)
        self._busy.discard(entry.key)
        later = now + (self._wait(current) if wait is None else wait)
        return self._put(replace(current, status=Status.OWED, not_before=later, note=note))

    def unknown(self, entry: Entry, note: str, now: float, *, wait: float = 0.0) -> Entry:
        """It may have been posted, or could not be looked for: it is looked for later."""
        current = self._at(entry, Status.POSTING)
        self._busy.discard(entry.key)
        later = now + max(self._settle, self._wait(current), wait)
        return self._put(replace(current, not_before=later, note=note))

    def interrupted(self, entry: Entry) -> None:
        """Nobody is at it any more, and nothing was heard: it stays as it was stored last."""
        self._busy.discard(entry.key)

    def prune(self, now: float) -> list[str]:
        """Forgets what was settled long ago; answers the keys to delete from the store."""
        old = [e.key for e in self._entries.values() if e.settled_at is not None and e.settled_at <= now - self._keep]
        for key in old:
            del self._entries[key]
        return old

    def to_json(self) -> dict[str, Any]:
        """All entries, ready for JSON."""
        return {"entries": [e.to_json() for e in self._entries.values()]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], **options: float) -> Outbox:
        """The outbox as it was stored. `options` are those of the constructor."""
        return cls((Entry.from_json(e) for e in data["entries"]), **options)

    def _heads(self) -> list[Entry]:
        heads = [next(iter(queue)) for queue in self._queues.values() if queue]
        return [self._entries[key] for key in heads if key not in self._busy]

    def _wait(self, entry: Entry) -> float:
        return min(self._first_wait * 2.0 ** min(max(entry.attempts - 1, 0), 60), self._longest_wait)

    def _at(self, entry: Entry, status: Status) -> Entry:
        current = self._entries.get(entry.key)
        if current is None or current.status is not status:
            raise ValueError(f"{entry.key} is {'not known' if current is None else current.status}, not {status}")
        return current

    def _settled(self, entry: Entry, status: Status, now: float, **changes: Any) -> Entry:
        current = self._at(entry, Status.POSTING)
        self._busy.discard(entry.key)
        self._queues[entry.target].pop(entry.key, None)
        return self._put(replace(current, status=status, settled_at=now, notice=None, **changes))

    def _put(self, entry: Entry) -> Entry:
        self._entries[entry.key] = entry
        return entry
