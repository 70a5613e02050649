from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_blocks import view_problems
from support.notices import fell, opened, segments

from stream_app.notifiers import slack_buttons
from stream_app.notifiers.slack_buttons import About, Wish, actions, dialog, wish

SEGMENTS = st.dictionaries(st.text(max_size=60), st.text(max_size=200), max_size=1)


def filled(view, **given_):
    """A dialog as Slack sends it."""
    usual = {"scope": "rule", "span": "86400", "reason": "known"} | given_
    values = {
        "scope": {"given": {"type": "static_select", "selected_option": {"value": usual["scope"]}}},
        "span": {"given": {"type": "static_select", "selected_option": {"value": usual["span"]}}},
        "reason": {"given": {"type": "plain_text_input", "value": usual["reason"]}},
    }
    blocks = [block["block_id"] for block in view["blocks"] if block["type"] == "input"]
    return {**view, "state": {"values": {name: values[name] for name in blocks}}}


def about(*changes) -> About:
    return About.of(actions(opened(*changes))["elements"][0]["value"])


def test_a_button_names_its_rule_its_message_and_what_fires():
    told = segments(2)
    assert about(*told) == About("pro-day-7", opened(*told).id, tuple(dict(change.segment) for change in told))


def test_a_button_has_room_for_some_of_many_segments():
    known = about(*segments(200)).segments
    assert 10 < len(known) < 200
    assert known[0] == {"country": "country-000"}, "the worst first"


def test_the_dialog_offers_the_whole_rule_first_and_each_segment():
    view = dialog(about(*segments(2)))
    scope = next(block for block in view["blocks"] if block.get("block_id") == "scope")
    assert [option["text"]["text"] for option in scope["element"]["options"]] == [
        "The whole rule",
        "Only country = country-000",
        "Only country = country-001",
    ]


def test_of_a_rule_on_all_users_there_is_nothing_to_choose():
    view = dialog(about(fell(segment={})))
    assert [block.get("block_id") for block in view["blocks"]] == [None, "span", "reason"]
    assert wish(filled(view)) == Wish(about(fell(segment={})), {}, 86_400, "known")


def test_what_is_filled_in_becomes_a_wish():
    of = about(*segments(2))
    assert wish(filled(dialog(of), scope="1", span="3600", reason=" a  release\n")) == Wish(
        of, {"country": "country-001"}, 3600, "a release"
    )


@pytest.mark.parametrize("reason", ["", "  ", "\u202e", None])
def test_a_silence_needs_a_reason(reason):
    assert wish(filled(dialog(about()), reason=reason)) == {"reason": "Say why: others will ask."}


@pytest.mark.parametrize(
    "view",
    [
        {},
        {"private_metadata": "{}"},
        {"private_metadata": "[1]"},
        {"private_metadata": "not JSON"},
        {"private_metadata": About("r", "x").text()},
        {"private_metadata": About("r", "x").text(), "state": {"values": {}}},
        filled(dialog(about()), span="soon"),
        filled(dialog(about()), span="-1"),
        filled(dialog(about()), scope="7"),
    ],
)
def test_what_is_not_ours_is_refused(view):
    with pytest.raises(ValueError, match=r".+"):
        wish(view)


@settings(max_examples=100, deadline=None)
@given(st.text(min_size=1, max_size=300), st.lists(SEGMENTS, max_size=120))
def test_the_dialog_keeps_slacks_limits_whatever_the_names(rule, known):
    changes = [fell(n + 1, rule=rule, segment=segment) for n, segment in enumerate(known)] or [fell(rule=rule)]
    button = actions(opened(*changes))["elements"][0]
    assert len(button["value"]) <= 2000
    assert view_problems(dialog(About.of(button["value"]))) == []


def test_all_spans_are_of_whole_hours():
    assert all(seconds % 3600 == 0 for seconds in slack_buttons.SPANS.values())
