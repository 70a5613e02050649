"""Agent `notify`: the outbox of the service, and its delivery at intervals by the worker that owns the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stream_app.engine.ledger import Fenced
from stream_app.engine.tables import Row, say_fenced
from stream_app.notifiers.delivery import Delivery
from stream_app.notifiers.entry import Entry
from stream_app.notifiers.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stream_app.domain.alerts import Notice
    from stream_app.engine.app import ServiceApp
    from stream_app.engine.tables import Tables, Tenure
    from stream_app.notifiers.base import Notifier

#: The table of the outbox: entry key -> entry.
TABLE = "outbox"


class Notify:
    """The outbox of each tenure of this worker, and its delivery.

    Args:
        tables: whose owner delivers.
        notifiers: by kind of target.
        now: seconds since the epoch that go on evenly, whatever happens to the wall clock meanwhile.
        observe: told the kind of target and the outcome of each attempt.
    """

    def __init__(
        self,
        tables: Tables,
        notifiers: Mapping[str, Notifier],
        now: Callable[[], float],
        observe: Callable[[str, str], None],
    ) -> None:
        self._tables, self._notifiers, self._now, self._observe = tables, notifiers, now, observe
        self._tenure: Tenure | None = None
        self._delivery: Delivery | None = None

    def owe(self, tenure: Tenure, notices: Sequence[Notice]) -> list[Row]:
        """Takes notices on. They are owed once the rows are written; should that fail, the tenure is over.

        Raises:
            Fenced: it is over already. Its delivery is not made anew: two of them would post the same.
        """
        if tenure.over:
            raise Fenced("alert states and outbox")
        outbox = self._of(tenure).outbox
        return [_row(entry) for notice in notices for entry in outbox.add(notice, self._now())]

    async def deliver(self) -> None:
        """Delivers what is due; does nothing on workers that do not own the tables.

        Raises:
            Fenced: another worker delivers now.
        """
        tenure = self._tables.tenure
        if tenure is not None:
            delivery = self._of(tenure)
            await delivery.run_due()
            forgotten = delivery.outbox.prune(self._now())
            if forgotten:
                await tenure.write([Row(TABLE, key, None) for key in forgotten])

    @property
    def owed(self) -> list[Entry]:
        """What has not been delivered yet."""
        tenure = self._tables.tenure
        return [] if tenure is None else list(self._of(tenure).outbox.open)

    def _of(self, tenure: Tenure) -> Delivery:
        """The delivery of a tenure. What it finds being posted may be under way at its predecessor, frozen or not."""
        if self._delivery is None or self._tenure is not tenure:

            async def save(entry: Entry) -> None:
                await tenure.write([_row(entry)])

            entries = [Entry.from_json(entry) for entry in tenure.tables[TABLE].values()]
            outbox = Outbox(entries, taken_at=self._now())
            self._tenure = tenure
            self._delivery = Delivery(outbox, self._notifiers, save=save, now=self._now, observe=self._observe)
        return self._delivery


def _row(entry: Entry) -> Row:
    return Row(TABLE, entry.key, entry.to_json())


def register(app: ServiceApp, notify: Notify, fail: Callable[[BaseException], None], interval: float) -> None:
    """Adds the timer of the delivery to the app."""

    @app.timer(interval)
    async def deliver() -> Any:
        try:
            await notify.deliver()
        except Fenced as fenced:
            say_fenced(fenced)
        except Exception as error:  # noqa: BLE001 - a notification that is never sent must not go unnoticed
            fail(error)
