from __future__ import annotations

import json
import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from slack_blocks import metadata_problem, problems, too_long
from support.notices import back, closed, fell, later, opened, segments

from stream_app.domain.alerts import Health, NoticeKind, Reason, Standing, State
from stream_app.notifiers import slack_message
from stream_app.notifiers.slack_message import carries, message, metadata, reply

PAGE = "https://x.example"
ROOT = Path(__file__).parents[3]


def texts(built) -> list[str]:
    """What is read, from top to bottom."""
    found = []
    for block in built["blocks"]:
        found += [block["text"]["text"]] if "text" in block else []
        found += [one["text"] for one in block.get("fields", ())]
        found += [one["text"]["text"] if "value" in one else one["text"] for one in block.get("elements", ())]
    return found


def test_says_at_a_glance_what_fell_where_how_far_and_since_when():
    built = message(opened(labels=(("team", "growth"),), note="Runbook https://wiki.example/x"), PAGE, buttons=True)
    assert texts(built) == [
        "🔴 Retention fell: pro-day-7",
        "*Day-7 retention* of `plan = pro` fell to *21.0 %*, 9.0 points below the threshold of 30.0 %.",
        "*Judged*\nengagement, the cohort of 2026-03-01",
        "*Users who came back*\n260 of 1,240",
        "*95 % interval*\n18.8 % to 23.4 %",
        "*At risk*\n112 users, 3,400.00 USD",
        "*Below since*\nthe cohort of 2026-02-27 (3 judged)",
        "*Evidence against chance*\n7,943 to 1",
        "Runbook https://wiki.example/x",
        "Acknowledge",
        "Silence…",
        "Known since <!date^1773014400^{date_short_pretty} {time}|2026-03-09T00:00:00Z>",
        (
            "<https://x.example/#definition=engagement&amp;grain=day&amp;segment=plan&amp;value=pro&amp;cohort=2026-03-01"
            "&amp;index=7|Open the page>"
        ),
        "False alarms: at most 1 per year",
        "team = growth",
    ]


def test_the_documents_show_the_message_as_it_is():
    shown = re.search(r"^```text\n(.*?)^```", (ROOT / "docs/alerts/slack.md").read_text("utf-8"), re.M | re.S)
    read = [
        text.replace("*\n", ": ").replace("*", "").replace("`", "") for text in texts(message(opened(), buttons=True))
    ]
    assert shown[1].splitlines() == [text for text in read if not text.startswith(("Known", "False alarms"))]


def test_the_telephone_shows_the_whole_matter():
    assert message(opened())["text"] == (
        "🔴 pro-day-7: Day-7 retention of plan = pro fell to 21.0 %, 9.0 points below the threshold of 30.0 %;"
        " 112 users, 3,400.00 USD at risk"
    )
    assert message(opened(*segments(3)))["text"] == (
        "🔴 Retention fell in 3 segments: pro-day-7: worst: Day-7 retention of country = country-000 fell to 10.0 %,"
        " 20.0 points below the threshold of 30.0 %; 2,997 users, 10,200.00 USD at risk"
    )


def test_many_segments_are_a_list_with_the_worst_first():
    shown = texts(message(opened(*segments(2))))
    assert shown[:5] == [
        "🔴 Retention fell in 2 segments: pro-day-7",
        (
            "Worst: *Day-7 retention* of `country = country-000` fell to *10.0 %*, 20.0 points below the threshold of"
            " 30.0 %."
        ),
        "*Segments*\n2 of 2 firing",
        "*At risk together*\n1,999 users, 6,800.00 USD",
        "*Judged*\nengagement, the cohort of 2026-03-01",
    ]
    assert shown[5].splitlines() == [
        (
            "🔴 `country = country-000` *10.0 %* (18.8 % to 23.4 %) 20.0 points below 30.0 % · group of 1,240 ·"
            " 1,000 users, 3,400.00 USD at risk · since 2026-02-27"
        ),
        (
            "🔴 `country = country-001` *10.1 %* (18.8 % to 23.4 %) 19.9 points below 30.0 % · group of 1,240 ·"
            " 999 users, 3,400.00 USD at risk · since 2026-02-27"
        ),
    ]


def test_more_than_can_be_shown_are_counted():
    built = message(opened(*segments(200)), PAGE, buttons=True)
    shown = "\n".join(texts(built))
    listed = shown.count("\n🔴") + sum(text.startswith("🔴 `") for text in texts(built)[:1])
    last = next(text for text in texts(built) if text.endswith(" more")).splitlines()[-1]
    assert last == f"and {200 - listed} more"
    assert 20 <= listed <= 40
    assert problems(built["blocks"]) == []
    assert not too_long(built["blocks"])


