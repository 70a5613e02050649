"""Those who are told: they silence alerts and acknowledge them while workers die, over HTTP, from whoever answers."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import servers
from slack_server import UPDATE

if TYPE_CHECKING:
    from support.workers import Worker

    from faults.trial import Trial

TOKEN = "api-token-only-for-this-test"
#: Who acknowledges what fires of the first rule, in the middle and at the end.
FIRST, LAST = "ada", "bob"
#: Seconds: a frozen worker may do what it was asked for later; somebody else is asked meanwhile.
_AT_ONCE = 12.0
#: How many must have recovered before the silence ends, and the share of the load after which it ends anyway.
_RECOVERED, _LATE = 5, 0.9
_UNKNOWN = ("drop_after", "500", "500_after", "drop_before")
_DAY = {"for": "1d", "reason": "faults are tried"}


@dataclass
class People:
    """What they have asked for.

    Attributes:
        taken: ids of commands that were answered with 202.
    """

    trial: Trial
    taken: list[str] = field(default_factory=list)

    async def live(self) -> None:
        """The middle of a scenario: one rule is silenced for a while, another one to the end, a third acknowledged."""
        trial = self.trial
        for _ in range(max(trial.options.faults // 7, 1)):
            trial.slack.fail("429", trial.chance.choice(_UNKNOWN))
            trial.slack.fail("429", "500", method=UPDATE)
        trial.done["calls that Slack refuses, drops or leaves without an answer"] += 4
        short = await self.silence(rule="country-1", author=FIRST, **_DAY)
        await self.silence(rule="month-1", author=FIRST, **_DAY)
        await self.silence(rule="week-1", segment={"plan": "team"}, author=FIRST, **_DAY)
        await self.acknowledge(FIRST)
        await servers.eventually(self._held, trial.options.patience, "something to be held, or the load to end")
        await self.unsilence(short)

    async def _held(self) -> bool:
        """Whether some alerts have recovered of which nobody was told that they fired, or it is too late for it."""
        await asyncio.sleep(0.2)
        for worker in self.trial.running[:1]:
            found = await self.trial.ask(worker, "/api/v1/alerts/history?rule=country-1&state=resolved")
            if len(found.get("history", ())) >= _RECOVERED:
                return True
        return self.trial.writer.share > _LATE

    async def leave(self) -> None:
        """The end: somebody else acknowledges what is left, and every silence ends, also what frozen workers made."""
        await self.acknowledge(LAST)
        while True:
            silences = await self.silences()
            if silences is not None and not any(one["state"] == "active" for one in silences):
                return
            for one in silences or ():
                if one["state"] == "active":
                    await self.unsilence(one["id"])
            await asyncio.sleep(0.2)

    async def silence(self, **body: Any) -> str:
        """Silences; answers the id."""
        return str((await self._ask("POST", "/api/v1/silences", body))["id"])

    async def unsilence(self, name: str) -> None:
        """Ends a silence; 404: somebody was heard who had not answered."""
        await self._ask("DELETE", f"/api/v1/silences/{name}", {"author": FIRST}, enough=(202, 404))

    async def acknowledge(self, author: str) -> None:
        """Acknowledges what fires of the first rule; until something does, 404."""
        await self._ask("POST", "/api/v1/alerts/acknowledge", {"rule": "week-1", "author": author})

    async def silences(self) -> list[dict[str, Any]] | None:
        """All silences, as the first worker that knows tells them."""
        for worker in self.trial.running:
            found = await self.trial.ask(worker, "/api/v1/silences")
            if "silences" in found:
                return list(found["silences"])
        return None

    async def _ask(self, method: str, path: str, body: dict[str, Any], enough: tuple[int, ...] = (202,)) -> Any:
        """Asks one worker after the other until one answers as is wanted."""
        trial, end, told = self.trial, time.monotonic() + self.trial.options.patience, ""
        while time.monotonic() < end:
            if trial.running:
                worker = trial.chance.choice(trial.running)
                status, told = await asyncio.to_thread(_asked, worker, method, path, body)
                if status in enough:
                    trial.done["silences and acknowledgements"] += 1
                    if status == 202:
                        self.taken.append(told["id"])
                    return told
            await asyncio.sleep(0.2)
        raise AssertionError(f"{method} {path} {body} was not taken: {told}")


def _asked(worker: Worker, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{worker.port}{path}", method=method, data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
    )  # fmt: skip
    try:
        with urllib.request.urlopen(request, timeout=_AT_ONCE) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except (OSError, ValueError) as error:
        return 0, repr(error)
