"""`stream-app rebuild`: counts the source topics anew beside the running service, then has the service go on with that.

    checked --> counting into the next generation --> caught up --> switched: one record --> workers go on there

Until that record is written the running service knows nothing of it: an interrupted rebuild harms nobody, and the next
one with the same settings goes on where it ended.
"""

from __future__ import annotations

import asyncio
import math
import signal
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aiokafka.errors import KafkaError

from stream_app.assembly import source_config, source_offsets, topics_of
from stream_app.domain.errors import ConfigurationError, StateMismatchError, StreamAppError
from stream_app.engine.changelog import newest_markers, read_changelog
from stream_app.engine.control import Control, read_control, state_id, write_control
from stream_app.engine.ledger import LedgerTopics, TransactionalLedger, has_transactions
from stream_app.engine.rebuild import Progress, RebuildLedger, Unseen, feed, missing, progress
from stream_app.engine.sources import Sources
from stream_app.engine.topics import TopicAdmin
from stream_app.logs import configure_logging

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stream_app.engine.ledger import Ledger
    from stream_app.settings import Settings

#: Seconds between two looks at how far the count has come.
LOOK_SECONDS = 1.0
#: Records that may be left to read at the switch; those of the last two seconds may be, too.
CLOSE = 1000
#: Seconds that workers of the generation before have to end, before its topics are deleted.
GONE_SECONDS = 120.0
_STATE_TOPICS = ("-users-changelog", "-partials", "-closings")


@dataclass(frozen=True)
class Options:
    """What the command line says.

    Attributes:
        from_retained: count what the source topics still hold, even if that is not everything.
        delete_old: delete the topics of the generations before, once no worker is left in them.
    """

    from_retained: bool = False
    delete_old: bool = False


def rebuild(settings: Settings, options: Options) -> int:
    """Counts anew and switches over. Returns the exit code.

    Raises:
        StreamAppError: something is wrong that the message names; the running service is as it was.
    """
    configure_logging(settings.log_level)
    return asyncio.run(_interruptible(settings, options))


