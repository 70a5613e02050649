"""The page: static files of the package, read once."""

from __future__ import annotations

import hashlib
from importlib import resources

from aiohttp import web

_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}

#: The page needs nothing from elsewhere, runs no script of elsewhere, and is in no one's frame.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class Page:
    """Serves `index.html` at `/` and the other files below `/static/`."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[bytes, str, str]] = {}
        for file in resources.files("stream_app.web").joinpath("static").iterdir():
            kind = _TYPES.get(file.name.rpartition(".")[2])
            if kind is not None:
                body = file.read_bytes()
                self._files[file.name] = (body, kind, f'"{hashlib.sha256(body).hexdigest()[:16]}"')

    def routes(self) -> list[web.RouteDef]:
        """Where the files are."""
        return [web.get("/", self.index), web.get("/static/{name}", self.static)]

    async def index(self, request: web.Request) -> web.Response:
        """The page itself."""
        return self._file(request, "index.html")

    async def static(self, request: web.Request) -> web.Response:
        """Its styles and scripts."""
        return self._file(request, request.match_info["name"])

    def _file(self, request: web.Request, name: str) -> web.Response:
        if name not in self._files:
            raise web.HTTPNotFound
        body, kind, etag = self._files[name]
        headers = _HEADERS | {"ETag": etag}
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)
