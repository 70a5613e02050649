"""What people ask of alerts in the simulated world: the log of commands, its reader, and those who ask."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import orjson

from stream_app.domain.alerts import Action, Command
from stream_app.engine.commands import Asked

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator

    from simulation.worker import SimWorker
    from simulation.world import World

TOPIC = ("commands", 0)
#: Virtual seconds: within which somebody asks for the first time, and between two commands.
_FIRST, _BETWEEN = 10.0, 3.0
#: Every silence begins before any clock's now. Most would outlast the schedule and are ended; the others end by
#: themselves, once they are known to every clock.
_LONG_AGO, _LONG, _SHORT = 1_000_000, 1_000_000, 130_000


class UnreachableError(Exception):
    """The broker does not answer the reader of the commands."""


class SimCommandLog:
    """One worker's reader of the log. Now and then it loses its connection, or brings a command again."""

    def __init__(self, worker: SimWorker) -> None:
        self.worker = worker
        self._more: asyncio.Future[None] | None = None

    def wake(self) -> None:
        """There may be something to read."""
        if self._more is not None and not self._more.done():
            self._more.set_result(None)

    async def follow(self, start: int) -> AsyncGenerator[Asked]:
        """The commands from an offset on, for good."""
        worker, world = self.worker, self.worker.world
        log, position = world.kafka.logs[TOPIC], start
        while True:
            await worker.point()
            if position == log.end:
                self._more = world.loop.create_future()
                await self._more
                continue
            record = log.records[position]
            yield Asked(record.value or b"", record.offset + 1)
            fate = world.chance.random()
            if fate < 0.04:
                raise UnreachableError
            if fate < 0.08:
                world.say(worker.name, "commands repeated", f"at {position}")
            else:
                position += 1


class People:
    """They silence rules and segments, end silences, and acknowledge; who hears no answer asks again."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.through = False

    async def ask(self) -> None:
        """A few commands, one after the other; once all is counted every silence ends."""
        world, chance = self.world, self.world.chance
        silences: list[str] = []
        await world.loop.pause(chance.uniform(0, _FIRST))
        for number in range(chance.choice((0, 0, 0, 0, 2, 3, 4))):
            if silences and chance.random() < 0.4:
                self._end(f"c{number}", silences.pop(chance.randrange(len(silences))))
            elif chance.random() < 0.6:
                ends = world.now + (_SHORT if chance.random() < 0.03 else _LONG)
                begins = world.now - _LONG_AGO
                self._tell(self._command(f"c{number}", Action.SILENCE), begins=begins, ends=ends)
                if ends - world.now == _LONG:
                    silences.append(f"c{number}")
            else:
                self._tell(self._command(f"c{number}", Action.ACKNOWLEDGE))
            await world.loop.pause(chance.uniform(0, _BETWEEN))
        while silences and not world.counted:  # so that much of what there is to tell is silenced when it comes
            await world.loop.pause(_BETWEEN)
        if silences and chance.random() < 0.7:  # by then there is something to acknowledge
            self._tell(self._command("last", Action.ACKNOWLEDGE))
        for silence in silences:
            self._end(f"end of {silence}", silence)
            await world.loop.pause(chance.uniform(0, _BETWEEN))
        self.through = True

    def _end(self, name: str, silence: str) -> None:
        self._tell(Command(name, Action.UNSILENCE, self.world.now, name, silence=silence))

    def _command(self, name: str, action: Action) -> Command:
        """About a rule, a segment, both, or (silences only) everything. Its author is its name."""
        made, chance = self.world.stream, self.world.chance
        rule = chance.choice(made.rules).name
        segment = {"plan": chance.choice(made.plans)} if made.plans and chance.random() < 0.5 else {}
        everything = action is Action.SILENCE and chance.random() < 0.6
        return Command(name, action, self.world.now, name, rule=None if everything else rule, segment=segment)

    def _tell(self, command: Command, **more: int) -> None:
        world = self.world
        value = orjson.dumps(replace(command, **more).to_json())
        for _ in range(2 if world.chance.random() < 0.2 else 1):  # 503: it is not known whether it was stored
            world.kafka.append(TOPIC, None, value)
        world.say("people", f"asked to {command.action.value}", command.id)