def test_the_event_stream_names_each_kind_of_event_that_is_thin():
    plain = {"rule": "stream-volume", "figure": "stream", "measure": "volume", "definition": "", "grain": "day",
             "count": 0, "group": 412, "value": 0.0, "users_at_risk": None, "revenue_at_risk": None}  # fmt: skip
    bought, visited = (fell(id=name, segment={"definition": name}, **plain) for name in ("repurchase", "visits"))
    whole = back(9, fell(id="all", segment={}, **plain))
    one = later(opened(bought, visited), NoticeKind.CHANGED, [whole], [Standing(bought), Standing(whole)])
    shown = texts(message(one))
    assert shown[0] == "🔴 The event stream of repurchase has too few users: stream-volume"
    assert "active users of repurchase, 0 % of the usual 412" in shown[1]
    both = texts(message(opened(bought, visited)))
    assert both[0] == "🔴 The event stream of repurchase has too few users, and 1 more: stream-volume"


def test_one_that_recovered_while_others_fire_is_shown_as_such():
    one, two = segments(2)
    over = back(9, one)
    notice = later(opened(one, two), NoticeKind.CHANGED, [over], [Standing(two), Standing(over)])
    shown = texts(message(notice))
    assert shown[0] == "🔴 Retention fell in 1 of 2 segments: pro-day-7"
    assert shown[2] == "*Segments*\n1 of 2 firing"
    assert [line[:1] for line in shown[5].splitlines()] == ["🔴", "🟢"]
    told = texts(reply(notice, PAGE))
    assert told[:3] == [
        "*🟢 Retention recovered: pro-day-7*",
        (
            "*Day-7 retention* of `country = country-000` is back at *34.2 %* (95 % interval 31.6 % to 36.9 %),"
            " 1.2 points above the threshold of 33.0 %."
        ),
        "1 of 2 firing",
    ]


def test_a_reply_says_what_is_new_and_nothing_else():
    root = opened()
    assert texts(reply(closed(root)))[0] == "*🟢 Retention recovered: pro-day-7*"
    assert texts(reply(later(root, NoticeKind.REPEATED)))[0] == "*🔴 Reminder: Retention fell: pro-day-7*"
    one, *more = segments(4)
    news = later(opened(one), NoticeKind.CHANGED, more, list(map(Standing, segments(4))))
    assert texts(reply(news))[0] == "*🔴 Retention fell in 3 more segments: pro-day-7*"
    assert reply(news)["text"].endswith("; 4 of 4 firing now; 3,994 users, 13,600.00 USD at risk")


def test_what_gets_worse_is_shown_in_the_channel_and_what_gets_better_is_not():
    one, two = segments(2)
    assert reply(later(opened(one), NoticeKind.CHANGED, [two]))["reply_broadcast"]
    assert reply(later(opened(one), NoticeKind.REPEATED))["reply_broadcast"]
    assert not reply(closed(opened(one)))["reply_broadcast"]


def test_no_data_an_error_and_a_withdrawal_are_told_apart_from_a_drop():
    silent = {"value": None, "low": None, "high": None, "count": None, "group": 0, "evidence": None, "began": None}
    none = fell(health=Health.NO_DATA, reason=Reason.NO_DATA, state=State.INACTIVE, **silent)
    shown = texts(message(opened(none)))
    assert shown[:2] == [
        "🟠 Retention has no data: pro-day-7",
        (
            "*Day-7 retention* of `plan = pro` has had no group large enough to judge for 3 closed periods, up to the"
            " cohort of 2026-03-01."
        ),
    ]
    error = fell(health=Health.ERROR, reason=Reason.ERROR, state=State.INACTIVE, note="<plan> is unknown", **silent)
    assert texts(message(opened(error)))[1].endswith("cannot be judged: &lt;plan&gt; is unknown.")
    gone = fell(state=State.INACTIVE, reason=Reason.RULE_CHANGED)
    assert texts(message(opened(gone)))[0] == "⚪ Alert withdrawn: pro-day-7"
    assert texts(message(opened(gone)))[1].endswith("no longer watched as it was: its rule was changed.")


