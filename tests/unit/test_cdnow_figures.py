"""Every figure of the real purchase log, through `analyze`, beside what was computed from it by other means."""

from __future__ import annotations

import datetime as dt
import json
import random
from itertools import accumulate
from pathlib import Path

import pytest

from stream_app.cli import main
from stream_app.demo import cdnow

DATA = Path(__file__).parents[1] / "data"
MONTHLY = json.loads((DATA / "cdnow_monthly.json").read_text())
CHURN = json.loads((DATA / "cdnow_churn.json").read_text())
GROWTH = CHURN["growth_accounting_monthly"]["rows"]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The log out of order, a tenth of it twice."""
    mixed = random.Random(11)
    lines = [value for _, value in cdnow.events()]
    lines += mixed.sample(lines, len(lines) // 10)
    mixed.shuffle(lines)
    file = tmp_path_factory.mktemp("cdnow") / "events.jsonl"
    file.write_bytes(b"\n".join(lines) + b"\n")
    return str(file)


@pytest.fixture
def ask(path, capsys):
    """Asks for a figure; the entry of all users."""

    def asked(figure, **given):
        options = {"definition": "repurchase", "until": "1998-07-01"} | given
        words = [word for name, value in options.items() for word in (f"--{name.removesuffix('_')}", str(value))]
        assert main(["analyze", path, "--figure", figure, *words, "--json"]) == 0
        answer = json.loads(capsys.readouterr().out)
        assert [one["segment"] for one in answer["segments"]] == [{}]
        return answer["segments"][0]

    return asked


def day_after(date):
    return (dt.date.fromisoformat(date) + dt.timedelta(days=1)).isoformat()


@pytest.mark.parametrize(("kind", "counts"), [("classic", "classic_counts"), ("rolling", "on_or_after_counts")])
def test_retention_and_its_means(ask, kind, counts):
    weighted, simple = (ask("retention", grain="month", kind=kind, mean=mean) for mean in ("weighted", "simple"))

    assert weighted["cohorts"] == simple["cohorts"] == [
        {"start": f"{cohort['cohort']}-01", "size": cohort["size"], "retained": cohort[counts]}
        for cohort in MONTHLY["cohorts"]
    ]  # fmt: skip
    if kind == "classic":
        means = MONTHLY["mean_by_k"]
        assert [round(rate, 6) for rate in weighted["mean"]["rate"]] == [mean["weighted"] for mean in means]
        assert [round(rate, 6) for rate in simple["mean"]["rate"]] == [mean["simple"] for mean in means]
        assert weighted["mean"]["cohorts"] == [mean["cohorts"] for mean in means]


def test_churn_as_of_the_ends_of_seven_days(ask):
    # A gap of more than 30 days is one of 31 or more.
    shorter, longer = ({row["date"]: row for row in ask("churn", window=window)["days"]} for window in (30, 31))

    for expected in CHURN["as_of"]:
        row, other = (rows[expected["as_of_end_of_day"]] for rows in (shorter, longer))
        assert row["customers"] == expected["customers_to_date"]
        assert row["active"] == expected["active_gap_lt_30"]
        assert row["churned"] == expected["churned_gap_ge_30"]
        assert other["churned"] == expected["churned_gap_gt_30"]
        assert row["churned"] - other["churned"] == expected["gap_exactly_30"]
        assert round(row["churned"] / row["customers"], 6) == expected["churned_share_ge_30"]


def test_churn_by_month_has_the_rows_of_the_months_ends(ask):
    monthly = {row["date"]: row["churned"] for row in ask("churn", window=30, grain="month")["days"]}

    assert len(monthly) == 18
    assert {e["as_of_end_of_day"]: e["churned_gap_ge_30"] for e in CHURN["as_of"]}.items() <= monthly.items()


@pytest.mark.parametrize("expected", CHURN["periods_30d"], ids=lambda one: one["start_end_of_day"])
def test_customer_retention_over_thirty_days(ask, expected):
    begin, until = day_after(expected["start_end_of_day"]), day_after(expected["end_end_of_day"])
    whole = ask("crr", window=30, from_=begin, until=until)["whole"]

    assert whole == {
        "start": begin,
        "end": expected["end_end_of_day"],
        "start_active": expected["S"],
        "end_active": expected["E"],
        "new": expected["N_new"],
        "new_active": expected["N_new_still_active_at_end"],
        "kept": expected["kept_S_and_E"],
        "lost": expected["lost"],
        "resurrected": expected["resurrected"],
        "crr": pytest.approx(expected["CRR_E_minus_N_over_S"], abs=5e-7),
        "kept_rate": pytest.approx(expected["retention_kept_over_S"], abs=5e-7),
        "churn_rate": pytest.approx(expected["churn_rate_lost_over_S"], abs=5e-7),
    }


def test_lifecycle_by_month(ask):
    rows = ask("lifecycle", grain="month")["periods"]

    assert len(rows) == len(GROWTH) == 18
    before = None
    for row, expected in zip(rows, GROWTH, strict=True):
        assert row["start"] == f"{expected['month']}-01"
        assert row["resurrected"] == expected["resurrecting"]
        for name in ("active", "new", "returning", "dormant"):
            assert row[name] == expected[name]
        ratio = row["quick_ratio"]
        assert (None if ratio is None else round(ratio, 6)) == expected["quick_ratio"]
        if before is not None:
            assert round(row["dormant"] / before, 6) == expected["logo_churn"]
        before = row["active"]


def test_revenue_kept_from_month_to_month(ask):
    entry = ask("value")

    for row, expected in zip(entry["periods"], GROWTH, strict=True):
        assert (row["start"], row["customers"]) == (f"{expected['month']}-01", expected["active"])
        if "NRR" in expected:
            assert row["revenue_before"] == expected["revenue_prev_cents"]
            assert (round(row["nrr"], 6), round(row["grr"], 6)) == (expected["NRR"], expected["GRR"])
    assert sum(row["revenue"] for row in entry["periods"]) == cdnow.REVENUE_CENTS


def test_value_in_all_and_by_cohort(ask):
    entry, source = ask("value"), CHURN["source"]

    totals = entry["totals"]
    assert (totals["customers"], totals["orders"]) == (source["customers"], source["rows"])
    assert (totals["revenue"], totals["refunded"], totals["conflicts"]) == (source["revenue_cents"], 0, 0)
    assert totals["repeat_customers"] == source["customers_with_2plus_rows"]
    assert round(totals["frequency"], 6) == source["purchase_frequency_rows_per_customer"]
    for row, expected in zip(entry["cohorts"], MONTHLY["cohorts"], strict=True):
        assert row["revenue"] == list(accumulate(expected["revenue_cents"]))
        assert [round(ltv, 2) for ltv in row["ltv"]] == expected["cumulative_revenue_per_customer_cents"]


def test_days_until_the_second_purchase(ask):
    estimate, expected = ask("survival", kind="return")["all"], CHURN["km_second_purchase"]

    assert [estimate[name] for name in ("size", "events", "censored")] == [
        expected[name] for name in ("n", "events", "censored")
    ]
    for day, survival in expected["S"].items():
        reached = [value for at, value in zip(estimate["days"], estimate["survival"], strict=True) if at <= int(day)]
        assert round(reached[-1], 6) == survival


def test_stickiness_and_concentration_agree_with_the_other_figures(ask):
    sticky, churn = ask("stickiness"), ask("churn", window=30)
    assert [row["mau"] for row in sticky["days"]] == [row["active"] for row in churn["days"]]
    assert sum(row["dau"] for row in sticky["days"]) == CHURN["source"]["customer_days"]
    assert sum(one["users"] for one in sticky["histogram"]) == sticky["days"][-1]["mau"]

    rows, value = ask("concentration")["periods"], ask("value")["periods"]
    assert [row["users"] for row in rows] == [row["customers"] for row in rows] == [row["active"] for row in GROWTH]
    assert [row["revenue"] for row in rows] == [row["revenue"] for row in value]
    assert sum(row["activity"] for row in rows) == CHURN["source"]["customer_days"]
    assert all(0.1 < row["revenue_share"] < 1 for row in rows)
