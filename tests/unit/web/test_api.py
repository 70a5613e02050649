import asyncio
import threading
from urllib.parse import urlencode

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain_metrics
from servers import eventually
from support.figures import empty, product
from support.web import FakeReader, alert

from stream_app.domain.errors import ConnectionFailedError
from stream_app.domain.metrics import counted
from stream_app.domain.metrics.query import parse
from stream_app.exporters.prometheus import Metrics
from stream_app.web import answers, api
from stream_app.web.health import HealthBoard
from stream_app.web.replies import FRESHNESS
from stream_app.web.server import WebServer


def expected(snapshot, **given) -> dict:
    """What the counters say."""
    query = parse(given, definitions=snapshot.definitions, dimensions=snapshot.dimensions, calendar=snapshot.calendar)
    return counted.answer(counted.asked_at(snapshot, query), snapshot)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"definition": "repurchase", "grain": "week", "kind": "rolling", "segment": "plan", "top": "1"},
        {"last": "3", "mean": "simple"},
        {"start": "purchase", "return": "purchase"},
        {"timezone": "UTC", "week_start": "monday", "figure": "retention"},
    ],
    ids=str,
)
async def test_retention_is_the_domain_s_answer(site, given):
    status, body, headers = await site.get(f"/api/v1/retention?{urlencode(given)}")
    assert status == 200
    assert body == expected(site.reader.now, **given)
    assert headers[FRESHNESS] == "current"
    assert None in body["segments"][0]["cohorts"][-1]["retained"]


async def test_only_the_latest_cohorts_on_request(site):
    _, whole, _ = await site.get("/api/v1/retention")
    _, part, _ = await site.get("/api/v1/retention?last=3")
    assert part["segments"][0]["cohorts"] == whole["segments"][0]["cohorts"][-3:]


async def test_churn_is_the_domain_s_answer(site):
    status, body, _ = await site.get("/api/v1/churn?definition=engagement&segment=plan&last=5&top=2")
    assert status == 200
    assert body == expected(site.reader.now, figure="churn", definition="engagement", segment="plan", last="5", top="2")
    assert len(body["segments"][0]["days"]) == 5


async def test_how_many_values_are_shown_where_a_request_does_not_say(open_site):
    site = await open_site(top=1)
    _, body, _ = await site.get("/api/v1/retention?segment=plan")
    assert [part["segment"]["plan"] for part in body["segments"]][1:] == ["(other)"]


@pytest.mark.parametrize("path", ["/api/v1/retention", "/api/v1/churn"])
async def test_a_wrong_parameter_is_400_and_says_what_would_be_right(site, path):
    status, body, _ = await site.get(f"{path}?definition=engagment")
    assert status == 400
    assert body == {
        "error": {
            "parameter": "definition",
            "value": "engagment",
            "message": "'engagment' is not known; did you mean engagement? use engagement or repurchase",
            "allowed": ["engagement", "repurchase"],
        }
    }
    status, body, _ = await site.get(f"{path}?nonsense=1")
    assert status == 400
    assert body["error"]["parameter"] == "nonsense"
    assert "definition" in body["error"]["allowed"]


@pytest.mark.parametrize("path", ["/api/v1/alerts", "/api/v1/status"])
async def test_where_no_parameter_is_known_every_one_is_wrong(site, path):
    status, body, _ = await site.get(f"{path}?grain=day")
    assert (status, body["error"]["parameter"]) == (400, "grain")


async def test_other_addresses_and_methods_answer_in_json(site):
    status, body, _ = await site.get("/api/v1/nonsense")
    assert status == 404
    assert "/api/v1/nonsense" in body["error"]["message"]
    async with site.session.post(site.server.url + "api/v1/churn") as answer:
        assert answer.status == 405
        assert "GET" in answer.headers["Allow"]
        assert "POST" in (await answer.json())["error"]["message"]


