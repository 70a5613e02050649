from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.domain.alerts import RulesError, load_rules
from stream_app.domain.errors import ConfigurationError
from stream_app.domain.events import ENGAGEMENT, REPURCHASE
from stream_app.domain.periods import Grain

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


def load(text: str, dimensions: tuple[str, ...] = ("plan", "country")):
    return load_rules(text, source="rules.yaml", definitions=[ENGAGEMENT, REPURCHASE], dimensions=dimensions)


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
    assert load("rules: []") == ()


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
            "line 4, rules[0].grain: 'dya' is not a grain; did you mean 'day'? allowed: day, week",
        ),
        ({"definition": "engagment"}, "line 3, rules[0].definition: 'engagment' is not a definition; did you mean"),
        ({"bellow": "0.3"}, "line 7, rules[0].bellow: unknown key 'bellow'; did you mean 'below'?"),
        ({"index": "0"}, "line 5, rules[0].index: 0 is the cohort's own period"),
        ({"index": "384"}, "line 5, rules[0].index: '384' must be a whole number from 1 to 383"),
        ({"index": "7.5"}, "rules[0].index: '7.5' must be a whole number"),
        ({"index": "'7'"}, "rules[0].index: '7' must be a whole number from 1 to 383, without quotes"),
        ({"index": "64", "grain": "month"}, "a whole number from 1 to 63"),
        ({"index": "128", "grain": "week"}, "a whole number from 1 to 127"),
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
        ({"to": "[email:x]"}, "'email:x' is not a target; use console or slack:#channel"),
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
        ("- a\n", "line 1: must be a mapping with the keys rules"),
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
        st.sampled_from(["name", "definition", "grain", "index", "segment", "below", "to", "for", "resolve"]),
        st.text(alphabet="abc: -{}[]&*'\"#0123.%~", max_size=12),
        max_size=6,
    )
)
def test_no_field_raises_anything_but_rules_error(fields: dict[str, str]):
    assert problems(one(**fields))
