from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.domain.alerts import (
    Baseline,
    FalseAlarms,
    Quality,
    Rule,
    RulesError,
    RuleSet,
    Sending,
    Side,
    Test,
    load_rules,
)
from stream_app.domain.alerts.measures import MEASURES, REFUSED
from stream_app.domain.alerts.rule import EVERYBODY
from stream_app.domain.alerts.rulekeys import DEFAULTS, KEYS, QUALITY
from stream_app.domain.errors import ConfigurationError
from stream_app.domain.events import ENGAGEMENT, REPURCHASE, Definition
from stream_app.domain.metrics.query import FIGURES
from stream_app.domain.periods import Calendar, Grain

THE_ISSUES = """\
rules:
  - name: pro-day-7
    definition: engagement
    grain: day
    index: 7                # period index
    segment: {plan: pro}    # {plan: "*"}: every value by itself; absent: all users
    below: 0.30
    min_group: 100
    resolve: 0.33           # default: below
    to: [console]           # or slack:#channel
"""


#: What returns is not what starts: a rule on it is judged by a census.
WON = Definition("won", "visit", "purchase")


def read(text: str, dimensions: tuple[str, ...] = ("plan", "country")) -> RuleSet:
    return load_rules(
        text,
        source="rules.yaml",
        definitions=[ENGAGEMENT, REPURCHASE, WON],
        dimensions=dimensions,
        calendar=Calendar("Europe/Berlin"),
    )


def load(text: str, dimensions: tuple[str, ...] = ("plan", "country")) -> tuple[Rule, ...]:
    return read(text, dimensions).rules


def one(**fields: str) -> str:
    given_ = {"name": "r", "definition": "engagement", "grain": "day", "index": "7", "below": "0.3"} | fields
    lines = [f"{key.rstrip('_')}: {value}" for key, value in given_.items() if value != "ABSENT"]
    return "rules:\n  - " + "\n    ".join(lines) + "\n"


def problem(text: str, **options) -> str:
    with pytest.raises(RulesError) as caught:
        load(text, **options)
    return str(caught.value)


def test_the_issues_example():
    (rule,) = load(THE_ISSUES)
    assert (rule.name, rule.definition, rule.grain, rule.index) == ("pro-day-7", "engagement", Grain.DAY, 7)
    assert (rule.segment, rule.below, rule.resolve) == (("plan", "pro"), 0.30, 0.33)
    assert (rule.min_group, rule.steps, rule.to) == (100, 1, ("console",))


def test_defaults():
    (rule,) = load(one())
    assert (rule.resolve, rule.segment, rule.min_group, rule.steps, rule.to) == (0.3, None, 100, 1, ("console",))


def test_no_rules_are_no_error_when_meant():
    assert read("rules: []") == RuleSet()


@pytest.mark.parametrize(
    ("written", "value"),
    [("'*'", "*"), ("NO", "NO"), ("1", "1"), ("1.50", "1.50"), ("True", "true"), ("on", "on"), ("'(none)'", "(none)")],
)
def test_segment_values_are_taken_as_written(written: str, value: str):
    assert load(one(segment=f"{{country: {written}}}"))[0].segment == ("country", value)


@pytest.mark.parametrize(
    ("written", "targets"),
    [
        ("console", ("console",)),
        ("[slack:#retention]", ("slack:#retention",)),
        ("[console, slack:#a-b_c, slack:C0123ABCD]", ("console", "slack:#a-b_c", "slack:C0123ABCD")),
        ("[webhook:crm-1, alertmanager]", ("webhook:crm-1", "alertmanager")),
        (
            "[email:on.call+a@shop.example, email:root@localhost]",
            ("email:on.call+a@shop.example", "email:root@localhost"),
        ),
    ],
)
def test_targets(written: str, targets: tuple[str, ...]):
    assert load(one(to=written))[0].to == targets


