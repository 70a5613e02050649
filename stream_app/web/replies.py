"""Answers that are JSON, and what went wrong as such."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from stream_app.domain.errors import QueryError, UnansweredError
from stream_app.domain.metrics.query import ParameterError
from stream_app.web.answers import NoFiguresError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from multidict import MultiMapping

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = logging.getLogger(__name__)

#: Header of every answer with figures: `current`, or `stale` where the store did not answer.
FRESHNESS = "Stream-App-Figures"


def none_expected(given: MultiMapping[str]) -> None:
    """Refuses parameters.

    Raises:
        ParameterError: there are some.
    """
    for name in given:
        raise ParameterError(name, given[name], "there are no parameters here")


def fresh(stale: bool) -> dict[str, str]:
    """The headers of an answer with figures or alerts."""
    return {FRESHNESS: "stale" if stale else "current", "Cache-Control": "no-cache"}


def reply(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer."""
    return web.Response(
        body=orjson.dumps(body),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"} | dict(headers or {}),
    )


def refusal(status: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer that says why not."""
    return reply({"error": {"message": message}}, status=status, headers=headers)


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns what went wrong into an answer that says so."""
    try:
        return await handler(request)
    except ParameterError as error:
        return reply(error.to_json(), status=400)
    except QueryError as error:
        return reply({"error": {"parameter": None, "value": None, "message": str(error), "allowed": []}}, status=400)
    except (NoFiguresError, UnansweredError) as error:
        return refusal(503, str(error), {"Retry-After": "2"})
    except web.HTTPException as error:
        if error.status < 400:
            raise
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return refusal(error.status, f"{request.method} {request.path}: {error.reason}", headers)
    except Exception:
        log.exception("A request failed: method=%s path=%s.", request.method, request.path)
        return refusal(500, "this is an error of stream-app; its log has the details")
