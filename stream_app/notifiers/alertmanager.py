"""Alerts to Prometheus' Alertmanager, API version 2, for teams that route, group and silence there.

Alertmanager knows an alert by its labels, so that posting it again changes nothing. It keeps alerts in memory only, and
the members of a cluster do not tell each other of them: so each member is told, and what fires is posted again every
minute, as Prometheus does it; what has ended for a while, too.
"""

from __future__ import annotations

import asyncio
import logging
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from stream_app.notifiers.alertmanager_json import Alert, Key, alerts
from stream_app.notifiers.base import NotifierError, Receipt
from stream_app.notifiers.posting import post

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from stream_app.domain.alerts import Notice

log = logging.getLogger(__name__)

TARGET = "alertmanager"
SETTING = "alertmanager_url"
#: Seconds for which an end is posted again and again, as Prometheus does: a post that was on its way may be late.
ENDED_FOR = 900.0


@dataclass(frozen=True)
class _Member:
    address: str = field(repr=False)  # may hold a password


class AlertmanagerNotifier:
    """Posts alerts to every member of an Alertmanager cluster.

    Args:
        addresses: of the members, as the setting has them: with commas.
        now: the wall clock, seconds since the epoch.
        public_url: address of the page, for links.
        timeout: seconds a post may take; two of them must fit into the time that a delivery has.
        forget_after: seconds after which Alertmanager ends an alert of which it has heard nothing more: longer than
            this service may be away.
    """

    def __init__(
        self,
        addresses: str,
        *,
        now: Callable[[], float],
        public_url: str | None = None,
        timeout: float = 4.0,
        forget_after: float = 86_400.0,
    ) -> None:
        self._members = tuple(_Member(address) for address in dict.fromkeys(addresses.split(",")))
        self._now, self._public_url, self._timeout = now, public_url, timeout
        self._forget_after = round(forget_after * 1000)
        self._posting = asyncio.Lock()
        #: What has ended, and when that was told (seconds since the epoch).
        self._ended: dict[Key, tuple[Alert, float]] = {}
        #: By position of a member that took nothing of late: since when. It has not heard of what ended since.
        self._behind: dict[int, float] = {}
        self._complaints: dict[int, str] = {}
        self._broken: set[str] = set()

    def __repr__(self) -> str:
        return f"AlertmanagerNotifier({len(self._members)} members)"

    async def send(self, notice: Notice, target: str, *, thread: Receipt | None = None) -> Receipt:
        """Posts the group's alerts as they stand then. One member that takes them is enough: `refresh` tells others.

        Raises:
            NotifierError: no member took them; what the first one said.
        """
        found = alerts(notice, self._public_url)
        async with self._posting:
            for alert in found:
                self._ended.pop(alert.key, None)
                if alert.ends is not None:
                    self._ended[alert.key] = alert, self._now()
            failed = await self._post_all(found)
        if len(failed) == len(self._members):
            raise failed[0]
        return Receipt(TARGET, notice.id)

    async def find(
        self, notice_id: str, target: str, *, age: float = math.inf, thread: Receipt | None = None
    ) -> Receipt | None:
        """None: posting again changes nothing."""
        return None

    async def refresh(self, notices: Iterable[Notice] | None) -> None:
        """Posts again what fires and what has ended of late. To be called every minute; what fails is in the log.

        Args:
            notices: a rule's alerts as they stand, for each rule (`rule`, `standing`, `labels`, `note`, `promise` and
                `to` are read; those without this target are left out). None: another worker tells now, and may know of
                what fired after it had ended here.
        """
        if notices is None:
            self._ended.clear()
            return
        firing = [
            alert for notice in notices if TARGET in notice.to for alert in self._standing(notice) if alert.ends is None
        ]
        async with self._posting:
            now = self._now()
            self._ended = {key: one for key, one in self._ended.items() if self._told_still(one[1], now)}
            # An end that was told while this waited is the later word.
            known = [alert for alert in firing if not self._is_over(alert)]
            again = {alert.key for alert in known}
            ended = [alert for key, (alert, _) in self._ended.items() if key not in again]
            failed = await self._post_all([*ended, *known])
            self._behind = {place: since for place, since in self._behind.items() if place in failed}

    async def check(self) -> list[str]:
        """What stands in the way of posting, as messages for an operator; nothing fires by it."""
        problems = []
        for place in range(len(self._members)):
            try:
                await self._post(place, b"[]")
            except NotifierError as error:
                problems.append(str(error))
        return problems

    def _standing(self, notice: Notice) -> list[Alert]:
        try:
            return alerts(notice, self._public_url)
        except Exception as error:  # noqa: BLE001 - the alerts of one rule must not keep the others from being told
            said = f"{type(error).__name__} of rule {notice.rule}"
            if said not in self._broken:
                self._broken.add(said)
                log.error("Alerts cannot be posted to Alertmanager again, report it: %s", said)
            return []

    def _told_still(self, told_at: float, now: float) -> bool:
        return now - told_at < ENDED_FOR or any(told_at >= since for since in self._behind.values())

    def _is_over(self, alert: Alert) -> bool:
        ended = self._ended.get(alert.key)
        return ended is not None and ended[0].ends is not None and ended[0].ends >= alert.starts

    async def _post_all(self, found: Sequence[Alert]) -> dict[int, NotifierError]:
        """Posts to all members; by position, what those said that did not take it."""
        if not found:
            return {}
        now = round(self._now() * 1000)
        body = orjson.dumps([alert.to_json(now, self._forget_after) for alert in found])
        results = await asyncio.gather(*(self._try(place, body) for place in range(len(self._members))))
        return {place: error for place, error in enumerate(results) if error is not None}

    async def _try(self, place: int, body: bytes) -> NotifierError | None:
        try:
            await self._post(place, body)
        except NotifierError as error:
            self._behind.setdefault(place, self._now())
            if self._complaints.get(place) != str(error):  # said once until something goes through again
                self._complaints[place] = str(error)
                log.warning("A member of the Alertmanager cluster does not take alerts: %s", error)
            return error
        if self._complaints.pop(place, None) is not None:
            log.info("A member of the Alertmanager cluster takes alerts again: %s", self._name(place))
        return None

    async def _post(self, place: int, body: bytes) -> None:
        url = f"{self._members[place].address.rstrip('/')}/api/v2/alerts"
        await post(url, body, {}, target=self._name(place), setting=SETTING, within=self._timeout)

    def _name(self, place: int) -> str:
        return TARGET if len(self._members) == 1 else f"{TARGET} ({place + 1} of {len(self._members)})"