def test_for_counts_steps():
    assert load(one(for_="3"))[0].steps == 3


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"grain": "dya"},
            "line 4, rules[0].grain: 'dya' is not a grain; did you mean 'day'? allowed: hour, day, week",
        ),
        ({"definition": "engagment"}, "line 3, rules[0].definition: 'engagment' is not a definition; did you mean"),
        ({"bellow": "0.3"}, "line 7, rules[0].bellow: unknown key 'bellow'; did you mean 'below'?"),
        ({"index": "0"}, "line 5, rules[0].index: 0 is the cohort's own period"),
        ({"index": "384"}, "line 5, rules[0].index: '384' must be a whole number from 1 to 383"),
        ({"index": "7.5"}, "rules[0].index: '7.5' must be a whole number"),
        ({"index": "'7'"}, "rules[0].index: '7' must be a whole number from 1 to 383, without quotes"),
        ({"index": "64", "grain": "month"}, "a whole number from 1 to 63"),
        ({"index": "128", "grain": "week"}, "a whole number from 1 to 127"),
        ({"index": "ABSENT"}, "line 2, rules[0].index: is missing; rate of figure retention is of cohorts"),
        (
            {"below": "30%"},
            "line 6, rules[0].below: '30%' must be a share above 0 and up to 1.5, such as 0.30; write",
        ),
        ({"below": "30"}, "30 is not a share: it must be above 0 and up to 1.5; for 30 % write 0.3"),
        ({"below": "0"}, "0 is not a share"),
        ({"below": "-0.1"}, "-0.1 is not a share"),
        ({"below": "1.6"}, "1.6 is not a share"),
        ({"below": ".nan"}, "'.nan' must be a share"),
        ({"below": ".inf"}, "'.inf' must be a share"),
        ({"below": "'0.3'"}, "'0.3' must be a share above 0 and up to 1.5, such as 0.30; write 0.3 without quotes"),
        ({"below": "[0.3]"}, "a list or mapping must be a share"),
        ({"below": "ABSENT"}, "line 2, rules[0].below: is missing"),
        ({"resolve": "0.29"}, "line 7, rules[0].resolve: 0.29 is less than below (0.3)"),
        ({"min_group": "0"}, "rules[0].min_group: '0' must be a whole number from 1"),
        ({"for_": "0"}, "rules[0].for: '0' must be a whole number from 1"),
        ({"name": "''"}, "rules[0].name: '' must be 1 to 100 printable characters"),
        ({"name": '"a\\nb"'}, "printable"),
        ({"name": "[a]"}, "rules[0].name: must be a name, not a list or a mapping"),
        ({"name": ""}, "rules[0].name: is empty"),
        ({"name": "stream-volume"}, "is the name of an alert on the stream itself"),
        ({"segment": "{plna: pro}"}, "rules[0].segment.plna: unknown key 'plna'; did you mean 'plan'?"),
        ({"segment": "{plan: pro, country: DE}"}, "rules[0].segment: names 2 dimensions"),
        ({"segment": "{plan: [pro, free]}"}, "rules[0].segment.plan: must be one value"),
        ({"segment": "{plan: null}"}, "'(none)' for users without one"),
        ({"segment": "{}"}, "rules[0].segment: is empty; leave it out for all users"),
        ({"segment": "pro"}, "rules[0].segment: must be a mapping with the keys plan, country"),
        ({"segment": "{plan: *}"}, "a star must be quoted: '*'"),
        ({"to": "[]"}, "rules[0].to: names no target"),
        ({"to": "[consol]"}, "'consol' is not a target; did you mean 'console'?"),
        ({"to": "[slack:retention]"}, "did you mean 'slack:#retention'?"),
        ({"to": "['#retention']"}, "did you mean 'slack:#retention'?"),
        ({"to": "[email:x]"}, "'email:x' is not a target; use console, slack:#channel, webhook:NAME, email:ADDRESS or"),
        ({"to": "[a@b.example]"}, "did you mean 'email:a@b.example'?"),
        ({"to": "['email:a@b.c, d@e.f']"}, "is not a target"),
        ({"to": "['webhook:']"}, "'webhook:' is not a target"),
        ({"to": "[alertmanger]"}, "did you mean 'alertmanager'?"),
        ({"to": "[console, console]"}, "'console' is there twice"),
        ({"to": ""}, "rules[0].to: is empty"),
    ],
    ids=lambda v: str(v)[:50] if isinstance(v, dict) else "",
)
def test_a_wrong_field_is_named_with_its_line_and_the_fix(fields: dict[str, str], said: str):
    message = problem(one(**fields))
    assert said in message
    assert message.startswith("rules.yaml: line ")
    assert "\n" not in message, "one problem is one line"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: is empty"),
        ("# nothing\n", "is empty"),
        ("rule:\n  - a\n", "line 1, rule: unknown key 'rule'; did you mean 'rules'?"),
        ("{}", "line 1, rules: is missing"),
        ("- a\n", "line 1: must be a mapping with the keys defaults, quality, rules"),
        ("rules: 5\n", "line 1, rules: must be a list of rules"),
        ("rules:\n", "rules: must be a list"),
        ("rules:\n  - pro\n", "line 2, rules[0]: must be a mapping with the keys name"),
        ("rules:\n  - name: [\n", "not valid YAML"),
        ("rules: []\n---\nrules: []\n", "not valid YAML"),
        ("rules:\n\t- a\n", "line 2: not valid YAML"),
        ("\x00", "not valid YAML"),
        ("[" * 5000, "nested too deeply"),
        ("rules: &a [*a]\n", "rules[0]: must be a mapping"),
    ],
)
def test_a_file_that_is_no_rules_file(text: str, said: str):
    assert said in problem(text)


