"""How a worker's process ends: in good order, or, if that takes too long, by itself all the same.

What was not committed is counted again by whoever goes on, so to end at any instant loses nothing. To go on for ever
does harm: a worker that neither works nor ends may keep its partitions from the others.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

log = logging.getLogger(__name__)

#: Seconds from the signal, or from what ended the worker, to its end: below the 30 that Kubernetes gives a pod.
PATIENCE = 20.0
#: Seconds that telling why may take: whoever reads the log may have stopped to.
_TELLING = 2.0
EXIT_CODE = 1
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Ending:
    """Hears that the process is to end, and sees to it that it does.

    Args:
        patience: seconds that it may take.

    Attributes:
        told: set by SIGTERM and SIGINT.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self.told = asyncio.Event()
        self._patience = patience
        self._begun = False

    def listen(self) -> None:
        """Hears SIGTERM and SIGINT from now on. A second one ends the process at once."""
        for one in _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(one, self._hear)

    def _hear(self) -> None:
        self.told.set()
        for one in _SIGNALS:  # not by the event loop: it may be what hangs
            asyncio.get_running_loop().remove_signal_handler(one)
            signal.signal(one, lambda *_: _end("The worker was told to stop once more"))
        self.begin()

    def begin(self) -> None:
        """The worker ends: from now on its time runs, to the very end of the process."""
        if not self._begun:
            self._begun = True
            what = f"The worker has not ended in {self._patience:g} s"
            timer = threading.Timer(self._patience, _end, [what])
            timer.daemon = True
            timer.start()


def _end(what: str) -> None:
    """Tells what is waited for, and ends the process."""
    telling = threading.Thread(target=_tell, args=[what], daemon=True)  # which may hang as well
    telling.start()
    telling.join(_TELLING)
    os._exit(EXIT_CODE)


def _tell(what: str) -> None:
    waits = list(pending())
    log.error(
        "%s: it ends now, as if killed; a restarted one goes on from the last commit. It waited for %d things:",
        what, len(waits),
    )  # fmt: skip
    for wait in waits:
        log.error("Waited for %s.", wait)
    logging.shutdown()
    sys.stdout.flush()


def pending() -> Iterator[str]:
    """What keeps the process from ending: its threads, and the tasks of their event loops, each with where it is."""
    frames = sys._current_frames()
    for thread in threading.enumerate():
        frame = frames.get(thread.ident or 0)
        if thread.daemon or frame is None:
            continue
        yield f"thread {thread.name} in {_place(frame)}"
        for task in _tasks_of(frame):
            yield f"task {_short(task.get_name())} of {thread.name} in {_place(_innermost(task))}"


def _tasks_of(frame: FrameType) -> list[asyncio.Task[Any]]:
    """The pending tasks of the event loop that runs in the thread of this frame."""
    outer: FrameType | None = frame
    while outer is not None:
        loop = outer.f_locals.get("self")
        if outer.f_code.co_name == "run_forever" and isinstance(loop, asyncio.AbstractEventLoop):
            return sorted(asyncio.all_tasks(loop), key=asyncio.Task.get_name)
        outer = outer.f_back
    return []


def _innermost(task: asyncio.Task[Any]) -> FrameType | None:
    """The frame that a task is suspended in, as far as what it awaits lets see."""
    frame: FrameType | None = None
    awaited: Any = task.get_coro()
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None) or frame
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
    return frame


def _place(frame: FrameType | None) -> str:
    if frame is None:
        return "an unknown place"
    return f"{frame.f_code.co_qualname} ({frame.f_code.co_filename}:{frame.f_lineno})"


def _short(name: str) -> str:
    """Faust names tasks after their whole representation."""
    return name if len(name) <= 80 else f"{name[:77]}..."
