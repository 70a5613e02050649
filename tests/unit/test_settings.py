"""Settings: where they come from, which come first, and what is said of wrong ones."""

from __future__ import annotations

import base64
from dataclasses import replace
from email.utils import parseaddr
from pathlib import Path

import pytest

from stream_app.domain.errors import ConfigurationError
from stream_app.domain.events import ENGAGEMENT, REPURCHASE, Definition
from stream_app.settings import DEFAULTS, SPECS, Settings, env_name, load_settings
from stream_app.settings.outbound import MailServer, mail_server

SECRET = "whsec_" + base64.b64encode(bytes(24)).decode()
WEBHOOKS = f'[{{"name": "crm", "url": "https://h.example/x", "secret": "{SECRET}"}}]'


def wrong(file=None, env=None, overrides=None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(file, env, overrides)
    return str(caught.value)


@pytest.fixture
def config(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "stream-app.yaml"
        path.write_text(text, "utf-8")
        return path

    return write


def test_defaults_are_right_and_in_their_one_form():
    settings = Settings()
    found = {name: getattr(settings, name) for name in DEFAULTS}
    assert found == DEFAULTS | {"definitions": (ENGAGEMENT, REPURCHASE)}  # those that ship are always there
    assert settings == load_settings()


def test_command_line_comes_before_environment_before_file_before_default(config):
    file = config("web_port: 1\npartitions: 2\ntop_values: 3\n")
    env = {"STREAM_APP_WEB_PORT": "11", "STREAM_APP_PARTITIONS": "12"}
    settings = load_settings(file, env, {"web_port": "21", "redis": None})
    assert (settings.web_port, settings.partitions, settings.top_values) == (21, 12, 3)
    assert settings.redis is None
    assert settings.max_values == 1000


def test_every_setting_can_be_set_in_the_environment_and_in_the_file(config, tmp_path):
    (tmp_path / "rules.yaml").write_text("rules: []")
    other = {
        "broker": "a:1",
        "redis": "redis://r:1/2",
        "rules": str(tmp_path / "rules.yaml"),
        "dimensions": "plan",
        "timezone": "Asia/Tokyo",
        "week_start": "sunday",
        "currency": "EUR",
        "public_url": "https://x.example",
        "slack_token": "xoxb-1",
        "slack_url": "http://127.0.0.1:1/",
        "web_host": "0.0.0.0",
        "log_level": "debug",
        "commit_interval": "0.25",
        "max_values": "999",
        "state_format": "1",
        "definitions": "[{name: web, start: visit}]",
        "actor": "account_id",
        "orders": "false",
        "hour_days": "0",
        "webhooks": WEBHOOKS,
        "smtp_url": "smtp://mail.example",
        "smtp_from": "alerts@example.com",
        "alertmanager_url": "http://am:9093",
        "slack_signing_secret": "x",
        "api_token": "x",
    }
    together = {
        "state_format": {"orders": "false", "hour_days": "0"},  # all that the form of the version before can hold
        "smtp_url": {"smtp_from": "alerts@example.com"},
    }
    for name, spec in SPECS.items():
        if spec.internal:
            continue
        default = DEFAULTS[name]
        value = other.get(name) or (f"{default}-2" if isinstance(default, str) else f"{int(default) + 2}")
        rest = together.get(name, {})
        from_env = load_settings(env={env_name(n): v for n, v in {name: value, **rest}.items()})
        assert getattr(from_env, name) != default, name
        file = config("".join(f"{n}: '{v}'\n" for n, v in {name: value, **rest}.items()))
        assert load_settings(file) == from_env


def test_values_are_brought_to_one_form_however_they_are_made():
    settings = Settings(broker="localhost:9092", dimensions=["plan"], week_start="Sunday", slack_url="http://x")
    assert settings.broker == "kafka://localhost:9092"
    assert settings.dimensions == ("plan",)
    assert settings.week_start == settings.calendar.week_start == "sunday"
    assert settings.slack_url == "http://x/"


@pytest.mark.parametrize(
    ("given", "servers"),
    [
        ("localhost:9092", "localhost:9092"),
        ("localhost", "localhost:9092"),
        ("kafka://k1:1", "k1:1"),
        ("kafka://k1:1/", "k1:1"),
        ("k1:1, kafka://k2:2,k1:1", "k1:1,k2:2"),
        ("kafka://k1:1;kafka://k2:2", "k1:1,k2:2"),
        ("[::1]:9093", "[::1]:9093"),
        ("[::1]", "[::1]:9092"),
        (["k1:1", "k2:2"], "k1:1,k2:2"),
    ],
)
def test_brokers_are_taken_in_every_common_form(given, servers):
    settings = load_settings(overrides={"broker": given})
    assert settings.bootstrap_servers == servers
    assert settings.broker == f"kafka://{servers}"


@pytest.mark.parametrize("given", ["redis://r", "redis://:pw@r:6379/0", "rediss://u:pw@r:1", "unix:///run/r.sock"])
def test_redis_is_taken_by_network_tls_and_socket(given):
    assert Settings(redis=given).redis == given


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("broker", "kafka://host:port", "host:port with a port"),
        ("broker", ":9092", "has no host"),
        ("broker", "a:1,,b:2", "has no host"),
        ("broker", "http://a:1", "the scheme 'http'"),
        ("broker", "a:99999", "1 to 65535"),
        ("broker", [], "not text"),
        ("redis", "localhost:6379", "redis://host:6379"),
        ("redis", "redis://", "names no host"),
        ("redis", "redis://h:x", "impossible port"),
        ("redis", "redis://h/first", "not a number"),
        ("redis", "unix://", "names no socket"),
        ("app_id", "my app", "letters, digits"),
        ("visits_topic", "a/b", "not a topic name"),
        ("visits_topic", "..", "not a topic name"),
        ("visits_topic", "", "is empty"),
        ("partitions", "0", "use 1 to"),
        ("state_format", "3", "use 1 to 2"),
        ("app_id", "shop.g2", "use another"),
        ("partitions", "4.5", "not a whole number"),
        ("partitions", True, "not a whole number"),
        ("partitions", "9" * 500, "not a whole number"),
        ("allowed_lateness", "-1", "use 0 to"),
        ("allowed_lateness", "nan", "not a number of seconds"),
        ("allowed_lateness", "10m", "not a number of seconds"),
        ("allowed_lateness", False, "not a number of seconds"),
        ("dimensions", {"plan": 1}, "not a list"),
        ("dimensions", 7, "not a list"),
        ("dimensions", ["plan", 7], "has 7"),
        ("dimensions", "plan,plan", "twice"),
        ("dimensions", ["x" * 65], "1 to 64 characters"),
        ("dimensions", ["a\nb"], "control characters"),
        ("dimensions", [f"d{i}" for i in range(17)], "at most 16"),
        ("timezone", "Europe/Berlinn", "IANA"),
        ("timezone", "../../etc/passwd", "IANA"),
        ("week_start", "funday", "use one of monday"),
        ("currency", "euro", "three letters"),
        ("web_host", "http://x", "without scheme"),
        ("web_port", 65536, "use 0 to 65535"),
        ("public_url", "example.com", "https://host"),
        ("log_level", "loud", "use one of debug"),
        ("slack_token", "two words", "not a token"),
        ("smtp_url", "mail.example:587", "write smtp://host:587"),
        ("smtp_url", "http://mail.example", "write smtp://host:587"),
        ("smtp_url", "smtp://", "names no host"),
        ("smtp_url", "smtp://mail.example:0", "use 1 to 65535"),
        ("smtp_url", "smtp://mail.example:x", "use 1 to 65535"),
        ("smtp_url", "smtp://two words", "host name or address"),
        ("smtp_url", "smtp://user@mail.example", "no user and password before the @"),
        ("smtp_url", "smtp://user:p/w@mail.example", "as %40 %2F %3A"),
        ("smtp_url", "smtp://mail.example/inbox", "has a path"),
        ("smtp_url", "smtp+plain://u:p@mail.example", "would send the password unencrypted"),
        ("smtp_from", "growth", "is not a mail address"),
        ("smtp_from", "a@b <c@d", "is not a mail address"),
        ("smtp_from", "a@b.example, c@d.example", "is not a mail address"),
        ("alertmanager_url", "am:9093", "http://host"),
        ("alertmanager_url", "http://am:9093,", "has an empty address"),
        ("alertmanager_url", [], "not text"),
    ],
)
def test_a_wrong_value_is_named_with_what_to_do(name, value, said):
    message = wrong(overrides={name: value})
    assert message.startswith(f"{name}: ")
    assert said in message


