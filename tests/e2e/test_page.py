"""The page in a real browser."""

from __future__ import annotations

import random
from contextlib import ExitStack

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from servers import eventually_sync
from support.figures import FIRST_DAY, empty, product, snapshot_of
from support.population import ListPopulation
from support.site import Site
from support.web import FakeReader, alert, silence

from stream_app.domain.errors import UnansweredError
from stream_app.domain.metrics import counted, figures
from stream_app.domain.metrics.figures import census
from stream_app.domain.metrics.kept import Kept
from stream_app.domain.metrics.query import parse
from stream_app.domain.periods import DAY_MS, Calendar


def answered(figure: str, snapshot, **given: str) -> dict:
    """What the API says."""
    query = parse(
        {"figure": figure, **given}, definitions=snapshot.definitions, dimensions=snapshot.dimensions,
        calendar=snapshot.calendar,
    )  # fmt: skip
    return counted.answer(counted.asked_at(snapshot, query), snapshot)


def retention(snapshot, **given: str) -> dict:
    return answered("retention", snapshot, **given)


def churn(snapshot, **given: str) -> dict:
    return answered("churn", snapshot, **given)


HOSTILE = '<img src=x onerror="window.broken=1">&amp;"\''


@pytest.fixture
def site():
    with ExitStack() as stack:

        def serve(snapshot=None, alerts=None, **options) -> Site:
            one = Site(FakeReader(snapshot, alerts), **options)
            one.start()
            stack.callback(one.stop)
            return one

        yield serve


@pytest.fixture(scope="module")
def window(chromium):
    return chromium(width=1280, height=1000)


@pytest.fixture
def browser(window):
    """A browser on a blank page; at the end, whatever it complained of fails the test unless it was expected."""
    window.get("about:blank")
    window.get_log("browser")
    window.expected = ()
    yield window
    complaints = [entry["message"] for entry in window.get_log("browser")]
    assert [said for said in complaints if not any(part in said for part in window.expected)] == []


def find(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector)


def every(browser, selector):
    return browser.find_elements(By.CSS_SELECTOR, selector)


def content(browser, selector) -> str:
    return find(browser, selector).get_attribute("textContent")


def opened(browser, address) -> None:
    browser.get("about:blank")
    browser.get(address)
    eventually_sync(lambda: content(browser, "#pulse b") not in ("", "Connecting"))


def triangle(browser) -> dict[str, list[tuple[str, str]]]:
    """cohort -> (class, text) of each cell that is there"""
    script = """return [...document.querySelectorAll("#heat tbody tr")].map((row) => [
        row.querySelector("th").textContent,
        [...row.querySelectorAll("td[data-at]")].map((cell) => [cell.className.split(" ")[0], cell.textContent])])"""
    return {start: [tuple(cell) for cell in cells] for start, cells in browser.execute_script(script)}


def expected(part) -> dict[str, list[tuple[str, str]]]:
    def one(k, users, size):
        if users is None:
            return "open", ""
        share = 100 * users / size
        written = "<1 %" if 0 < share < 0.5 else ">99 %" if 99.5 < share < 100 else f"{int(share + 0.5)} %"
        return "base" if k == 0 else "seen", written

    return {
        cohort["start"]: [one(k, users, cohort["size"]) for k, users in enumerate(cohort["retained"])]
        for cohort in part["cohorts"]
    }


def test_the_triangle_is_the_api_s_and_empty_where_nothing_was_observed(site, browser):
    snapshot = product(users=100, days=12)
    opened(browser, site(snapshot).url)
    shown = triangle(browser)
    assert shown == expected(retention(snapshot, definition="engagement", grain="day")["segments"][0])
    assert list(shown) == sorted(shown, reverse=True)
    kinds = [cell for cells in shown.values() for cell in cells]
    assert ("open", "") in kinds
    assert ("seen", "0 %") in kinds
    assert content(browser, "#as-of") == "Figures up to 13 Mar 2026, 00:00 (UTC)"


