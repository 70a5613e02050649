"""The alerts' part of a worker: rules, judge, notifiers, commands, and the buttons of messages, put together."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import orjson
from aiokafka.errors import KafkaError

from stream_app.agents import judge, notify
from stream_app.agents.alert_rows import HISTORY_TABLE, TABLE
from stream_app.agents.look import Look
from stream_app.agents.rulebook import Rulebook
from stream_app.assembly import clock as wall_clock
from stream_app.engine.commands import CommandLog
from stream_app.notifiers.delivery import unserved
from stream_app.notifiers.outbound import notifiers_of
from stream_app.notifiers.slack_calls import slack_client
from stream_app.web.health import State
from stream_app.web.slack_actions import SlackActions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import TextIO

    from stream_app.domain.alerts import Command
    from stream_app.domain.metrics import Snapshot
    from stream_app.domain.metrics.census.asked import Asked
    from stream_app.domain.metrics.kept import Kept
    from stream_app.domain.metrics.tally import Tally
    from stream_app.engine.app import ServiceApp
    from stream_app.engine.tables import Tables
    from stream_app.engine.topics import Topics
    from stream_app.exporters.prometheus import Metrics
    from stream_app.outlets import Outlets
    from stream_app.settings import Settings
    from stream_app.web.health import HealthBoard

log = logging.getLogger(__name__)

#: Seconds between two deliveries of what is due.
DELIVER_SECONDS = 0.5
#: Seconds after which an Alertmanager is told again what fires: it forgets when it is restarted.
REFRESH_SECONDS = 60.0


class Alerting:
    """What judges and tells. Nothing connects before it is asked to.

    Args:
        settings: the settings.
        metrics, health: told what is seen.
        kafka: connection arguments of aiokafka's clients.
        topics: the names of the topics; those of alerts and commands are the same in every generation of the state.
        kept: what the service keeps of users.
        ask: asks all workers for what no counter holds.
        now: seconds since the epoch that go on evenly, whatever happens to the wall clock meanwhile.
        console: where the console notifier prints; standard output if absent.

    Attributes:
        rulebook: the rules.
        slack_actions: answers the buttons of Slack's messages; None without a signing secret.

    Raises:
        ConfigurationError: the rules file cannot be read, or something in it is wrong.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        health: HealthBoard,
        *,
        kafka: dict[str, object],
        topics: Topics,
        kept: Kept,
        ask: Callable[[Asked, Mapping[int, int]], Awaitable[Tally]],
        now: Callable[[], float],
        console: Callable[[], TextIO] | None = None,
    ) -> None:
        self._settings, self._metrics, self._health, self._now = settings, metrics, health, now
        self._notifiers = notifiers_of(settings, lambda: wall_clock() / 1000, console)
        self.rulebook = Rulebook(settings)
        self.rulebook.told = self._say_rules
        self._say_rules(None)
        self._commands = CommandLog(kafka, topics.commands)
        self._alerts_topic = topics.alerts
        self._look = Look(
            ask, kept, currency=settings.currency, minor_units=settings.minor_units, thread=asyncio.to_thread
        )
        self.slack_actions: SlackActions | None = None
        if settings.slack_token and settings.slack_signing_secret:
            client = slack_client(settings.slack_token, settings.slack_url, 3)
            self.slack_actions = SlackActions(settings.slack_signing_secret, client, self.command)

    @staticmethod
    def tables(topics: Topics) -> dict[str, str]:
        """The tables of the alerts: their topics by name."""
        return {TABLE: topics.alert_states, HISTORY_TABLE: topics.alert_history, notify.TABLE: topics.outbox}

    def compose(
        self,
        app: ServiceApp,
        tables: Tables,
        outlets: Outlets,
        latest: Callable[[], Snapshot | None],
        clock: Callable[[], int],
        fail: Callable[[BaseException], None],
    ) -> None:
        """Makes judge and delivery, and adds them to the app."""
        self.notify = notify.Notify(tables, self._notifiers, self._now, self._observe)
        self.judge = judge.Judge(
            tables,
            self.rulebook,
            self._look,
            owe=self.notify.owe,
            show=outlets.show_alerts,
            line=lambda change: judge.line(self._alerts_topic, self._settings.app_id, change),
            calendar=self._settings.calendar,
            clock=clock,
            withheld=lambda why: self._metrics.notifications_withheld.labels(why).inc(),
        )
        judge.register(app, self.judge, latest, fail)
        notify.register(app, self.notify, fail, DELIVER_SECONDS)

        def changed() -> None:
            self.judge.look_again()
            outlets.begin()  # announces what has closed once more: there may be something to judge

        self.rulebook.changed = changed

    def watches(self, fail: Callable[[BaseException], None]) -> list[asyncio.Task[None]]:
        """Begins what goes on beside the agents."""
        found = [self._follow(fail)]
        if self._settings.rules is not None:
            found.append(self.rulebook.run(fail))
        if "alertmanager" in self._notifiers:
            found.append(self._refresh(fail))
        return [asyncio.create_task(one) for one in found]

    async def command(self, command: Command) -> None:
        """Hands a command to whoever judges. Raises UnansweredError."""
        await self._commands.send(orjson.dumps(command.to_json()))

    async def stop(self) -> None:
        """Closes what it opened."""
        if self.slack_actions is not None:
            await self.slack_actions.close()
        await self._commands.stop()

    async def _follow(self, fail: Callable[[BaseException], None]) -> None:
        try:
            await self.judge.follow(self._commands, (KafkaError, OSError, TimeoutError))
        except Exception as error:  # noqa: BLE001 - silences that do nothing must not go unnoticed
            fail(error)

    async def _refresh(self, fail: Callable[[BaseException], None]) -> None:
        try:
            while True:
                await asyncio.sleep(REFRESH_SECONDS)
                await self._notifiers["alertmanager"].refresh(self.judge.standing)  # type: ignore[attr-defined]
        except Exception as error:  # noqa: BLE001 - alerts that Alertmanager forgets must not go unnoticed
            fail(error)

    def _observe(self, kind: str, outcome: str) -> None:
        self._metrics.notifications.labels(kind, outcome).inc()

    def _say_rules(self, problem: str | None) -> None:
        targets = self.rulebook.current.targets if problem is None else ()
        for unset in unserved(targets, self._notifiers):
            log.warning("Alerts will not be told there, but stay owed: %s.", unset)
        self._metrics.show_rules(len(self.rulebook.rules), problem)
        if self._settings.rules is not None:
            state = State.OK if problem is None else State.DEGRADED
            self._health.set("rules", state, "" if problem is None else f"the file is not taken: {problem}")