def test_every_problem_is_listed_at_once_in_the_order_of_lines():
    text = one(grain="dya", index="0", below="2") + one(name="r", to="[consol]").removeprefix("rules:\n")
    with pytest.raises(ConfigurationError) as caught:
        load(text)
    assert isinstance(caught.value, RulesError)
    lines = str(caught.value).splitlines()
    assert lines[0] == "rules.yaml: 5 problems"
    assert [p.field for p in caught.value.problems] == [
        "rules[0].grain",
        "rules[0].index",
        "rules[0].below",
        "rules[1].name",
        "rules[1].to",
    ]
    assert [p.line for p in caught.value.problems] == [4, 5, 6, 7, 12]
    assert "already the name of the rule in line 2" in lines[4]


def test_a_key_given_twice_is_refused():
    assert "line 7, rules[0].below: key 'below' is already given in line 6" in problem(one() + "    below: 0.2\n")


def test_a_segment_without_configured_dimensions_is_refused():
    assert "no dimension is configured" in problem(one(segment="{plan: pro}"), dimensions=())


def problems(text: str) -> list[str]:
    try:
        load(text)
    except RulesError as error:
        return [str(p) for p in error.problems]
    return ["none"]


@given(st.text(max_size=200) | st.text(alphabet="rules: -{}[]&*'\"\n#|>%@`!?,0.3", max_size=200))
def test_no_text_raises_anything_but_rules_error(text: str):
    assert problems(text)


@given(
    st.dictionaries(
        st.sampled_from([f"{key}_" for key in KEYS]),
        st.text(alphabet="abc: -{}[]&*'\"#0123.%~", max_size=12)
        | st.sampled_from(
            [*FIGURES, *(word for measures in MEASURES.values() for word in measures), "1 per year", "3d"]
        ),
        max_size=8,
    )
)
def test_no_field_raises_anything_but_rules_error(fields: dict[str, str]):
    assert problems(one(**fields))


def test_a_rule_of_an_earlier_version_is_the_same_rule():
    # Fingerprints that version 0.5 wrote into its topics: another one would judge the alert anew and tell it again.
    assert [rule.fingerprint for rule in load(THE_ISSUES)] == ["c9957e5cd65946f1"]
    written = one(definition="repurchase", grain="month", index="1", below="0.10", for_="2", min_group="50")
    assert [rule.fingerprint for rule in load(written)] == ["45fc17836b48bff5"]


ALL_OF_IT = """\
defaults: {to: ["slack:#growth"], false_alarms: 1 per year}
quality:
  to: [console]
  volume: 0.4
  stalled: 90m
  behind: 1d
  labels: {team: data}
rules:
  - name: pro-day-7
    figure: retention
    measure: rate
    definition: engagement
    grain: day
    index: 2
    kind: bracket
    brackets: 1,3,7
    cohorts: recurring
    segment: {plan: "*"}
    below: 0.30
    false_alarms: 2 per 90d
    overdispersion: 0.01
    resolve: 0.33
    min_group: 200
    no_data: 5
    flapping: 4 in 30
    repeat: 3d
    at_most: 4 per day
    to: [console, "webhook:crm"]
    labels: {team: growth, severity: page}
    note: Runbook https://shop.example/runbook
  - name: conversion-against-control
    definition: won
    grain: week
    index: 1
    segment: {country: DE}
    drop: 15%
    baseline: {country: FR}
  - name: weekdays
    definition: engagement
    grain: day
    index: 1
    rise: 50%
    season: week
    test: threshold
    for: 3
"""


