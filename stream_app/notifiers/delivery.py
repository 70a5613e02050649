"""Delivery: one step of the outbox at a time, stored before it is taken.

A crash at any point leaves one of two things behind: an `owed` entry, which nobody has posted, or a `posting` one,
which is looked for before it is posted again. So each change is told exactly once wherever it can be looked for.

A frozen process is no crash: it goes on. Its intent may be found and looked for by a successor meanwhile, so what is
posted must be posted within `POST_WITHIN` of the intent, and is looked for only after `settle`, which is longer.
"""

from __future__ import annotations

import asyncio
import logging
import math
import traceback
from pathlib import PurePath
from typing import TYPE_CHECKING

from stream_app.notifiers.base import Misconfigured, Notifier, NotifierError, OutcomeUnknown, RateLimited, Rejected
from stream_app.notifiers.entry import Entry, Status

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Container, Iterable, Mapping

    from stream_app.domain.alerts import Notice
    from stream_app.notifiers.outbox import Outbox

logger = logging.getLogger(__name__)

#: Seconds from the beginning of the intent's write to the end of the post: what is not posted by then is not posted.
#: The outbox's `settle` less the time in which what was sent must have arrived and become visible.
POST_WITHIN = 10.0
LOOK_EVERY = 0.2
#: Errors of this program, not of a target, after which a message is given up: those after it wait for it.
GIVE_UP_AFTER = 3
#: Outcomes beside those of the errors, as labels of `stream_app_notifications_total`.
SENT, FOUND = "sent", "found"
#: By kind of target, what to set where it has no notifier.
_HINTS = {
    "slack": "set slack_token",
    "webhook": "name it in the setting webhooks",
    "email": "set smtp_url and smtp_from",
    "alertmanager": "set alertmanager_url",
}


