"""Calls of Slack's Web API, whose failures are told in words of our own."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from stream_app.notifiers import slack_errors
from stream_app.notifiers.base import Misconfigured, OutcomeUnknown, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from slack_sdk.web.async_slack_response import AsyncSlackResponse

PAGE = 200
_TRANSPORT = (aiohttp.ClientError, OSError, TimeoutError, ValueError, AttributeError, SlackClientError)
_NEVER_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)


def slack_client(token: str, base_url: str = AsyncWebClient.BASE_URL, timeout: int = 10) -> AsyncWebClient:
    """A client of Slack's Web API that makes each call once.

    Args:
        token: the bot's token.
        base_url: address of the Web API.
        timeout: seconds a call may take.
    """
    # No retry handlers: the client would sleep and post again unseen, while the outbox stores each attempt.
    # A logger of its own at INFO: at DEBUG the client writes whole requests into the log.
    logger = logging.getLogger(f"{__name__}.client")
    logger.setLevel(logging.INFO)
    return AsyncWebClient(token, base_url, timeout, retry_handlers=[], logger=logger)


async def call(
    target: str, method: Callable[..., Awaitable[Any]], *, posting: bool = False, **arguments: Any
) -> AsyncSlackResponse:
    """Slack's answer.

    Args:
        target: where the message goes, for what is said of a failure.
        method: of the client.
        posting: whether the call may have posted something where its answer is not heard.
        **arguments: those of the method.

    Raises:
        NotifierError: as its subclass says; the originals may quote headers.
    """
    try:
        response: AsyncSlackResponse = await method(**arguments)
    except SlackApiError as error:
        raise slack_errors.of_response(target, error.response, posting=posting) from None
    except aiohttp.InvalidURL:
        raise Misconfigured(f"{target}: slack_url is not an address; correct it") from None
    except _NEVER_SENT as error:
        raise Unavailable(
            f"{target}: cannot connect to Slack ({type(error).__name__}); see that slack_url is reachable"
        ) from None
    except _TRANSPORT as error:
        kind = OutcomeUnknown if posting else Unavailable
        raise kind(f"{target}: the connection to Slack failed ({type(error).__name__})") from None
    if not isinstance(response.data, dict):
        kind = OutcomeUnknown if posting else Unavailable
        raise kind(f"{target}: Slack's answer is not JSON")
    return response


async def pages(
    target: str, method: Callable[..., Awaitable[Any]], **arguments: Any
) -> AsyncIterator[AsyncSlackResponse]:
    """The pages of an answer that has many."""
    arguments = {"limit": PAGE} | arguments
    while True:
        page = await call(target, method, **arguments)
        yield page
        cursor = (page.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            return
        arguments["cursor"] = cursor


async def upload(target: str, client: AsyncWebClient, url: str, body: bytes) -> None:
    """Sends a file's bytes to the address that Slack gave for them. Raises Unavailable."""
    limit = aiohttp.ClientTimeout(total=client.timeout)
    try:
        async with aiohttp.ClientSession(timeout=limit) as session:
            options: dict[str, Any] = {"proxy": client.proxy} | ({} if client.ssl is None else {"ssl": client.ssl})
            async with session.post(url, data=body, **options) as answer:
                status = answer.status
    except _TRANSPORT as error:
        raise Unavailable(f"{target}: the upload to Slack failed ({type(error).__name__})") from None
    if status != 200:
        raise Unavailable(f"{target}: Slack answers the upload with HTTP {status}")
