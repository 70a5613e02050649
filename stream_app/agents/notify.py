"""Agent `notify`: takes every change of an alert into the outbox, and delivers what the outbox owes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from faust.types import TP

from stream_app.domain.alerts import Change
from stream_app.notifiers.delivery import Delivery
from stream_app.notifiers.entry import Entry
from stream_app.notifiers.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stream_app.engine.app import ServiceApp
    from stream_app.engine.tables import DurableTable
    from stream_app.notifiers.base import Notifier

#: Header of a change's record: the app_id of the service it is of.
APP_HEADER = "app_id"


class Notify:
    """The outbox of the service, kept in a Faust table by the worker that owns the alerts topic.

    Args:
        app: the Faust app.
        table: entry key -> entry.
        notifiers: by kind of target.
        now: the wall clock, in seconds since the epoch.
        observe: told the kind of target and the outcome of each attempt.
    """

    def __init__(
        self,
        app: ServiceApp,
        table: DurableTable,
        notifiers: Mapping[str, Notifier],
        now: Callable[[], float],
        observe: Callable[[str, str], None],
    ) -> None:
        self._app, self._table = app, table
        self._notifiers, self._now, self._observe = notifiers, now, observe
        self._delivery: Delivery | None = None

    def reset(self) -> None:
        """At a new assignment: the entries are read from the table again once it is recovered."""
        self._delivery = None

    async def owe(self, change: Change) -> None:
        """Takes on a change; returns when that is durable."""
        await self._current().owe(change)

    async def deliver(self) -> None:
        """Delivers what is due; called at intervals, does nothing on workers that do not own the alerts."""
        if self._app.sources.flowing and self._app.assignor.is_active(TP(self._app.names.alerts, 0)):
            delivery = self._current()
            await delivery.run_due()
            for key in delivery.outbox.prune(self._now()):
                self._table.pop(key)

    @property
    def owed(self) -> list[Entry]:
        """What has not been delivered yet."""
        return [] if self._delivery is None else list(self._delivery.outbox.open)

    def told(self, change: Change) -> bool:
        """Whether a change was delivered to all its targets, or refused for good by them."""
        entries = [self._table.get(f"{change.id} {target}") for target in change.to]
        return all(entry is not None and Entry.from_json(entry).settled_at is not None for entry in entries)

    def _current(self) -> Delivery:
        if self._delivery is None:
            outbox = Outbox(Entry.from_json(entry) for entry in self._table.values())
            self._delivery = Delivery(outbox, self._notifiers, save=self._save, now=self._now, observe=self._observe)
        return self._delivery

    async def _save(self, entry: Entry) -> None:
        self._table[entry.key] = entry.to_json()
        await self._table.durable()


def register(app: ServiceApp, notify: Notify, fail: Callable[[BaseException], None], interval: float) -> None:
    """Adds the agent and its timer to the app."""
    topic = app.topic(app.names.alerts, key_serializer="raw", value_serializer="raw")

    async def notifying(stream: Any) -> None:
        async for event in stream.events():
            if dict(event.headers).get(APP_HEADER, app.conf.id.encode()) != app.conf.id.encode():
                continue  # another service writes to the same topic, and tells of its changes itself
            try:
                await notify.owe(Change.from_json(orjson.loads(event.value)))
            except Exception as error:  # noqa: BLE001 - Faust would acknowledge the change and go on
                fail(error)
                return

    app.agent(topic, name="notify")(notifying)

    @app.timer(interval)
    async def deliver() -> None:
        try:
            await notify.deliver()
        except Exception as error:  # noqa: BLE001 - a notification that is never sent must not go unnoticed
            fail(error)