def test_every_field():
    found = read(ALL_OF_IT)
    first, second, third = found.rules
    assert first == Rule(
        name="pro-day-7",
        definition="engagement",
        grain=Grain.DAY,
        index=2,
        below=0.3,
        resolve=0.33,
        min_group=200,
        segment=("plan", "*"),
        to=("console", "webhook:crm"),
        parameters=(("brackets", "1,3,7"), ("cohorts", "recurring"), ("kind", "bracket")),
        test=Test.SEQUENTIAL,
        false_alarms=FalseAlarms(2.0, 90.0, "2 per 90d"),
        overdispersion=0.01,
        no_data=5,
        flapping=(4, 30),
        sending=Sending(
            repeat=3 * 86_400,
            at_most=(4, 86_400),
            labels=(("team", "growth"), ("severity", "page")),
            note="Runbook https://shop.example/runbook",
        ),
        overlap="use cohorts: first, or kind: classic",
    )
    assert (second.definition, second.segment, second.side) == ("won", ("country", "DE"), Side.BELOW)
    assert (second.drop, second.baseline) == (0.15, Baseline(("country", "FR"), 8))
    assert (second.test, second.false_alarms) == (Test.SEQUENTIAL, FalseAlarms(1.0, 365.0, "1 per year"))
    assert second.to == ("slack:#growth",)
    assert (third.side, third.drop, third.baseline) == (Side.ABOVE, 0.5, Baseline(None, 8, 7))
    assert (third.test, third.false_alarms, third.steps) == (Test.THRESHOLD, None, 3)
    assert all(math.isnan(value) for value in (second.below, second.resolve, third.below))
    assert found.quality == Quality(
        ("console",), volume=0.4, stalled=5400.0, behind=86_400.0, sending=Sending(labels=(("team", "data"),))
    )


@pytest.mark.parametrize("figure", [name for name in FIGURES if (name, "") not in REFUSED])
def test_every_measure_of_a_figure_can_be_judged_and_the_first_one_is_usual(figure: str):
    grain = {"stickiness": "day"}.get(figure, "month")
    for place, (name, measure) in enumerate(MEASURES[figure].items()):
        of = {"figure": figure, "grain": grain, "index": "1" if measure.rows == "cohorts" else "ABSENT"}
        (rule,) = load(one(**of, measure=name, below="ABSENT", above="0.2"))
        assert (rule.figure, rule.measure, rule.side, rule.resolve) == (figure, name, Side.ABOVE, 0.2)
        if place == 0:
            assert load(one(**of, below="ABSENT", above="0.2")) == (rule,)
        if measure.share:
            (rule,) = load(one(**of, measure=name, false_alarms="1 per quarter"))
            assert rule.test is Test.SEQUENTIAL
        else:
            assert "is no share of a group" in problem(one(**of, measure=name, false_alarms="1 per quarter"))


@pytest.mark.parametrize(("figure", "measure"), [key for key in REFUSED if key[1]])
def test_what_cannot_be_judged_is_refused_with_what_can(figure: str, measure: str):
    said = problem(one(figure=figure, measure=measure, grain="month", index="ABSENT"))
    assert REFUSED[figure, measure] in said


