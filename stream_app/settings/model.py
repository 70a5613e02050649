"""The settings, each with its default, unit and meaning."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from stream_app.domain.errors import ConfigurationError
from stream_app.domain.filters import conditions_of, filters_of
from stream_app.domain.fingerprint import fingerprint
from stream_app.domain.periods import WEEKDAYS, Calendar
from stream_app.domain.rows import RING_DAYS, ROW_FORMAT, ROW_FORMATS
from stream_app.settings import definitions, outbound, values
from stream_app.settings.checks import Spec, listed, resolve, shown
from stream_app.settings.currencies import minor_units

if TYPE_CHECKING:
    from pathlib import Path

    from stream_app.domain.events import Definition
    from stream_app.domain.filters import Where
    from stream_app.settings.outbound import Webhook

ENV_PREFIX = "STREAM_APP_"


def _setting(default: Any, parse: values.Parser, meaning: str, **spec: Any) -> Any:
    return field(default=default, metadata={"spec": Spec(parse, meaning, **spec)})


@dataclass(frozen=True, repr=False)
class Settings:
    """Everything that can be set. Every value is right and fits the others, or there is no such object.

    Raises:
        ConfigurationError: with every wrong value, what is wrong with it and what to write.
    """

    broker: str = _setting(
        "kafka://127.0.0.1:9092",
        values.broker,
        "Kafka brokers, `host:port` or `kafka://host:port`; several with commas",
        option="--broker",
        address=True,
    )
    redis: str | None = _setting(
        None,
        values.optional(values.redis),
        "Redis for the figures on the web: `redis://`, `rediss://` or `unix://`; without it, an embedded one",
        option="--redis",
        address=True,
    )
    rules: Path | None = _setting(  # noqa: RUF009 - field() behind a name
        None,
        values.optional(values.path),
        "file of alert rules (YAML); without it, no alerts",
        option="--rules",
    )
    app_id: str = _setting(
        "stream-app",
        values.app_id,
        "name of one service: its group, internal topics, transactional ids and Redis keys begin with it",
    )
    visits_topic: str = _setting("visits", values.topic, "topic of visits")
    purchases_topic: str = _setting("purchases", values.topic, "topic of purchases; may be the same as that of visits")
    alerts_topic: str = _setting("alerts", values.topic, "topic that every change of an alert is written to")
    dead_letters_topic: str = _setting("dead-letters", values.topic, "topic of the records that cannot be counted")
    partitions: int = _setting(
        4, values.whole(1, 4096), "partitions of the topics that the service creates where they are missing"
    )
    replication: int = _setting(1, values.whole(1, 32), "replication factor of the topics that the service creates")
    dimensions: tuple[str, ...] = _setting(
        (), values.dimensions, "names within `segment` to keep figures by; in the environment with commas"
    )
    timezone: str = _setting(
        "UTC", values.timezone, "business time zone (IANA name) that days, weeks and months follow"
    )
    week_start: str = _setting("monday", values.choice(*WEEKDAYS), "the day a week begins")
    currency: str = _setting(
        "USD", values.currency, "the one reporting currency (ISO 4217); an amount in another is dead-lettered"
    )
    inactivity_days: int = _setting(
        30,
        values.whole(1, RING_DAYS - 1),
        "a user without activity for so long has churned",
        unit="days",
    )
    definitions: tuple[Definition, ...] = _setting(
        (),
        definitions.definitions,
        "retention definitions besides `engagement` and `repurchase`, or instead of them, see `docs/definitions.md`; "
        "in the environment as JSON",
        show=definitions.shown,
    )
    actor: str = _setting(
        "user_id", values.actor, "field of an event with the id that is counted, which is the key of its record"
    )
    orders: bool = _setting(
        True, values.flag, "orders are kept, about 50 bytes each; without them, there are no figures of value"
    )
    hour_days: int = _setting(
        8,
        values.whole(0, 32),
        "since a user's first event, the active hours are kept for so long: for 24-hour windows and the grain hour",
        unit="days",
    )
    allowed_lateness: float = _setting(
        600.0,
        values.seconds(0, 2_592_000),
        "how far the watermark stays behind the largest event time",
        unit="s",
    )
    future_tolerance: float = _setting(
        300.0,
        values.seconds(0, 86_400),
        "an event time further ahead of the wall clock than this is dead-lettered",
        unit="s",
    )
    idle_after: float = _setting(
        30.0,
        values.seconds(0.01, 86_400),
        "a partition fully read and silent for so long no longer holds the watermark back",
        unit="s",
    )
    commit_interval: float = _setting(
        0.5, values.seconds(0.01, 30), "time between two transactions of a source partition", unit="s"
    )
    partials_interval: float = _setting(
        0.5, values.seconds(0.01, 300), "least time between two writes of changed counters", unit="s"
    )
    session_timeout: float = _setting(
        10.0,
        values.seconds(1, 1800),
        "a worker not heard of for so long loses its partitions; a broker allows 6 or more by default",
        unit="s",
    )
    web_host: str = _setting("127.0.0.1", values.host, "address the web server listens on")
    web_port: int = _setting(
        8000, values.whole(0, 65_535), "port of the web server; 0 takes a free one", option="--port"
    )
    public_url: str | None = _setting(
        None,
        values.optional(values.web_address),
        "address of the page as people reach it, for links in alerts",
        address=True,
    )
    slack_token: str | None = _setting(
        None, values.optional(values.secret), "bot token, for rules with `slack:#channel`", secret=True
    )
    slack_signing_secret: str | None = _setting(
        None,
        values.optional(values.secret),
        "signing secret of the Slack app, for the buttons of its messages",
        secret=True,
    )
    slack_url: str = _setting(
        "https://slack.com/api/", values.api_address, "address of the Slack API; another one for tests", address=True
    )
    webhooks: tuple[Webhook, ...] = _setting(
        (),
        outbound.webhooks,
        "addresses for rules with `webhook:NAME`: `[{name, url, secret}]`, see `docs/alerts/notifying.md`; in the "
        "environment as JSON",
        secret=True,
        show=outbound.shown,
    )
    smtp_url: str | None = _setting(
        None,
        values.optional(outbound.smtp_address),
        "mail server for rules with `email:ADDRESS`: `smtp://user:password@host:587` (STARTTLS), `smtps://` or, "
        "without encryption, `smtp+plain://`",
        address=True,
    )
    smtp_from: str | None = _setting(
        None, values.optional(outbound.mail_address), "sender of these mails; needed with `smtp_url`"
    )
    alertmanager_url: str | None = _setting(
        None,
        values.optional(outbound.addresses),
        "Alertmanager for rules with `alertmanager`; all of a cluster with commas",
        address=True,
    )
    api_token: str | None = _setting(
        None,
        values.optional(values.secret),
        "bearer token for silences and acknowledgements over the API; without it, they are refused",
        secret=True,
    )
    rules_interval: float = _setting(
        10.0, values.seconds(0.05, 86_400), "how often the rules file is looked at for changes", unit="s"
    )
    top_values: int = _setting(
        20, values.whole(1, 1000), "largest values of a dimension that are shown; the rest is `(other)`"
    )
    max_values: int = _setting(
        1000,
        values.whole(1, 100_000),
        "values kept of a dimension; new ones past it count as `(other)` for good",
    )
    state_format: int = _setting(
        ROW_FORMAT,
        values.whole(ROW_FORMATS[0], ROW_FORMATS[-1]),
        "form that state is written in; 1 while workers of the version before run beside, see `docs/operations.md`",
    )
    log_level: str = _setting("info", values.choice("debug", "info", "warning", "error"), "least level that is logged")
    embedded_broker: bool = _setting(False, values.flag, "the broker is the demo's own", internal=True)

    def __post_init__(self) -> None:
        """Bring every value to its one form."""
        parsed, problems = resolve(SPECS, vars(self), {})
        if problems:
            raise ConfigurationError(listed(problems))
        for name, value in parsed.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "definitions", definitions.complete(self.definitions, self.inactivity_days))

    def __repr__(self) -> str:
        """Every setting, secrets hidden."""
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in self.describe().items())})"

    def describe(self) -> dict[str, object]:
        """Every setting by name, JSON-ready, with secrets and passwords hidden."""
        found = {name: (spec, getattr(self, name)) for name, spec in SPECS.items() if not spec.internal}
        return {name: spec.show(value) if spec.show else shown(spec, value) for name, (spec, value) in found.items()}

    @property
    def bootstrap_servers(self) -> str:
        """The brokers as Kafka clients take them: `host:port,host:port`."""
        return self.broker.removeprefix("kafka://")

    @property
    def fingerprint(self) -> str:
        """Of all settings that the meaning of stored state depends on."""
        return fingerprint(
            self.definitions, self.calendar, self.dimensions, self.currency, self.state_format,
            hour_days=self.hour_days, orders=self.orders, actor=self.actor,
        )  # fmt: skip

    @property
    def source_topics(self) -> tuple[str, ...]:
        """The topics that events are read from: two, or one for both."""
        return tuple(dict.fromkeys((self.visits_topic, self.purchases_topic)))

    @property
    def minor_units(self) -> int:
        """Decimals of the reporting currency's minor unit."""
        return minor_units(self.currency)

    @cached_property
    def calendar(self) -> Calendar:
        """The periods of the business time zone."""
        return Calendar(self.timezone, self.week_start)

    @cached_property
    def conditions(self) -> tuple[Where, ...]:
        """What the decoder judges events by; see `domain.filters`."""
        return conditions_of(filters_of(self.definitions))


SPECS: dict[str, Spec] = {f.name: f.metadata["spec"] for f in dataclasses.fields(Settings)}
DEFAULTS: dict[str, Any] = {f.name: f.default for f in dataclasses.fields(Settings)}


def env_name(name: str) -> str:
    """The environment variable of a setting."""
    return ENV_PREFIX + name.upper()
