"""CSV and Parquet: the same figures as of the same events as JSON lines, and what stands for what is not there."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stream_app.domain.errors import ConfigurationError
from stream_app.offline import Reading, analyze
from stream_app.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

EVENTS = [
    {"type": "visit", "event_id": "1", "user_id": "a", "occurred_at": "2024-01-01T10:00:00Z", "plan": "pro"},
    {"type": "purchase", "event_id": "2", "user_id": "a", "occurred_at": "2024-01-02T10:00:00Z", "plan": "pro",
     "order_id": "o1", "amount": "12.50", "currency": "USD"},
    {"type": "purchase", "event_id": "3", "user_id": "ü", "occurred_at": "2024-01-02T11:00:00+01:00", "plan": "free",
     "order_id": "o1", "amount": "7", "currency": "usd"},
    {"type": "purchase", "event_id": "4", "user_id": "a", "occurred_at": "2024-01-03T10:00:00.250Z", "plan": "",
     "order_id": "o1", "amount": "-2.50", "currency": "USD"},
    {"type": "visit", "event_id": "5", "user_id": "ü", "occurred_at": "2024-01-05T10:00:00Z", "plan": "free"},
]  # fmt: skip
NAMES = ["type", "event_id", "user_id", "occurred_at", "plan", "order_id", "amount", "currency"]
GIVEN = [
    {"figure": "retention", "segment": "plan"},
    {"figure": "lifecycle"},
    {"figure": "value", "grain": "day"},
    {"figure": "concentration", "grain": "week", "until": "2024-01-08"},
    {"figure": "value", "grain": "day", "segment": "plan", "until": "2024-01-03"},
]


def jsonl(path: Path) -> str:
    sent = [{k: v for k, v in e.items() if k != "plan"} | {"segment": {"plan": e["plan"]}} for e in EVENTS]
    path.write_bytes(b"\n".join(map(orjson.dumps, sent)))
    return str(path)


def text(rows: list[dict[str, Any]], names: list[str], delimiter: str = ",") -> str:
    lines = [names, *([str(row.get(name, "")) for name in names] for row in rows)]
    return "".join(delimiter.join(line) + "\n" for line in lines)


def parquet(path: Path, rows: list[dict[str, Any]] = EVENTS, **columns: Any) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    given = {name: [row.get(name) for row in rows] for name in names} | columns
    pq.write_table(pa.table({name: values for name, values in given.items() if values is not None}), path)
    return str(path)


def write(path: Path, data: str | bytes) -> str:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return str(path)


@pytest.fixture
def expected(tmp_path: Path) -> list[dict[str, Any]]:
    file = jsonl(tmp_path / "events.jsonl")
    return [analyze(file, given) for given in GIVEN]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_gives_what_json_lines_give(delimiter: str, expected: list[Any], tmp_path: Path) -> None:
    file = write(tmp_path / "events.csv", text(EVENTS, NAMES, delimiter))
    assert [analyze(file, given) for given in GIVEN] == expected


def test_csv_as_spreadsheets_write_it_is_the_same(expected: list[Any], tmp_path: Path) -> None:
    rows = text(EVENTS, NAMES).replace("12.50", '"12.50"').replace("\n", "\r\n")
    file = write(tmp_path / "events", b"\xef\xbb\xbf" + rows.encode() + b"\r\n")
    assert [analyze(file, given) for given in GIVEN] == expected


def test_parquet_gives_what_json_lines_give(expected: list[Any], tmp_path: Path) -> None:
    file = parquet(tmp_path / "events.parquet")
    assert [analyze(file, given) for given in GIVEN] == expected


def test_columns_of_parquet_may_have_their_own_types(expected: list[Any], tmp_path: Path) -> None:
    times = [dt.datetime.fromisoformat(str(e["occurred_at"])) for e in EVENTS]
    rows = [{"user_id": e["user_id"], "event_id": int(e["event_id"])} for e in EVENTS]
    file = parquet(
        tmp_path / "events.parquet", rows,
        type=pa.array([e["type"] for e in EVENTS]).dictionary_encode(),
        occurred_at=pa.array(times, pa.timestamp("us", "Europe/Berlin")),
        amount=pa.array([Decimal(e["amount"]) if "amount" in e else None for e in EVENTS], pa.decimal128(10, 2)),
        order_id=[e.get("order_id") for e in EVENTS],
        segment=[{"plan": e["plan"]} for e in EVENTS],
    )  # fmt: skip
    assert [analyze(file, given) for given in GIVEN] == expected
    floats = pa.array([float(e["amount"]) if "amount" in e else None for e in EVENTS])
    file = parquet(tmp_path / "events.parquet", amount=floats)
    assert [analyze(file, given) for given in GIVEN] == expected


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_gzip_and_standard_input_are_read_too(
    form: str, expected: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {
        "jsonl": lambda: jsonl(tmp_path / "made"),
        "csv": lambda: write(tmp_path / "made", text(EVENTS, NAMES)),
        "parquet": lambda: parquet(tmp_path / "made"),
    }[form]()
    data = (tmp_path / "made").read_bytes()
    packed = write(tmp_path / "made.gz", gzip.compress(data))
    assert analyze(packed, GIVEN[0]) == expected[0]
    for piped in (data, gzip.compress(data)):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(piped)))
        assert analyze("-", GIVEN[0]) == expected[0]
    assert analyze(made, GIVEN[0], reading=Reading(form)) == expected[0]


def test_columns_are_mapped_and_constants_set(expected: list[Any], tmp_path: Path) -> None:
    rows = [{"who": e["user_id"], "when": e["occurred_at"], "tier": e["plan"], "usd": e["amount"], "nr": e["order_id"],
             "id": e["event_id"]} for e in EVENTS if e["type"] == "purchase"]  # fmt: skip
    columns = {"user_id": "who", "occurred_at": "when", "segment.plan": "tier", "amount": "usd", "order_id": "nr"}
    reading = Reading(None, columns | {"event_id": "id"}, {"type": "purchase", "currency": "USD"})
    sent = write(
        tmp_path / "sent.jsonl",
        b"\n".join(
            orjson.dumps({k: v for k, v in e.items() if k != "plan"} | {"segment": {"plan": e["plan"]}})
            for e in EVENTS if e["type"] == "purchase"
        ),
    )  # fmt: skip
    wanted = [analyze(sent, given) for given in GIVEN]
    file = write(tmp_path / "events.csv", text(rows, list(rows[0])))
    assert [analyze(file, given, reading=reading) for given in GIVEN] == wanted
    file = parquet(tmp_path / "events.parquet", rows)
    assert [analyze(file, given, reading=reading) for given in GIVEN] == wanted
    file = write(tmp_path / "events.jsonl", b"\n".join(map(orjson.dumps, rows)))
    assert [analyze(file, given, reading=reading) for given in GIVEN] == wanted
    nested = [{"o": {"who": r["who"], "at": {"time": r["when"]}}, **r} for r in rows]
    file = write(tmp_path / "nested.jsonl", b"\n".join(map(orjson.dumps, nested)))
    reading = Reading(None, dict(reading.columns) | {"user_id": "o.who", "occurred_at": "o.at.time"}, reading.constants)
    assert [analyze(file, given, reading=reading) for given in GIVEN] == wanted


# -- what stands for what is not there


def sizes(path: str, **options: Any) -> list[tuple[str, int]]:
    (entry,) = analyze(path, {}, **options)["segments"]
    return [(row["start"], row["size"]) for row in entry["cohorts"]]


def test_rows_without_a_type_are_visits_or_purchases_by_whether_there_are_amounts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = write(tmp_path / "events.csv", "user_id,occurred_at\na,2024-01-01\na,2024-01-02\n")
    assert sizes(file) == [("2024-01-01", 1)]
    assert "no column for type, every row is a visit; event_id, which is made of the row's number." in caplog.text
    file = write(
        tmp_path / "events.csv", "user_id,occurred_at,amount\na,2024-01-01,5\na,2024-01-01,5\nb,2024-01-01,-1\n"
    )
    totals = analyze(file, {"figure": "value"})["segments"][0]["totals"]
    assert (totals["customers"], totals["orders"], totals["revenue"], totals["refunded"]) == (1, 2, 900, 100)
    assert "every row is a purchase" in caplog.text
    assert "amounts are taken as USD; order_id, each row is an order of its own" in caplog.text


def test_times_without_an_offset_are_local_and_said_to_be(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(timezone="America/New_York")
    rows = "a,2024-01-01\nb,2024-01-01 23:59:59\nc,2024-01-02T00:00\nd,2024-01-02T04:59:59Z\ne,1704171600000\n"
    file = write(tmp_path / "events.csv", "user_id,occurred_at\n" + rows)
    assert sizes(file, settings=settings) == [("2024-01-01", 3), ("2024-01-02", 2)]
    assert "taken as local times of America/New_York" in caplog.text
    naive = [dt.datetime(2024, 1, 1, 23, 30), dt.datetime(2024, 1, 2)]  # noqa: DTZ001
    file = parquet(tmp_path / "events.parquet", [{"user_id": "a"}, {"user_id": "b"}], occurred_at=naive)
    assert sizes(file, settings=settings) == [("2024-01-01", 1), ("2024-01-02", 1)]
    dates = [dt.date(2024, 1, 1), dt.date(2024, 1, 2)]
    file = parquet(tmp_path / "events.parquet", [{"user_id": "a"}, {"user_id": "b"}], occurred_at=dates)
    assert sizes(file, settings=settings) == [("2024-01-01", 1), ("2024-01-02", 1)]


WEB = Settings(definitions=[{"name": "web", "where": {"channel": "web"}}], actor="account_id")  # type: ignore[arg-type]
IN_WEB = [
    {"account_id": "a", "occurred_at": "2024-01-01T00:00:00Z", "channel": "web"},
    {"account_id": "b", "occurred_at": "2024-01-01T00:00:00Z", "channel": "app"},
    {"account_id": "c", "occurred_at": "2024-01-01T00:00:00Z", "channel": None},
    {"account_id": "d", "occurred_at": "2024-01-01T00:00:00Z", "channel": "app", "properties": {"channel": "web"}},
]


@pytest.mark.parametrize("form", ["jsonl", "mapped", "csv", "parquet"])
def test_conditions_and_the_actor_are_looked_up_as_in_events(form: str, tmp_path: Path) -> None:
    rows = [{"type": "visit", "event_id": str(i)} | {k: v for k, v in e.items() if v} for i, e in enumerate(IN_WEB)]
    constants = {"type": "visit"} if form == "mapped" else {}
    if form == "csv":
        names = ["account_id", "occurred_at", "channel", "properties.channel"]
        flat = [{k: v or "" for k, v in e.items()} for e in IN_WEB]
        flat[3]["properties.channel"] = "web"
        file = write(tmp_path / "events.csv", text(flat, names))
    elif form == "parquet":
        file = parquet(tmp_path / "events.parquet", rows)
    else:
        file = write(tmp_path / "events.jsonl", b"\n".join(map(orjson.dumps, rows)))
    answer = analyze(file, {"definition": "web"}, settings=WEB, reading=Reading(None, {}, constants))
    assert [row["size"] for row in answer["segments"][0]["cohorts"]] == [2]


def test_a_condition_on_a_column_that_is_not_there_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "events.csv", "account_id,occurred_at\na,2024-01-01\n")
    with pytest.raises(ConfigurationError, match=r"condition on 'channel': no such column; .*there are account_id"):
        analyze(file, {"definition": "web"}, settings=WEB)
    assert sizes(file, settings=WEB) == [("2024-01-01", 1)]


# -- what is wrong


@pytest.mark.parametrize(
    ("heading", "given", "reading", "said"),
    [
        ("user,occurred_at", {}, {}, r"user_id: .*mean 'user'\? there are user, occurred_at; write --map user_id="),
        ("user_id,time", {}, {}, r"occurred_at: no such column; there are user_id, time"),
        ("user_id,occurred_at", {"segment": "plan"}, {}, "plan: no such column; .*--map segment.plan=COLUMN"),
        ("user_id,occurred_at", {}, {"columns": {"user_id": "usr_id"}}, "--map user_id=usr_id: .*mean 'user_id'"),
        ("user_id,occurred_at,user_id", {}, {}, "two columns 'user_id'"),
        ("user_id,occurred_at,type", {"figure": "value"}, {}, "amount: there is no column of that name"),
        ("user_id,occurred_at", {}, {"constants": {"type": "click"}}, "--set: type: .*click.* is unknown"),
        ("user_id,occurred_at,amount", {}, {"constants": {"currency": "EUR"}}, "--set: currency: .*EUR.*USD"),
        ("user_id,occurred_at", {}, {"constants": {"user_id": "a"}}, "--set: user_id=a: it differs"),
        ("user_id,occurred_at,t", {}, {"columns": {"type": "t"}, "constants": {"type": "visit"}}, "in --map too"),
    ],
)  # fmt: skip
def test_a_column_that_is_not_there_is_named_with_those_that_are(
    heading: str, given: dict[str, str], reading: dict[str, Any], said: str, tmp_path: Path
) -> None:
    row = ",".join("1" for _ in heading.split(","))
    file = write(tmp_path / "events.csv", f"{heading}\n{row}\n")
    with pytest.raises(ConfigurationError, match=said):
        analyze(file, given, reading=Reading(None, **reading))


def test_bad_rows_are_told_with_their_number_and_reason(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [
        "visit,1,a,2024-01-01,,", "visit,2,,2024-01-01,,", "visit,3,a,yesterday,,", "visit,4,a,2024-01-01",
        "click,5,a,2024-01-01,,", "purchase,6,a,2024-01-01,1.999,USD",
    ]  # fmt: skip
    file = write(tmp_path / "events.csv", "\n".join(["type,event_id,user_id,occurred_at,amount,currency", *rows]))
    assert sizes(file) == [("2024-01-01", 1)]
    assert "row 5: wrong_type: it has 4 columns, not 6" in caplog.text
    assert "row 3: missing_field: user_id" in caplog.text
    assert 'row 4: bad_time: occurred_at: "yesterday"' in caplog.text
    assert 'row 6: unknown_type: type: "click"' in caplog.text
    assert 'row 7: bad_amount: amount: "1.999"' in caplog.text or "5 of 6 records" in caplog.text


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"user_id": "x" * 257}, "bad_user_id"), ({"user_id": ""}, "bad_user_id"), ({"user_id": "a\0b"}, "bad_user_id"),
        ({"user_id": None}, "missing_field"), ({"event_id": ""}, "bad_event_id"),
        ({"event_id": "x" * 513}, "bad_event_id"),
        ({"occurred_at": None}, "missing_field"), ({"occurred_at": "1969-12-31T00:00:00Z"}, "bad_time"),
        ({"order_id": None}, "missing_field"), ({"order_id": ""}, "bad_order_id"), ({"amount": None}, "missing_field"),
        ({"amount": "1e99"}, "bad_amount"), ({"currency": "EUR"}, "foreign_currency"),
        ({"plan": "x" * 257}, "bad_segment"),
        ({"type": None}, "missing_field"),
    ],
)  # fmt: skip
def test_a_row_is_refused_for_the_reason_a_record_would_be(
    row: dict[str, Any], reason: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = parquet(tmp_path / "events.parquet", [EVENTS[1], EVENTS[1] | row])
    answer = analyze(file, {"figure": "value", "segment": "plan", "grain": "day"})
    assert sum(entry["totals"]["orders"] for entry in answer["segments"]) == 1
    assert f"row 2: {reason}: " in caplog.text


def test_rows_that_are_not_utf8_are_refused_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = write(tmp_path / "events.csv", b"user_id,occurred_at\na,2024-01-01\n\xff,2024-01-01\n")
    assert sizes(file) == [("2024-01-01", 1)]
    assert "row 3: not_json" in caplog.text


def test_quoted_values_may_have_delimiters_and_line_ends(tmp_path: Path) -> None:
    file = write(
        tmp_path / "events.csv", 'occurred_at,"note, long",user_id\n2024-01-01,"a\nb,c",x\n2024-01-01,,"y,z"\n'
    )
    assert sizes(file) == [("2024-01-01", 2)]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_file_that_is_cut_off_is_said_to_be(form: str, tmp_path: Path) -> None:
    whole = write(tmp_path / "e", text(EVENTS * 500, NAMES)) if form == "csv" else parquet(tmp_path / "e", EVENTS * 500)
    data = gzip.compress((tmp_path / "e").read_bytes())
    cut = write(tmp_path / "cut", data[: len(data) // 2])
    with pytest.raises(ConfigurationError, match="give a whole file"):
        analyze(cut, {}, reading=Reading(form))
    assert whole


def test_a_heading_alone_has_no_events(tmp_path: Path) -> None:
    assert analyze(write(tmp_path / "events.csv", "user_id,occurred_at\n"), {})["as_of"] is None


def test_json_events_keep_their_form_unless_columns_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    line = json.dumps({"id": 17, "at": "2024-01-01T00:00:00Z"})
    file = write(tmp_path / "events.jsonl", line)
    with pytest.raises(ConfigurationError, match="missing_field: type"):
        analyze(file, {})
    assert sizes(file, reading=Reading(None, {"user_id": "id", "occurred_at": "at"})) == [("2024-01-01", 1)]
    assert "records were without event_id, which is made of the line's number; type, by whether" in caplog.text


def test_seconds_that_are_taken_as_milliseconds_are_doubted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    analyze(write(tmp_path / "events.csv", "user_id,occurred_at\na,1704067200\n"), {})
    assert "1 of its times lie before 1972. Numbers are milliseconds: are these seconds?" in caplog.text
    caplog.clear()
    analyze(write(tmp_path / "events.csv", "user_id,occurred_at\na,1704067200\nb,1704067200000\n"), {})
    assert "1 of its times" in caplog.text
    caplog.clear()
    analyze(write(tmp_path / "events.csv", "user_id,occurred_at\na,1704067200000\n"), {})
    assert "are these seconds" not in caplog.text


def test_a_column_of_lists_is_refused_with_what_to_do(tmp_path: Path) -> None:
    file = parquet(tmp_path / "events.parquet", [{"user_id": ["a"], "occurred_at": "2024-01-01"}])
    with pytest.raises(ConfigurationError, match=r"neither text nor number nor time .*; map a field"):
        analyze(file, {})
