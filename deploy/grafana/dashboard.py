"""Writes dashboards/stream-app.json: `python deploy/grafana/dashboard.py` (a test compares the two).

Counters and histograms are each worker's own, so panels sum them; the figures of a snapshot are the same in every
worker, so panels take their maximum.
"""

import json
from itertools import count
from pathlib import Path

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DatasourceVariable,
    QueryVariable,
    Row,
    ThresholdsConfig,
)
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.timeseries import Panel as TimeSeries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    DataSourceRef,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

OUTPUT = Path(__file__).with_name("dashboards") / "stream-app.json"
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
WIDTH = 24  # of Grafana's grid

CHOSEN = 'definition=~"$definition",grain=~"$grain",index=~"$index"'


def rate(metric: str, *by: str) -> str:
    """Per second, summed over workers."""
    return f"sum by ({', '.join(by)}) (rate({metric}[$__rate_interval]))"


def quantile(q: float, metric: str) -> str:
    """Of a histogram over all workers."""
    return f"histogram_quantile({q}, {rate(f'{metric}_bucket', 'le')})"


def queries(panel: Stat | TimeSeries, lines: dict[str, str]) -> None:
    """Add one query a legend."""
    for number, (legend, expression) in enumerate(lines.items()):
        query = Dataquery().expr(expression).legend_format(legend).ref_id("ABCDEFGH"[number]).datasource(SOURCE)
        panel.with_target(query.instant() if isinstance(panel, Stat) else query.range())


def steps(*pairs: tuple[float | None, str]) -> ThresholdsConfig:
    """Colours from a value on."""
    thresholds = [Threshold(value=value, color=colour) for value, colour in pairs]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(thresholds)


def number(title: str, meaning: str, expression: str, unit: str, colours: ThresholdsConfig) -> Stat:
    """A quarter of a row: one figure of now."""
    panel = Stat().title(title).description(meaning).datasource(SOURCE).unit(unit).height(4).span(WIDTH // 4)
    panel.color_mode(BigValueColorMode.VALUE).graph_mode(BigValueGraphMode.NONE).thresholds(colours).no_value("–")
    panel.reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]))
    queries(panel, {"": expression})
    return panel


