"""What the documents name exists, and what exists they name: settings, metrics, commands, events, rules, links."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from stream_app.cli import parsers
from stream_app.codecs.events import EventDecoder
from stream_app.domain.alerts import load_rules
from stream_app.domain.alerts.measures import MEASURES
from stream_app.domain.alerts.rule import STREAM_ALERTS
from stream_app.domain.alerts.rulekeys import DEFAULTS as DEFAULTABLE
from stream_app.domain.alerts.rulekeys import KEYS, QUALITY
from stream_app.domain.events import ACTIVITY, ENGAGEMENT, REPURCHASE, Reason
from stream_app.domain.metrics.query import COHORTS, FIGURES, GRAINS, KINDS, MEANS, TAKEN_BY, WINDOWS
from stream_app.domain.periods import Calendar
from stream_app.exporters.prometheus import METRICS
from stream_app.settings import CONFIG_VARIABLE, DEFAULTS, SPECS, Settings, env_name

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
DOCUMENTS = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
    for path in (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md")))
}
SETTABLE = {name: spec for name, spec in SPECS.items() if not spec.internal}


def section(text: str, heading: str) -> str:
    """The text below a heading, up to the next one of the same or a higher level."""
    found = re.search(rf"^(#+) {re.escape(heading)}\n", text, re.MULTILINE)
    assert found, f"no heading {heading!r}"
    rest = text[found.end() :]
    following = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: following.start()] if following else rest


def table(text: str) -> list[str]:
    """The rows of the first table, without its heading."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(line)
    return rows


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def settings_row(name: str) -> str:
    spec, default = SPECS[name], DEFAULTS[name]
    shown = "–" if default in (None, ()) else f"`{default:g}`" if isinstance(default, float) else f"`{default}`"
    unit = f" {spec.unit}" if spec.unit else ""
    return f"| `{name}` | `{env_name(name)}` | {shown}{unit} | {spec.help} |"


def metric_row(name: str, type_: str, labels: tuple[str, ...], meaning: str) -> str:
    return f"| `{name}` | {type_} | {', '.join(f'`{label}`' for label in labels) or '–'} | {meaning} |"


def test_every_setting_is_in_its_table_and_nothing_else():
    assert table(section(DOCUMENTS["docs/settings.md"], "Settings")) == [settings_row(name) for name in SETTABLE]


def test_every_metric_is_in_its_table_and_nothing_else():
    assert table(section(DOCUMENTS["docs/metrics.md"], "Metrics")) == [metric_row(*metric) for metric in METRICS]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_environment_variables_that_are_named_exist(document):
    named = set(re.findall(r"\bSTREAM_APP_[A-Z_]+\b", DOCUMENTS[document])) - {"STREAM_APP_"}
    assert named <= {CONFIG_VARIABLE, *map(env_name, SETTABLE)}


def test_environment_variables_of_the_deployment_exist():
    named: set[str] = set()
    for path in (ROOT / "docker-compose.yml", ROOT / "deploy" / "Dockerfile"):
        named |= set(re.findall(r"\bSTREAM_APP_[A-Z_]+\b", path.read_text("utf-8")))
    assert named
    assert named <= {CONFIG_VARIABLE, *map(env_name, SETTABLE)}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_metrics_that_are_named_exist(document):
    named = set(re.findall(r"\bstream_app_[a-z_]+\b(?!\.)", DOCUMENTS[document]))
    known = {metric.name for metric in METRICS}
    known |= {f"{m.name}{end}" for m in METRICS if m.type == "histogram" for end in ("_bucket", "_count", "_sum")}
    assert {name for name in named if not name.endswith("_")} <= known


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_and_options_that_are_named_exist(document):
    _, commands = parsers()
    text = DOCUMENTS[document]
    spans = re.findall(r"`([^`\n]+)`", text) + "".join(blocks(text, "sh")).splitlines()
    calls = [call for span in spans for call in re.findall(r"(?:^|\s|/)stream-app ([a-z]+)\b(.*)", span)]
    for command, rest in calls:
        assert command in commands
        options = {word.partition("=")[0] for word in rest.split() if word.startswith("--")}
        assert options <= set(commands[command].options), (command, rest)
    assert len(calls) >= {"README.md": 9, "docs/analyze.md": 3, "docs/operations.md": 4}.get(document, 0)


