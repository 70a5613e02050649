"""The HTTP API of a running service, as commands ask it."""

from __future__ import annotations

import ipaddress
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import orjson

from stream_app.domain.errors import ConfigurationError, ConnectionFailedError, StreamAppError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stream_app.settings import Settings

_PATIENCE_SECONDS = 20.0
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to ask one that listens so


class RefusedError(StreamAppError):
    """The service did not do what it was asked for. Operator action: as the message says."""


class Client:
    """Asks a service.

    Args:
        url: address of any of its workers, `http://127.0.0.1:8000`.
        token: bearer token for what changes something; None: without.

    Raises:
        ConfigurationError: the address is none.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError(f"--url: {url!r} is no address; write one such as http://127.0.0.1:8000")
        self.url, self._token = url.rstrip("/"), token
        handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
        if _is_here(parts.hostname):  # a proxy for the way out knows nothing of this machine
            handlers.append(urllib.request.ProxyHandler({}))
        self._opener = urllib.request.build_opener(*handlers)

    def get(self, path: str, parameters: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
        """What a path answers.

        Raises:
            RefusedError: it answers with an error.
            ConnectionFailedError: nobody answers.
        """
        return self._ask("GET", f"{path}?{urlencode(parameters)}" if parameters else path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Asks for a change; raises as `get` does."""
        return self._ask("POST", path, body)

    def delete(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Asks for an end; raises as `get` does."""
        return self._ask("DELETE", path, body)

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
            if self._token is not None:  # reading needs none, so that it goes nowhere for nothing
                headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else orjson.dumps(body)
        request = urllib.request.Request(self.url + path, data, headers, method=method)  # noqa: S310 - http or https
        try:
            with self._opener.open(request, timeout=_PATIENCE_SECONDS) as answer:
                raw = answer.read()
        except urllib.error.HTTPError as error:
            hint = (
                "; set STREAM_APP_API_TOKEN, or name the service's settings with --config" if error.code == 401 else ""
            )
            raise RefusedError(_reason(error) + hint) from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise ConnectionFailedError(
                f"--url: {self.url} does not answer ({reason}); start the service, or name another address with --url"
            ) from error
        try:
            found: dict[str, Any] = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise RefusedError(f"{self.url}{path} answers with something else than JSON; is it stream-app?") from error
        return found


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """None is followed: a token would be shown to whoever stands there."""


def client_of(url: str | None, settings: Settings) -> Client:
    """The client of a service: at an address, or of settings, with the token of the settings.

    Raises:
        ConfigurationError: the address is none.
    """
    if url is None:
        host = _EVERYWHERE.get(settings.web_host, settings.web_host)
        url = f"http://[{host}]:{settings.web_port}" if ":" in host else f"http://{host}:{settings.web_port}"
    return Client(url, settings.api_token)


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _reason(error: urllib.error.HTTPError) -> str:
    """What an answer says is wrong, in the words of the command line."""
    try:
        said = orjson.loads(error.read())["error"]
    except (ValueError, KeyError, TypeError, OSError):
        return f"{error.url} answers {error.code} {error.reason}; is it stream-app?"
    parameter, allowed = said.get("parameter"), said.get("allowed")
    text = f"{parameter}: {said['message']}" if parameter else str(said["message"])
    return f"{text} (allowed: {', '.join(allowed)})" if allowed else text
