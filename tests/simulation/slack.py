"""A Slack in the simulated world: it accepts, refuses, drops connections, is slow, and can be searched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stream_app.notifiers.base import OutcomeUnknown, RateLimited, Receipt, Unavailable

if TYPE_CHECKING:
    from simulation.worker import SimWorker
    from simulation.world import World
    from stream_app.domain.alerts import Notice

#: The most seconds that a request may be under way: less than the outbox's `settle` without the time a post may take.
LONGEST_WAY = 4.0
_RISK = 8.0


@dataclass(frozen=True)
class Message:
    id: str
    target: str
    by: str
    changes: tuple[str, ...]


class SimSlack:
    """The channels. A request that was sent arrives, whatever becomes of its sender."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.messages: list[Message] = []

    def accept(self, message: Message) -> None:
        self.messages.append(message)
        self.world.say(message.by, "told", f"{message.id[:6]} to {message.target}")


class SimNotifier:
    """One worker's connection to Slack."""

    def __init__(self, worker: SimWorker) -> None:
        self.worker, self.world = worker, worker.world

    async def send(self, notice: Notice, target: str, *, thread: Receipt | None = None) -> Receipt:
        world, worker, chance = self.world, self.worker, self.world.chance
        await worker.point(_RISK)  # connects
        fate = chance.random()
        if fate >= 0.25 or not world.may_fail(rare=True):
            fate = 1.0
        if fate < 0.08:
            world.say(worker.name, "refused by Slack")
            raise RateLimited("wait", chance.uniform(1, 20)) if fate < 0.04 else Unavailable("cannot connect")
        if fate < 0.12:
            raise OutcomeUnknown("dropped before it was sent")
        message = Message(notice.id, target, worker.name, tuple(change.id for change in notice.changes))
        # From here on the request is on its way; whether the sender lives to hear of it makes no difference.
        way = chance.uniform(0, LONGEST_WAY) if chance.random() < 0.3 else 0.0
        if way:
            world.loop.call_later(way, self.world.slack.accept, message)
        else:
            world.slack.accept(message)
        await worker.point(_RISK)
        if fate < 0.25:
            world.say(worker.name, "outcomes unknown", f"of {notice.id[:6]}")
            raise OutcomeUnknown("dropped after it was sent")
        await worker.sleep(way)
        await worker.point()
        return Receipt(target, notice.id)

    async def find(
        self,
        notice_id: str,
        target: str,
        *,
        age: float,
        thread: Receipt | None = None,
    ) -> Receipt | None:
        await self.worker.point()
        if self.world.chance.random() < 0.2 and self.world.may_fail(rare=True):
            raise Unavailable("cannot be searched now")
        known = any(m.id == notice_id and m.target == target for m in self.world.slack.messages)
        known &= self.world.protocol.reconciled
        await self.worker.point()
        self.world.say(self.worker.name, "found" if known else "found missing", f"{notice_id[:6]} at {target}")
        return Receipt(target, notice_id) if known else None