def test_every_option_of_analyze_is_on_its_page():
    _, commands = parsers()
    text = DOCUMENTS["docs/analyze.md"]
    missing = [o for o in commands["analyze"].options if o.startswith("--") and o != "--help" and f"`{o}" not in text]
    assert not missing


def test_the_readmes_test_command_is_what_ci_runs():
    said = next(line for line in README.splitlines() if "pytest" in line and "venv" in line)
    script = (ROOT / ".ci" / "run").read_text("utf-8").replace('"$venv', '"${venv}').replace("${venv}", ".venv")
    run = [
        " ".join(shlex.split(line, comments=True)) for line in script.splitlines() if "venv" in line and "'" not in line
    ]
    run += [" ".join(shlex.split(line, comments=True)) for line in script.splitlines() if "'.[dev" in line]
    run = [command.replace(" --disable-pip-version-check", "") for command in run]
    for command in said.split(" && "):
        assert " ".join(shlex.split(command)) in run


def test_the_readmes_first_command_starts_the_demo():
    first = blocks(section(README, "Try it"), "sh")[0].splitlines()[0]
    assert first == "python3 -m venv .venv && .venv/bin/pip install -q . && .venv/bin/stream-app demo"


@pytest.mark.parametrize(
    "text",
    [section(README, "Events"), DOCUMENTS["docs/events.md"]],
    ids=["README", "docs/events.md"],
)
def test_events_that_are_shown_are_events(text):
    lines = [line.encode() for block in blocks(text, "json") for line in block.splitlines()]
    decoder = EventDecoder(dimensions=("plan",), currency="USD", future_tolerance_ms=0)
    batch, letters = decoder.decode(None, lines, 1 << 60)
    assert not letters
    assert len(batch) == len(lines) >= 2
    assert len(set(batch.event_ids)) == len(lines)


def test_every_reason_of_a_dead_letter_is_explained():
    rows = table(section(DOCUMENTS["docs/events.md"], "Dead letters"))
    assert [re.match(r"\| `(\w+)` \|", row)[1] for row in rows] == [reason.value for reason in Reason]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_rules_that_are_shown_are_rules(document):
    shown = [text for text in blocks(DOCUMENTS[document], "yaml") if re.search(r"^rules:$", text, re.MULTILINE)]
    for text in shown:
        found = load_rules(
            text, source=document, definitions=(ENGAGEMENT, REPURCHASE), dimensions=("plan", "tier"),
            calendar=Calendar(),
        )  # fmt: skip
        assert found.rules
    assert len(shown) >= {"README.md": 1, "docs/alerts/rules.md": 1}.get(document, 0)


def test_every_field_of_a_rule_is_explained():
    text = DOCUMENTS["docs/alerts/rules.md"]
    assert first_cells(section(text, "Fields of a rule")) == sorted(KEYS)
    assert first_cells(section(text, "The stream itself")) == sorted(QUALITY)
    named = re.findall(r"`(\w+)`", section(text, "Defaults").partition(":")[2].partition(". ")[0])
    assert sorted(named) == sorted(DEFAULTABLE)


def first_cells(text: str) -> list[str]:
    return sorted(re.match(r"\| `(\w+)` \|", row)[1] for row in table(text))


def test_every_measure_is_explained():
    assert table(section(DOCUMENTS["docs/alerts/rules.md"], "What can be judged")) == [
        f"| `{figure}` | `{name}` | {'share' if one.share else 'value'} | `{one.side.value}` | {one.meaning} |"
        for figure, measures in MEASURES.items()
        for name, one in measures.items()
    ]


def test_every_alarm_is_in_the_runbook():
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "stream-app.rules.yml").read_text("utf-8"))
    alarms = [rule["alert"] for group in rules["groups"] for rule in group["rules"]]
    text = section(DOCUMENTS["docs/operations.md"], "Alarms")
    assert re.findall(r"^### (\w+)$", text, re.MULTILINE) == alarms
    # An alarm says where in the repository that is; the heading's anchor is its name in small letters.
    places = [rule["annotations"]["runbook"] for group in rules["groups"] for rule in group["rules"]]
    assert places == [f"docs/operations.md#{alarm.lower()}" for alarm in alarms]


