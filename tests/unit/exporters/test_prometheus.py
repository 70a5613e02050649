import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from support.figures import FIRST_DAY, empty, product, snapshot_of
from support.snapshots import churn, retention
from support.web import alert, silence

from stream_app.exporters.figures import INDEXES, segment_label
from stream_app.exporters.prometheus import METRICS, Metrics


def scraped(metrics: Metrics) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    found: dict = {}
    for family in text_string_to_metric_families(generate_latest(metrics.registry).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def families(metrics: Metrics) -> dict:
    found = {}
    for family in text_string_to_metric_families(generate_latest(metrics.registry).decode()):
        name = family.name + ("_total" if family.type == "counter" else "")
        found[name] = (family.type, family.documentation)
    return found


def test_the_table_and_the_registry_say_the_same():
    own = {name: said for name, said in families(Metrics()).items() if name.startswith("stream_app_")}
    assert own == {metric.name: (metric.type, metric.help) for metric in METRICS}


def test_labels_are_those_of_the_table():
    metrics = Metrics()
    metrics.show(product())
    metrics.recovery_seconds.set(1.5)
    metrics.show_rules(1)
    metrics.show_alerts([], [], ["pro-day-7"])
    for metric in METRICS:
        attribute = getattr(metrics, metric.name.removeprefix("stream_app_").removesuffix("_total"), None)
        if metric.labels and attribute is not None:
            attribute.labels(*metric.labels)
    samples = scraped(metrics)
    for metric in METRICS:
        found = samples.get(metric.name) or samples[metric.name + "_count"]
        assert {name for name, _ in next(iter(found))} == set(metric.labels), metric.name


def test_alerts_are_counted_by_rule_and_rules_without_any_are_zero():
    now = 1_000_000
    metrics = Metrics(clock=lambda: now / 1000)
    rows = [
        alert(rule="fell", segment={"plan": "pro"}),
        alert(rule="fell", segment={"plan": "team"}, acknowledged={"author": "ada"}, health="error"),
        alert(rule="fell", segment={"plan": "free"}, state="pending"),
        alert(rule="stream-stalled", segment={}),
        alert(rule="quiet", state="inactive", health="no_data"),
    ]
    over, held, ahead = silence("a", ends=now), silence("b", ends=now + 1), silence("c", begins=now + 1)
    metrics.show_alerts(rows, [over, held, ahead], ["fell", "calm"])
    samples = scraped(metrics)
    by_rule = {(("rule", name),): n for name, n in {"fell": 2, "stream-stalled": 1, "quiet": 0, "calm": 0}.items()}
    assert samples["stream_app_alerts_firing"] == by_rule
    assert samples["stream_app_alerts_pending"][("rule", "fell"),] == 1
    assert samples["stream_app_alerts_acknowledged"][("rule", "fell"),] == 1
    unwell = {labels: value for labels, value in samples["stream_app_alerts_unhealthy"].items() if value}
    assert unwell == {(("health", "error"), ("rule", "fell")): 1, (("health", "no_data"), ("rule", "quiet")): 1}
    assert samples["stream_app_silences"] == {(): 1}
    now += 2
    assert scraped(metrics)["stream_app_silences"] == {(): 1}  # one has ended, one has begun
    metrics.show_alerts((), (), ())
    assert "stream_app_alerts_firing" not in scraped(metrics)


def test_a_refused_rules_file_leaves_the_time_of_the_rules_in_force():
    now = 100.0
    metrics = Metrics(clock=lambda: now)
    assert "stream_app_rules_reload_successful" not in scraped(metrics)
    metrics.show_rules(3)
    now = 200.0
    metrics.show_rules(3, "line 2: no")
    samples = scraped(metrics)
    assert samples["stream_app_rules_loaded"] == {(): 3}
    assert samples["stream_app_rules_reload_successful"] == {(): 0}
    assert samples["stream_app_rules_reload_success_timestamp_seconds"] == {(): 100}
    metrics.show_rules(4)
    samples = scraped(metrics)
    assert samples["stream_app_rules_reload_successful"] == {(): 1}
    assert samples["stream_app_rules_reload_success_timestamp_seconds"] == {(): 200}


def test_what_is_not_known_is_absent():
    metrics = Metrics()
    for snapshot in (None, empty()):
        metrics.show(snapshot)
        samples = scraped(metrics)
        for name in (
            "stream_app_watermark_timestamp_seconds",
            "stream_app_event_time_lag_seconds",
            "stream_app_retention_ratio",
            "stream_app_active_customers",
            "stream_app_recovery_seconds",
        ):
            assert name not in samples
    assert samples["stream_app_users"] == {(): 0}


def test_a_gauge_can_become_absent_again():
    metrics = Metrics()
    metrics.recovery_seconds.set(0)
    assert scraped(metrics)["stream_app_recovery_seconds"] == {(): 0}
    metrics.recovery_seconds.set(None)
    assert "stream_app_recovery_seconds" not in scraped(metrics)


@pytest.mark.parametrize("top", [1, 20])
def test_retention_is_the_api_s_figure_of_the_latest_closed_cohort(top):
    snapshot, metrics = product(), Metrics(top=top)
    metrics.show(snapshot)
    expected = {}
    for definition in ("engagement", "repurchase"):
        for grain, indexes in INDEXES.items():
            for dimension in (None, "plan"):
                answer = retention(snapshot, definition=definition, grain=grain, dimension=dimension, top=top)
                for part in answer["segments"]:
                    for index in indexes:
                        cells = [
                            cohort["retained"][index] / cohort["size"]
                            for cohort in part["cohorts"]
                            if index < len(cohort["retained"]) and cohort["retained"][index] is not None
                        ]
                        if cells:
                            labels = {
                                "definition": definition,
                                "grain": grain.value,
                                "index": str(index),
                                "segment": segment_label(part["segment"]),
                            }
                            expected[tuple(sorted(labels.items()))] = pytest.approx(cells[-1])
    assert scraped(metrics)["stream_app_retention_ratio"] == expected
    assert len(expected) > 10


def test_active_customers_are_those_of_the_last_closed_day():
    snapshot, metrics = product(), Metrics(top=2)
    metrics.show(snapshot)
    expected = {}
    for definition in ("engagement", "repurchase"):
        for dimension in (None, "plan"):
            for part in churn(snapshot, definition=definition, dimension=dimension, top=2)["segments"]:
                labels = {"definition": definition, "segment": segment_label(part["segment"])}
                expected[tuple(sorted(labels.items()))] = part["days"][-1]["active"]
    assert scraped(metrics)["stream_app_active_customers"] == expected


def test_a_segment_without_a_closed_day_is_absent():
    users = [(("old",), [FIRST_DAY], []), (("new",), [FIRST_DAY + 5], [])]
    metrics = Metrics()
    metrics.show(snapshot_of(users, closed_day=FIRST_DAY + 4))
    segments = {dict(labels)["segment"] for labels in scraped(metrics)["stream_app_active_customers"]}
    assert segments == {"all", "plan=old"}


def test_the_watermark_and_how_far_it_is_behind():
    snapshot = product()
    metrics = Metrics(clock=lambda: snapshot.watermark / 1000 + 90)
    metrics.show(snapshot)
    samples = scraped(metrics)
    assert samples["stream_app_watermark_timestamp_seconds"] == {(): snapshot.watermark / 1000}
    assert samples["stream_app_event_time_lag_seconds"] == {(): 90}


def test_figures_are_computed_once_a_snapshot(monkeypatch):
    metrics, calls = Metrics(), []
    original = metrics._figures._figures
    monkeypatch.setattr(metrics._figures, "_figures", lambda snapshot: calls.append(1) or original(snapshot))
    snapshot = product(users=10)
    for _ in range(3):
        metrics.show(snapshot)
        scraped(metrics)
    assert len(calls) == 1


def test_values_that_need_quoting_are_quoted():
    value = 'a "b"\\ \n<c>'
    metrics = Metrics()
    metrics.show(snapshot_of([((value,), [FIRST_DAY], [])], closed_day=FIRST_DAY))
    segments = {dict(labels)["segment"] for labels in scraped(metrics)["stream_app_active_customers"]}
    assert f"plan={value}" in segments


def test_no_second_series_of_when_a_counter_was_made():
    metrics = Metrics()
    metrics.records_read.labels("visits").inc()
    assert not [name for name in scraped(metrics) if name.endswith("_created")]