def test_all_problems_are_told_at_once_each_with_its_place(config):
    file = config("timezone: Mars/Olympus\n\nweb_prot: 80\npartitions: none\n")
    message = wrong(file, {"STREAM_APP_CURRENCY": "euro", "STREAM_APP_BROKERS": "x"}, {"redis": "here"})
    assert "6 things in the configuration are wrong" in message
    assert f"timezone: 'Mars/Olympus' ({file} line 1)" in message
    assert f"web_prot: ({file} line 3) is not a setting; did you mean web_port?" in message
    assert f"partitions: 'none' ({file} line 4)" in message
    assert "currency: 'euro' (environment variable STREAM_APP_CURRENCY)" in message
    assert "STREAM_APP_BROKERS: this environment variable is not a setting; did you mean STREAM_APP_BROKER?" in message
    assert "redis: 'here' (option --redis)" in message


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("STREAM_APP_TYPO", "docs/settings.md lists them all"),
        ("STREAM_APP_DIMENSION", "did you mean STREAM_APP_DIMENSIONS?"),
        ("STREAM_APP_PORT", "did you mean STREAM_APP_WEB_PORT?"),
        ("STREAM_APP_CONFIGURATION", "did you mean STREAM_APP_CONFIG?"),
    ],
)
def test_a_variable_is_taken_for_a_setting_only_where_they_are_alike_behind_the_prefix(variable, said):
    assert wrong(env={variable: "1"}) == f"{variable}: this environment variable is not a setting; {said}"