def test_survival_is_refused_with_the_reason_and_nothing_else():
    said = problem(one(figure="survival", below="7", index="3"))
    assert said.startswith("rules.yaml: line 7, rules[0].figure: survival is estimated anew")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": "rolling"}, "rules[0].kind: rolling retention is never final"),
        ({"kind": "bracket"}, "rules[0].brackets: kind bracket needs the sizes of its brackets"),
        ({"kind": "bracket", "brackets": "[1, 3]"}, "rules[0].index: '7' must be a whole number from 1 to 2"),
        ({"kind": "bracket", "brackets": "[1, x]"}, "rules[0].brackets: '1,x' is no list of sizes"),
        ({"windows": "24h", "cohorts": "recurring"}, "rules[0].windows: 24-hour windows begin at a user's first event"),
        ({"window": "7"}, "rules[0].window: figure retention has no such parameter"),
        ({"cohorts": "frist"}, "rules[0].cohorts: 'frist' is not known; did you mean first?"),
        ({"figure": "churn", "index": "ABSENT", "window": "0"}, "rules[0].window: '0' is not a whole number"),
        ({"figure": "churn"}, "rules[0].index: rate of figure churn is of periods"),
        ({"figure": "crr", "grain": "hour", "index": "ABSENT"}, "rules[0].grain: 'hour' is not a grain"),
        ({"figure": "chrun"}, "rules[0].figure: 'chrun' is not a figure; did you mean 'churn'?"),
        ({"measure": "crr"}, "rules[0].measure: 'crr' is not a measure of retention; allowed: rate"),
        ({"above": "0.4"}, "rules[0].above: is given beside below; keep one of the two"),
        ({"below": "ABSENT", "above": "0.2", "resolve": "0.3"}, "rules[0].resolve: 0.3 is more than above (0.2)"),
        (
            {"below": "ABSENT", "drop": "15"},
            "rules[0].drop: '15' must be a share of the baseline above 0 and below 100%",
        ),
        ({"below": "ABSENT", "drop": "100%"}, "'100%' must be a share"),
        ({"below": "ABSENT", "drop": "0"}, "'0' must be a share"),
        ({"below": "ABSENT", "rise": "1000%"}, "above 0 and below 1000%"),
        ({"below": "ABSENT", "drop": "15%", "resolve": "0.3"}, "rules[0].resolve: a relative rule recovers at"),
        ({"below": "ABSENT", "drop": "15%", "baseline": "later"}, "rules[0].baseline: 'later' is not a baseline"),
        (
            {"below": "ABSENT", "drop": "15%", "baseline": "all"},
            "rules[0].baseline: all users are the rule's own; give it",
        ),
        (
            {
                "figure": "value",
                "measure": "aov",
                "grain": "week",
                "index": "ABSENT",
                "below": "ABSENT",
                "drop": "15%",
                "baseline": "all",
                "segment": "{plan: pro}",
            },
            "rules[0].baseline: all users are compared with by shares, and aov is none; name another value",
        ),
        ({"below": "ABSENT", "drop": "15%", "baseline": "{}"}, "give it a segment, such as {plan: '*'}"),
        (
            {"below": "ABSENT", "drop": "15%", "baseline": "all", "segment": "{plan: pro}", "season": "week"},
            "rules[0].season: it belongs to baseline: earlier, and this one is of the same time; leave it out",
        ),
        ({"below": "ABSENT", "drop": "15%", "over": "0"}, "rules[0].over: '0' must be a whole number from 1"),
        ({"below": "ABSENT", "drop": "15%", "season": "year"}, "'year' is not a season; allowed: week"),
        ({"below": "ABSENT", "drop": "15%", "season": "week", "grain": "week"}, "compares a weekday with its like"),
        ({"below": "ABSENT", "drop": "15%", "baseline": "{plan: free}"}, "all users cannot be compared with a part"),
        (
            {"below": "ABSENT", "drop": "15%", "baseline": "{plan: '*'}", "segment": "{plan: pro}"},
            "must be one value, not '*'",
        ),
        (
            {"below": "ABSENT", "drop": "15%", "baseline": "{plan: pro}", "segment": "{plan: pro}"},
            "is the rule's own segment",
        ),
        (
            {"below": "ABSENT", "drop": "15%", "baseline": "{plan: pro}", "segment": "{country: DE}"},
            "is of dimension plan and the rule's segment of country",
        ),
        (
            {"below": "ABSENT", "drop": "15%", "baseline": "{plan: free}", "segment": "{plan: pro}", "over": "3"},
            "rules[0].over: it belongs to baseline: earlier, and this one is of the same time; leave it out",
        ),
        ({"season": "week"}, "rules[0].season: it belongs to drop or rise; leave it out"),
        ({"false_alarms": "one a year"}, "rules[0].false_alarms: 'one a year' must be a number per span, such as"),
        ({"false_alarms": "0 per year"}, "'0 per year' must be a number per"),
        (
            {"false_alarms": "1 per year", "test": "threshold"},
            "a threshold test promises no number of false alarms; leave it out, or write test: sequential",
        ),
        ({"false_alarms": "1 per year", "for_": "2"}, "and `for` belongs to test: threshold; leave it out"),
        (
            {"false_alarms": "1 per 6m"},
            "rules[0].false_alarms: '1 per 6m' may be of minutes or of months; write 6 minutes",
        ),
        ({"false_alarms": "1 per year", "below": "1.0"}, "1 is no bound that a share can pass"),
        (
            {"test": "sequential"},
            "rules[0].test: a sequential test needs a budget; add one, such as false_alarms: 1 per",
        ),
        ({"test": "wilson"}, "rules[0].test: 'wilson' is not a test; "),
        ({"overdispersion": "0.01"}, "it belongs to test: sequential; leave it out, or give the rule false_alarms"),
        ({"false_alarms": "1 per year", "overdispersion": "1"}, "1 must be a number from 0 to 0.99"),
        ({"no_data": "0"}, "rules[0].no_data: '0' must be a whole number from 1"),
        ({"flapping": "5 in 3"}, "rules[0].flapping: '5 in 3' must be so many firings"),
        ({"repeat": "3 moons"}, "rules[0].repeat: '3 moons' must be a span such as 90s"),
        ({"at_most": "2.5 per day"}, "rules[0].at_most: '2.5 per day' must be a whole number of messages"),
        ({"hours": "9-5"}, "rules[0].hours: "),
        ({"labels": "{plan: x}"}, "rules[0].labels.plan: is what every alert has by itself"),
        ({"labels": "{1a: x}"}, "rules[0].labels: '1a' is not a name of a label"),
        ({"labels": "[a]"}, "rules[0].labels: must be a mapping"),
        ({"labels": "{a: ''}"}, "rules[0].labels.a: '' must be 1 to 500 printable"),
        ({"note": "''"}, "rules[0].note: '' must be 1 to 500 printable"),
    ],
    ids=lambda v: str(v)[:70] if isinstance(v, dict) else "",
)
def test_what_does_not_go_together_is_named_with_the_reason(fields: dict[str, str], said: str):
    message = problem(one(**fields))
    assert said in message
    assert len(message.splitlines()) == 1, "one mistake is one problem"