def test_every_choice_is_followed_and_kept_in_the_address(site, browser):
    snapshot = product(days=30)
    opened(browser, site(snapshot).url)
    Select(find(browser, "select[name=definition]")).select_by_value("repurchase")
    Select(find(browser, "select[name=segment]")).select_by_value("plan")
    values = eventually_sync(lambda: [one.text for one in every(browser, "select[name=value]:enabled option")])
    Select(find(browser, "select[name=value]")).select_by_value(values[-1])
    for value in ("week", "rolling"):
        find(browser, f"input[value={value}] + span").click()
    answer = retention(snapshot, definition="repurchase", grain="week", kind="rolling", segment="plan")
    wanted = next(part for part in answer["segments"] if part["segment"] == {"plan": values[-1]})
    eventually_sync(lambda: triangle(browser) == expected(wanted))
    address = browser.current_url
    opened(browser, address)
    eventually_sync(lambda: triangle(browser) == expected(wanted))
    assert find(browser, "input[value=rolling]").is_selected()


def test_a_cell_tells_its_counts_to_pointer_and_keyboard(site, browser):
    snapshot = product(days=12)
    opened(browser, site(snapshot).url)
    cohort = retention(snapshot, definition="engagement", grain="day")["segments"][0]["cohorts"][-5]
    row = len(every(browser, "#heat tbody tr")) - 1 - triangle_index(snapshot, cohort)
    cell = find(browser, f"td[data-at='{row},1']")
    browser.execute_script("arguments[0].focus()", cell)
    words = f"All users, cohort {cohort['start']}, day 1\n{cohort['retained'][1]} of {cohort['size']} users"
    assert content(browser, "#tip").startswith(words)
    assert find(browser, "#tip").is_displayed()
    cell.send_keys(Keys.ARROW_RIGHT)
    assert browser.switch_to.active_element.get_attribute("data-at") == f"{row},2"
    assert ", day 2" in content(browser, "#tip")
    browser.switch_to.active_element.send_keys(Keys.END)
    assert "Not yet observed" in content(browser, "#tip")
    assert "Not yet observed" in browser.switch_to.active_element.get_attribute("aria-label")
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not find(browser, "#tip").is_displayed()
    assert len(every(browser, "#heat td[tabindex='0']")) == 1


def triangle_index(snapshot, cohort) -> int:
    cohorts = retention(snapshot, definition="engagement", grain="day")["segments"][0]["cohorts"]
    return cohorts.index(cohort)


def test_customers_by_closed_day(site, browser):
    snapshot = product(days=40)
    opened(browser, site(snapshot).url)
    day = churn(snapshot, definition="engagement")["segments"][0]["days"][-1]
    assert [value.text for value in every(browser, "#churn .lines b")] == [str(day["active"]), str(day["churned"])]
    drawing = find(browser, "#churn svg")
    assert f"to {day['date']}" in drawing.get_attribute("aria-label")
    drawing.send_keys(Keys.ARROW_LEFT)
    before = churn(snapshot, definition="engagement")["segments"][0]["days"][-2]
    assert f"{before['active']} active\n{before['churned']} churned" in content(browser, "#tip")


def test_alerts_firing_first_each_leading_to_its_cell(site, browser):
    snapshot = product(days=30)
    cohort = retention(snapshot, definition="engagement", grain="day")["segments"][0]["cohorts"][5]
    found = [
        alert(id="1", rule="waiting", state="pending"),
        alert(id="2", rule="dropped", segment={"plan": "team"}, cohort=cohort["start"], index=3),
        alert(id="3", rule="over", state="resolved", current=False, value=0.35, threshold=0.33),
    ]
    opened(browser, site(snapshot, found).url)
    assert [item.text for item in every(browser, "#alerts li strong")] == ["dropped", "waiting", "over"]
    firing = find(browser, "#alerts li.firing").text
    for part in (
        "Firing", "plan: team", "day 3 retention", "21.4 % (30 of 140; 95 % interval 15.5 % to 28.9 %)",
        "8.6 points below 30 %", "At risk: 31 users, $1,240.50 in 3 cohorts.", "since cohort 2026-03-19",
        "false alarms: at most 1 per year",
    ):  # fmt: skip
        assert part in firing
    find(browser, "#alerts li.firing a").click()
    eventually_sync(lambda: every(browser, "#heat td.judged"))
    assert f"plan: team, cohort {cohort['start']}, day 3" in find(browser, "td.judged").get_attribute("aria-label")
    assert find(browser, "select[name=value]").get_attribute("value") == "team"