async def test_what_fails_within_is_500_without_its_details(site, monkeypatch, caplog):
    def fail(*_, **__):
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr(api.Matrices, "retention", fail)
    status, body, _ = await site.get("/api/v1/retention")
    assert status == 500
    assert "secret" not in str(body)
    assert "path=/api/v1/retention" in caplog.text


async def test_an_answer_that_failed_is_computed_again(site, monkeypatch):
    original = api.Matrices.retention
    monkeypatch.setattr(api.Matrices, "retention", lambda *_, **__: 1 / 0)
    assert (await site.get("/api/v1/retention"))[0] == 500
    monkeypatch.setattr(api.Matrices, "retention", original)
    assert (await site.get("/api/v1/retention"))[0] == 200


async def test_an_answer_is_computed_once_a_snapshot(site, monkeypatch):
    calls, original, gate = [], api.Matrices.retention, threading.Event()

    def counted(*args, **chosen):
        calls.append(1)
        gate.wait(10)
        return original(*args, **chosen)

    monkeypatch.setattr(api.Matrices, "retention", counted)
    both = [asyncio.create_task(site.get("/api/v1/retention")) for _ in range(3)]
    await eventually(lambda: calls)
    gate.set()
    first, *rest = await asyncio.gather(*both)
    assert all(one[1] == first[1] for one in rest)
    assert len(calls) == 1
    site.reader.now = product(users=10)
    assert (await site.get("/api/v1/retention"))[1] != first[1]
    assert len(calls) == 2


async def test_a_followed_store_s_new_figures_are_shown_with_the_answer_made_already(open_site, monkeypatch):
    gate, original = threading.Event(), api.Matrices.retention
    gate.set()

    def held(*args):
        gate.wait(10)
        return original(*args)

    monkeypatch.setattr(api.Matrices, "retention", held)
    site = await open_site(follow=0.01)
    _, before, headers = await site.get("/api/v1/retention")
    gate.clear()
    site.reader.now = product(users=10)
    reads = site.reader.reads
    await eventually(lambda: site.reader.reads > reads)
    _, meanwhile, same = await site.get("/api/v1/retention")
    assert (meanwhile, same["ETag"]) == (before, headers["ETag"])
    gate.set()

    async def new():
        return (await site.get("/api/v1/retention"))[1] == expected(site.reader.now)

    await eventually(new)


async def test_a_followed_store_that_is_down_is_told_of(open_site):
    site = await open_site(follow=0.01)
    await site.get("/api/v1/retention")
    site.reader.down = True

    async def stale():
        return (await site.get("/api/v1/retention"))[2][FRESHNESS] == "stale"

    await eventually(stale)
    site.reader.down = False

    async def current():
        return (await site.get("/api/v1/retention"))[2][FRESHNESS] == "current"

    await eventually(current)


async def test_a_store_is_not_followed_for_nobody(open_site, monkeypatch):
    monkeypatch.setattr(answers, "_INTEREST_SECONDS", 0.05)
    site = await open_site(follow=0.01)
    await site.get("/api/v1/retention")
    await eventually(site.server._answers._following.done)


async def test_kept_answers_are_bounded(site, monkeypatch):
    monkeypatch.setattr(answers, "_KEPT_BYTES", 10_000)
    for days in range(1, 40):
        await site.get(f"/api/v1/churn?last={days}")
    kept = site.server._answers._bodies
    assert sum(len(body.result()) for body in kept.values()) <= 10_000
    assert (await site.get("/api/v1/churn?last=39"))[0] == 200


async def test_what_has_not_changed_is_not_sent_again(site):
    _, _, headers = await site.get("/api/v1/retention")
    status, body, again = await site.get("/api/v1/retention", **{"If-None-Match": headers["ETag"]})
    assert (status, body) == (304, "")
    assert again[FRESHNESS] == "current"
    site.reader.now = product(users=10)
    assert (await site.get("/api/v1/retention", **{"If-None-Match": headers["ETag"]}))[0] == 200