def test_bounds_are_plain_numbers():
    assert wrong(overrides={"allowed_lateness": 9_999_999}).endswith("use 0 to 2592000 seconds")
    assert wrong(overrides={"idle_after": 0}).endswith("use 0.01 to 86400 seconds")
    assert wrong(overrides={"allowed_lateness": "soon"}).endswith("is not a number of seconds; use 0 to 2592000")


def test_a_list_of_mappings_is_shown_as_it_was_given(config):
    file = config("definitions:\n  - {name: a b, start: {where: {tier: 2}}}\n  - {name: c}\n")
    shown = "[{'name': 'a b', 'start': {'where': {'tier': 2}}}, {'name': 'c'}]"
    assert wrong(file).startswith(f"definitions: {shown} ({file} line 1) is wrong at [0].name")


def test_settings_that_do_not_fit_each_other_are_told():
    assert "half of session_timeout, 10" in wrong(env={"STREAM_APP_COMMIT_INTERVAL": "6"})
    assert "less than commit_interval, 0.5" in wrong(env={"STREAM_APP_PARTIALS_INTERVAL": "0.1"})
    assert "more than max_values, 5" in wrong(env={"STREAM_APP_MAX_VALUES": "5"})
    assert "is the topic of visits_topic too" in wrong(env={"STREAM_APP_ALERTS_TOPIC": "visits"})
    assert "smtp_from: None is not set, and smtp_url is" in wrong(env={"STREAM_APP_SMTP_URL": "smtp://mail.example"})
    with pytest.raises(ConfigurationError, match="session_timeout"):
        Settings(commit_interval=6)