def test_alerts_say_who_has_seen_them_what_silences_them_and_why_they_cannot_be_judged(site, browser):
    ada = {"author": "ada", "reason": "I look into it", "at": "2026-03-29T08:00:00Z"}
    found = [
        alert(id="1", rule="seen", acknowledged=ada, flapping=True),
        alert(id="2", rule="held", segment={"plan": "team"}),
        alert(id="3", rule="broken", health="error", note="partition 3 did not answer"),
        alert(id="4", rule="empty", state="inactive", health="no_data", value=None, threshold=None),
        alert(id="5", rule="stream-volume", segment={}, figure="stream", measure="volume", definition="", index=0,
              value=0.31, threshold=0.5, count=310, group=1000, low=None, high=None, users_at_risk=None,
              revenue_at_risk=None),
        alert(id="6", rule="back", state="inactive", reason="data_back", current=False),
    ]  # fmt: skip
    one = site(product(days=30), found)
    one.reader.silences = [silence(rule="held"), silence("over", ends=1, rule="ended")]
    opened(browser, one.url)
    assert [" ".join(head.text.split()) for head in every(browser, "#alerts .badges")] == [
        "▲ Firing stream-volume", "▲ Firing Error broken", "▲ Firing Silenced held",
        "▲ Firing Acknowledged Flapping seen", "○ Not firing No data empty", "○ Not firing back",
    ]  # fmt: skip
    told = find(browser, "#alerts").text
    for part in (
        "Acknowledged by ada: I look into it.",
        "Silenced until 2 Oct 2096, 07:06 (UTC) by ada: a deployment.",
        "Cannot be judged: partition 3 did not answer",
        "No group was large enough to judge.",
        "It can be judged again.",
        "The event stream · active users of a day, of the usual",
        "31 % (310 of 1,000), 19 points below 50 %",
    ):
        assert part in told
    assert [item.text.splitlines()[0] for item in every(browser, "#alerts li.silence")] == ["held"]
    one.reader.silences = []
    eventually_sync(lambda: not every(browser, "#alerts li.silence"))
    assert "Silenced" not in find(browser, "#alerts").text


def test_alerts_on_figures_that_are_no_share_are_written_in_their_unit(site, browser):
    value = {"count": None, "low": None, "high": None, "users_at_risk": None, "revenue_at_risk": None}
    found = [
        alert(id="1", rule="a", figure="value", measure="aov", grain="month", index=0, value=1299.6, threshold=1500.0,
              group=812, **value),
        alert(id="2", rule="b", figure="lifecycle", measure="quick_ratio", index=0, value=0.812, threshold=1, **value),
        alert(id="3", rule="c", figure="crr", measure="crr", grain="month", index=0, value=1.2, threshold=1.5, **value),
        alert(id="4", rule="stream-stalled", segment={}, figure="stream", measure="watermark", definition="",
              value=9000, threshold=7200, group=0, **value),
    ]  # fmt: skip
    opened(browser, site(product(days=30), found).url)
    assert [line.text for line in every(browser, "#alerts .far")] == [
        "2 h 30 min, above 2 h",
        "$13.00 (group of 812), below $15.00",
        "0.81 (group of 140), below 1",
        "120 % (group of 140), 30 points below 150 %",
    ]
    address = find(browser, "#alerts li:nth-child(2) a").get_attribute("href").partition("#")[2]
    assert address == "figure=value&definition=engagement&grain=month&segment=plan&value=pro"


