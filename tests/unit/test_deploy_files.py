"""The files of the deployment are valid, agree with the program and with each other."""

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support.queries import Query, dashboard_queries, rule_queries, unknown_words

from stream_app.domain.alerts.rules import load_rules
from stream_app.exporters.table import METRICS
from stream_app.notifiers import delivery
from stream_app.notifiers.base import Misconfigured, OutcomeUnknown, RateLimited, Rejected, Unavailable
from stream_app.settings import load_settings

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "deploy"
COMPOSE = ROOT / "docker-compose.yml"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "stream-app.json"
RULES = DEPLOY / "prometheus" / "stream-app.rules.yml"
RULES_TEST = DEPLOY / "prometheus" / "stream-app.rules.test.yml"
LABELS = {metric.name: metric.labels for metric in METRICS}


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
    environment = worker_environment() | {"STREAM_APP_SLACK_TOKEN": "xoxb-1", "STREAM_APP_PUBLIC_URL": "http://a.test"}
    assert environment.keys() >= loaded(COMPOSE)["services"]["worker"]["environment"].keys()
    environment["STREAM_APP_RULES"] = str(DEPLOY / "rules.yml")
    settings = load_settings(env=environment)
    assert settings.web_host == "0.0.0.0"
    text = (DEPLOY / "rules.yml").read_text("utf-8")
    found = load_rules(
        text, source="deploy/rules.yml", definitions=settings.definitions, dimensions=settings.dimensions,
        calendar=settings.calendar,
    )  # fmt: skip
    assert found.rules


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
    assert unknown_words(queries, LABELS) == []


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
    assert unknown_words([Query("series", text) for text in series], LABELS) == []


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
