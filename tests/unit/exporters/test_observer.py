"""What the engine reports becomes counters and histograms."""

from __future__ import annotations

from prometheus_client import generate_latest

from stream_app.engine.ledger import Commit
from stream_app.engine.source_config import ChunkCounts
from stream_app.exporters.observer import MetricsObserver
from stream_app.exporters.prometheus import Metrics


def lines(metrics: Metrics) -> set[str]:
    return set(generate_latest(metrics.registry).decode().splitlines())


def test_a_chunk_and_a_commit_are_counted_whole():
    metrics = Metrics()
    observer = MetricsObserver(metrics)
    observer.chunk("visits", ChunkCounts(10, 7, 2, 1, 3, ["not_json", "not_json"]), 0.02)
    commit = Commit(([b"a", b"b"], [b"12", b"345"]), b"marker", [(b"k", b"1234"), (b"status", b"{}")])
    observer.commit("committed", 0.01, commit.written)
    observer.commit("fenced", 0.0)
    observer.recovered(0, 5, 0.5)
    observer.recovered(1, 6, 0.25)
    observer.lost("visits", 9)
    assert {
        'stream_app_records_read_total{topic="visits"} 10.0',
        'stream_app_records_counted_total{topic="visits"} 7.0',
        'stream_app_records_dead_lettered_total{reason="not_json"} 2.0',
        'stream_app_records_dropped_total{reason="beyond_horizon"} 1.0',
        'stream_app_records_lost_total{topic="visits"} 9.0',
        "stream_app_late_events_total 3.0",
        "stream_app_rows_written_total 2.0",
        "stream_app_partials_written_total 2.0",
        'stream_app_committed_bytes_total{kind="rows"} 5.0',
        'stream_app_committed_bytes_total{kind="partials"} 6.0',
        'stream_app_commits_total{outcome="fenced"} 1.0',
        "stream_app_commit_seconds_count 1.0",
        "stream_app_recovery_seconds 0.25",
        "stream_app_recovered_users_total 11.0",
    } <= lines(metrics)
