"""`stream-app check`: tries configuration and connections one by one."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

from stream_app.agents.rulebook import Rulebook
from stream_app.assembly import fits, source_config, topics_of
from stream_app.domain.errors import ConfigurationError, StreamAppError
from stream_app.engine.control import read_control
from stream_app.engine.ledger import has_transactions
from stream_app.engine.topics import TopicAdmin
from stream_app.logs import configure_logging
from stream_app.notifiers.outbound import alertmanager_notifier, mail_notifier, slack_notifier, webhook_notifier
from stream_app.stores.redis import RedisStore

if TYPE_CHECKING:
    from stream_app.domain.alerts import RuleSet
    from stream_app.settings import Settings


def check(settings: Settings) -> int:
    """Tries configuration and connections one by one and prints what was found. Returns 0, or 2 if any is wrong."""
    configure_logging("error")
    return asyncio.run(_check(settings))


async def _check(settings: Settings) -> int:
    wrong: list[str] = []
    for name, attempt in (("rules", _check_rules), ("broker", _check_broker), ("redis", _check_redis),
                          ("slack", _check_slack), ("webhooks", _check_webhooks), ("mail", _check_mail),
                          ("alertmanager", _check_alertmanager)):  # fmt: skip
        try:
            print(f"{name}: ok, {await attempt(settings)}")  # noqa: T201 - what the command is for
        except StreamAppError as error:
            if str(error) not in wrong:  # wrong rules leave it unknown who is told: said once
                print(error, file=sys.stderr)  # noqa: T201
            wrong.append(str(error))
    return 2 if wrong else 0


async def _check_rules(settings: Settings) -> str:
    found = _rules(settings)
    for doubt in found.doubts:
        print(f"rules: doubtful: {doubt}", file=sys.stderr)  # noqa: T201
    return f"{len(found.rules)} rules"


def _rules(settings: Settings) -> RuleSet:
    return Rulebook(settings).current


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
    targets = _targets(settings, "slack")
    notifier = slack_notifier(settings)
    if notifier is None:
        return _not_used("slack_token", targets)
    _refuse(await notifier.check(targets))
    buttons = "" if settings.slack_signing_secret else ", without buttons: slack_signing_secret is not set"
    return f"{len(targets)} channels{buttons}"


async def _check_webhooks(settings: Settings) -> str:
    targets = _targets(settings, "webhook")
    notifier = webhook_notifier(settings, time.time)
    if notifier is None:
        return _not_used("webhooks", targets)
    _refuse(notifier.check(targets))
    return f"{len(settings.webhooks)} webhooks, which are not called"


async def _check_mail(settings: Settings) -> str:
    targets = _targets(settings, "email")
    notifier = mail_notifier(settings, time.time)
    if notifier is None:
        return _not_used("smtp_url", targets)
    _refuse(await notifier.check())
    return f"{len(targets)} addresses, which no mail was sent to"


async def _check_alertmanager(settings: Settings) -> str:
    notifier = alertmanager_notifier(settings, time.time)
    if notifier is None:
        return _not_used("alertmanager_url", _targets(settings, "alertmanager"))
    _refuse(await notifier.check())
    return "every member answers"


def _targets(settings: Settings, kind: str) -> list[str]:
    return sorted(target for target in _rules(settings).targets if target.partition(":")[0] == kind)


def _not_used(name: str, targets: list[str]) -> str:
    if targets:
        raise ConfigurationError(f"{name}: it is not set, and rules notify {', '.join(targets)}; set it")
    return "not used"


def _refuse(problems: list[str]) -> None:
    if problems:
        raise ConfigurationError("\n".join(problems))
