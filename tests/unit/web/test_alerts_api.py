"""Alerts over HTTP: what is shown, what may be asked for, and by whom."""

from __future__ import annotations

import asyncio

import pytest
from support.figures import product
from support.web import FakeReader, Taken, alert, deed, milliseconds, silence

from stream_app.domain.alerts import Action
from stream_app.domain.errors import UnansweredError
from stream_app.web.replies import FRESHNESS

NOW = milliseconds("2026-04-01T12:00:00Z")
TOKEN = "open-sesame"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
HOUR = 3_600_000
QUIET = {"rule": "pro-day-7", "for": "2h", "reason": "a deployment", "author": "ada"}


@pytest.fixture
def opened(open_site):
    """A site with these alerts and silences, what it takes, and a client of it."""

    async def one(*alerts, silences=(), **options):
        reader = FakeReader(product(users=5), list(alerts))
        reader.silences = list(silences)
        taken = Taken()
        usual = {"clock": lambda: NOW / 1000, "api_token": TOKEN, "command": taken}
        site = await open_site(reader, **usual | options)
        site.taken = taken
        return site

    return one


async def ask(site, method, path, body=None, headers=BEARER, **options):
    if body is not None:
        options["json"] = body
    async with site.session.request(method, site.server.url.rstrip("/") + path, headers=headers, **options) as answer:
        return answer.status, await answer.json(), answer.headers


async def test_what_fires_comes_first_and_the_worst_of_it_before_all(opened):
    site = await opened(
        alert(id="no data", rule="c", state="inactive", health="no_data"),
        alert(id="pending", rule="d", state="pending", revenue_at_risk=9_999_999),
        alert(id="few", users_at_risk=5, revenue_at_risk=None),
        alert(id="stream", rule="stream-volume", segment={}, users_at_risk=None, revenue_at_risk=None),
        alert(id="dear", users_at_risk=2, revenue_at_risk=900_000),
        alert(id="many", users_at_risk=80, revenue_at_risk=None),
        alert(id="over", state="resolved", current=False),
    )
    _, body, _ = await site.get("/api/v1/alerts")
    assert [one["id"] for one in body["current"]] == ["stream", "dear", "many", "few", "pending", "no data"]
    assert [one["id"] for one in body["history"]] == ["over"]
    assert (body["currency"], body["minor_units"]) == ("USD", 2)


async def test_an_alert_says_which_silence_holds_it(opened):
    both = [
        silence("short", ends=NOW + HOUR, rule="pro-day-7", segment={"plan": "pro"}),
        silence("long", ends=NOW + 2 * HOUR, segment={"plan": "pro"}, reason="the year's end"),
        silence("ended", ends=NOW),
        silence("ahead", begins=NOW + 1),
        silence("another", rule="another"),
    ]
    site = await opened(alert(id="pro"), alert(id="team", segment={"plan": "team"}), silences=both)
    _, body, _ = await site.get("/api/v1/alerts")
    held = {one["id"]: one["silenced"] for one in body["current"]}
    assert held["team"] is None
    assert held["pro"] == {
        "id": "long", "author": "ada", "reason": "the year's end", "ends": "2026-04-01T14:00:00Z"
    }  # fmt: skip
    assert [one["id"] for one in body["silences"]] == ["short", "long", "another"]
    _, body, _ = await site.get("/api/v1/silences")
    states = {one["id"]: one["state"] for one in body["silences"]}
    assert states == {"ended": "expired", "short": "active", "long": "active", "ahead": "pending", "another": "active"}


async def test_the_history_is_asked_for_by_rule_segment_state_and_time(opened):
    past = [
        alert(id=f"{rule}-{plan}-{state}", rule=rule, segment={"plan": plan}, state=state, at=at, current=False)
        for rule, plan, state, at in [
            ("a", "pro", "resolved", "2026-03-05T00:00:00Z"),
            ("a", "pro", "firing", "2026-03-04T00:00:00Z"),
            ("a", "b:c", "firing", "2026-03-03T00:00:00Z"),
            ("z", "pro", "firing", "2026-03-02T00:00:00Z"),
        ]
    ]
    site = await opened(*past)

    async def found(query):
        status, body, _ = await site.get(f"/api/v1/alerts/history{query}")
        assert status == 200
        return [one["id"] for one in body["history"]]

    everything = [one["id"] for one in past]
    assert await found("") == everything
    assert await found("?last=2") == everything[:2]
    assert await found("?rule=z") == ["z-pro-firing"]
    assert await found("?segment=plan:b:c") == ["a-b:c-firing"]
    assert await found("?state=resolved") == ["a-pro-resolved"]
    assert await found("?from=2026-03-03&until=2026-03-04T00:00:01Z") == everything[1:3]
    assert await found("?until=2026-03-04") == everything[2:]


