"""`stream-app alerts`, `silence` and `acknowledge`, against a server."""

from __future__ import annotations

import http.server
import json
import os
import re
import threading

import pytest
from support.figures import product
from support.program import FakeProgram
from support.site import Obeying, Site
from support.web import FakeReader, Taken, alert, deed, silence

from stream_app import cli_alerts
from stream_app.cli import EXIT_OK, EXIT_WRONG, main

TOKEN = "open-sesame"
#: What only an alert that fires has, of those who look at it.
FIRED = ("id", "count", "ends", "to", "baseline", "evidence", "promise", "low", "high", "currency", "flapping")


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith("STREAM_APP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("STREAM_APP_API_TOKEN", TOKEN)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # of no use for this machine
    monkeypatch.setenv("LOGNAME", "ada")


@pytest.fixture
def site():
    """A server whose judge obeys at once."""
    reader = FakeReader(product(users=5))
    one = Site(reader, api_token=TOKEN, command=Obeying(reader), dimensions=("plan", "country"))
    one.start()
    yield one
    one.stop()


@pytest.fixture
def call(site, capsys):
    """Runs a command, gives exit code, output and errors."""

    def run(*argv, url=None):
        code = main([*argv, "--url", url or site.url], FakeProgram())
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_what_fires_is_told_with_its_figures_risk_and_marks(site, call):
    site.reader.found = [
        alert(acknowledged={"author": "ada", "reason": "I look into it"}),
        alert(rule="churn", segment={}, figure="churn", measure="rate", side="above", grain="day", index=0,
              users_at_risk=None, revenue_at_risk=None, flapping=True),
        alert(rule="order", figure="value", measure="aov", count=None, low=None, high=None, value=1299.6,
              threshold=1500.0, group=812, users_at_risk=None),
        alert(rule="waits", state="pending"),
        alert(rule="empty", state="inactive", health="no_data"),
        alert(rule="broken", health="error", note="no census had an answer", users_at_risk=3, revenue_at_risk=None),
    ]  # fmt: skip
    site.reader.silences = [silence("5171e9ce", rule="pro-day-7")]
    code, out, err = call("alerts")
    assert (code, err) == (EXIT_OK, "")
    first = out.split("\n\n")
    assert first[0].splitlines() == [
        "FIRING: pro-day-7, plan: pro",
        "  Day-7 retention 21.4 % (30 of 140), 95 % interval 15.5 % to 28.9 %; below 30.0 %",
        "  since 2026-03-19, judged 2026-03-29T00:00:00Z; at risk: 31 users, 1,240.50 USD",
        "  acknowledged by ada: I look into it",
        "  silenced by ada: a deployment, until 2096-10-02T07:06:40Z",
    ]
    told = out.replace("\n", " ")
    for part in (
        "FIRING, flapping: churn, all users",
        "above 30.0 %",
        "Average order value 13.00 USD (group of 812); below 15.00 USD",
        "PENDING: waits, plan: pro   Day-7 retention 21.4 %",
        "inactive, no data: empty, plan: pro   not judged: no group has been large enough lately",
        "FIRING, error: broken, plan: pro",
        "not judged: no census had an answer",
        "Silences in force:   Alerts of pro-day-7 until 2096-10-02T07:06:40Z, by ada: a deployment [5171e9ce]",
    ):
        assert part in told


def test_what_fires_says_how_it_is_now_and_why_nobody_was_told(site, call):
    later = {"cohort": "2026-03-24", "value": 0.188, "threshold": 0.3}
    site.reader.found = [
        alert(latest=later, held="hours"),
        alert(rule="quiet", held="silenced"),
        {name: value for name, value in alert(rule="waits", state="pending").items() if name not in FIRED},
    ]
    site.reader.silences = [silence(rule="quiet", ends=4_000_000_000_220)]
    first, second, third, _ = (part.splitlines() for part in call("alerts")[1].split("\n\n"))
    assert first[3:] == [
        "  now 18.8 % (2026-03-24), compared with 30.0 %",
        "  not told yet: outside the hours of its rule",
    ]
    assert second[3:] == ["  silenced by ada: a deployment, until 2096-10-02T07:06:40Z"]
    assert third == [
        "PENDING: waits, plan: pro",
        "  Day-7 retention 21.4 % (group of 140); below 30.0 %",
        "  since 2026-03-19; pending, not reported yet",
    ]


def test_with_nothing_firing_it_says_so(call):
    assert call("alerts") == (EXIT_OK, "No alert fires.\n", "")


def test_json_is_the_api_s_answer(site, call):
    site.reader.found = [alert()]
    _, out, _ = call("alerts", "--json")
    assert json.loads(out)["current"][0]["id"] == "c0ffee"
    _, out, _ = call("alerts", "--json", "history")
    assert json.loads(out)["history"] == []


def test_the_history_is_a_table_of_what_was_asked_for(site, call):
    site.reader.found = [
        alert(id="2", state="resolved", reason="recovered", value=0.36, at="2026-03-30T00:00:00Z", current=False),
        alert(id="1", current=False),
        alert(id="0", segment={"plan": "team"}, health="no_data", value=None, threshold=None, current=False),
    ]
    asked = ["--rule", "pro-day-7", "--from", "2026-03-01", "--until", "2026-04-01", "--last", "5"]
    _, out, _ = call("alerts", "history", "--segment", "plan=pro", *asked)
    assert [line.split() for line in out.splitlines()] == [
        ["at", "rule", "segment", "to", "value", "bound", "group", "of", "why"],
        ["2026-03-30T00:00:00Z", "pro-day-7", "plan:", "pro", "resolved", "36.0", "%", "30.0", "%", "140",
         "2026-03-21", "recovered"],
        ["2026-03-29T00:00:00Z", "pro-day-7", "plan:", "pro", "firing", "21.4", "%", "30.0", "%", "140", "2026-03-21",
         "below"],
    ]  # fmt: skip
    _, out, _ = call("alerts", "history", "--segment", "plan=team")
    assert "firing, no_data" in out
    site.reader.found += [
        deed("unsilence", rule=None, reason=""),
        deed("silence", ends="2026-03-30T00:00:00.250Z", reason="a deployment"),
        deed("acknowledge", ends="2026-03-29T10:00:00Z", segment={"plan": "pro"}), deed("acknowledge"),
        alert(reason="data_back", current=False),
    ]  # fmt: skip
    _, out, _ = call("alerts", "history", "--kind", "silence")
    assert [line.split("  ") for line in re.sub("  +", "  ", out).splitlines()[1:]] == [
        ["2026-03-29T08:00:00Z", "every rule", "all users", "silence ended", "-", "-", "-", "-", "ada"],
        ["2026-03-29T08:00:00Z", "pro-day-7", "all users", "silenced until 2026-03-30T00:00:00Z", "-", "-", "-", "-",
         "ada: a deployment"],
    ]  # fmt: skip
    _, out, _ = call("alerts", "history", "--kind", "acknowledgement")
    assert "plan: pro  acknowledged until 2026-03-29T10:00:00Z" in out
    assert re.search("all users +acknowledged +-.* ada: I look", out)
    _, out, _ = call("alerts", "history", "--kind", "health")
    assert re.search("plan: pro +data back +21.4 %", out)
    assert call("alerts", "history", "--state", "pending")[1] == "Nothing happened that was asked for.\n"


def test_a_silence_is_begun_shown_and_ended(site, call):
    site.reader.found = [alert()]
    code, out, _ = call(
        "silence", "add", "--rule", "pro-day-7", "--segment", "plan=pro", "--for", "2h", "--reason", "a deployment"
    )
    (stored,) = site.reader.silences
    name = stored["command"]["id"]
    assert code == EXIT_OK
    assert out.startswith("Alerts of pro-day-7 (plan: pro) will not be told of until 20")
    assert out.endswith(f"To end it: stream-app silence end {name}\n")
    assert (stored["command"]["author"], stored["command"]["reason"]) == ("ada", "a deployment")
    assert 7_200_000 <= stored["ends"] - stored["begins"] < 7_201_000
    listed = call("silence", "list")[1].splitlines()
    assert listed[1].split()[:3] == [name, "active", "pro-day-7"]
    assert json.loads(call("silence", "list", "--json")[1])["silences"][0]["id"] == name
    ended = call("silence", "end", name, "--author", "grace")
    assert ended == (EXIT_OK, "Alerts of pro-day-7 (plan: pro) will be told of again.\n", "")
    assert site.reader.silences == []
    assert call("silence", "list")[1] == "There are no silences.\n"


def test_silences_that_ended_are_listed_on_request(site, call):
    site.reader.silences = [silence("over", ends=1000)]
    assert call("silence", "list")[1] == "There are no silences.\n"
    assert "over  expired  every rule  all users" in call("silence", "list", "--all")[1]


def test_everything_is_silenced_only_where_it_is_said(site, call):
    code, _, err = call("silence", "add", "--for", "2h", "--reason", "r")
    assert code == EXIT_WRONG
    assert "--all" in err
    assert call("silence", "add", "--for", "2h", "--reason", "r", "--all", "--from", "2090-01-01")[0] == EXIT_WRONG
    code, out, _ = call("silence", "add", "--for", "2h", "--reason", "r", "--all")
    assert code == EXIT_OK
    assert out.startswith("Alerts will not be told of until")
    assert site.reader.silences[0]["command"]["rule"] is None


def test_an_alert_is_acknowledged(site, call):
    site.reader.found = [alert(), alert(segment={"plan": "team"}), alert(rule="other")]
    code, out, _ = call("acknowledge", "pro-day-7", "--segment", "plan=team", "--reason", "known")
    assert (code, out) == (EXIT_OK, "Acknowledged until it is good again, pro-day-7:\n  plan: team: ada: known\n")
    code, out, _ = call("acknowledge", "pro-day-7")
    assert out.splitlines()[1:] == ["  plan: pro: ada", "  plan: team: ada"]


def test_an_alert_is_acknowledged_for_a_while(site, call):
    site.reader.found = [alert(acknowledged={"author": "bob", "reason": "", "at": "x", "ends": "2026-03-29T10:00:00Z"})]
    assert "  acknowledged by bob, until 2026-03-29T10:00:00Z" in call("alerts")[1].splitlines()
    code, out, _ = call("acknowledge", "pro-day-7", "--for", "2h", "--reason", "known")
    assert code == EXIT_OK
    ends = site.reader.found[0]["acknowledged"]["ends"]
    assert out == f"Acknowledged, pro-day-7:\n  plan: pro: ada: known, until {ends}\n"
    assert call("acknowledge", "pro-day-7", "--until", "2000-01-01")[0] == EXIT_WRONG


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["acknowledge", "pro-day-7", "--for", "soon"], "for: 'soon' must be a span such as"),
        (["alerts", "history", "--kind", "on"], "(allowed: change, health, silence, acknowledgement)"),
        (["acknowledge", "nonesuch"], "no such alert of rule 'nonesuch' fires"),
        (["silence", "end", "nonesuch"], "there is no silence 'nonesuch'"),
        (["silence", "add", "--all", "--for", "soon", "--reason", "r"], "for: 'soon' must be a span such as"),
        (["silence", "add", "--all", "--until", "1999-01-01", "--reason", "r"], "until: it would end before"),
        (["silence", "add", "--segment", "pro", "--for", "1h", "--reason", "r"], "--segment: 'pro' has no value"),
        (
            ["silence", "add", "--segment", "plna=pro", "--for", "1h", "--reason", "r"],
            "segment: there is no dimension 'plna' (allowed: plan, country)",
        ),
        (["alerts", "history", "--state", "on"], "(allowed: inactive, pending, firing, resolved)"),
        (["alerts", "history", "--last", "many"], "last:"),
    ],
)
def test_what_the_service_refuses_is_told_in_one_message(call, argv, said):
    code, out, err = call(*argv)
    assert (code, out) == (EXIT_WRONG, "")
    assert err.startswith(f"stream-app {argv[0]}: ")
    assert said in err