def test_a_rule_has_what_the_defaults_say_where_it_has_not_its_own():
    text = "defaults: {to: alertmanager, min_group: 7, no_data: 2, repeat: 1d, at_most: 1 per 2h, labels: {a: b}}\n"
    first, second = load(
        text + one() + one(name="s", repeat="off", labels="{c: d}", to="console").removeprefix("rules:\n")
    )
    assert (first.to, first.min_group, first.no_data) == (("alertmanager",), 7, 2)
    assert first.sending == Sending(repeat=86_400, at_most=(1, 7200), labels=(("a", "b"),))
    assert second.to == ("console",)
    assert second.sending == Sending(at_most=(1, 7200), labels=(("c", "d"),))


@pytest.mark.parametrize(
    ("defaults", "fields", "expected"),
    [
        ("false_alarms: 1 per year", {}, Test.SEQUENTIAL),
        ("false_alarms: 1 per year", {"for_": "2"}, Test.THRESHOLD),
        ("false_alarms: 1 per year", {"test": "threshold"}, Test.THRESHOLD),
        ("false_alarms: 1 per year", {"figure": "crr", "measure": "crr", "index": "ABSENT"}, Test.THRESHOLD),
        ("{false_alarms: 1 per year, test: sequential}", {"figure": "value", "index": "ABSENT", "grain": "month"},
         Test.THRESHOLD),
        ("{false_alarms: 1 per year, test: threshold, for: 2}", {"false_alarms": "1 per week"}, Test.SEQUENTIAL),
        ("{test: threshold, false_alarms: 1 per year}", {}, Test.THRESHOLD),
        ("for: 3", {}, Test.THRESHOLD),
    ],
)  # fmt: skip
def test_a_default_is_not_taken_where_the_rule_excludes_it(defaults: str, fields: dict[str, str], expected: Test):
    text = f"defaults: {defaults}\n" if defaults.startswith("{") else f"defaults: {{{defaults}}}\n"
    (rule,) = load(text + one(**fields))
    assert rule.test is expected
    assert (rule.false_alarms is not None) is (expected is Test.SEQUENTIAL)
    assert expected is Test.THRESHOLD or rule.steps == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("defaults: {below: 0.3}\nrules: []\n", "line 1, defaults.below: unknown key 'below'"),
        ("defaults: [to]\nrules: []\n", f"line 1, defaults: must be a mapping with the keys {DEFAULTS[0]}"),
        ("defaults: {to: consol}\nrules: []\n", "line 1, defaults.to: 'consol' is not a target"),
        ("defaults: {false_alarms: never}\nrules: []\n", "line 1, defaults.false_alarms: 'never' must be"),
        ("defaults: {test: t}\nrules: []\n", "line 1, defaults.test: 't' is not a test"),
        ("defaults: {test: sequential}\n" + one(), "line 1, defaults.test: a sequential test needs a budget"),
        ("quality: {volume: 2}\nrules: []\n", "line 1, quality.volume: '2' must be a share of the usual volume"),
        ("quality: {stalled: never}\nrules: []\n", "line 1, quality.stalled: 'never' must be a span"),
        ("quality: {lag: 2h}\nrules: []\n", "line 1, quality.lag: unknown key 'lag'"),
        ("quality: 3\nrules: []\n", f"line 1, quality: must be a mapping with the keys {QUALITY[0]}"),
    ],
)
def test_what_is_wrong_beside_the_rules_is_named_too(text: str, said: str):
    assert said in problem(text)