async def test_a_store_that_is_down_is_answered_for_by_what_was_seen_last(site):
    _, before, _ = await site.get("/api/v1/retention")
    await site.get("/api/v1/alerts")
    site.reader.down = True
    status, body, headers = await site.get("/api/v1/retention")
    assert (status, body, headers[FRESHNESS]) == (200, before, "stale")
    assert (await site.get("/api/v1/alerts"))[2][FRESHNESS] == "stale"
    _, known, headers = await site.get("/api/v1/status")
    assert headers[FRESHNESS] == "stale"
    assert known["figures"]["totals"]["users"] == 60
    status, ready, _ = await site.get("/readyz")
    assert status == 200
    assert "redis" in ready["degraded"][0]
    site.reader.down = False
    assert (await site.get("/api/v1/retention"))[2][FRESHNESS] == "current"
    assert (await site.get("/readyz"))[1]["degraded"] == []


async def test_a_store_that_hangs_is_answered_for_too(site, monkeypatch):
    await site.get("/api/v1/retention")
    await site.get("/api/v1/alerts")
    monkeypatch.setattr(answers, "_PATIENCE_SECONDS", 0.01)
    site.reader.held = asyncio.Event()
    status, _, headers = await site.get("/api/v1/retention")
    assert (status, headers[FRESHNESS]) == (200, "stale")
    assert (await site.get("/api/v1/alerts"))[2][FRESHNESS] == "stale"
    site.reader.held.set()
    site.reader.held = None
    monkeypatch.setattr(answers, "_PATIENCE_SECONDS", 5)
    assert (await site.get("/api/v1/retention"))[2][FRESHNESS] == "current"


@pytest.mark.parametrize("down", [True, False], ids=["store down", "nothing published"])
async def test_without_any_figures_it_is_503_and_says_why(open_site, down):
    reader = FakeReader(None)
    reader.down = down
    site = await open_site(reader)
    for path in ("/api/v1/retention", "/api/v1/churn?last=nonsense"):
        status, body, headers = await site.get(path)
        assert status == 503
        assert ("redis" if down else "no figures have been published yet") in body["error"]["message"]
        assert headers["Retry-After"]
    assert (await site.get("/api/v1/alerts"))[0] == (503 if down else 200)
    status, body, _ = await site.get("/api/v1/status")
    assert (status, body["figures"]) == (200, None)
    status, body, _ = await site.get("/readyz")
    assert status == 503
    assert body["reasons"][0].startswith("figures: ")


async def test_before_any_event_there_are_no_cohorts(open_site):
    site = await open_site(FakeReader(empty()))
    status, body, _ = await site.get("/api/v1/retention")
    assert status == 200
    assert body["as_of"] is None
    nothing = {"rate": [], "low": [], "high": [], "users": [], "cohorts": []}
    assert body["segments"] == [{"segment": {}, "cohorts": [], "mean": nothing}]
    _, known, _ = await site.get("/api/v1/status")
    assert known["figures"]["as_of"] is None
    assert known["figures"]["behind_seconds"] is None
    assert (await site.get("/readyz"))[0] == 200


async def test_alerts_firing_first_then_pending_and_history_apart(open_site):
    found = [
        alert(id="a", state="pending"),
        alert(id="b"),
        alert(id="c", state="resolved", current=False),
    ]
    site = await open_site(FakeReader(product(users=5), found))
    _, body, _ = await site.get("/api/v1/alerts")
    assert [one["id"] for one in body["current"]] == ["b", "a"]
    assert [one["id"] for one in body["history"]] == ["c"]
    assert "current" not in body["current"][0]


async def test_status_says_how_far_and_what_this_worker_has(open_site):
    snapshot = product(users=10)
    site = await open_site(
        FakeReader(snapshot),
        status=lambda: {"partitions": [0, 3], "lag": {"visits-0": 12}},
        clock=lambda: snapshot.watermark / 1000 + 2.5,
    )
    _, body, _ = await site.get("/api/v1/status")
    figures = body["figures"]
    assert figures["as_of"] == snapshot.as_of
    assert figures["behind_seconds"] == 2.5
    assert figures["timezone"] == "UTC"
    assert [one["name"] for one in figures["definitions"]] == ["engagement", "repurchase"]
    assert figures["dimensions"] == ["plan"]
    assert figures["totals"] == dict(snapshot.totals)
    assert figures["late_share"] == 0
    assert figures["corrections"] == {"count": 0, "by_definition": {}, "since": None, "latest": None}
    assert body["worker"] == {"partitions": [0, 3], "lag": {"visits-0": 12}}
    assert body["health"]["ready"] is True