def test_visits_and_purchases_may_share_a_topic():
    settings = Settings(visits_topic="events", purchases_topic="events")
    assert settings.source_topics == ("events",)
    assert Settings().source_topics == ("visits", "purchases")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a\n", "is not a mapping"),
        ("web_port: 1\n  x: [\n", "line 2 is not YAML"),
        ("web_port: 1\nweb_port: 2\n", "is set twice; keep one, the other is line 1"),
        ("app_id: 12\n", "put it in quotes"),
        ("broker:\n", "broker: None"),
        ("timezone: 2024-13-45\n", "timezone: '2024-13-45'"),
        ("embedded_broker: true\n", "is not a setting"),
        ("app_id: \x00\n", "is not YAML"),
        ("app_id: !!python/object:os.system x\n", "is not YAML"),
    ],
)
def test_a_broken_file_is_told_with_its_line(config, text, said):
    assert said in wrong(config(text))


def test_an_empty_file_sets_nothing(config):
    assert load_settings(config("# nothing yet\n")) == Settings()


def test_a_missing_file_is_told(tmp_path):
    message = wrong(tmp_path / "no.yaml")
    assert "(option --config) cannot be read: No such file" in message
    message = wrong(env={"STREAM_APP_CONFIG": str(tmp_path)})
    assert "(environment variable STREAM_APP_CONFIG) cannot be read: Is a directory" in message


def test_the_environment_can_name_the_file(config):
    assert load_settings(env={"STREAM_APP_CONFIG": str(config("web_port: 7\n"))}).web_port == 7


def test_rules_are_looked_for_beside_the_file_that_names_them(config, tmp_path):
    (tmp_path / "rules.yaml").write_text("rules: []")
    assert load_settings(config("rules: rules.yaml\n")).rules == tmp_path / "rules.yaml"
    assert "rules: 'nowhere.yaml' (option --rules) is not a file" in wrong(overrides={"rules": "nowhere.yaml"})


def test_an_environment_variable_set_to_nothing_counts_as_not_set():
    assert load_settings(env={"STREAM_APP_REDIS": "", "STREAM_APP_CONFIG": " "}) == Settings()


def test_variables_of_a_kubernetes_service_are_not_taken_for_settings():
    env = {
        "STREAM_APP_WEB_PORT": "tcp://10.0.0.7:8000",
        "STREAM_APP_SERVICE_HOST": "10.0.0.7",
        "STREAM_APP_SERVICE_PORT_HTTP": "8000",
        "STREAM_APP_PORT_8000_TCP_ADDR": "10.0.0.7",
        "STREAM_APPLE": "no prefix of ours",
    }
    assert load_settings(env=env) == Settings()


@pytest.mark.parametrize(
    "address", ["redis://:hunter2@r:1/0", "rediss://u:hunter2@r", "redis://r:1/0?password=hunter2&x=1"]
)
def test_secrets_are_never_shown(address):
    settings = Settings(redis=address, slack_token="hunter2", public_url="https://u:hunter2@x.example")
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings.describe())
    assert settings.describe()["slack_token"] == "***"


