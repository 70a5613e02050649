"""Dashboard and alert rules in a real Prometheus that scrapes the exporter, and the really running service."""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import servers
import yaml
from prometheus_client import generate_latest
from support.demo import running_demo
from support.figures import product
from support.queries import Checked, check_queries, check_rules
from support.web import alert, silence

from stream_app.demo import cdnow
from stream_app.exporters.prometheus import Metrics

DEPLOY = servers.ROOT / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "stream-app.json").read_text("utf-8"))
RULES = DEPLOY / "prometheus" / "stream-app.rules.yml"


def exercise(metrics: Metrics) -> None:
    """One moment of a worker in whose life everything happens."""
    metrics.records_read.labels("visits").inc(1000)
    metrics.records_counted.labels("visits").inc(990)
    metrics.records_dead_lettered.labels("not_json").inc(8)
    metrics.records_dropped.labels("too_old").inc(2)
    metrics.late_events.inc()
    metrics.corrected_cells.labels("engagement").inc()
    metrics.census.labels("value", "answered").inc()
    metrics.census_seconds.observe(0.2)
    metrics.chunk_seconds.observe(0.02)
    metrics.commit_seconds.observe(0.01)
    metrics.commits.labels("committed").inc()
    metrics.rows_written.inc(400)
    metrics.partials_written.inc(90)
    metrics.committed_bytes.labels("rows").inc(60_000)
    metrics.lag_records.labels("visits", "0").set(17)
    metrics.newest_event_age_seconds.labels("visits", "0").set(2.5)
    metrics.snapshot_seconds.observe(0.01)
    metrics.partitions_owned.set(4)
    metrics.recovery_seconds.set(0.3)
    metrics.show_alerts([alert(), alert(health="error")], [silence()], ["pro-day-7"])
    metrics.show_rules(1)
    metrics.notifications.labels("slack", "sent").inc()
    metrics.notifications_withheld.labels("silenced").inc()
    metrics.snapshot_writes.labels("written").inc()


@contextmanager
def worker(metrics: Metrics, happen: Callable[[Metrics], None]) -> Iterator[dict]:
    """Serves metrics as a worker does, and something happens between scrapes; gives Prometheus' configuration."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            happen(metrics)
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(generate_latest(metrics.registry))

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    target = f"127.0.0.1:{server.server_address[1]}"
    job = {"job_name": "stream-app", "static_configs": [{"targets": [target]}]}
    try:
        yield {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [job]}
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def busy(prometheus_server) -> Iterator[servers.PrometheusServer]:
    """A Prometheus that has scraped a busy worker twice: rates have something to go by."""
    metrics = Metrics()
    metrics.show(product())
    with worker(metrics, exercise) as config:
        server = prometheus_server(config)
        servers.eventually_sync(lambda: server.query("rate(stream_app_late_events_total[1m]) > 0"), timeout=30)
        yield server


def test_every_dashboard_query_answers_from_a_busy_worker(busy: servers.PrometheusServer) -> None:
    assert check_queries(busy.url, DASHBOARD) == Checked()
    chosen = 'definition="engagement",grain="day",index="7",segment="plan=pro"'
    (retention,) = busy.query(f"max by (segment) (stream_app_retention_ratio{{{chosen}}})")
    assert 0 < float(retention["value"][1]) < 1


def test_every_alert_rule_runs_on_a_busy_worker(busy: servers.PrometheusServer) -> None:
    assert check_rules(busy.url, yaml.safe_load(RULES.read_text("utf-8"))) == Checked()


def test_a_worker_that_saw_nothing_has_silent_panels_and_no_wrong_ones(prometheus_server) -> None:
    with worker(Metrics(), lambda _: None) as config:
        server = prometheus_server(config)
        servers.eventually_sync(lambda: server.query("rate(process_cpu_seconds_total[1m])"), timeout=30)
        checked = check_queries(server.url, DASHBOARD)
    assert checked.problems == []
    assert "panel 'Retention by segment'" in checked.silent
    assert "panel 'Dead letters by reason'" in checked.silent


@pytest.fixture(scope="module")
def live(prometheus_server) -> Iterator[servers.PrometheusServer]:
    """A Prometheus that has scraped the service, with the demo's data in it, often enough for rates."""
    with running_demo() as address:
        target = urlsplit(address).netloc
        job = {"job_name": "stream-app", "static_configs": [{"targets": [target]}]}
        server = prometheus_server(
            {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [job]}
        )
        servers.eventually_sync(lambda: server.query("rate(process_cpu_seconds_total[1m])"), timeout=30)
        yield server


