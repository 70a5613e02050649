"""The page of the really running service, in a browser: the purchase log's figures, the simulated product's alert."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select
from servers import eventually_sync
from support.demo import running_demo

from stream_app.demo import cdnow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from selenium.webdriver import Chrome

EXPECTED = json.loads((Path(__file__).parents[1] / "data" / "cdnow_monthly.json").read_text())["cohorts"]
MONTHS = ("Jan 1997", "Feb 1997", "Mar 1997")
DESKTOP, PHONE = (1280, 900), (420, 900)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running_demo() as url:
        yield url


@pytest.fixture(scope="module")
def browser(chromium: Callable[..., Chrome]) -> Chrome:
    return chromium(*DESKTOP)


def opened(browser: Chrome, address: str, view: str = "") -> dict[str, list[str]]:
    """The heat map of a view: the texts of a cohort's cells, beginning with its size, by the name of the cohort."""
    browser.get("about:blank")
    browser.get(address + view)
    eventually_sync(lambda: browser.find_elements(By.CSS_SELECTOR, "#heat tbody tr"), 15, "a heat map")
    rows = browser.execute_script(
        "return [...document.querySelectorAll('#heat tbody tr')].map(r => [...r.children].map(c => c.textContent))"
    )
    return {name: cells for name, *cells in rows}


def wrong_lines(browser: Chrome) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


def test_the_purchase_logs_matrix_is_on_the_page(browser: Chrome, address: str, tmp_path: Path) -> None:
    rows = opened(browser, address, "#definition=repurchase&grain=month")
    assert sorted(rows) == sorted(MONTHS)
    for name, cohort in zip(MONTHS, EXPECTED, strict=True):
        size, *cells = rows[name]
        counts = cohort["classic_counts"]
        assert size == f"{counts[0]:,}"
        # Beyond the log's end the simulated product goes on, in which nobody buys.
        assert cells[: len(counts)] == [f"{round(100 * count / counts[0])} %" for count in counts]
    assert "first purchase" in browser.find_element(By.ID, "retention-says").text
    browser.save_screenshot(str(tmp_path / "months.png"))
    assert wrong_lines(browser) == []


def test_the_alert_is_on_the_page_and_leads_to_the_cell_it_is_about(
    browser: Chrome, address: str, tmp_path: Path
) -> None:
    rows = opened(browser, address)
    assert max(rows) == "1998-08-29"
    alert = browser.find_element(By.CSS_SELECTOR, "#alerts li.firing")
    assert "pro-day-7" in alert.text
    assert "plan: pro" in alert.text
    assert "12.1 % (17 of 141; 95 % interval 7.7 % to 18.5 %)" in alert.text
    assert "17.9 points below 30 %" in alert.text
    assert "false alarms: at most 1 per year" in alert.text
    assert browser.find_element(By.CSS_SELECTOR, "#tiles .bad dd").text == "1"
    browser.save_screenshot(str(tmp_path / "days.png"))
    alert.find_element(By.TAG_NAME, "a").click()
    judged = eventually_sync(lambda: browser.find_elements(By.CSS_SELECTOR, "#heat td.judged"), 10, "the judged cell")
    assert judged[0].text == "12 %"
    assert Select(browser.find_element(By.NAME, "segment")).first_selected_option.text == "plan"
    assert Select(browser.find_element(By.NAME, "value")).first_selected_option.text == "pro"
    browser.save_screenshot(str(tmp_path / "alert.png"))
    assert wrong_lines(browser) == []


def test_the_totals_say_what_was_played(browser: Chrome, address: str) -> None:
    opened(browser, address)
    tiles = {
        tile.find_element(By.TAG_NAME, "dt").text: tile.get_attribute("title")
        for tile in browser.find_elements(By.CSS_SELECTOR, "#tiles div")
    }
    assert tiles["Users"] == f"{41_734:,}"
    assert int(tiles["Events counted"].replace(",", "")) > cdnow.ROWS
    assert tiles["Dead letters"] == "0"
    assert "29 Aug 1998" in browser.find_element(By.ID, "as-of").text
    assert browser.find_element(By.ID, "pulse").text == "Live"


def as_phone(browser: Chrome, height: int = PHONE[1]) -> None:
    metrics = {"width": PHONE[0], "height": height, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def test_a_phone_shows_it_without_scrolling_sideways(
    chromium: Callable[..., Chrome], address: str, tmp_path: Path
) -> None:
    phone = chromium(*PHONE)
    as_phone(phone)
    opened(phone, address, "#segment=plan&value=pro")
    wide, shown = phone.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= shown == PHONE[0]
    as_phone(phone, phone.execute_script("return document.documentElement.scrollHeight"))
    phone.save_screenshot(str(tmp_path / "phone.png"))
    assert wrong_lines(phone) == []