def test_secrets_of_notifiers_are_never_shown():
    settings = Settings(
        webhooks=[{"name": "crm", "url": "https://u:hunter2@h.example/hunter2", "secret": SECRET}],
        smtp_url="smtp://u:hunter2@mail.example",
        smtp_from="alerts@example.com",
        alertmanager_url="http://u:hunter2@a:9093,http://u:hunter2@b:9093",
        api_token="hunter2",
        slack_signing_secret="hunter2",
    )
    shown = repr(settings) + str(settings.describe()) + repr(settings.webhooks)
    assert "hunter2" not in shown
    assert SECRET not in shown
    assert settings.describe()["webhooks"] == [{"name": "crm", "url": "https://h.example/***"}]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("redis", "redis://u:hunter2/x@r:port"),
        ("redis", "u:hunter2@r"),
        ("redis", "redis://r:port/?password=hunter2"),
        ("broker", "kafka://u:hunter2@k:1"),
        ("broker", "u:hunter2@k:1"),
        ("slack_token", "xoxb hunter2"),
        ("slack_url", "ftp://u:hunter2@x"),
        ("smtp_url", "smtp://u:hunter2@host:port"),
        ("smtp_url", "smtp://u:hunter2@"),
        ("smtp_url", "smtp+plain://u:hunter2@host"),
        ("alertmanager_url", "http://u:hunter2@a,ftp://u:hunter2@b"),
        ("webhooks", '[{"name": "a", "url": "https://x/hunter2", "secret": "hunter2"}]'),
        ("webhooks", '[{"name": "a", "url": "ftp://x/hunter2", "secret": "whsec_hunter2"}]'),
        ("webhooks", '[{"name": "a", "url": "https://x", "secret": ["hunter2", "hunter2", "hunter2"]}]'),
        ("webhooks", '["hunter2"]'),
        ("webhooks", "hunter2"),
    ],
)
def test_messages_show_no_secret_either(name, value):
    assert "hunter2" not in wrong(overrides={name: value})
    assert "hunter2" not in wrong(env={env_name(name): value})


def test_amounts_have_the_decimals_of_their_currency():
    decimals = {code: Settings(currency=code).minor_units for code in ("eur", "JPY", "KWD")}
    assert decimals == {"eur": 2, "JPY": 0, "KWD": 3}
    assert Settings(currency="eur").currency == "EUR"


def test_definitions_have_the_inactivity_window_of_the_settings():
    definitions = Settings(inactivity_days=7).definitions
    assert [(d.name, d.inactivity_days) for d in definitions] == [("engagement", 7), ("repurchase", 7)]


def test_a_description_is_complete_and_json_ready():
    import orjson

    described = Settings(dimensions=("plan",), rules=Path("r.yaml")).describe()
    assert set(described) == {name for name, spec in SPECS.items() if not spec.internal}
    assert orjson.loads(orjson.dumps(described)) == described


# -- definitions

WEB = (("c", "d"),)


def definitions(*given: object) -> dict[str, Definition]:
    return {d.name: d for d in Settings(definitions=list(given)).definitions}


def test_a_definition_has_events_conditions_and_limits():
    found = definitions({
        "name": "web", "start": {"event": "purchase", "where": {"channel": "web", "new": True}}, "return": "any",
        "where": {"tier": 2, "country": "de"}, "min_active": 3, "inactivity_days": 60,
    })["web"]  # fmt: skip
    both = (("country", "de"), ("tier", "2"))
    start = (("channel", "web"), ("country", "de"), ("new", "true"), ("tier", "2"))
    assert found == Definition("web", "purchase", "any", 60, start, both, 3)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"name": "all"}, Definition("all", "any", "any")),
        ({"name": "seen", "start": "visit"}, Definition("seen", "visit", "visit")),
        ({"name": "w", "start": {"where": {"c": "d"}}}, Definition("w", "any", "any", 30, WEB, WEB)),
        ({"name": "back", "return": "purchase"}, Definition("back", "any", "purchase")),
    ],
)  # fmt: skip
def test_what_is_left_out_of_a_definition_is_the_usual(given, expected):
    assert definitions(given)[expected.name] == expected


def test_those_that_ship_come_first_unless_replaced_in_their_place():
    assert list(definitions({"name": "web"}, {"name": "repurchase", "min_active": 2})) == [
        "engagement", "repurchase", "web",
    ]  # fmt: skip
    assert definitions({"name": "repurchase", "min_active": 2})["repurchase"].min_active == 2


def test_a_changed_window_is_that_of_all_definitions_without_their_own():
    settings = Settings(definitions=[{"name": "web", "inactivity_days": 5}], inactivity_days=9)
    assert [d.inactivity_days for d in settings.definitions] == [9, 9, 5]
    assert [d.inactivity_days for d in replace(settings, inactivity_days=7).definitions] == [7, 7, 5]
    assert replace(settings) == settings