def test_a_wrong_default_is_one_problem_however_many_rules_take_it():
    text = "defaults: {min_group: 0}\n" + one() + one(name="s").removeprefix("rules:\n")
    assert len(problem(text).splitlines()) == 1


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("quality: off\n", Quality(volume=None, stalled=None, behind=None)),
        ("quality: {volume: off, behind: 4h}\n", Quality(volume=None, behind=14_400.0)),
        ("quality: {stalled: false}\n", Quality(stalled=None)),
        ("quality: {repeat: 1d, note: Look at the producers.}\n",
         Quality(sending=Sending(repeat=86_400.0, note="Look at the producers."))),
        ("", Quality()),
    ],
)  # fmt: skip
def test_the_streams_own_alerts_are_on_unless_they_are_turned_off(written: str, expected: Quality):
    assert read(written + one()).quality == expected


def test_what_is_written_as_usual_makes_no_other_rule():
    (usual,) = load(one())
    (written,) = load(one(figure="retention", kind="classic", windows="calendar", cohorts="first", test="threshold"))
    assert written == usual
    assert written.fingerprint == usual.fingerprint


@pytest.mark.parametrize(
    "fields",
    [
        {"index": "8"}, {"below": "ABSENT", "above": "0.3"}, {"false_alarms": "1 per year"}, {"cohorts": "recurring"},
        {"windows": "24h"}, {"below": "ABSENT", "drop": "10%"}, {"below": "ABSENT", "drop": "10%", "over": "9"},
        {"flapping": "2 in 9"}, {"figure": "stickiness", "index": "ABSENT"},
    ],
)  # fmt: skip
def test_what_changes_a_judgement_makes_another_rule(fields: dict[str, str]):
    assert load(one(**fields))[0].fingerprint != load(one())[0].fingerprint


@pytest.mark.parametrize(
    "fields",
    [{"to": "alertmanager"}, {"repeat": "1d"}, {"note": "x"}, {"labels": "{a: b}"}, {"segment": "{plan: pro}"}],
)
def test_how_it_is_told_and_of_whom_makes_no_other_rule(fields: dict[str, str]):
    assert load(one(**fields))[0].fingerprint == load(one())[0].fingerprint


def test_the_age_of_a_cohort_may_be_0():
    (rule,) = load(one(figure="value", measure="ltv", grain="month", index="0", below="2500"))
    assert (rule.index, rule.below) == (0, 2500.0)


def test_all_users_can_be_compared_with():
    for written in ("all", "{}"):
        (rule,) = load(one(below="ABSENT", drop="10%", segment="{plan: '*'}", baseline=written))
        assert rule.baseline == Baseline(EVERYBODY, 28)
    (earlier,) = load(one(below="ABSENT", drop="10%", segment="{plan: '*'}"))
    assert earlier.fingerprint != rule.fingerprint


CRR = {"figure": "crr", "index": "ABSENT", "definition": "repurchase", "measure": "kept_rate"}


@pytest.mark.parametrize(
    ("fields", "instead"),
    [
        (
            {"figure": "churn", "index": "ABSENT"},
            "judge churn_rate of figure crr with a grain as long as its window (30",
        ),
        ({"figure": "churn", "index": "ABSENT", "grain": "quarter"}, "churn_rate of figure crr with a grain as long"),
        ({"figure": "stickiness", "index": "ABSENT"}, "judge returning_rate of figure lifecycle"),
        ({**CRR}, "use a grain as long as the window (30 days), or a shorter window"),
        ({**CRR, "grain": "week"}, "use a grain as long as the window (30 days)"),
        ({**CRR, "grain": "month", "window": "60"}, "use a grain as long as the window (60 days)"),
        ({**CRR, "grain": "month"}, None),
        ({**CRR, "grain": "week", "window": "7"}, None),
        (
            {"cohorts": "recurring", "kind": "bracket", "brackets": "1,3", "index": "2"},
            "use cohorts: first, or kind: cl",
        ),
        ({"cohorts": "recurring", "kind": "bracket", "brackets": "1,3", "index": "1"}, None),
        ({"kind": "bracket", "brackets": "1,3", "index": "2"}, None),
        ({"cohorts": "recurring"}, None),
        ({}, None),
        ({"figure": "lifecycle", "index": "ABSENT"}, None),
    ],
)
def test_a_budget_that_is_not_kept_is_not_promised_and_its_author_is_told(fields: dict[str, str], instead: str | None):
    found = read(one(false_alarms="1 per year", **fields))
    (rule,) = found.rules
    if instead is None:
        assert (rule.promise, found.doubts) == ("1 per year", ())
    else:
        assert rule.promise is None
        (doubt,) = found.doubts
        assert doubt.startswith("rule 'r': false_alarms: 1 per year is not promised: ")
        assert instead in doubt
        assert doubt.endswith("or write test: threshold with `for` and no false_alarms")
    (plain,) = read(one(**fields)).rules
    assert (plain.promise, plain.doubt) == (None, None)


