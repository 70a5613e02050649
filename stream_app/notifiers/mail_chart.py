"""The picture of a mail, which must be drawn before the mail is sent and must not hold it up."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from stream_app.notifiers.base import Unavailable
from stream_app.notifiers.chart import Chart, chart

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from stream_app.domain.alerts import Notice

log = logging.getLogger(__name__)

#: Pictures that are remembered.
MOST = 16


class MailCharts:
    """Draws pictures, and remembers those that were not ready in time for the next attempt.

    The first picture of a process takes long, as what draws is loaded then: on a busy machine more than a delivery has.

    Args:
        wait: seconds an attempt may wait for its picture.
        draw: draws one.
    """

    def __init__(self, wait: float, draw: Callable[[Notice], Awaitable[Chart | None]] = chart) -> None:
        self._wait, self._draw = wait, draw
        self._drawings: dict[str, asyncio.Future[Chart | None]] = {}
        self._waited: set[tuple[str, str]] = set()
        self._failed = False

    async def of(self, notice: Notice, target: str) -> Chart | None:
        """The picture; None where there is none, it cannot be drawn, or was not ready at the second attempt either.

        Raises:
            Unavailable: it is not ready at the first attempt.
        """
        if notice.curve is None:
            return None
        drawing = self._drawings.get(notice.id)
        if drawing is None:
            # The latest few, for the next attempt and for other addresses.
            self._drawings = dict([*self._drawings.items()][1 - MOST :])
            self._waited = {one for one in self._waited if one[0] in self._drawings}
            drawing = self._drawings[notice.id] = asyncio.ensure_future(self._draw(notice))
        await asyncio.wait({drawing}, timeout=self._wait)
        if not drawing.done():
            if (notice.id, target) in self._waited:
                return None
            self._waited.add((notice.id, target))
            raise Unavailable(f"{target}: the picture is not ready yet")
        error = drawing.exception()
        if error is None:
            return drawing.result()
        if not self._failed:
            self._failed = True
            log.warning("The picture of a mail could not be drawn; mails go without it.", exc_info=error)
        return None