def test_definitions_are_the_same_from_a_file_and_from_the_environment(config):
    file = config(
        "definitions:\n  - name: web\n    start: {event: visit, where: {channel: web}}\n    return: purchase\n"
    )
    text = '[{"name": "web", "start": {"event": "visit", "where": {"channel": "web"}}, "return": "purchase"}]'
    assert load_settings(file) == load_settings(env={"STREAM_APP_DEFINITIONS": text})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("{", "is not a list of definitions"),
        ("web", "is not a list of definitions"),
        (["web"], "is wrong at [0]: 'web' is no mapping; write {name: web, start: visit}"),
        ([{}], "is wrong at [0]: it has no name"),
        ([{"name": "a/b"}], "is wrong at [0].name: 'a/b' is no name"),
        ([{"name": "a"}, {"name": "b"}, {"name": "a"}], "is wrong at [2].name: 'a' is there twice"),
        ([{"name": "a", "begin": "visit"}], "is wrong at [0]: 'begin' is not known; use name, start, return"),
        ([{"name": "a", "start": "buy"}], "is wrong at [0].start: 'buy' is no event; use visit, purchase or any"),
        ([{"name": "a", "start": {"events": "any"}}], "is wrong at [0].start: 'events' is not known"),
        ([{"name": "a", "return": 3}], "is wrong at [0].return: 3 is no mapping"),
        ([{"name": "a", "where": {"b": None}}], "is wrong at [0].where.b: None is no value"),
        ([{"name": "a", "where": {"b": "x" * 257}}], "is wrong at [0].where.b: it has 257 characters"),
        ([{"name": "a", "where": {"": "x"}}], "is wrong at [0].where: '' is no property"),
        ([{"name": "a", "where": {"c": "w"}, "start": {"where": {"c": "x"}}}], "is wrong at [0].start.where.c: the"),
        ([{"name": "a", "min_active": 0}], "is wrong at [0].min_active: 0 is not a whole number from 1 to 184"),
        ([{"name": "a", "inactivity_days": 128}], "[0].inactivity_days: 128 is not a whole number from 1 to 127"),
        ([{"name": f"a{n}", "where": {"c": str(n)}} for n in range(15)], "needs 17 kinds of events with conditions"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_definition_is_told_with_its_place(given, words):
    assert words in wrong(overrides={"definitions": given})


@pytest.mark.parametrize("name", ["amount", "two words", "", "x" * 65])
def test_an_actor_is_a_field_without_another_meaning(name):
    assert "actor: " in wrong(overrides={"actor": name})


@pytest.mark.parametrize("setting", ["orders", "hour_days"])
def test_the_form_of_the_version_before_cannot_hold_what_is_new(setting):
    assert f"{setting}: " in wrong(overrides={"state_format": 1})


def test_the_fingerprint_tells_of_all_that_is_kept():
    usual = Settings()
    for change in ({"orders": False}, {"hour_days": 0}, {"actor": "account_id"}, {"definitions": [{"name": "web"}]}):
        assert replace(usual, **change).fingerprint != usual.fingerprint


def test_a_mapping_where_an_address_belongs_shows_no_secret_either():
    message = wrong(overrides={"redis": {"redis://u:hunter2@r": ["redis://u:hunter2@r"]}})
    assert message.startswith("redis: {'redis://***@r': ['redis://***@r']} (option --redis)")


# -- where alerts go


def test_webhooks_are_the_same_from_a_file_and_from_the_environment(config):
    file = config(f"webhooks:\n  - name: crm\n    url: https://h.example/x\n    secret: {SECRET}\n")
    found = load_settings(file)
    assert found == load_settings(env={"STREAM_APP_WEBHOOKS": WEBHOOKS})
    (webhook,) = found.webhooks
    assert (webhook.name, webhook.url, webhook.keys) == ("crm", "https://h.example/x", (bytes(24),))
    assert replace(found) == found


def test_a_webhook_may_have_two_secrets_while_they_are_changed():
    other = "whsec_" + base64.b64encode(bytes(range(32))).decode()
    (webhook,) = Settings(webhooks=[{"name": "crm", "url": "http://h", "secret": [other, SECRET]}]).webhooks
    assert webhook.keys == (bytes(range(32)), bytes(24))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("{", "is not a list of webhooks"),
        ("crm", "is not a list of webhooks"),
        (["crm"], "is wrong at [0]: it is no mapping"),
        ([{"url": "https://h", "secret": SECRET}], "is wrong at [0]: it has no name"),
        (
            [{"name": "a", "url": "https://h"}],
            "is wrong at [0]: it has no secret; make one by: echo whsec_",
        ),
        ([{"name": "a", "url": "https://h", "secret": SECRET, "kind": "x"}], "is wrong at [0]: 'kind' is not known"),
        ([{"name": "a b", "url": "https://h", "secret": SECRET}], "is wrong at [0].name: 'a b' is no name"),
        ([{"name": "a", "url": "h.example", "secret": SECRET}], "is wrong at [0].url: it is not a web address"),
        ([{"name": "a", "url": 1, "secret": SECRET}], "is wrong at [0].url: it is not text"),
        ([{"name": "a", "url": "https://h", "secret": "x" * 40}], "is wrong at [0].secret: it is not whsec_"),
        ([{"name": "a", "url": "https://h", "secret": "whsec_ab!="}], "is wrong at [0].secret: it is not whsec_"),
        ([{"name": "a", "url": "https://h", "secret": "whsec_YWJj"}], "[0].secret: its key has 3 bytes; use 24 to 64"),
        ([{"name": "a", "url": "https://h", "secret": SECRET}] * 2, "is wrong at [1].name: 'a' is there twice"),
    ],
)
def test_what_is_wrong_with_a_webhook_is_told_with_its_place(given, words):
    assert words in wrong(overrides={"webhooks": given})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("smtp://mail.example", MailServer("mail.example", 587, "smtp")),
        ("smtps://mail.example/", MailServer("mail.example", 465, "smtps")),
        ("smtp+plain://[::1]", MailServer("::1", 25, "smtp+plain")),
        ("smtp://a%40b:p%2Fw%3A@10.0.0.7:2525", MailServer("10.0.0.7", 2525, "smtp", "a@b", "p/w:")),
        ("smtp://u:p@w:x@mail.example", MailServer("mail.example", 587, "smtp", "u", "p@w:x")),
    ],
)
def test_a_mail_server_is_read_from_its_address(given, expected):
    settings = Settings(smtp_url=given, smtp_from="alerts@example.com")
    assert mail_server(settings.smtp_url) == expected


@pytest.mark.parametrize(
    "given", ["alerts@example.com", "Retention alerts <alerts@example.com>", "Büro <alerts@example.com>"]
)
def test_a_sender_may_have_a_name(given):
    assert Settings(smtp_from=given).smtp_from == given


@pytest.mark.parametrize("name", ["Müller, Alerts", "Zoë (Ops)", "Zoë: x", 'Zoë "Z" \\ x', "Ops, Inc"])
def test_a_sender_with_a_name_in_quotes_stays_what_it_is(name):
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    once = Settings(smtp_from=f'"{quoted}" <alerts@example.com>').smtp_from
    assert parseaddr(once) == (name, "alerts@example.com")
    assert Settings(smtp_from=once).smtp_from == once


def test_several_alertmanagers_are_one_setting():
    given = "http://a:9093/, https://b.example/alerts/,http://a:9093"
    assert Settings(alertmanager_url=given).alertmanager_url == "http://a:9093,https://b.example/alerts"
    assert Settings(alertmanager_url=["http://a", "http://b"]).alertmanager_url == "http://a,http://b"