def test_every_alert_of_the_service_itself_is_in_the_runbook():
    text = section(DOCUMENTS["docs/operations.md"], "Retention alerts")
    assert re.findall(r"^### (.+)$", text, re.MULTILINE) == [*STREAM_ALERTS, "A retention rule fires"]


def test_every_exit_code_is_explained():
    from stream_app import cli, ending

    codes = {cli.EXIT_OK, cli.EXIT_WRONG, cli.EXIT_INTERRUPTED, cli.EXIT_PIPE_CLOSED, ending.EXIT_CODE}
    rows = table(section(DOCUMENTS["docs/operations.md"], "Exit"))
    assert {int(row.split("|")[1]) for row in rows} == codes


def test_every_page_is_in_the_index():
    index = DOCUMENTS["docs/README.md"]
    beside = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    below = {f"{path.parent.name}/README.md" for path in (ROOT / "docs").glob("*/README.md")}
    assert set(re.findall(r"\]\(([^)]+\.md)\)", index)) == {"../README.md", *beside, *below}


def test_settings_files_that_are_shown_are_right():
    shown = blocks(DOCUMENTS["docs/settings.md"], "yaml")
    assert shown
    for text in shown:
        Settings(**yaml.safe_load(text))


def test_every_route_of_the_server_is_on_its_page():
    from stream_app.web.alerts import AlertsApi
    from stream_app.web.api import Api

    none: Any = None
    api = Api(none, none, none, none, kept=none, currency="USD", minor_units=2, status=dict, clock=float, top=1)
    alerts = AlertsApi(none, command=none, token=none, rules=none, currency="USD", minor_units=2, clock=float)
    served = {route.path.replace("{id}", "ID") for route in (*api.routes(), *alerts.routes())}
    rows = table(section(DOCUMENTS["docs/http.md"], "HTTP"))
    named = [path for row in rows for path in re.findall(r"`([^`]+)`", row.split("|")[1])]
    assert sorted(named) == sorted(["/", "/slack/actions", *served])


def test_every_figure_is_in_its_tables_with_its_grains_and_parameters():
    some = {name: takers for name, takers in TAKEN_BY.items() if len(takers) < len(FIGURES)}
    own = {figure: [name for name, takers in some.items() if figure in takers] for figure in FIGURES}
    found = {}
    in_readme = [row.split("|")[1:3] for row in table(section(README, "Figures"))]
    rows = table(section(DOCUMENTS["docs/http.md"], "Figures"))
    assert [[cell.replace("](", "](docs/") for cell in row.split("|")[1:3]] for row in rows] == in_readme
    for row in rows:
        figure, _, *cells = (re.findall(r"`([^`]+)`", cell) for cell in row.strip("|").split("|"))
        found[figure[0]] = cells
    assert found == {figure: [[grain.value for grain in GRAINS[figure]], own[figure]] for figure in FIGURES}


def test_every_parameter_of_a_figure_is_in_its_table_with_its_values():
    rows = {}
    for row in table(section(DOCUMENTS["docs/http.md"], "Parameters")):
        names, values, _ = (re.findall(r"`([^`]+)`", cell) for cell in row.strip("|").split("|"))
        rows |= dict.fromkeys(names, values)
    assert sorted(rows) == sorted(TAKEN_BY)
    assert rows["kind"] == [kind for kinds in KINDS.values() for kind in kinds]
    assert (rows["windows"], rows["cohorts"], rows["mean"]) == (list(WINDOWS), list(COHORTS), list(MEANS))
    assert sorted(rows["start"]) == sorted(ACTIVITY)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_within_the_repository_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", DOCUMENTS[document]):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / document).parent / path if path else ROOT / document
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text("utf-8"), re.MULTILINE)
            anchors = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert anchor in anchors, target


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_promise_no_forgotten_figure(document):
    assert "TODO" not in DOCUMENTS[document]
    assert "XXX" not in DOCUMENTS[document]