@pytest.mark.parametrize(
    "argv",
    [
        ["silence"],
        ["silence", "add", "--reason", "r"],
        ["acknowledge"],
        ["silence", "ad"],
        ["acknowledge", "r", "--for", "1h", "--until", "2090-01-01"],
    ],
)
def test_a_wrong_command_line_asks_nobody(argv):
    with pytest.raises(SystemExit) as caught:
        main(argv, FakeProgram())
    assert caught.value.code == EXIT_WRONG


def test_the_address_is_that_of_the_settings(site, monkeypatch, tmp_path, capsys):
    config = tmp_path / "settings.yaml"
    config.write_text(f"web_host: 0.0.0.0\nweb_port: {site.port}\n")
    assert main(["alerts", "--config", str(config)], FakeProgram()) == EXIT_OK
    monkeypatch.setenv("STREAM_APP_WEB_PORT", str(site.port))
    assert main(["alerts"], FakeProgram()) == EXIT_OK
    assert capsys.readouterr().out == "No alert fires.\n" * 2


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("127.0.0.1:8000", "is no address"),
        ("ftp://127.0.0.1", "is no address"),
        ("http://127.0.0.1:9", "does not answer"),
    ],
)
def test_an_address_without_a_service_is_named(call, url, said):
    code, out, err = call("alerts", url=url)
    assert (code, out) == (EXIT_WRONG, "")
    assert f"--url: {url}" in err.replace("'", "")
    assert said in err