def test_very_many_alerts_are_cut_with_a_way_to_all(site, browser):
    found = [alert(id=str(n), segment={"plan": f"p{n}"}) for n in range(60)]
    past = [alert(id=f"past-{n}", state="resolved", current=False) for n in range(12)]
    opened(browser, site(product(days=30), found + past).url)
    assert len(every(browser, "#alerts li.firing")) == 40
    assert [link.text for link in every(browser, "#alerts .more a")] == ["and 20 more", "The whole history"]


def test_new_figures_come_by_themselves_and_leave_focus_and_table_in_place(site, browser):
    one = site(product(users=300, days=12))
    opened(browser, one.url)
    cell = find(browser, "td[data-at='4,1']")
    browser.execute_script("arguments[0].focus(); window.kept = arguments[0]", cell)
    before = triangle(browser)
    one.reader.now = product(users=400, days=12)
    wanted = expected(retention(one.reader.now, definition="engagement", grain="day")["segments"][0])
    eventually_sync(lambda: triangle(browser) == wanted)
    assert wanted != before
    assert browser.execute_script("return document.activeElement === window.kept && window.kept.isConnected")
    one.reader.now = product(users=400, days=13)
    wanted = expected(retention(one.reader.now, definition="engagement", grain="day")["segments"][0])
    eventually_sync(lambda: triangle(browser) == wanted)
    assert browser.switch_to.active_element.get_attribute("data-at") == "4,1"


def test_nothing_moves_when_figures_are_renewed(site, browser):
    one = site(product(users=300, days=12), [alert()])
    opened(browser, one.url)
    browser.execute_script(
        "window.moved = 0;"
        "const add = (list) => list.getEntries().forEach((entry) => { window.moved += entry.value });"
        "new PerformanceObserver(add).observe({type: 'layout-shift'})"
    )
    one.reader.now = product(users=900, days=12)
    eventually_sync(lambda: content(browser, "#tiles dd") == "900")
    one.reader.down = True
    eventually_sync(lambda: content(browser, "#pulse b") == "Out of date")
    assert browser.execute_script("return window.moved") < 0.01


def test_before_any_event_it_says_so_until_the_first_comes(site, browser):
    one = site(empty())
    opened(browser, one.url)
    assert content(browser, "#blank h2") == "No events yet"
    assert '"type":"visit"' in content(browser, "#blank pre")
    assert not find(browser, "#figures").is_displayed()
    one.reader.now = product(users=20, days=5)
    eventually_sync(lambda: find(browser, "#figures").is_displayed())
    assert not find(browser, "#blank").is_displayed()


def test_before_anything_is_published_it_is_starting(site, browser):
    opened(browser, site(None).url)
    assert content(browser, "#blank h2") == "Starting"


def test_a_service_that_is_gone_is_told_of_and_comes_back(site, browser):
    browser.expected = ("ERR_CONNECTION_REFUSED",)
    one = site(product(users=50, days=8))
    opened(browser, one.url)
    before = triangle(browser)
    one.stop()
    eventually_sync(lambda: content(browser, "#pulse b") == "Not connected", timeout=20)
    assert "does not answer" in find(browser, "#notice").text
    assert triangle(browser) == before
    one.start()
    eventually_sync(lambda: content(browser, "#pulse b") == "Live", timeout=20)
    assert not find(browser, "#notice").is_displayed()


def test_a_store_that_is_gone_is_told_of(site, browser):
    one = site(product(users=50, days=8))
    opened(browser, one.url)
    one.reader.down = True
    eventually_sync(lambda: content(browser, "#pulse b") == "Out of date")
    assert "out of date" in find(browser, "#notice").text
    one.reader.down = False
    eventually_sync(lambda: content(browser, "#pulse b") == "Live")