async def test_the_history_has_what_people_did_and_is_asked_for_by_kind(opened):
    site = await opened(
        deed("acknowledge", id="seen", segment={"plan": "pro"}),
        deed("unsilence", id="ended", rule=None),
        deed("silence", id="begun", rule=None),
        alert(id="gone", reason="no_data", health="no_data", current=False),
        alert(id="fell", current=False),
    )

    async def found(query=""):
        status, body, _ = await site.get(f"/api/v1/alerts/history{query}")
        assert status == 200
        return {row["id"]: row["kind"] for row in body["history"]}

    everything = {"seen": "acknowledgement", "ended": "silence", "begun": "silence", "gone": "health", "fell": "change"}
    assert await found() == everything
    _, body, _ = await site.get("/api/v1/alerts")
    assert {row["id"]: row["kind"] for row in body["history"]} == everything
    for kind in ("acknowledgement", "silence", "health", "change"):
        assert await found(f"?kind={kind}") == {name: of for name, of in everything.items() if of == kind}
    assert await found("?state=firing") == {"fell": "change"}, "what is of health alone is no firing"
    assert [*await found("?rule=pro-day-7&segment=plan:pro")] == [*everything]
    assert [*await found("?rule=another")] == ["ended", "begun"], "a silence of every rule is one of this one"
    assert [*await found("?segment=plan:team")] == ["ended", "begun"]


@pytest.mark.parametrize(
    ("query", "parameter", "said"),
    [
        ("rul=a", "rul", "no such parameter"),
        ("state=on", "state", "no state"),
        ("kind=silences", "kind", "'silence'"),
        ("kind=silence&state=firing", "state", "leave out state, or ask for kind=change"),
        ("last=0", "last", "1 to 10000"),
        ("last=%D9%A3", "last", "1 to 10000"),
        (f"last={'9' * 5000}", "last", "1 to 10000"),
        ("segment=pro", "segment", "plan:pro"),
        ("from=yesterday", "from", "not an instant"),
        ("rule=a&rule=b", "rule", "more than once"),
    ],
)
async def test_a_wrong_question_to_the_history_is_told(opened, query, parameter, said):
    site = await opened()
    status, body, _ = await site.get(f"/api/v1/alerts/history?{query}")
    assert status == 400
    assert body["error"]["parameter"] == parameter
    assert said in f"{body['error']['message']} {body['error']['allowed']}"


async def test_a_silence_is_taken_with_everything_that_was_said(opened):
    site = await opened()
    body = {"rule": "pro-day-7", "segment": {"plan": "pro"}, "for": "2h", "reason": " a\ndeployment ", "author": "ada"}
    status, answer, headers = await ask(site, "POST", "/api/v1/silences", body)
    (command,) = site.taken.commands
    assert status == 202
    assert answer == {"id": command.id, "command": command.to_json()}
    assert headers["Location"] == f"/api/v1/silences/{command.id}"
    assert (command.action, command.at, command.author, command.reason) == (Action.SILENCE, NOW, "ada", "a deployment")
    assert (command.rule, command.segment) == ("pro-day-7", {"plan": "pro"})
    assert (command.begins, command.ends) == (NOW, NOW + 2 * HOUR)


@pytest.mark.parametrize(
    ("given", "begins", "ends"),
    [
        ({"until": "2026-04-02"}, NOW, milliseconds("2026-04-02T00:00:00Z")),
        ({"until": "2026-04-01T14:30:00+02:00"}, NOW, NOW + HOUR // 2),
        (
            {"from": "2026-04-05", "for": "3d"},
            milliseconds("2026-04-05T00:00:00Z"),
            milliseconds("2026-04-08T00:00:00Z"),
        ),
    ],
)
async def test_a_silence_is_until_an_instant_or_begins_later(opened, given, begins, ends):
    site = await opened()
    status, _, _ = await ask(site, "POST", "/api/v1/silences", {"reason": "r", "author": "ada"} | given)
    (command,) = site.taken.commands
    assert status == 202
    assert (command.rule, command.segment, command.begins, command.ends) == (None, {}, begins, ends)


async def test_a_silence_of_a_span_ends_on_a_whole_second(opened):
    site = await opened(clock=lambda: (NOW + 1) / 1000)
    assert (await ask(site, "POST", "/api/v1/silences", QUIET))[0] == 202
    assert site.taken.commands[0].ends == NOW + 2 * HOUR + 1000


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"for": None}, "for", "needed"),
        ({"for": "soon"}, "for", "2h"),
        ({"for": "0h"}, "for", "2h"),
        ({"for": "367d"}, "for", "366 days"),
        ({"until": "2026-05-01"}, "for", "one of the two"),
        ({"from": "2026-03-01", "for": "1d"}, "for", "later end"),
        ({"reason": " "}, "reason", "needed"),
        ({"author": 7}, "author", "needed"),
        ({"author": "a" * 101}, "author", "100 characters"),
        ({"segment": "plan=pro"}, "segment", '{"plan": "pro"}'),
        ({"segment": {"plan": 3}}, "segment", '{"plan": "pro"}'),
        ({"rule": "pro-day-8"}, "rule", "pro-day-7"),
        ({"durtion": "2h"}, "durtion", "'for'"),
    ],
)
async def test_a_wrong_silence_is_refused_with_field_and_fix(opened, changes, field, said):
    site = await opened(rules=lambda: ["pro-day-7"])
    status, body, _ = await ask(site, "POST", "/api/v1/silences", QUIET | changes)
    assert status == 400
    assert body["error"]["parameter"] == field
    assert said in f"{body['error']['message']} {body['error']['allowed']}"
    assert not site.taken.commands