def test_every_dashboard_query_answers_from_the_running_service(live: servers.PrometheusServer) -> None:
    checked = check_queries(live.url, DASHBOARD)
    assert checked.problems == []
    # The demo's events are all good, and nobody asks for a census: only what is told of these has nothing to show.
    silent = {"panel 'What became of them'", "panel 'Dead letters by reason'", "panel 'Censuses'", "panel 'Withheld'"}
    assert set(checked.silent) == silent


def test_the_dashboard_shows_what_the_demo_played(live: servers.PrometheusServer) -> None:
    def value(query: str) -> float:
        (sample,) = live.query(query)
        return float(sample["value"][1])

    counted = value("sum(stream_app_records_counted_total)")
    assert value('sum(stream_app_records_counted_total{topic=~".*purchases"})') == cdnow.ROWS
    assert value("sum(stream_app_records_read_total)") == counted
    assert value("stream_app_users") == 41_734
    assert value("sum(stream_app_lag_records)") == 0
    assert value("stream_app_partitions_owned") == 4
    assert value('stream_app_alerts_firing{rule="pro-day-7"}') == 1
    assert value("sum(stream_app_notifications_total)") == 1
    chosen = 'definition="engagement",grain="day",index="7"'
    assert value(f'stream_app_retention_ratio{{{chosen},segment="plan=pro"}}') < 0.15
    assert value(f'stream_app_retention_ratio{{{chosen},segment="plan=team"}}') > 0.45


def test_every_alert_rule_runs_on_the_running_service_and_finds_nothing_wrong(live: servers.PrometheusServer) -> None:
    rules = yaml.safe_load(RULES.read_text("utf-8"))
    assert check_rules(live.url, rules) == Checked()
    firing = [rule["alert"] for group in rules["groups"] for rule in group["rules"] if live.query(rule["expr"])]
    assert set(firing) <= {"StreamAppWatermarkStandsStill"}  # which must do so for long before anybody is told


@pytest.mark.parametrize(
    ("query", "legend", "complaint"),
    [
        ("sum by (instance (up)", "", "parse error"),
        ("stream_app_no_such_thing", "", "nothing exports stream_app_no_such_thing"),
        ('stream_app_partitions_owned{job="other"}', "", "returns nothing"),
        ("sum(stream_app_partitions_owned)", "{{instance}}", "the legend's instance is not in the answer"),
    ],
)
def test_a_wrong_query_is_found_out(busy: servers.PrometheusServer, query: str, legend: str, complaint: str) -> None:
    panel = {"title": "Wrong", "targets": [{"expr": query, "legendFormat": legend}]}
    (problem,) = check_queries(busy.url, {"panels": [panel], "templating": {"list": []}}).problems
    assert complaint in problem


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [servers.need("promtool", "prometheus"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_promtool_accepts_the_configuration_and_its_rules() -> None:
    done = promtool("check", "config", DEPLOY / "prometheus" / "prometheus.yml")
    assert done.returncode == 0, done.stderr
    assert "16 rules found" in done.stdout


def test_each_alert_fires_on_what_it_is_for_and_on_nothing_else() -> None:
    done = promtool("test", "rules", DEPLOY / "prometheus" / "stream-app.rules.test.yml")
    assert done.returncode == 0, done.stdout + done.stderr
