"""Alerts over HTTP: what there is and was, silences and acknowledgements. The judge does what is asked, in order."""

from __future__ import annotations

import asyncio
import hmac
import logging
from typing import TYPE_CHECKING, Any

from aiohttp import web

from stream_app.domain.alerts.change import State
from stream_app.domain.alerts.history import Kind, with_kind
from stream_app.domain.errors import StreamAppError
from stream_app.domain.metrics.query import ParameterError, instant
from stream_app.domain.periods import Calendar
from stream_app.stores.base import Wanted
from stream_app.web import commands
from stream_app.web.alert_rows import lasting, silence_row, silences_of, with_silence, worst_first
from stream_app.web.answers import NoFiguresError
from stream_app.web.replies import fresh, none_expected, refusal, reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping

    from multidict import MultiMapping

    from stream_app.domain.alerts.command import Command
    from stream_app.web.answers import Answers

    Send = Callable[[Command], Awaitable[None]]
    Rows = list[dict[str, Any]]

log = logging.getLogger(__name__)

#: How many rows of the history are given where a request does not say, and at most.
_LAST, _MOST = 100, 10_000
_LONGEST_BODY = 16 * 1024
#: For the judge's log to take a command; longer than it waits for the broker.
_PATIENCE_SECONDS = 15.0
_OFF = (
    "silences and acknowledgements over the API are off: set api_token (STREAM_APP_API_TOKEN) for the service, "
    "and send it as the header 'Authorization: Bearer TOKEN'"
)