def test_a_wrong_token_is_told(call, monkeypatch):
    monkeypatch.setenv("STREAM_APP_API_TOKEN", "guess")
    code, _, err = call("silence", "add", "--all", "--for", "1h", "--reason", "r")
    assert code == EXIT_WRONG
    assert "the token is missing or another one" in err
    assert "set STREAM_APP_API_TOKEN" in err
    assert "guess" not in err


def test_the_token_is_shown_to_nobody_that_the_service_points_to(call):
    seen = []

    class Elsewhere(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            seen.append((self.path, self.headers["Authorization"]))
            self.send_response(307)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        do_GET = do_POST  # noqa: N815 - as http.server has it

        def log_message(self, *_):
            """Quiet."""

    with http.server.HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        code, _, err = call("silence", "add", "--all", "--for", "1h", "--reason", "r", url=url)
        server.shutdown()
    assert code == EXIT_WRONG
    assert "307" in err
    assert seen == [("/api/v1/silences", f"Bearer {TOKEN}")]


def test_a_command_that_does_not_show_is_told_to_have_been_taken(capsys, monkeypatch):
    monkeypatch.setattr(cli_alerts, "_PATIENCE", 0.05)
    one = Site(FakeReader(product(users=5)), api_token=TOKEN, command=Taken())
    one.start()
    try:
        argv = ["silence", "add", "--all", "--for", "1h", "--reason", "r", "--url", one.url]
        assert main(argv, FakeProgram()) == EXIT_WRONG
    finally:
        one.stop()
    assert "took the command, but the silence" in capsys.readouterr().err
