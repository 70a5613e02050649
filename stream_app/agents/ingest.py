"""Agents `visits` and `purchases`: each chunk goes to the source partition it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream_app.engine.app import ServiceApp


def register(app: ServiceApp, fail: Callable[[BaseException], None]) -> None:
    """Adds one agent a source topic to the app."""

    async def ingest(stream: Any) -> None:
        async for chunk in stream:
            try:
                await app.sources.take(chunk)
            except Exception as error:  # noqa: BLE001 - Faust would acknowledge the chunk and go on
                fail(error)
                return

    for name, topic in (("visits", app.names.visits), ("purchases", app.names.purchases)):
        if name == "visits" or topic != app.names.visits:
            app.agent(app.chunk_topic(topic), name=name)(ingest)
