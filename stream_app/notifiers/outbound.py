"""The notifiers that the settings ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream_app.notifiers.alertmanager import AlertmanagerNotifier
from stream_app.notifiers.console import ConsoleNotifier
from stream_app.notifiers.slack import SlackNotifier
from stream_app.notifiers.webhook import WebhookNotifier

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from stream_app.notifiers.base import Notifier
    from stream_app.notifiers.mail import MailNotifier
    from stream_app.settings import Settings


def notifiers_of(
    settings: Settings, now: Callable[[], float], console: Callable[[], TextIO] | None = None
) -> dict[str, Notifier]:
    """By kind of target its notifier, as far as the settings have what it takes.

    Args:
        settings: the settings.
        now: the wall clock, seconds since the epoch; receivers of webhooks compare it with theirs.
        console: where the console notifier prints; standard output if absent.
    """
    found: dict[str, Notifier | None] = {
        "console": ConsoleNotifier(stream=console, public_url=settings.public_url),
        "slack": slack_notifier(settings),
        "webhook": webhook_notifier(settings, now),
        "email": mail_notifier(settings, now),
        "alertmanager": alertmanager_notifier(settings, now),
    }
    return {kind: notifier for kind, notifier in found.items() if notifier is not None}


def slack_notifier(settings: Settings) -> SlackNotifier | None:
    """For targets `slack:#channel`; None without a token. Buttons only where their presses can be verified."""
    if not settings.slack_token:
        return None
    return SlackNotifier(
        settings.slack_token, base_url=settings.slack_url, public_url=settings.public_url,
        buttons=settings.slack_signing_secret is not None,
    )  # fmt: skip


def webhook_notifier(settings: Settings, now: Callable[[], float]) -> WebhookNotifier | None:
    """For targets `webhook:NAME`; None where no webhook is set.

    Args:
        settings: the settings.
        now: the wall clock, seconds since the epoch.
    """
    if not settings.webhooks:
        return None
    return WebhookNotifier(settings.webhooks, now=now, public_url=settings.public_url)


def mail_notifier(settings: Settings, now: Callable[[], float]) -> MailNotifier | None:
    """For targets `email:ADDRESS`; None where no mail server is set."""
    if settings.smtp_url is None or settings.smtp_from is None:
        return None
    from stream_app.notifiers.mail import MailNotifier  # reads the authorities' certificates

    return MailNotifier(settings.smtp_url, settings.smtp_from, now=now, public_url=settings.public_url)


def alertmanager_notifier(settings: Settings, now: Callable[[], float]) -> AlertmanagerNotifier | None:
    """For the target `alertmanager`; None where no Alertmanager is set. Its `refresh` is to be called every minute."""
    if settings.alertmanager_url is None:
        return None
    return AlertmanagerNotifier(settings.alertmanager_url, now=now, public_url=settings.public_url)
