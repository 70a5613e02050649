"""The alerts of the worker that judges, as metrics."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from stream_app.domain.alerts.command import Silence
from stream_app.exporters.table import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Rows = Sequence[Mapping[str, Any]]

_FIRING, _PENDING = "stream_app_alerts_firing", "stream_app_alerts_pending"
_UNHEALTHY, _ACKNOWLEDGED = "stream_app_alerts_unhealthy", "stream_app_alerts_acknowledged"
_SILENCES = "stream_app_silences"


class AlertsCollector(Collector):
    """Counts the alerts that were shown last; a rule without any has zeros.

    Args:
        clock: the wall clock, in seconds since 1970: silences begin and end by themselves.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._samples: dict[str, dict[tuple[str, ...], float]] = {}
        self._silences: list[Silence] = []

    def show(self, now: Rows, silences: Rows, rules: Iterable[str]) -> None:
        """Count these from now on.

        Args:
            now: alerts as they are published: `rule`, `state`, `health`, `acknowledged`.
            silences: as `Silence.to_json` gives them.
            rules: the names of all rules.
        """
        firing = [row for row in now if row["state"] == "firing"]
        counts = {
            _FIRING: Counter(row["rule"] for row in firing),
            _PENDING: Counter(row["rule"] for row in now if row["state"] == "pending"),
            _ACKNOWLEDGED: Counter(row["rule"] for row in firing if row.get("acknowledged")),
        }
        named = {*rules, *(row["rule"] for row in now)}
        self._samples = {name: {(rule,): count[rule] for rule in named} for name, count in counts.items()}
        unwell = Counter((row["rule"], row.get("health", "ok")) for row in now)
        self._samples[_UNHEALTHY] = {(rule, health): unwell[rule, health]
                                     for rule in named for health in ("no_data", "error")}  # fmt: skip
        self._silences = [Silence.from_json(one) for one in silences]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The families, rules in the order of their names."""
        now = int(self._clock() * 1000)
        in_force = sum(silence.holds(now) for silence in self._silences)
        for name in (_FIRING, _PENDING, _UNHEALTHY, _ACKNOWLEDGED, _SILENCES):
            family = GaugeMetricFamily(name, BY_NAME[name].help, labels=BY_NAME[name].labels)
            samples = {(): in_force} if name == _SILENCES else self._samples.get(name, {})
            for labels, value in sorted(samples.items()):
                family.add_metric(labels, value)
            yield family
