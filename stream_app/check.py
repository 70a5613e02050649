"""`stream-app check`: tries configuration and connections one by one."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from stream_app.assembly import fits, source_config, topics_of
from stream_app.bootstrap import rules_of
from stream_app.domain.errors import ConfigurationError, StreamAppError
from stream_app.engine.control import read_control
from stream_app.engine.ledger import has_transactions
from stream_app.engine.topics import TopicAdmin
from stream_app.logs import configure_logging
from stream_app.notifiers.slack import SlackNotifier
from stream_app.stores.redis import RedisStore

if TYPE_CHECKING:
    from stream_app.settings import Settings


def check(settings: Settings) -> int:
    """Tries configuration and connections one by one and prints what was found. Returns 0, or 2 if any is wrong."""
    configure_logging("error")
    return asyncio.run(_check(settings))


async def _check(settings: Settings) -> int:
    wrong: list[str] = []
    for name, attempt in (("rules", _check_rules), ("broker", _check_broker), ("redis", _check_redis),
                          ("slack", _check_slack)):  # fmt: skip
        try:
            print(f"{name}: ok, {await attempt(settings)}")  # noqa: T201 - what the command is for
        except StreamAppError as error:
            if str(error) not in wrong:  # wrong rules leave it unknown where Slack is needed: said once
                print(error, file=sys.stderr)  # noqa: T201
            wrong.append(str(error))
    return 2 if wrong else 0


async def _check_rules(settings: Settings) -> str:
    return f"{len(rules_of(settings))} rules"


async def _check_broker(settings: Settings) -> str:
    kafka: dict[str, object] = {"bootstrap_servers": settings.bootstrap_servers}
    admin, names = TopicAdmin(kafka, settings.replication), topics_of(settings)
    generation = 1
    if await admin.exists(names.control):
        generation = (await read_control(kafka, names.control)).generation
        names = topics_of(settings, generation)
    count = await admin.prepare(names, settings.partitions, create=False)
    for doubt in admin.doubts:
        print(f"broker: doubtful: {doubt}", file=sys.stderr)  # noqa: T201
    shared = await has_transactions(kafka, settings.app_id)
    state = "none yet"
    if await admin.exists(names.changelog):
        config = source_config(settings, names, partitions=count, letter_limit=0, atomic=shared)
        state = await fits(config, kafka, names, generation)
    kind = "with" if shared else "without (one worker only)"
    return f"{settings.bootstrap_servers}, {count} partitions, transactions: {kind}, state: {state}"


async def _check_redis(settings: Settings) -> str:
    store = await RedisStore.open(settings.redis, app_id=settings.app_id)
    await store.close()
    return store.where


async def _check_slack(settings: Settings) -> str:
    targets = sorted({t for rule in rules_of(settings) for t in rule.to if t.startswith("slack:")})
    if not settings.slack_token:
        if targets:
            raise ConfigurationError(f"slack_token: it is not set, and rules notify {', '.join(targets)}; set it")
        return "not used"
    problems = await SlackNotifier(settings.slack_token, base_url=settings.slack_url).check(targets)
    if problems:
        raise ConfigurationError("\n".join(problems))
    return f"{len(targets)} channels"