MERGED = """\
rules:
  - &base
    name: first
    definition: engagement
    grain: day
    index: 7
    below: 0.3
    labels: &labels {team: growth}
  - <<: *base
    name: second
    index: 3
    labels: {<<: *labels, severity: page}
"""


def test_a_rule_can_take_over_another_ones_fields():
    first, second = load(MERGED)
    assert (second.name, second.index, second.below, second.grain) == ("second", 3, 0.3, Grain.DAY)
    assert dict(first.sending.labels) == {"team": "growth"}
    assert dict(second.sending.labels) == {"team": "growth", "severity": "page"}


def test_of_several_the_first_one_that_has_a_field_gives_it():
    text = (
        "rules:\n  - &a {name: a, definition: engagement, grain: day, index: 1, below: 0.1}\n"
        "  - &b {name: b, definition: engagement, grain: week, index: 2, below: 0.2, min_group: 7}\n"
        "  - {<<: [*a, *b], name: c}\n  - {<<: {<<: *b, index: 3}, name: d}\n"
    )
    _, _, c, d = load(text)
    assert (c.grain, c.index, c.min_group) == (Grain.DAY, 1, 7)
    assert (d.grain, d.index, d.below) == (Grain.WEEK, 3, 0.2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MERGED.replace("grain: day", "grain: dy"), "line 5, rules[1].grain: 'dy' is not a grain; did you mean 'day'?"),
        (MERGED.replace("index: 3", "index: x"), "line 11, rules[1].index: 'x' must be a whole number"),
        (MERGED.replace("name: second", "note: x"), "line 9, rules[1].name: 'first' is already the name of the rule"),
        (MERGED.replace("<<: *base", "<<: 3"), "line 9, rules[1]: << takes another mapping, such as <<: *name"),
        (one() + "    <<: [3]\n", "line 7, rules[0]: << takes another mapping"),
        (one().replace("- name", "- &r\n    <<: *r\n    name"), "line 2, rules[0]: << takes another mapping"),
        (one() + '    "<<": 3\n', "line 7, rules[0].<<: unknown key '<<'"),
    ],
)
def test_what_is_wrong_in_a_field_taken_over_is_named_where_it_stands(text: str, said: str):
    assert said in problem(text)


def test_a_long_chain_of_merges_is_read():
    lines = ["rules:", "  - &a0 {name: r0, definition: engagement, grain: day, index: 7, below: 0.3}"]
    lines += [f"  - &a{n} {{<<: *a{n - 1}, name: r{n}}}" for n in range(1, 1200)]
    assert len(load("\n".join(lines))) == 1200


def test_a_merged_rule_without_a_name_of_its_own_is_named_by_its_line():
    text = (
        "rules:\n  - &a {name: a, definition: engagement, grain: day, index: 7, below: 0.3}\n  - {<<: *a, index: 3}\n"
    )
    assert any(
        "line 3, rules[1].name: 'a' is already the name of the rule in line 2, from which it is merged" in problem
        for problem in problems(text)
    )


def test_merged_labels_count_too():
    many = [", ".join(f"{kind}{n}: x" for n in range(15)) for kind in "ab"]
    text = one() + f"    labels: {{<<: [{{{many[0]}}}, {{{many[1]}}}]}}\n"
    assert any("must be a mapping of at most" in problem for problem in problems(text))


def test_a_file_that_merges_without_end_is_read():
    lines = ["  - &a0 {name: x}"]
    lines += [f"  - &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 30)]
    assert "is missing" in problem("rules:\n" + "\n".join(lines))