@pytest.mark.parametrize("rule", [{}, {"rule": "pro-day-7"}, {"rule": "stream-stalled"}])
async def test_a_dimension_that_the_service_does_not_have_is_refused(opened, rule):
    site = await opened(rules=lambda: ["pro-day-7"], dimensions=("plan", "country"))
    body = {name: value for name, value in QUIET.items() if name != "rule"} | rule
    status, answer, _ = await ask(site, "POST", "/api/v1/silences", body | {"segment": {"plna": "pro"}})
    assert (status, answer["error"]) == (
        400,
        {"parameter": "segment", "value": "plna", "message": "there is no dimension 'plna'",
         "allowed": ["plan", "country"]},
    )  # fmt: skip
    assert not site.taken.commands
    status, _, _ = await ask(site, "POST", "/api/v1/silences", body | {"segment": {"country": "new"}})
    assert status == 202  # a value may yet come


async def test_a_kind_of_event_of_the_stream_can_be_silenced(opened):
    site = await opened(rules=lambda: ["pro-day-7"], dimensions=())
    of_kind = {"segment": {"definition": "repurchase"}}
    assert (await ask(site, "POST", "/api/v1/silences", QUIET | of_kind | {"rule": "stream-volume"}))[0] == 202
    assert (await ask(site, "POST", "/api/v1/silences", QUIET | of_kind | {"rule": "pro-day-7"}))[0] == 400


async def test_without_dimensions_no_segment_can_be_silenced(opened):
    site = await opened(dimensions=())
    status, answer, _ = await ask(site, "POST", "/api/v1/silences", QUIET | {"segment": {"plan": "pro"}})
    assert (status, answer["error"]["message"]) == (400, "there is no dimension 'plan': none is configured")


async def test_alerts_of_the_stream_can_be_silenced_like_those_of_rules(opened):
    site = await opened(rules=list)
    status, _, _ = await ask(site, "POST", "/api/v1/silences", QUIET | {"rule": "stream-stalled"})
    assert status == 202


@pytest.mark.parametrize(
    ("data", "status", "said"),
    [(b"{", 400, "JSON"), (b"[]", 400, "object"), (b'"' + b"a" * 20_000 + b'"', 413, "Large")],
)
async def test_a_body_that_is_no_object_of_reasonable_size_is_refused(opened, data, status, said):
    site = await opened()
    found, body, _ = await ask(site, "POST", "/api/v1/silences", data=data)
    assert (found, site.taken.commands) == (status, [])
    assert said in body["error"]["message"]


WRITES = [
    ("POST", "/api/v1/silences", QUIET),
    ("DELETE", "/api/v1/silences/5171e9ce", {"author": "ada"}),
    ("POST", "/api/v1/alerts/acknowledge", {"rule": "pro-day-7", "author": "ada"}),
]


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
async def test_nobody_changes_anything_without_the_token(opened, method, path, body):
    site = await opened(alert(), silences=[silence()])
    foreign = "Bearer \udce4".encode("utf-8", "surrogateescape").decode("latin-1")
    wrong = [TOKEN, "Bearer open", f"Basic {TOKEN}", foreign]
    for headers in ({}, *({"Authorization": one} for one in wrong)):
        status, answer, given = await ask(site, method, path, body, headers=headers)
        assert status == 401
        assert given["WWW-Authenticate"] == "Bearer"
        assert TOKEN not in answer["error"]["message"]
    assert not site.taken.commands
    assert (await ask(site, method, path, body))[0] == 202


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
async def test_without_a_token_in_the_settings_it_is_said_how_to_set_one(opened, method, path, body):
    site = await opened(alert(), silences=[silence()], api_token=None)
    status, answer, _ = await ask(site, method, path, body)
    assert (status, site.taken.commands) == (403, [])
    assert "STREAM_APP_API_TOKEN" in answer["error"]["message"]