def test_an_error_of_an_alert_that_was_never_judged_names_no_cohort_also_beside_others():
    silent = {"value": None, "low": None, "high": None, "count": None, "group": 0, "evidence": None, "began": None}
    given = {"health": Health.ERROR, "reason": Reason.ERROR, "state": State.INACTIVE, "cohort": "", "grain": "quarter"}
    errors = [fell(number, segment={"plan": f"p{number}"}, **(silent | given)) for number in (1, 2)]
    assert "*Judged*\nengagement" in texts(message(opened(*errors)))


def test_who_has_seen_it_and_who_silenced_it_is_shown():
    one, two = segments(2)
    seen = Standing(one, acknowledged={"author": "@anna", "reason": "looking", "at": 1_773_014_400_000})
    quiet = Standing(two, silenced={"id": "s", "author": "bo", "reason": "known", "ends": "2026-03-10T07:00:00Z"})
    shown = texts(message(later(opened(one, two), NoticeKind.EDITED, standing=[seen, quiet]), buttons=True))
    assert "✅ Acknowledged by @anna: looking (1 of 2)" in shown
    assert "🔕 Silenced until 2026-03-10 07:00 UTC by bo: known (1 of 2)" in shown
    a_while = Standing(one, acknowledged={"author": "bo", "reason": "looking", "ends": "2026-03-10T07:00:00Z"})
    shown = texts(message(later(opened(one), NoticeKind.EDITED, standing=[a_while]), buttons=True))
    assert "✅ Acknowledged by bo until 2026-03-10 07:00 UTC: looking" in shown
    both = Standing(one, seen.acknowledged, quiet.silenced)
    done = message(later(opened(one), NoticeKind.EDITED, standing=[both]), buttons=True)
    assert not [block for block in done["blocks"] if block["type"] == "actions"], "nothing is left to press"


def test_buttons_are_shown_only_where_somebody_listens():
    assert not [block for block in message(opened())["blocks"] if block["type"] == "actions"]


class TestTheMetadata:
    def test_name_the_notice_and_its_changes(self):
        told = segments(3)
        built = metadata(opened(*told))
        assert built["event_payload"] == {"id": opened(*told).id, "changes": " ".join(change.id for change in told)}
        assert carries({"metadata": built}, opened(*told).id)
        assert not carries({"metadata": built}, fell(2).id)
        assert not carries({"metadata": None}, fell().id)

    def test_have_room_for_as_many_changes_as_slack_takes(self):
        built = metadata(opened(*segments(1000)))
        assert metadata_problem(built) is None
        assert len(built["event_payload"]["changes"].split()) > 150


def test_a_segment_value_can_neither_mention_nor_link():
    change = fell(rule="a<b>&c", segment={"plan": "<!channel> & <https://x|y> `*b*`"})
    for built in (message(opened(change), buttons=True), message(opened(change, *segments(2))), reply(opened(change))):
        shown = json.dumps([one for one in built["blocks"] if one["type"] != "actions"], ensure_ascii=False)
        assert "<!channel>" not in shown
        assert "<https" not in shown
        assert "&lt;!channel&gt; &amp; &lt;https://x|y&gt; '*b*'`" in shown
        assert "<!channel>" not in built["text"]


TEXT = st.text(max_size=400)


@settings(max_examples=60, deadline=None)
@given(
    dimension=TEXT,
    value=TEXT,
    rule=st.text(min_size=1, max_size=200),
    state=st.sampled_from(State),
    reason=st.sampled_from(Reason),
    health=st.sampled_from(Health),
    note=TEXT,
    kind=st.sampled_from(NoticeKind),
    more=st.integers(0, 60),
)
def test_keeps_slacks_limits_whatever_the_names(dimension, value, rule, state, reason, health, note, kind, more):
    change = fell(segment={dimension: value}, rule=rule, state=state, reason=reason, health=health, note=note)
    others = [fell(n + 2, segment={dimension: f"{'&' * 300}{n}"}, rule=rule) for n in range(more)]
    notice = opened(
        change, *others, kind=kind, note=note, labels=((dimension, value),) * 12, promise=value or None, rule=rule
    )
    image = {"type": "image", "slack_file": {"id": "F00000001"}, "alt_text": "x" * 500}
    page = "https://x.example/" + "a" * 200
    for built in (message(notice, page, image=image, buttons=True), reply(notice, page)):
        assert problems(built["blocks"]) == []
        assert not too_long(built["blocks"])
        assert 0 < len(built["text"]) < 4000
    assert metadata_problem(metadata(notice)) is None


@settings(max_examples=5)
@given(TEXT)
def test_escape_leaves_no_control_character(text: str):
    assert not set("<>") & set(slack_message.escape(text))
