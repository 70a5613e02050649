"""Checks queries of a dashboard and of alert rules: by their words, and against a running Prometheus."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEYWORDS = {"and", "or", "unless", "offset", "bool", "by", "without", "on", "ignoring", "group_left", "group_right"}
HISTOGRAM_PARTS = re.compile(r"_(bucket|sum|count)$")
# What Prometheus and the process collector bring besides stream-app's own metrics.
OTHERS = {"up", "process_resident_memory_bytes", "process_cpu_seconds_total"}
TARGET_LABELS = {"job", "instance"}


@dataclass(frozen=True)
class Query:
    """One query and where it stands."""

    place: str
    text: str
    legend: str = ""

    @property
    def runnable(self) -> str:
        """With the dashboard's variables filled in: every value, a window of a minute."""
        text = self.text.replace("$__rate_interval", "1m")
        return re.sub(r"\$\{?\w+\}?", ".*", text)

    @property
    def metrics(self) -> set[str]:
        """The metric names in it."""
        bare = re.sub(r'"[^"]*"', "", self.text)
        bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", bare)
        bare = re.sub(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", bare)
        names = re.findall(r"(?<![\w:.])([a-zA-Z_:][\w:]*)\b(?!\s*\()", bare)
        return set(names) - KEYWORDS

    @property
    def labels(self) -> set[str]:
        """The label names in it: of selectors, of groupings, of the legend."""
        bare = re.sub(r'"[^"]*"', '""', self.text)
        selectors = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", bare)
        groups = re.findall(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)", bare)
        grouped = [name for group in groups for name in re.findall(r"\w+", group)]
        return {*selectors, *grouped, *self.legend_labels}

    @property
    def legend_labels(self) -> list[str]:
        """The labels that the legend shows."""
        return re.findall(r"\{\{\s*(\w+)\s*\}\}", self.legend)


def dashboard_queries(dashboard: Mapping[str, Any]) -> list[Query]:
    """Every query of every panel, and of every variable, of a Grafana dashboard."""
    return [*_panel_queries(dashboard["panels"]), *_variable_queries(dashboard)]


def _panel_queries(panels: list[dict[str, Any]]) -> Iterator[Query]:
    for panel in panels:
        for target in panel.get("targets", ()):
            yield Query(f"panel {panel['title']!r}", target["expr"], target.get("legendFormat", ""))
        yield from _panel_queries(panel.get("panels", []))


def _variable_queries(dashboard: Mapping[str, Any]) -> Iterator[Query]:
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            found = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"])
            assert found, variable["query"]
            yield Query(f"variable {variable['name']!r}", f"count by ({found[2]}) ({found[1]})", f"{{{{{found[2]}}}}}")


def rule_queries(rules: Mapping[str, Any]) -> list[Query]:
    """Every expression of a Prometheus rules file."""
    return [Query(f"rule {rule['alert']}", rule["expr"]) for group in rules["groups"] for rule in group["rules"]]


def unknown_words(queries: list[Query], metrics: Mapping[str, tuple[str, ...]]) -> list[str]:
    """What is in the queries and not in the exporter's table of metrics (name -> labels), one line each."""
    problems = []
    for query in queries:
        families = {name: name if name in metrics else HISTOGRAM_PARTS.sub("", name) for name in query.metrics - OTHERS}
        unknown = sorted(name for name, family in families.items() if family not in metrics)
        problems += [f"{query.place}: no metric {name}: {query.text}" for name in unknown]
        if not query.metrics:
            problems.append(f"{query.place}: names no metric: {query.text}")
        if not unknown:
            known = TARGET_LABELS.union(*(metrics[family] for family in families.values()))
            if any(name.endswith("_bucket") for name in families):
                known.add("le")
            problems += [f"{query.place}: no label {name}: {query.text}" for name in sorted(query.labels - known)]
    return problems


@dataclass
class Checked:
    """What a running Prometheus said of queries.

    Attributes:
        problems: queries that are refused, name a metric nothing exports, return nothing though their metrics have
            samples, or lack a label of their legend; one line each.
        silent: places whose metrics are exported but have no sample yet (no dead letter, no notification ...).
    """

    problems: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)


class Prometheus:
    """The few calls of Prometheus' HTTP API that the checks need."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def api(self, path: str, **parameters: str) -> Any:
        """The `data` of an answer; a refused query raises ValueError with the server's reason."""
        address = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error).get("error", str(error))) from error

    def exported(self) -> set[str]:
        """Names of metrics: of families that targets describe, sampled or not, and of all series."""
        families = self.api("metadata")
        # OpenMetrics describes a counter by its name without the end that its samples have.
        counters = {f"{name}_total" for name, found in families.items() if found[0]["type"] == "counter"}
        return {*families, *counters, *self.api("label/__name__/values")}

    def run(self, query: str) -> list[dict[str, Any]]:
        """The samples of an instant query."""
        return list(self.api("query", query=query)["result"])


def check_queries(prometheus_url: str, dashboard: Mapping[str, Any]) -> Checked:
    """Run every query of a dashboard in a Prometheus that scrapes the service (at least twice, for rates)."""
    return _check(Prometheus(prometheus_url), dashboard_queries(dashboard), answers=True)


def check_rules(prometheus_url: str, rules: Mapping[str, Any]) -> Checked:
    """Run every expression of a rules file; one that returns nothing is right for a healthy service."""
    return _check(Prometheus(prometheus_url), rule_queries(rules), answers=False)


def _check(server: Prometheus, queries: list[Query], *, answers: bool) -> Checked:
    checked = Checked()
    exported = server.exported()
    for query in queries:
        try:
            samples = server.run(query.runnable)
        except ValueError as refused:
            checked.problems.append(f"{query.place}: {refused}: {query.text}")
            continue
        families = {name: name if name in exported else HISTOGRAM_PARTS.sub("", name) for name in query.metrics}
        unknown = sorted(name for name, family in families.items() if family not in exported)
        checked.problems += [f"{query.place}: nothing exports {name}: {query.text}" for name in unknown]
        if unknown or not answers:
            continue
        if not samples:
            if all(server.run(f'{{__name__="{name}"}}') for name in query.metrics):
                checked.problems.append(f"{query.place}: returns nothing: {query.text}")
            else:
                checked.silent.append(query.place)
        for label in query.legend_labels:
            if any(label not in sample["metric"] for sample in samples):
                checked.problems.append(f"{query.place}: the legend's {label} is not in the answer: {query.text}")
    return checked