class AlertsApi:
    """The handlers.

    Args:
        answers: gives the alerts.
        command: hands a command to the judge; None: this server takes none.
        token: what a request that changes something must bear; None: none may.
        rules: the names of the rules there are; None: whatever is named is taken.
        dimensions: those of segments; None: whatever is named is taken.
        currency, minor_units: of the revenue at risk.
        clock: the wall clock, in seconds since 1970.
    """

    def __init__(
        self,
        answers: Answers,
        *,
        command: Send | None,
        token: str | None,
        rules: Callable[[], Collection[str]] | None,
        currency: str,
        minor_units: int,
        clock: Callable[[], float],
        dimensions: Collection[str] | None = None,
    ) -> None:
        self._answers, self._command, self._token, self._rules = answers, command, token, rules
        self._dimensions = dimensions
        self._money = {"currency": currency, "minor_units": minor_units}
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        """Where each handler is."""
        return [
            web.get("/api/v1/alerts", self.alerts),
            web.get("/api/v1/alerts/history", self.history),
            web.get("/api/v1/silences", self.silences),
            web.post("/api/v1/silences", self.silence),
            web.delete("/api/v1/silences/{id}", self.unsilence),
            web.post("/api/v1/alerts/acknowledge", self.acknowledge),
        ]

    async def alerts(self, request: web.Request) -> web.Response:
        """Alerts that fire, are pending or cannot be judged, the silences in force, and what happened lately."""
        none_expected(request.query)
        found, stale = await self._answers.alerts()
        now, silences = self._now(), silences_of(found.silences)
        holding = [one for one in silences if one.holds(now)]
        current = sorted((with_silence(row, holding) for row in found.now), key=worst_first)
        shown = [silence_row(one, now) for one in holding]
        body = {"current": current, "silences": shown, "history": [*map(with_kind, found.latest)], **self._money}
        return reply(body, headers=fresh(stale))

    async def history(self, request: web.Request) -> web.Response:
        """What happened to alerts and was done about them, by kind, rule, segment, state and time, latest first."""
        wanted, last = await self._wanted(request.query)
        found = await self._answers.history(wanted, last)
        return reply({"history": [*map(with_kind, found)], **self._money}, headers=fresh(False))

    async def silences(self, request: web.Request) -> web.Response:
        """All silences that are known: in force, to come, and lately ended; those that end first come first."""
        none_expected(request.query)
        found, stale = await self._answers.alerts()
        shown = [silence_row(one, self._now()) for one in silences_of(found.silences)]
        return reply({"silences": shown}, headers=fresh(stale))

    async def silence(self, request: web.Request) -> web.Response:
        """Asks for a silence."""
        if (refused := self._refused(request)) is not None:
            return refused
        body = await _body(request)
        calendar = await self._calendar(body.get("from"), body.get("until"))
        command = commands.silence(
            body, now=self._now(), calendar=calendar, rules=self._names(), dimensions=self._dimensions
        )
        return await self._take(command, {"Location": f"/api/v1/silences/{command.id}"})

    async def unsilence(self, request: web.Request) -> web.Response:
        """Asks for the end of a silence."""
        if (refused := self._refused(request)) is not None:
            return refused
        name, now = request.match_info["id"], self._now()
        command = commands.unsilence(await _body(request), name, now=now)
        found = await self._certain()
        if found is not None and not any(s.command.id == name and now < s.ends for s in silences_of(found)):
            return refusal(404, f"there is no silence {name!r} that could be ended; /api/v1/silences lists them")
        return await self._take(command)

    async def acknowledge(self, request: web.Request) -> web.Response:
        """Asks for a note that somebody has seen the firing alerts of a rule."""
        if (refused := self._refused(request)) is not None:
            return refused
        body = await _body(request)
        calendar = await self._calendar(body.get("until"))
        command = commands.acknowledge(body, now=self._now(), calendar=calendar, rules=self._names())
        found = await self._certain("now")
        if found is not None and not any(lasting(row) and command.covers(row["rule"], row["segment"]) for row in found):
            return refusal(404, f"no such alert of rule {command.rule!r} fires; /api/v1/alerts lists those that do")
        return await self._take(command)

    async def _take(self, command: Command, headers: Mapping[str, str] | None = None) -> web.Response:
        assert self._command is not None  # noqa: S101 - `_refused` has looked
        try:
            await asyncio.wait_for(self._command(command), _PATIENCE_SECONDS)
        except (StreamAppError, TimeoutError) as error:
            why = str(error) or "Kafka takes too long to answer"
            message = f"it is not known whether this was taken ({why}); look at /api/v1/alerts before you ask again"
            return refusal(503, message, {"Retry-After": "2"})
        log.info("Taken: %s, id=%s, author=%r, rule=%s.", command.action.value, command.id, command.author,
                 command.rule)  # fmt: skip
        return reply({"id": command.id, "command": command.to_json()}, status=202, headers=headers)

    def _refused(self, request: web.Request) -> web.Response | None:
        """An answer to those who may not change anything; None to those who may."""
        none_expected(request.query)
        if self._token is None:
            return refusal(403, _OFF)
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(_bytes(given.strip()), _bytes(self._token)):
            message = "the token is missing or another one; send the header 'Authorization: Bearer TOKEN' (api_token)"
            return refusal(401, message, {"WWW-Authenticate": "Bearer"})
        if self._command is None:
            return refusal(503, "this server takes no commands; ask a worker of the service")
        return None

    async def _certain(self, what: str = "silences") -> Rows | None:
        """What was published last; None where it may be out of date: then the judge has to find out."""
        try:
            found, stale = await self._answers.alerts()
        except NoFiguresError:
            return None
        return None if stale else (found.silences if what == "silences" else found.now)

    async def _wanted(self, given: MultiMapping[str]) -> tuple[Wanted, int]:
        allowed = ("kind", "rule", "segment", "state", "from", "until", "last")
        for name in given:
            if name not in allowed:
                raise ParameterError(name, given[name], "there is no such parameter", allowed)
            if name != "segment" and len(given.getall(name)) > 1:
                raise ParameterError(name, ", ".join(given.getall(name)), "it is given more than once; give it once")
        state = given.get("state")
        if state is not None and state not in list(State):
            raise ParameterError("state", state, f"there is no state {state!r}", [one.value for one in State])
        kind = given.get("kind")
        if kind is not None and kind not in list(Kind):
            raise ParameterError("kind", kind, f"there is no kind {kind!r}", [one.value for one in Kind])
        if state is not None and kind not in (None, Kind.CHANGE):
            message = f"rows of kind {kind!r} have no new state; leave out state, or ask for kind=change"
            raise ParameterError("state", state, message)
        last = given.get("last", str(_LAST))
        if not (last.isascii() and last.isdecimal() and len(last) <= 9 and 1 <= int(last) <= _MOST):
            raise ParameterError("last", last, "it is not such a number", [f"1 to {_MOST}"])
        calendar = await self._calendar(given.get("from"), given.get("until"))
        begin, end = (instant(name, given[name], calendar) if name in given else None for name in ("from", "until"))
        segment = _segment(given.getall("segment", []))
        only = None if kind is None else Kind(kind)
        return Wanted(given.get("rule"), segment, state, begin, end, only), int(last)

    async def _calendar(self, *given: object) -> Calendar:
        """The business calendar, in which dates are meant; UTC before the first snapshot."""
        if any(isinstance(one, str) and len(one) == len("1998-07-01") for one in given):
            try:
                return (await self._answers.latest()).snapshot.calendar
            except NoFiguresError as error:
                log.debug("A date is taken as of UTC: %s", error)
        return Calendar("UTC")

    def _names(self) -> Collection[str] | None:
        return None if self._rules is None else self._rules()

    def _now(self) -> int:
        return int(self._clock() * 1000)


async def _body(request: web.Request) -> dict[str, Any]:
    raw = await request.content.read(_LONGEST_BODY + 1)
    while len(raw) <= _LONGEST_BODY and (more := await request.content.read(_LONGEST_BODY)):
        raw += more
    if len(raw) > _LONGEST_BODY:
        raise web.HTTPRequestEntityTooLarge(_LONGEST_BODY, len(raw))
    return commands.parsed(raw)


def _segment(given: Iterable[str]) -> dict[str, str]:
    segment = {}
    for text in given:
        dimension, colon, value = text.partition(":")
        if not (dimension and colon):
            raise ParameterError("segment", text, "write a dimension and its value, as plan:pro")
        segment[dimension] = value
    return segment


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