async def test_alive_until_a_part_has_failed(site):
    assert (await site.get("/healthz"))[:2] == (200, {"healthy": True})
    site.health.set("redis", "degraded", "does not answer")
    site.health.set("partitions", "starting")
    assert (await site.get("/healthz"))[0] == 200
    site.health.set("consumer", "failed", "nothing read for 60 s; restart the process")
    status, body, _ = await site.get("/healthz")
    assert status == 503
    assert body["reasons"][0] == "consumer: nothing read for 60 s; restart the process"


async def test_ready_once_partitions_are_recovered_and_figures_are_there(open_site):
    site = await open_site(FakeReader(None))
    site.health.set("partitions", "starting", "1 of 4 recovered")
    status, body, _ = await site.get("/readyz")
    assert status == 503
    assert body["reasons"] == ["figures: no figures have been published yet", "partitions: 1 of 4 recovered"]
    site.health.set("partitions", "ok")
    assert (await site.get("/readyz"))[0] == 503
    site.reader.now = empty()
    assert (await site.get("/readyz"))[0] == 200


@pytest.mark.parametrize(
    ("accept", "content_type", "parse"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8", plain_metrics),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text; version=1.0.0", openmetrics),
    ],
)
async def test_metrics_in_the_format_that_was_asked_for(site, accept, content_type, parse):
    site.metrics.records_read.labels("visits").inc(7)
    site.metrics.show(site.reader.now)
    status, body, headers = await site.get("/metrics", Accept=accept)
    assert status == 200
    assert headers["Content-Type"].startswith(content_type)
    samples = {sample.name: sample.value for family in parse(body) for sample in family.samples}
    assert samples["stream_app_records_read_total"] == 7
    assert samples["stream_app_users"] == 60


async def test_the_page_and_its_files_need_nothing_from_elsewhere(site):
    status, page, headers = await site.get("/")
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "http://" not in page
    assert "https://" not in page
    status, _, headers = await site.get("/static/page.js")
    assert (status, headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
    assert (await site.get("/static/page.js", **{"If-None-Match": headers["ETag"]}))[0] == 304


@pytest.mark.parametrize("name", ["nonsense.js", "..%2Fserver.py", "%2e%2e/api.py", "../../pyproject.toml"])
async def test_no_other_file_is_served(site, name):
    assert (await site.get(f"/static/{name}"))[0] == 404


async def test_a_port_in_use_is_named_with_the_way_out(site):
    second = WebServer("127.0.0.1", site.server.port, FakeReader(), HealthBoard([]), Metrics().registry)
    with pytest.raises(ConnectionFailedError, match=rf"127.0.0.1:{site.server.port}.*in use.*web_port"):
        await second.start()
    await second.stop()


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
async def test_an_address_that_is_not_this_machine_s_is_named(host):
    server = WebServer(host, 0, FakeReader(), HealthBoard([]), Metrics().registry)
    with pytest.raises(ConnectionFailedError, match=rf"web: {host}:0.*web_host"):
        await server.start()


async def test_stopping_frees_the_port_even_while_a_reading_hangs(open_site):
    reader = FakeReader(product(users=5))
    site = await open_site(reader)
    reader.held = asyncio.Event()
    hanging = asyncio.create_task(site.get("/api/v1/retention"))
    await eventually(lambda: reader.reads)
    hanging.cancel()
    await site.server.stop()
    await site.server.stop()
    again = WebServer("127.0.0.1", site.server.port, FakeReader(), HealthBoard([]), Metrics().registry)
    await again.start()
    await again.stop()