def test_what_users_name_is_shown_as_text(site, browser):
    users = [((HOSTILE,), [FIRST_DAY, FIRST_DAY + 1], []), (("a b",), [FIRST_DAY], [])]
    one = site(
        snapshot_of(users, closed_day=FIRST_DAY + 2),
        [
            alert(rule=HOSTILE, segment={"plan": HOSTILE}, definition=HOSTILE, cohort="2026-03-02", index=1),
            alert(
                id=HOSTILE, rule="z", figure=HOSTILE, measure=HOSTILE, health="error", note=HOSTILE, promise=HOSTILE,
                acknowledged={"author": HOSTILE, "reason": HOSTILE}, users_at_risk=1, revenue_at_risk=None,
            ),
        ],
    )  # fmt: skip
    one.reader.silences = [silence(HOSTILE, rule=HOSTILE, segment={"plan": HOSTILE}, author=HOSTILE, reason=HOSTILE)]
    opened(browser, one.url + "#segment=plan")
    eventually_sync(lambda: every(browser, "select[name=value] option"))
    assert [one.text for one in every(browser, "select[name=value] option")] == [HOSTILE, "a b"]
    Select(find(browser, "select[name=value]")).select_by_index(1)
    eventually_sync(lambda: "a b" in find(browser, "#retention-says").text)
    Select(find(browser, "select[name=value]")).select_by_index(0)
    eventually_sync(lambda: HOSTILE in find(browser, "#retention-says").text)
    browser.execute_script("arguments[0].focus()", find(browser, "td[data-at='0,1']"))
    assert HOSTILE in content(browser, "#tip")
    assert content(browser, "#alerts strong") == HOSTILE
    assert content(browser, "#alerts li.silence strong") == HOSTILE
    assert find(browser, "#alerts").text.count(HOSTILE) > 10
    assert every(browser, "img") == []
    assert browser.execute_script("return window.broken === undefined")


@pytest.mark.parametrize(
    "address", ["#definition=none&grain=hour&kind=x&segment=y&value=z", "#%%%&&&=", "#cohort=1&index=x"]
)
def test_an_address_that_makes_no_sense_shows_the_default(site, browser, address):
    snapshot = product(users=50, days=8)
    opened(browser, site(snapshot).url + address)
    wanted = expected(retention(snapshot, definition="engagement", grain="day")["segments"][0])
    eventually_sync(lambda: triangle(browser) == wanted)


@pytest.mark.parametrize("width", [1280, 420])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_can_be_read(site, browser, width, scheme):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        opened(browser, site(product(days=40), [alert(), alert(id="2", state="pending")]).url)
        assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
        assert browser.execute_script(CONTRAST) == []
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


#: Texts whose contrast with what is behind them is below 4.5 (WCAG AA), by painting the computed colours.
CONTRAST = """
const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
const paint = (...colors) => {
  canvas.clearRect(0, 0, 1, 1);
  for (const color of colors) { canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); }
  return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
};
const light = (rgb) => {
  const [r, g, b] = rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const bad = [];
for (const element of document.querySelectorAll("main *, header *")) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (!own || !element.checkVisibility() || element.matches(":disabled, :disabled *, legend, option, svg *")) continue;
  const behind = [];
  for (let up = element; up; up = up.parentElement) behind.unshift(getComputedStyle(up).backgroundColor);
  const one = light(paint("#fff", ...behind));
  const two = light(paint("#fff", ...behind, getComputedStyle(element).color));
  const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
  const what = `${element.tagName}.${element.className} ${element.textContent.slice(0, 20)}`;
  if (ratio < 4.45) bad.push(`${what} ${ratio.toFixed(2)}`);
}
return [...new Set(bad)].slice(0, 10);
"""


# -- the other figures, which a census gives