class Delivery:
    """Brings what an outbox owes to its targets.

    Args:
        outbox: the bookkeeping.
        notifiers: by kind of target, the part of a target before the first colon.
        save: stores an entry durably under its key; what it raises stops the delivery, and nothing is lost by it.
        now: the wall clock, in seconds since the epoch.
        observe: told the kind of target and the outcome of each attempt.
        post_within: seconds after which a post is given up, from the beginning of its intent's write.
        look_every: seconds between looks at what has become due while posts are under way.
    """

    def __init__(
        self,
        outbox: Outbox,
        notifiers: Mapping[str, Notifier],
        *,
        save: Callable[[Entry], Awaitable[None]],
        now: Callable[[], float],
        observe: Callable[[str, str], None] | None = None,
        post_within: float = POST_WITHIN,
        look_every: float = LOOK_EVERY,
    ) -> None:
        self.outbox = outbox
        self._notifiers = notifiers
        self._save = save
        self._now = now
        self._observe = observe or (lambda _kind, _outcome: None)
        self._post_within, self._look_every = post_within, look_every
        self._complaints: set[tuple[str, str]] = set()
        self._unforeseen: dict[str, int] = {}  # by key of an entry, how often its message failed by an error of ours

    async def owe(self, notice: Notice) -> None:
        """Takes on a notice; one that is known already, by its id, adds nothing."""
        for entry in self.outbox.add(notice, self._now()):
            await self._save(entry)

    async def run_due(self) -> None:
        """Delivers until nothing is due: the entries of a target in order, the targets side by side.

        What becomes due meanwhile, also because it is owed only now, waits for no other target that does not answer.
        """
        running: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                for entry in self.outbox.due(self._now()):
                    if entry.target not in running:
                        running[entry.target] = asyncio.create_task(self._run(entry))
                if not running:
                    return
                await asyncio.wait(running.values(), timeout=self._look_every, return_when=asyncio.FIRST_COMPLETED)
                for target in [target for target, task in running.items() if task.done()]:
                    running.pop(target).result()
        except asyncio.CancelledError:
            for task in running.values():
                task.cancel()
            raise
        finally:
            await asyncio.gather(*running.values(), return_exceptions=True)

    async def _run(self, entry: Entry) -> None:
        """Delivers what is due to one target."""
        following: Entry | None = entry
        while following is not None:
            await self._act(following)
            following = next((e for e in self.outbox.due(self._now()) if e.target == entry.target), None)

    async def _act(self, entry: Entry) -> None:
        looking = entry.status is Status.POSTING
        deadline = asyncio.get_running_loop().time() + self._post_within
        if looking:
            self.outbox.looking(entry)
        else:
            entry = self.outbox.posting(entry, self._now())
        try:
            if not looking:
                await self._save(entry)
            result = await (self._look(entry) if looking else self._post(entry, deadline))
        except BaseException:
            # Unforeseen or cancelled: whether it was posted is not known, and the stored entry says so too.
            self.outbox.interrupted(entry)
            raise
        await self._save(result)

    async def _post(self, entry: Entry, deadline: float) -> Entry:
        """Posts, unless it is too late for it.

        No step of the post is taken after the deadline: in a process that was frozen the loop finds the timeout due
        before it goes on with what the timeout is over.
        """
        assert entry.notice is not None  # noqa: S101 - an open entry has its notice
        try:
            if asyncio.get_running_loop().time() >= deadline:
                raise OutcomeUnknown(f"{entry.target}: storing the intent took too long, it is not posted")
            try:
                async with asyncio.timeout_at(deadline):
                    receipt = await self._notifier(entry).send(
                        entry.notice, entry.target, thread=self.outbox.thread(entry)
                    )
            except TimeoutError:
                raise OutcomeUnknown(f"{entry.target}: no answer within {self._post_within:g} s") from None
        except NotifierError as error:
            return self._failed(entry, error)
        except Exception as error:  # noqa: BLE001 - one message must not end the worker, again after each restart
            return self._broken(entry, error)
        return self._sent(entry, SENT, self.outbox.sent(entry, receipt, self._now()))

    async def _look(self, entry: Entry) -> Entry:
        age = math.inf if entry.first_try is None else max(self._now() - entry.first_try, 0.0)
        try:
            receipt = await self._notifier(entry).find(
                entry.id, entry.target, age=age, thread=self.outbox.thread(entry)
            )
        except NotifierError as error:
            self._report(entry, error)
            wait = error.retry_after if isinstance(error, RateLimited) else 0.0
            return self.outbox.unknown(entry, str(error), self._now(), wait=wait)
        except Exception as error:  # noqa: BLE001 - as in a post
            return self._broken(entry, error)
        if receipt is None:
            logger.info("notification %s was not found at %s, it is sent now", entry.id, entry.target)
            return self.outbox.not_posted(entry, "not found", self._now(), wait=0.0)
        return self._sent(entry, FOUND, self.outbox.sent(entry, receipt, self._now()))

    def _failed(self, entry: Entry, error: NotifierError) -> Entry:
        self._report(entry, error)
        if isinstance(error, Rejected):
            return self.outbox.rejected(entry, str(error), self._now())
        if isinstance(error, OutcomeUnknown):
            return self.outbox.unknown(entry, str(error), self._now())
        wait = error.retry_after if isinstance(error, RateLimited) else None
        return self.outbox.not_posted(entry, str(error), self._now(), wait=wait)

    def _broken(self, entry: Entry, error: Exception) -> Entry:
        """No notifier should raise it: perhaps it was posted. Tried again a few times, and then given up.

        Of the error only kind and place are said: its words may hold an address or a secret.
        """
        times = self._unforeseen[entry.key] = self._unforeseen.get(entry.key, 0) + 1
        note = f"{entry.target}: an error of this program, {type(error).__name__} in {_place(error)}; report it"
        if times < GIVE_UP_AFTER or isinstance(error, OSError):  # what comes from outside may pass
            self._observe(_kind(entry.target), OutcomeUnknown.outcome)
            logger.error("notification %s is still owed: %s", entry.id, note)
            return self.outbox.unknown(entry, note, self._now())
        del self._unforeseen[entry.key]
        self._observe(_kind(entry.target), Rejected.outcome)
        logger.error("notification %s is lost, it was tried %d times: %s", entry.id, times, note)
        return self.outbox.rejected(entry, note, self._now())

    def _sent(self, entry: Entry, outcome: str, result: Entry) -> Entry:
        self._observe(_kind(entry.target), outcome)
        self._complaints = {c for c in self._complaints if c[0] != entry.target}
        self._unforeseen.pop(entry.key, None)
        logger.info("notification %s is at %s (%s)", entry.id, entry.target, outcome)
        return result

    def _report(self, entry: Entry, error: NotifierError) -> None:
        self._observe(_kind(entry.target), error.outcome)
        if isinstance(error, Rejected):
            logger.error("notification %s is lost, it was refused for good: %s", entry.id, error)
        elif (entry.target, str(error)) not in self._complaints:
            # Said once until something goes through again: a target that is down for a night fills no log.
            self._complaints.add((entry.target, str(error)))
            level = logging.ERROR if isinstance(error, Misconfigured) else logging.WARNING
            logger.log(level, "notification %s is still owed: %s", entry.id, error)

    def _notifier(self, entry: Entry) -> Notifier:
        for problem in unserved([entry.target], self._notifiers):
            raise Misconfigured(problem)
        return self._notifiers[_kind(entry.target)]


def unserved(targets: Iterable[str], notifiers: Container[str]) -> list[str]:
    """What is to be set for those targets that none of these kinds of notifiers serves."""
    hints = {target: _HINTS.get(_kind(target), "correct `to` in the rules") for target in targets}
    return [
        f"{target}: no notifier is configured for it; {hint}"
        for target, hint in hints.items()
        if _kind(target) not in notifiers
    ]


def _kind(target: str) -> str:
    return target.partition(":")[0]


def _place(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{PurePath(frame.filename).name}:{frame.lineno}"
