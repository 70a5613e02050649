"""The composition root: from settings to a running worker. Nothing connects before `Service.start`."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaError

from stream_app.agents import ingest, merge
from stream_app.alerting import Alerting
from stream_app.assembly import as_found, clock, source_config, source_offsets, topics_of
from stream_app.domain.errors import StreamAppError, UnansweredError
from stream_app.domain.fingerprint import of_figures
from stream_app.domain.merging import Merged
from stream_app.domain.metrics.kept import Kept
from stream_app.ending import Ending
from stream_app.engine.app import ServiceApp
from stream_app.engine.changelog import read_changelog
from stream_app.engine.control import GuardedLedger, Lookout, Superseded, read_control, state_id
from stream_app.engine.ledger import LedgerTopics, SoloLedger, TransactionalLedger, has_transactions
from stream_app.engine.sources import Sources
from stream_app.engine.table_ledger import SoloTableLedger, TransactionalTableLedger, read_table
from stream_app.engine.tables import Tables
from stream_app.engine.topics import TopicAdmin
from stream_app.exporters.observer import MetricsObserver
from stream_app.exporters.prometheus import Metrics
from stream_app.logs import configure_logging
from stream_app.outlets import Outlets
from stream_app.questions.exchange import Exchange
from stream_app.stores.redis import RedisStore
from stream_app.watch import Watch
from stream_app.web.health import HealthBoard
from stream_app.web.server import WebServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import TextIO

    from stream_app.agents.judge import Judge
    from stream_app.agents.notify import Notify
    from stream_app.domain.metrics import Snapshot
    from stream_app.domain.metrics.census.asked import Asked
    from stream_app.domain.metrics.tally import Tally
    from stream_app.engine.ledger import Ledger
    from stream_app.engine.source_config import SourceConfig
    from stream_app.engine.tables import TableLedger
    from stream_app.settings import Settings

log = logging.getLogger(__name__)

#: Seconds between two looks of the web server at the store while figures are asked for.
FOLLOW_SECONDS = 0.1
#: Seconds that each part may take to stop.
STOP_SECONDS = 10.0


class Service:
    """One worker: agents, engine, store, web server.

    Args:
        settings: checked settings.
        console: where the console notifier prints; standard output if absent.
        stopping: called when the service begins to stop, whatever the reason.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        console: Callable[[], TextIO] | None = None,
        stopping: Callable[[], None] = lambda: None,
    ) -> None:
        self.settings = settings
        self.names = topics_of(settings)
        self.metrics = Metrics(top=settings.top_values)
        for definition in settings.definitions:
            if definition.counted:  # from 0 on: a rate of what begins with its first value misses that one
                self.metrics.corrected_cells.labels(definition.name)
        for topic in self.names.sources:
            self.metrics.records_lost.labels(topic)
        self.health = HealthBoard()
        self._kafka: dict[str, object] = {"bootstrap_servers": settings.bootstrap_servers, "client_id": settings.app_id}
        self._fingerprint = of_figures(settings.fingerprint)
        self._state = settings.app_id
        self._stopping = stopping
        self._observer = MetricsObserver(self.metrics)
        self._exchange: Exchange | None = None
        self._partitions = 0
        self.alerting = Alerting(
            settings, self.metrics, self.health, kafka=self._kafka, topics=self.names, kept=kept_by(settings),
            ask=self._ask, now=_steady(), console=console,
        )  # fmt: skip
        # None: not yet since the assignment. Without rules there is something to judge too: alerts to withdraw.
        self._failure: asyncio.Future[None] | None = None
        self._watching: list[asyncio.Task[None]] = []
        self._ends: list[tuple[str, Callable[[], Awaitable[None]]]] = []  # of what was begun, the latest last

    async def start(self) -> None:
        """Connects, and begins to read.

        Raises:
            StreamAppError: something is wrong that the message names; nothing is left running.
        """
        self._failure = asyncio.get_running_loop().create_future()
        try:
            await self._start()
        except BaseException:  # cancelled, too: what Faust has begun by then does not end by itself
            await self.stop()
            raise

    async def _start(self) -> None:
        settings = self.settings
        self.store = await RedisStore.open(settings.redis, app_id=settings.app_id, fingerprint=self._fingerprint)
        self._ends.append(("store", self.store.close))
        self.web = WebServer(
            settings.web_host, settings.web_port, self.store, self.health, self.metrics.registry,
            status=self.status, top=settings.top_values, follow=FOLLOW_SECONDS, ask=self._ask,
            observe=self._observer.census, kept=kept_by(settings), currency=settings.currency,
            minor_units=settings.minor_units, command=self.alerting.command, api_token=settings.api_token,
            rules=lambda: [rule.name for rule in self.alerting.rulebook.rules], dimensions=settings.dimensions,
            slack_actions=self.alerting.slack_actions.handle if self.alerting.slack_actions else None,
        )  # fmt: skip
        await self.web.start()
        self._ends += [("alerting", self.alerting.stop), ("web", self.web.stop)]
        admin = TopicAdmin(self._kafka, settings.replication)
        generation = 1
        if await admin.exists(self.names.control):
            generation = (await read_control(self._kafka, self.names.control)).generation
        self.names, self._state = topics_of(settings, generation), state_id(settings.app_id, generation)
        self._partitions = await admin.prepare(self.names, settings.partitions)
        for doubt in admin.doubts:
            log.warning("Kafka is set up in a doubtful way: %s.", doubt)
        shared = not settings.embedded_broker and await has_transactions(self._kafka, settings.app_id)
        if not shared and not settings.embedded_broker:
            log.warning("The broker has no transactions: this worker must be the only one of app_id %s.",
                        settings.app_id)  # fmt: skip
        config = source_config(
            settings, self.names, partitions=self._partitions, atomic=shared,
            letter_limit=await admin.letter_limit(self.names.dead_letters),
        )  # fmt: skip
        config = await as_found(
            config, self._kafka, self.names, admin, group=self._state, tolerance=settings.future_tolerance
        )
        self._lookout = Lookout(self._kafka, self.names.control, generation, self.fail)
        exchange = self._compose(config, shared=shared)
        self._ends += [("app", self.app.stop), ("sources and tables", self._give_away)]
        await self.app.start()
        watch = Watch(
            self.sources, self.merger, self.notify, self.outlets, self.health, self.metrics, clock, self.fail,
            connected=lambda: self.app.consumer.connected,
        )  # fmt: skip
        self._watching = [asyncio.create_task(watch.run())]
        self._watching += self.alerting.watches(self.fail)
        if shared:
            self._watching.append(asyncio.create_task(self._lookout.run()))
            self._watching.append(asyncio.create_task(exchange.run()))

    def _compose(self, config: SourceConfig, *, shared: bool) -> Exchange:
        settings = self.settings
        servers = ";".join(f"kafka://{server}" for server in settings.bootstrap_servers.split(","))
        self.app = ServiceApp(
            self._state,
            self.names,
            broker=servers,
            broker_session_timeout=settings.session_timeout,
            broker_heartbeat_interval=settings.session_timeout / 4,
            broker_request_timeout=max(30.0, settings.session_timeout * 2),
            topic_replication_factor=settings.replication,
        )
        self.sources = Sources(
            config,
            ledger=lambda number: self._ledger(number, shared=shared),
            changelog=lambda number: read_changelog(self._kafka, self.names.changelog, number),
            offsets=self._offsets if shared else self._unknown_offsets,
            observer=self._observer,
            commit_interval=settings.commit_interval,
            partitions=self._partitions,
            shared=shared,
            fail=self.fail,
        )
        self.app.sources = self.sources
        self._exchange = Exchange(
            self.store.board(), lambda: self.sources.owned, settings, fingerprint=self._fingerprint,
            partitions=self._partitions, fail=self.fail,
        )  # fmt: skip
        self.tables = self.app.service_tables = Tables(
            self.alerting.tables(self.names),
            ledger=lambda: self._table_ledger(shared=shared),
            read=lambda topic: read_table(self._kafka, topic),
            fail=self.fail,
        )
        self.outlets = Outlets(self.app, self.store, self.metrics, self.health, self.alerting.rulebook)
        self.merger = merge.Merger(
            self.app, self._fresh, self.outlets.publish, clock,
            reached=lambda: self.judge.watermark, ready=lambda: self.tables.tenure is not None,
        )  # fmt: skip
        ingest.register(self.app, self.fail)
        merge.register(self.app, self.merger, self.fail)
        self.alerting.compose(self.app, self.tables, self.outlets, lambda: self.outlets.snapshot, clock, self.fail)
        self.app.rewind = self._rewind
        return self._exchange

    def _ledger(self, number: int, *, shared: bool) -> Ledger:
        topics = LedgerTopics(self.names.changelog, self.names.partials, self.names.dead_letters)
        if shared:
            return TransactionalLedger(self._kafka, self._state, number, topics, 1)
        return SoloLedger(self._kafka, number, topics, 1)

    def _table_ledger(self, *, shared: bool) -> TableLedger:
        if not shared:
            return SoloTableLedger(self._kafka)
        return GuardedLedger(TransactionalTableLedger(self._kafka, self.settings.app_id), self._lookout)

    async def _offsets(self, number: int) -> tuple[dict[str, int], dict[str, int]]:
        beginnings, ends = await source_offsets(self._kafka, self.names.sources, [number])
        return {tp.topic: o for tp, o in beginnings.items()}, {tp.topic: o for tp, o in ends.items()}

    async def _unknown_offsets(self, _number: int) -> tuple[dict[str, int], dict[str, int]]:
        """A broker without transactions may not know its ends either; its topics are as young as this worker."""
        return dict.fromkeys(self.names.sources, 0), dict.fromkeys(self.names.sources, 1 << 62)

    # -- what the agents bring

    def _rewind(self) -> None:
        self.merger.rewind()
        self.outlets.begin()

    def _fresh(self) -> Merged:
        s = self.settings
        return Merged(
            s.calendar, s.definitions, s.dimensions, partitions=self._partitions,
            lateness=int(s.allowed_lateness * 1000), fingerprint=self._fingerprint,
        )  # fmt: skip

    async def _ask(self, asked: Asked, epochs: Mapping[int, int]) -> Tally:
        """Asks all workers, this one included, for what no counter holds."""
        if self._exchange is None:
            raise UnansweredError("this worker is starting; ask again in a moment")
        return await self._exchange.ask(asked, epochs)

    @property
    def judge(self) -> Judge:
        """The judge of this worker."""
        return self.alerting.judge

    @property
    def notify(self) -> Notify:
        """The delivery of this worker."""
        return self.alerting.notify

    @property
    def snapshot(self) -> Snapshot | None:
        """The latest snapshot, where this worker merges."""
        return self.outlets.snapshot

    @property
    def settled(self) -> bool:
        """Whether everything closed has been judged, and everything judged has been told."""
        return self.outlets.settled(self.judge, self.notify)

    # -- life

    def fail(self, error: BaseException) -> None:
        """Ends the worker with this error."""
        if self._failure is not None and not self._failure.done():
            self._failure.set_exception(error)

    async def wait(self) -> None:
        """Returns never; raises what ended the worker."""
        assert self._failure is not None  # noqa: S101 - started
        stopped = asyncio.create_task(self.app.wait_until_stopped())
        try:
            await asyncio.wait({self._failure, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
        if self._failure.done():
            self._failure.result()
        raise RuntimeError(f"Faust stopped by itself: {self.app.crash_reason!r}")

    async def _give_away(self) -> None:
        await asyncio.gather(self.sources.stop(), self.tables.stop())

    async def stop(self) -> None:
        """Commits what was counted, then closes everything that was begun. Never raises."""
        self._stopping()
        for watching in self._watching:
            watching.cancel()
        if self._watching:
            _, going = await asyncio.wait(self._watching, timeout=STOP_SECONDS)
            if going:
                names = ", ".join(sorted(getattr(task.get_coro(), "__qualname__", "?") for task in going))
                log.warning("Stopping: %s did not end within %g s; nothing is lost by it.", names, STOP_SECONDS)
        while self._ends:
            what, end = self._ends.pop()
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await end()
            except Exception as error:  # noqa: BLE001 - the others must be closed too
                log.warning("Stopping: %s did not end in good order (%r); nothing is lost by it.", what, error)

    def status(self) -> dict[str, Any]:
        """What this worker alone knows, for the API."""
        if not hasattr(self, "sources"):
            return {"partitions": [], "lag": None, "merging": False}
        lag = sum(s.lag for source in self.sources.owned.values() for s in source.status(clock()).values())
        return {"partitions": sorted(self.sources.owned), "lag": lag, "merging": self.merger.active}


def _steady() -> Callable[[], float]:
    """Seconds since the epoch by the wall clock of now, going on evenly whatever happens to that clock."""
    started = time.time() - time.monotonic()
    return lambda: started + time.monotonic()


def kept_by(settings: Settings) -> Kept:
    """What a service with these settings keeps of its users."""
    return Kept(hour_days=settings.hour_days, orders=settings.orders)


def run(settings: Settings) -> int:
    """Runs a worker until SIGTERM or SIGINT. Returns the exit code.

    Raises:
        StreamAppError: something is wrong that the message names.
    """
    configure_logging(settings.log_level)

    async def worker() -> int:
        ending = Ending()
        return await live(Service(settings, stopping=ending.begin), ending)

    return asyncio.run(worker())


async def live(service: Service, ending: Ending) -> int:
    """Runs a service until the process is told to end. Returns the exit code.

    Raises:
        StreamAppError: something is wrong that the message names.
    """
    ending.listen()
    starting = asyncio.create_task(service.start())
    stopping = asyncio.create_task(ending.told.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await service.stop()  # Faust may have swallowed the cancellation, and the start is through
        return 0
    await starting
    # What start-up made stays: the collector need not look at it again, nor as often as its defaults have it.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    log.info("The page is at %s", service.web.url)
    waiting = asyncio.create_task(service.wait())
    await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    try:
        if waiting.done():
            waiting.result()
    except StreamAppError:
        raise
    except Superseded as superseded:
        log.warning("The worker ends: %s.", superseded)
        return 1
    except (KafkaError, TimeoutError) as error:
        what = str(error) or type(error).__name__
        log.error(
            "The worker ends, it cannot write to the broker (%s); a restarted one goes on from the last commit.", what
        )
        return 1
    except Exception:
        log.exception("The worker ends; a restarted one goes on from the last commit.")
        return 1
    finally:
        waiting.cancel()
        await service.stop()
    return 0
