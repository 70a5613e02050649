"""Every metric of stream-app: name, type, labels and meaning. docs/metrics.md says the same; a test compares."""

from __future__ import annotations

from typing import NamedTuple


class Metric(NamedTuple):
    """One metric.

    Attributes:
        name: as Prometheus sees it, `_total` included.
        type: `counter`, `gauge` or `histogram`.
        labels: names of its labels, each bounded in its values.
        help: what it counts, in which unit, and when it is absent.
    """

    name: str
    type: str
    labels: tuple[str, ...]
    help: str


METRICS: tuple[Metric, ...] = (
    Metric(
        "stream_app_records_read_total",
        "counter",
        ("topic",),
        "Records read from a source topic. Counted, dead-lettered and dropped ones add up to these.",
    ),
    Metric("stream_app_records_counted_total", "counter", ("topic",), "Records read and counted, late ones included."),
    Metric(
        "stream_app_records_dead_lettered_total",
        "counter",
        ("reason",),
        "Records that could not be read and went to the dead-letters topic, by reason code.",
    ),
    Metric(
        "stream_app_records_dropped_total",
        "counter",
        ("reason",),
        "Records that a rule leaves out, such as events older than the horizon, by reason.",
    ),
    Metric(
        "stream_app_records_lost_total",
        "counter",
        ("topic",),
        "Records of a source topic that its retention deleted before they were read; their events are not counted.",
    ),
    Metric(
        "stream_app_late_events_total",
        "counter",
        (),
        "Events that arrived after their day closed; they are counted, and the day's figures corrected.",
    ),
    Metric(
        "stream_app_corrected_cells_total",
        "counter",
        ("definition",),
        "Cells of all users that late events changed after their period had closed; their figures are published again.",
    ),
    Metric("stream_app_users", "gauge", (), "Users known to the service. Absent before the first snapshot."),
    Metric(
        "stream_app_chunk_seconds",
        "histogram",
        (),
        "Seconds from taking a chunk of records to its state being up to date.",
    ),
    Metric("stream_app_commit_seconds", "histogram", (), "Seconds that a transaction of a source partition took."),
    Metric(
        "stream_app_commits_total",
        "counter",
        ("outcome",),
        "Transactions by outcome: committed, fenced (another worker owns the partition now) or failed.",
    ),
    Metric(
        "stream_app_rows_written_total",
        "counter",
        (),
        "Users' rows written. Divided by the records counted: the share of events that change a user between commits.",
    ),
    Metric("stream_app_partials_written_total", "counter", (), "Records of changed counters written."),
    Metric("stream_app_committed_bytes_total", "counter", ("kind",), "Bytes committed, by kind: rows or partials."),
    Metric(
        "stream_app_lag_records",
        "gauge",
        ("topic", "partition"),
        "Records of an owned source partition that are not read yet.",
    ),
    Metric(
        "stream_app_watermark_timestamp_seconds",
        "gauge",
        (),
        "The service's watermark, in seconds since 1970: what ends before it is closed. Absent before any event.",
    ),
    Metric(
        "stream_app_event_time_lag_seconds",
        "gauge",
        (),
        "Seconds by which the watermark is behind the wall clock. Absent before any event.",
    ),
    Metric(
        "stream_app_newest_event_age_seconds",
        "gauge",
        ("topic", "partition"),
        "Age of the newest event read from an owned source partition, by event time. Absent before any event.",
    ),
    Metric("stream_app_partitions_owned", "gauge", (), "Source partitions that this worker owns."),
    Metric(
        "stream_app_recovery_seconds",
        "gauge",
        (),
        "Seconds that the last recovery of a partition's state took. Absent before the first one.",
    ),
    Metric(
        "stream_app_recovered_users_total", "counter", (), "Users whose state was read back when taking a partition."
    ),
    Metric(
        "stream_app_retention_ratio",
        "gauge",
        ("definition", "grain", "index", "segment"),
        "Classic retention (0 to 1) of the latest cohort whose period of that index has closed; segment is `all` or "
        "`dimension=value`. Absent where none has closed.",
    ),
    Metric(
        "stream_app_active_customers",
        "gauge",
        ("definition", "segment"),
        "Customers active, by inactivity window, at the end of the latest closed day. Absent before one has closed.",
    ),
    Metric(
        "stream_app_alerts_firing",
        "gauge",
        ("rule",),
        "Alerts of a rule that are firing, one a segment; those of the stream itself have their own names. Only of the "
        "worker that judges.",
    ),
    Metric(
        "stream_app_alerts_pending", "gauge", ("rule",), "Alerts of a rule that have breached, but not long enough yet."
    ),
    Metric(
        "stream_app_alerts_unhealthy",
        "gauge",
        ("rule", "health"),
        "Alerts of a rule that cannot be judged, by health: no_data (no group that is large enough) or error (the "
        "figure cannot be had).",
    ),
    Metric(
        "stream_app_alerts_acknowledged", "gauge", ("rule",), "Firing alerts of a rule that somebody has acknowledged."
    ),
    Metric("stream_app_silences", "gauge", (), "Silences in force; 0 on workers that do not judge."),
    Metric(
        "stream_app_rules_loaded",
        "gauge",
        (),
        "Alert rules in force on this worker, those of the file as it was when it was last right.",
    ),
    Metric(
        "stream_app_rules_reload_successful",
        "gauge",
        (),
        "1 where the rules file as it is now is in force, 0 where it was refused and former rules stay. Absent without "
        "a rules file.",
    ),
    Metric(
        "stream_app_rules_reload_success_timestamp_seconds",
        "gauge",
        (),
        "When the rules in force were read, in seconds since 1970. Absent without a rules file.",
    ),
    Metric(
        "stream_app_notifications_total",
        "counter",
        ("target_kind", "outcome"),
        "Attempts by kind of target (console, slack, webhook, email, alertmanager) and outcome: sent, found (it had "
        "been), rejected (for good), or owed still: rate_limited, unavailable, misconfigured, unknown.",
    ),
    Metric(
        "stream_app_notifications_withheld_total",
        "counter",
        ("reason",),
        "Changes of alerts that were not told when they happened, by reason: a silence, the hours of the rule, its "
        "cap, or that it had passed before it could be told.",
    ),
    Metric(
        "stream_app_snapshot_writes_total",
        "counter",
        ("outcome",),
        "Snapshots published to Redis by outcome: written, or unavailable (owed, written once Redis is back).",
    ),
    Metric("stream_app_snapshot_seconds", "histogram", (), "Seconds that publishing a snapshot to Redis took."),
    Metric(
        "stream_app_census_total",
        "counter",
        ("figure", "outcome"),
        "Questions that all workers were asked, because no counter answers them, by outcome: answered, unanswered or "
        "failed.",
    ),
    Metric(
        "stream_app_census_seconds",
        "histogram",
        (),
        "Seconds from such a question to the tallies of all source partitions being added up.",
    ),
    Metric("stream_app_build_info", "gauge", ("version",), "Always 1; the version is in the label."),
)
BY_NAME = {metric.name: metric for metric in METRICS}
