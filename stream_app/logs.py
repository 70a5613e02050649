"""Log lines for people: those of the service itself, and of the libraries under it what an operator can use."""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: Loggers that tell at INFO what only their developers want to know. Faust logs under the names of classes
#: derived from its own.
_CHATTY = (
    "faust",
    "mode",
    "aiokafka",
    "stream_app.engine.app",
    "stream_app.engine.transport",
)
_CLIENT = "aiokafka"
#: Said of a connection whose making was cancelled, as the worker ends or the group rebalances; it then closes itself.
_ABANDONED = "Unclosed AIOKafkaConnection"
#: Seconds: what passes sooner is not told, trouble is over when nothing was heard for so long, and is told of so often.
_PATIENCE, _QUIET, _AGAIN = 3.0, 10.0, 60.0


class ClientComplaints(logging.Filter):
    """Lets one line a minute through of what Kafka's client complains about, and only while its trouble lasts.

    Without a broker it logs a hundred errors a second, and some at every start and rebalance, all of which it
    overcomes by itself. What it cannot overcome it raises, and the service says so in its own words.

    Args:
        clock: seconds; of any beginning, never going back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._heard = self._told = float("-inf")
        self._since = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is shown; one of the client's becomes a warning, as it tries again."""
        if record.name == "asyncio" and record.getMessage().startswith(_ABANDONED):
            return False
        if record.name != _CLIENT and not record.name.startswith(f"{_CLIENT}."):
            return True
        if record.levelno < logging.ERROR:
            return False
        now = self._clock()
        if now - self._heard > _QUIET:
            self._since = now
        self._heard = now
        if now - self._since < _PATIENCE or now - self._told < _AGAIN:
            return False
        self._told = now
        said = record.getMessage()
        record.msg = (
            f"Kafka's client has had trouble for {now - self._since:.0f} s and goes on trying; its latest: {said}"
        )
        record.args = record.exc_info = None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


def configure_logging(level: str) -> None:
    """Log lines on stderr; of Kafka's client and of Faust only what matters, unless everything is asked for.

    Args:
        level: the least level that is shown: debug, info, warning or error.
    """
    handler = logging.StreamHandler(sys.stderr)
    logging.basicConfig(
        level=level.upper(),
        handlers=[handler],
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        force=True,
    )
    if level == "debug":
        return
    handler.addFilter(ClientComplaints())
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.getLogger("mode.timers").setLevel(logging.ERROR)  # a slow round of a timer only delays the next