async def _interruptible(settings: Settings, options: Options) -> int:
    task = asyncio.ensure_future(Rebuild(settings, options).run())
    for one in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(one, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        _say("Interrupted. The service is as it was; the same command goes on from here.")
        return 130
    except (KafkaError, TimeoutError) as error:
        what = str(error) or type(error).__name__
        _say(f"The broker does not answer or refuses ({what}). The same command goes on from here.")
        return 1
    return 0


class Rebuild:
    """One rebuild.

    Args:
        settings: those to count under.
        options: of the command line.
    """

    def __init__(self, settings: Settings, options: Options) -> None:
        self._settings, self._options = settings, options
        self._kafka: dict[str, object] = {
            "bootstrap_servers": settings.bootstrap_servers, "client_id": f"{settings.app_id}-rebuild",
        }  # fmt: skip
        self._admin = TopicAdmin(self._kafka, settings.replication)
        self._told: dict[int, Mapping[str, int]] = {}
        self._failure: asyncio.Future[None]

    async def run(self) -> None:
        """Counts, and switches over once little is left to read."""
        self._failure = asyncio.get_running_loop().create_future()
        settings = self._settings
        control = await self._begin()
        generation = control.building or 0
        names = topics_of(settings, generation)
        sources = self._sources(generation, await self._admin.letter_limit(names.dead_letters))
        await self._see_what_is_told(control)
        feeding = asyncio.create_task(feed(sources, self._kafka))
        try:
            await self._caught_up(control, sources, feeding)
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
            await sources.stop()  # commits what was counted
        if self._failure.done():
            self._failure.result()
        await write_control(self._kafka, names.control, Control(generation))
        _say(
            f"Switched: the service counts in generation {generation} of its state. Running workers end by themselves; "
            "restarted with these settings they go on there."
        )
        if self._options.delete_old:
            await self._delete_old(generation)

    async def _begin(self) -> Control:
        """Checks what there is, and puts down what is being counted."""
        settings, first = self._settings, topics_of(self._settings)
        for topic in first.sources:
            if not await self._admin.exists(topic):
                raise ConfigurationError(f"topic {topic}: it is not on the broker; there is nothing to count")
        if not await has_transactions(self._kafka, settings.app_id):
            raise ConfigurationError(
                "broker: it has no transactions, and without them nothing keeps two counts apart. Stop the worker and "
                "start one under another app_id."
            )
        self._partitions = await self._admin.prepare(first, settings.partitions, create=False)
        await self._check_retained()
        control = Control()
        if await self._admin.exists(first.control):
            control = await read_control(self._kafka, first.control)
        if control.building is not None and control.fingerprint == settings.fingerprint:
            _say(f"Going on with generation {control.building}, which an earlier run began.")
        else:
            newest = max(control.generation, control.building or 0)
            control = replace(control, building=newest + 1, fingerprint=settings.fingerprint)
        await self._admin.prepare(topics_of(settings, control.building or 0), settings.partitions)
        await write_control(self._kafka, first.control, control)
        return control

    async def _check_retained(self) -> None:
        topics = topics_of(self._settings).sources
        beginnings, _ = await source_offsets(self._kafka, topics, range(self._partitions))
        gone = missing(beginnings) + await self._admin.compacted(topics)
        if gone and not self._options.from_retained:
            shown = "; ".join(gone[:8]) + (f"; and {len(gone) - 8} more" if len(gone) > 8 else "")
            raise StateMismatchError(
                f"the source topics no longer hold every event: {shown}. Figures counted anew would be without them. "
                "To count what there is, add --from-retained."
            )
        if gone:
            _say(f"Not in the source topics any more, hence not in the new figures: {'; '.join(gone)}.")

    def _sources(self, generation: int, letter_limit: int) -> Sources:
        settings, names = self._settings, topics_of(self._settings, generation)
        topics = LedgerTopics(names.changelog, names.partials, names.dead_letters)

        def ledger(number: int) -> Ledger:
            inner = TransactionalLedger(self._kafka, state_id(settings.app_id, generation), number, topics, 1)
            return RebuildLedger(inner, lambda: self._told.get(number, {}))

        async def offsets(number: int) -> tuple[dict[str, int], dict[str, int]]:
            beginnings, ends = await source_offsets(self._kafka, names.sources, [number])
            return {tp.topic: o for tp, o in beginnings.items()}, {tp.topic: o for tp, o in ends.items()}

        config = source_config(settings, names, partitions=self._partitions, letter_limit=letter_limit, atomic=True)
        return Sources(
            replace(config, partials_interval=math.inf),
            ledger=ledger,
            changelog=lambda number: read_changelog(self._kafka, names.changelog, number),
            offsets=offsets,
            observer=Unseen(),
            commit_interval=settings.commit_interval,
            partitions=self._partitions,
            shared=True,
            fail=self._fail,
        )

    def _fail(self, error: BaseException) -> None:
        if not self._failure.done():
            self._failure.set_exception(error)

    async def _caught_up(self, control: Control, sources: Sources, feeding: asyncio.Task[None]) -> None:
        """Returns when little is left to read."""
        target = topics_of(self._settings, control.building or 0)
        numbers = range(self._partitions)
        teller = _Teller(control.building or 0)
        ready = False
        while True:
            await asyncio.wait({feeding, self._failure}, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            for done in (self._failure, feeding):
                if done.done():
                    done.result()
            if ready and not sources.ready:
                raise StateMismatchError(
                    "another process writes to the generation that is being counted here: another rebuild, or workers "
                    "after its switch. This one ends."
                )
            ready = ready or sources.ready
            await self._see_what_is_told(control)
            beginnings, ends = await source_offsets(self._kafka, target.sources, numbers)
            reached = progress(await newest_markers(self._kafka, target.changelog, numbers), beginnings, ends)
            rate = teller.tell(reached)
            if ready and reached.left <= max(CLOSE, 2 * rate):
                return

    async def _see_what_is_told(self, control: Control) -> None:
        """Looks up how far the running service has come: dead letters up to there are written."""
        current = topics_of(self._settings, control.generation).changelog
        if await self._admin.exists(current):
            markers = await newest_markers(self._kafka, current, range(self._partitions))
            self._told = {n: {t: s.offset for t, s in m.sources.items()} for n, m in markers.items() if m}

    async def _delete_old(self, generation: int) -> None:
        app_id = self._settings.app_id
        former = [state_id(app_id, number) for number in range(1, generation)]
        deadline = time.monotonic() + GONE_SECONDS
        while members := [m for group in former for m in await self._admin.members(group)]:
            if time.monotonic() > deadline:
                raise StreamAppError(
                    f"workers of the generation before still run ({', '.join(members)}): its topics are left. Restart "
                    f"those workers, then delete the topics {former[-1]}-..."
                )
            await asyncio.sleep(LOOK_SECONDS)
        deleted = await self._admin.delete(former, _STATE_TOPICS)
        _say(f"Deleted the topics {', '.join(deleted)}." if deleted else "There were no earlier topics to delete.")


class _Teller:
    """Prints how far the count has come, now and then."""

    def __init__(self, generation: int) -> None:
        self._generation = generation
        self._last: tuple[float, int] | None = None
        self._rate = 0.0
        self._said = -math.inf

    def tell(self, reached: Progress) -> float:
        """Tells of the progress; returns the records read a second of late."""
        now = time.monotonic()
        if self._last is not None:
            self._rate = (reached.read - self._last[1]) / (now - self._last[0])
        self._last = now, reached.read
        if now - self._said >= 5:
            self._said = now
            share = 100 * reached.read // max(reached.total, 1)
            _say(
                f"Generation {self._generation}: {reached.read:,} of {reached.total:,} records ({share} %), "
                f"{self._rate:,.0f} a second."
            )
        return self._rate


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - what the command is for