def history(users: int = 60, days: int = 90) -> list[dict]:
    """Visits, purchases and refunds of some users, some of whom come back."""
    chance = random.Random(5)
    found = []
    for user in range(users):
        first = chance.randrange(days // 2)
        for day in sorted({first, *(first + round(chance.expovariate(0.06)) for _ in range(chance.randrange(9)))}):
            if day < days:
                kind = chance.choices(("visit", "purchase", "refund"), (6, 4, 1))[0]
                found.append(
                    {
                        "user": f"u{user}",
                        "time": (FIRST_DAY + day) * DAY_MS + user * 60_000,
                        "kind": kind,
                        "amount": -500 if kind == "refund" else chance.randrange(500, 9_000),
                        "segment": {"plan": f"plan-{user % 2}"},
                    }
                )
    return found


EVENTS = history()
POPULATION = ListPopulation(EVENTS, calendar=Calendar(), dimensions=("plan",))
SHOWN = {
    "lifecycle": "periods",
    "crr": "periods",
    "stickiness": "days",
    "value": "periods",
    "survival": "all",
    "concentration": "periods",
}


async def census_of_events(asked, _epochs):
    return census(asked, POPULATION)


def asked_of(snapshot, **given: str):
    query = parse(given, definitions=snapshot.definitions, dimensions=snapshot.dimensions, calendar=snapshot.calendar)
    return counted.asked_at(snapshot, query)


@pytest.mark.parametrize("figure", SHOWN)
def test_every_figure_has_its_curve_and_its_table(site, browser, figure):
    snapshot = product(days=90)
    opened(browser, site(snapshot, ask=census_of_events).url)
    Select(find(browser, "select[name=figure]")).select_by_value(figure)
    rows = eventually_sync(lambda: every(browser, "#rows tbody tr"))
    answer = figures.answer(asked := asked_of(snapshot, figure=figure), census(asked, POPULATION))
    expected_rows = answer["segments"][0][SHOWN[figure]]
    wanted = len(expected_rows["days"]) if figure == "survival" else len(expected_rows)
    assert len(rows) == min(wanted, 120 if figure != "survival" else wanted)
    assert "to " in find(browser, "#curve svg").get_attribute("aria-label")
    assert not find(browser, "#heat").is_displayed()
    find(browser, "#curve svg").send_keys(Keys.ARROW_LEFT)
    assert find(browser, "#tip").is_displayed()
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    address = browser.current_url
    assert address.endswith(f"#figure={figure}&definition=engagement")
    opened(browser, address + "&segment=plan")
    eventually_sync(lambda: "plan: plan-" in content(browser, "#retention-says"))
    assert browser.execute_script(CONTRAST) == []


def test_brackets_are_columns_and_quarters_have_names(site, browser):
    snapshot = product(days=90)
    opened(browser, site(snapshot, ask=census_of_events).url + "#kind=bracket")
    eventually_sync(lambda: every(browser, "#heat tbody tr"))
    heads = [one.text for one in every(browser, "#heat thead th")]
    assert heads == ["Cohort", "Users", "Day 0", "1", "2 to 3", "4 to 7", "8 to 14", "15 to 30"]
    find(browser, "input[value=quarter] + span").click()
    names = "return [...document.querySelectorAll('#heat tbody th')].map((one) => one.textContent)"
    eventually_sync(lambda: browser.execute_script(names) == ["Q2 2026", "Q1 2026"])


def test_what_is_not_kept_is_not_offered(site, browser):
    snapshot = product(days=20)
    opened(browser, site(snapshot, kept=Kept(orders=False)).url)
    names = [one.get_attribute("value") for one in every(browser, "select[name=figure] option")]
    assert names == ["retention", "lifecycle", "crr", "stickiness", "survival"]
    assert not find(browser, "input[value=hour] + span").is_displayed()


def test_workers_that_do_not_answer_are_told_of(site, browser):
    async def silent(_asked, _epochs):
        raise UnansweredError("partitions [3] did not answer within 30 s; ask again")

    browser.expected = ("503 (Service Unavailable)",)
    opened(browser, site(product(days=20), ask=silent).url)
    Select(find(browser, "select[name=figure]")).select_by_value("lifecycle")
    eventually_sync(lambda: "partitions [3] did not answer" in find(browser, "#notice").text)
    Select(find(browser, "select[name=figure]")).select_by_value("retention")
    eventually_sync(lambda: content(browser, "#pulse b") == "Live")