def lines(title: str, meaning: str, unit: str, drawn: dict[str, str], *, wide: bool = False) -> TimeSeries:
    """A third of a row, or half of one: values over time."""
    panel = TimeSeries().title(title).description(meaning).datasource(SOURCE).unit(unit)
    panel.height(8).span(WIDTH // 2 if wide else WIDTH // 3)
    panel.legend(
        common_builders.VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    panel.tooltip(common_builders.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
    queries(panel, drawn)
    return panel


def stacked(panel: TimeSeries) -> TimeSeries:
    """Parts of a whole."""
    return panel.stacking(common_builders.StackingConfig().mode(StackingMode.NORMAL)).fill_opacity(25)


def choice(name: str, label: str, default: str) -> QueryVariable:
    """A label of the retention figures to choose by."""
    return (
        QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(f"label_values(stream_app_retention_ratio, {name})")
        .current(VariableOption(text=default, value=default))
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.NUMERICAL_ASC)
    )


PLAIN = steps((None, "text"))
GOOD_OR_BAD = steps((None, "green"), (1, "red"))
LAGGING = steps((None, "green"), (3600, "yellow"), (86_400, "red"))

RETENTION = [
    number(
        "Alerts firing",
        "Alerts of all rules that fire now",
        "sum(max by (rule) (stream_app_alerts_firing))",
        "none",
        GOOD_OR_BAD,
    ),
    number(
        "Active customers",
        "At the end of the latest closed day, all segments",
        'max(stream_app_active_customers{definition=~"$definition",segment="all"})',
        "short",
        PLAIN,
    ),
    number("Users known", "Users that ever had an event", "max(stream_app_users)", "short", PLAIN),
    number(
        "Watermark lag",
        "How far event time is behind the wall clock: what is younger than this is not closed",
        "max(stream_app_event_time_lag_seconds)",
        "s",
        LAGGING,
    ),
    lines(
        "Retention by segment",
        "Classic retention of the latest cohort whose period $index has closed ($definition, by $grain)",
        "percentunit",
        {"{{segment}}": f"max by (segment) (stream_app_retention_ratio{{{CHOSEN}}})"},
        wide=True,
    ).min(0),
    lines(
        "Active customers by segment",
        "At the end of the latest closed day",
        "short",
        {"{{segment}}": 'max by (segment) (stream_app_active_customers{definition=~"$definition"})'},
        wide=True,
    ).min(0),
]

ALERTS = [
    lines(
        "Alerts firing by rule",
        "One a segment; stream-volume, stream-stalled and stream-behind are about the stream of events itself",
        "none",
        {"{{rule}}": "max by (rule) (stream_app_alerts_firing)"},
    )
    .min(0)
    .decimals(0),
    lines(
        "Pending and acknowledged",
        "Breached, but not long enough to fire; fires, and somebody has said so",
        "none",
        {
            "pending": "sum(max by (rule) (stream_app_alerts_pending))",
            "acknowledged": "sum(max by (rule) (stream_app_alerts_acknowledged))",
            "silences": "max(stream_app_silences)",
        },
    )
    .min(0)
    .decimals(0),
    lines(
        "Alerts that cannot be judged",
        "No group large enough, or a figure that cannot be had",
        "none",
        {"{{health}}": "sum by (health) (max by (rule, health) (stream_app_alerts_unhealthy))"},
    )
    .min(0)
    .decimals(0),
    lines(
        "Notifications",
        "Attempts since the workers started: sent or found to be there, rejected for good, and the rest is tried again",
        "none",
        {"{{target_kind}} {{outcome}}": "sum by (target_kind, outcome) (stream_app_notifications_total)"},
    )
    .min(0)
    .decimals(0),
    lines(
        "Withheld",
        "Changes that were not told when they happened, since the workers started, by reason",
        "none",
        {"{{reason}}": "sum by (reason) (stream_app_notifications_withheld_total)"},
    )
    .min(0)
    .decimals(0),
    lines(
        "Rules",
        "In force, and workers whose rules file was refused: those keep the rules they had",
        "none",
        {
            "rules": "max(stream_app_rules_loaded)",
            "workers with a refused file": "count(stream_app_rules_reload_successful == 0) or "
            "0 * count(stream_app_rules_reload_successful)",
            "hours since they were read": "(time() - min(stream_app_rules_reload_success_timestamp_seconds)) / 3600",
        },
    )
    .min(0)
    .decimals(0),
]

STREAM = [
    lines("Events read", "By topic", "ops", {"{{topic}}": rate("stream_app_records_read_total", "topic")}),
    stacked(
        lines(
            "What became of them",
            "Read = counted + dead-lettered + dropped",
            "ops",
            {
                "counted": "sum(rate(stream_app_records_counted_total[$__rate_interval]))",
                "dead-lettered": "sum(rate(stream_app_records_dead_lettered_total[$__rate_interval]))",
                "dropped": "sum(rate(stream_app_records_dropped_total[$__rate_interval]))",
            },
        )
    ),
    lines(
        "Dead letters by reason",
        "Records that could not be read; their bytes are in the dead-letters topic",
        "ops",
        {"{{reason}}": rate("stream_app_records_dead_lettered_total", "reason")},
    ),
    lines(
        "Lag and losses",
        "Records not read yet, and those that the topic's retention deleted before they were read since the workers "
        "started",
        "short",
        {
            "{{topic}}": "sum by (topic) (stream_app_lag_records)",
            "lost": "sum(stream_app_records_lost_total) or vector(0)",
        },
    ).min(0),
    lines(
        "Watermark lag",
        "Event time behind the wall clock",
        "s",
        {
            "watermark": "max(stream_app_event_time_lag_seconds)",
            "oldest of the newest events": "max(stream_app_newest_event_age_seconds)",
        },
    ),
    lines(
        "Late events",
        "Counted although their day had closed, and cells of closed periods that they changed",
        "ops",
        {
            "late": "sum(rate(stream_app_late_events_total[$__rate_interval]))",
            "corrected cells": "sum(rate(stream_app_corrected_cells_total[$__rate_interval]))",
        },
    ),
]

WORKERS = [
    lines(
        "Commit time",
        "One Kafka transaction of a source partition",
        "s",
        {
            "p50": quantile(0.5, "stream_app_commit_seconds"),
            "p99": quantile(0.99, "stream_app_commit_seconds"),
        },
    ),
    lines(
        "Chunk time",
        "From taking a chunk of records to its state being up to date",
        "s",
        {
            "p50": quantile(0.5, "stream_app_chunk_seconds"),
            "p99": quantile(0.99, "stream_app_chunk_seconds"),
        },
    ),
    lines(
        "Rows a second",
        "Users' rows and records of counters written by commits",
        "ops",
        {
            "rows": "sum(rate(stream_app_rows_written_total[$__rate_interval]))",
            "partials": "sum(rate(stream_app_partials_written_total[$__rate_interval]))",
        },
    ),
    lines(
        "Dirty ratio",
        "Rows written for each event counted: 1 where every event is of another user since the last commit",
        "percentunit",
        {
            "rows an event": "sum(rate(stream_app_rows_written_total[$__rate_interval])) / "
            "sum(rate(stream_app_records_counted_total[$__rate_interval]))"
        },
    ),
    lines("Bytes committed", "By kind", "Bps", {"{{kind}}": rate("stream_app_committed_bytes_total", "kind")}),
    lines("Commits", "By outcome", "ops", {"{{outcome}}": rate("stream_app_commits_total", "outcome")}),
    lines(
        "Partitions owned",
        "By worker",
        "none",
        {"{{instance}}": "sum by (instance) (stream_app_partitions_owned)"},
    ).decimals(0),
    lines(
        "Memory",
        "Resident, by worker",
        "bytes",
        {"{{instance}}": 'sum by (instance) (process_resident_memory_bytes{job="stream-app"})'},
    ),
    lines(
        "Processor",
        "Cores used, by worker",
        "none",
        {"{{instance}}": rate('process_cpu_seconds_total{job="stream-app"}', "instance")},
    ),
    lines(
        "Snapshot time",
        "Publishing a snapshot to Redis",
        "s",
        {
            "p50": quantile(0.5, "stream_app_snapshot_seconds"),
            "p99": quantile(0.99, "stream_app_snapshot_seconds"),
        },
    ),
    lines(
        "Census time",
        "A question that no counter answers, asked of all workers",
        "s",
        {
            "p50": quantile(0.5, "stream_app_census_seconds"),
            "p99": quantile(0.99, "stream_app_census_seconds"),
        },
    ),
    lines("Censuses", "By outcome", "ops", {"{{outcome}}": rate("stream_app_census_total", "outcome")}),
    lines(
        "Users recovered",
        "Whose state was read back when a partition was taken over",
        "short",
        {"{{instance}}": "sum by (instance) (stream_app_recovered_users_total)"},
    ),
    lines(
        "Last recovery",
        "Seconds that reading a partition's state back took",
        "s",
        {"{{instance}}": "max by (instance) (stream_app_recovery_seconds)"},
    ),
    lines(
        "Snapshots to Redis",
        "Written, or owed while Redis is away",
        "ops",
        {"{{outcome}}": rate("stream_app_snapshot_writes_total", "outcome")},
    ),
]


def build() -> str:
    """The dashboard as JSON, with a line feed at its end."""
    board = (
        Dashboard("stream-app")
        .uid("stream-app")
        .description("Retention, its alerts, and the stream they are made from")
        .tags(["stream-app"])
        .timezone("browser")
        .time("now-6h", "now")
        .refresh("30s")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
        .with_variable(DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(choice("definition", "Definition", "engagement"))
        .with_variable(choice("grain", "Grain", "day"))
        .with_variable(choice("index", "Period index", "7"))
    )
    identity = count(1)
    for title, panels in (("Retention", RETENTION), ("Alerts", ALERTS), ("Stream", STREAM), ("Workers", WORKERS)):
        board.with_row(Row(title).id(next(identity)))
        for panel in panels:
            board.with_panel(panel.id(next(identity)))
    return json.dumps(board.build(), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    OUTPUT.write_text(build(), encoding="utf-8")