async def test_a_silence_that_is_there_can_be_ended_and_no_other(opened):
    site = await opened(silences=[silence("held"), silence("over", ends=NOW)])
    for name in ("over", "nonesuch"):
        status, answer, _ = await ask(site, "DELETE", f"/api/v1/silences/{name}", {"author": "ada"})
        assert status == 404
        assert name in answer["error"]["message"]
    status, answer, _ = await ask(site, "DELETE", "/api/v1/silences/held", {"author": "ada", "reason": "done"})
    (command,) = site.taken.commands
    assert status == 202
    assert answer["id"] == command.id != "held"
    assert (command.action, command.silence, command.reason) == (Action.UNSILENCE, "held", "done")


async def test_what_fires_can_be_acknowledged_and_nothing_else(opened):
    site = await opened(alert(), alert(rule="waits", state="pending"))
    for body, said in (
        ({"rule": "waits"}, "fires"),
        ({"rule": "pro-day-7", "segment": {"plan": "team"}}, "fires"),
    ):
        status, answer, _ = await ask(site, "POST", "/api/v1/alerts/acknowledge", body | {"author": "ada"})
        assert status == 404
        assert said in answer["error"]["message"]
    for body in ({"author": "ada"}, {"rule": None, "author": "ada"}):
        status, answer, _ = await ask(site, "POST", "/api/v1/alerts/acknowledge", body)
        assert (status, answer["error"]["parameter"]) == (400, "rule")
    body = {"rule": "pro-day-7", "segment": {"plan": "pro"}, "author": "ada"}
    assert (await ask(site, "POST", "/api/v1/alerts/acknowledge", body))[0] == 202
    (command,) = site.taken.commands
    assert (command.action, command.rule, command.segment, command.reason) == (
        Action.ACKNOWLEDGE, "pro-day-7", {"plan": "pro"}, ""
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "ends"),
    [({"for": "2h"}, NOW + 2 * HOUR), ({"until": "2026-04-02"}, milliseconds("2026-04-02T00:00:00Z")), ({}, None)],
)
async def test_an_acknowledgement_ends_when_it_was_said_or_with_the_firing(opened, given, ends):
    site = await opened(alert())
    body = {"rule": "pro-day-7", "author": "ada"} | given
    status, answer, _ = await ask(site, "POST", "/api/v1/alerts/acknowledge", body)
    assert (status, answer["command"]["ends"], site.taken.commands[0].ends) == (202, ends, ends)


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"for": "soon"}, "for", "2h"),
        ({"for": None}, "for", "needed"),
        ({"for": "2h", "until": "2026-04-02"}, "for", "not both"),
        ({"until": "2026-03-01"}, "until", "later end"),
        ({"until": "2028-03-01"}, "until", "366 days"),
        ({"from": "2026-04-02"}, "from", "'until'"),
    ],
)
async def test_a_wrong_end_of_an_acknowledgement_is_refused_with_field_and_fix(opened, given, field, said):
    site = await opened(alert())
    body = {"rule": "pro-day-7", "author": "ada"} | given
    status, answer, _ = await ask(site, "POST", "/api/v1/alerts/acknowledge", body)
    assert (status, answer["error"]["parameter"], site.taken.commands) == (400, field, [])
    assert said in f"{answer['error']['message']} {answer['error']['allowed']}"


async def test_while_the_store_is_down_commands_are_taken_and_the_judge_finds_out(opened):
    site = await opened()
    await site.get("/api/v1/alerts")
    site.reader.down = True
    for method, path, body in WRITES:
        assert (await ask(site, method, path, body))[0] == 202
    assert len(site.taken.commands) == 3
    status, _, headers = await site.get("/api/v1/silences")
    assert (status, headers[FRESHNESS]) == (200, "stale")
    assert (await site.get("/api/v1/alerts/history"))[0] == 503


async def test_a_command_that_perhaps_was_not_taken_is_said_to_be_so(opened):
    site = await opened()
    site.taken.fails = UnansweredError("the broker did not take the command")
    status, answer, _ = await ask(site, "POST", "/api/v1/silences", QUIET)
    assert status == 503
    assert "not known" in answer["error"]["message"]
    assert "did not take" in answer["error"]["message"]


async def test_a_server_without_a_judge_takes_no_commands(opened):
    site = await opened(command=None)
    assert (await ask(site, "POST", "/api/v1/silences", QUIET))[0] == 503


async def test_slack_s_buttons_go_to_their_handler(opened):
    from aiohttp import web

    pressed = asyncio.Queue()

    async def handler(request):
        await pressed.put(await request.text())
        return web.Response()

    site = await opened(slack_actions=handler)
    url = site.server.url + "slack/actions"
    async with site.session.post(url, data=b"payload=1") as answer:
        assert answer.status == 200
    assert await pressed.get() == "payload=1"
    bare = await opened()
    assert (await ask(bare, "POST", "/slack/actions", {}))[0] == 404
