"""Hypothesis strategies: what users did, hard on calendars, ties, orders and conditions; and what is asked of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from oracle import Clock, Question
from properties.streams import HOUR, MINUTE, calendar

from stream_app.domain.events import ENGAGEMENT, REPURCHASE, Definition
from stream_app.domain.metrics.query import FIGURES, GRAINS, KINDS, TAKEN_BY
from stream_app.domain.periods import HORIZON, KEPT, Calendar, Grain

#: A zone, and days near which something happens to its clock (or to the calendar).
ZONES = {
    "UTC": ("2024-02-28", "1972-12-30", "2023-06-29"),
    "Europe/Berlin": ("2024-03-30", "2023-10-28"),
    "America/Sao_Paulo": ("2018-11-03", "2018-02-17"),  # clocks change at midnight
    "Asia/Kolkata": ("2023-12-30", "2024-02-28"),
    "Australia/Lord_Howe": ("2024-04-06", "2023-09-30"),  # by half an hour
    "Asia/Kathmandu": ("2024-02-27",),  # a quarter of an hour off
    "Pacific/Apia": ("2011-12-28",),  # a day that never was
}
#: Times of day (ms after local midnight), most of them at its edges.
MOMENTS = (0, 1, -1, 15 * MINUTE, -15 * MINUTE, HOUR, HOUR - 1, 2 * HOUR, 150 * MINUTE, 3 * HOUR, 12 * HOUR,
           23 * HOUR, 24 * HOUR - 1)  # fmt: skip
#: Short ones, which the gaps between days near each other reach; and those near what rings hold.
_WINDOWS = st.sampled_from((None, None, 1, 1, 2, 2, 3, 3, 4, 7, 30, 100, 127, 128, 129, 366))
PLANS = (None, "", "a", "b", "(other)")
CHANNELS = (None, "web", "app", True, 7)
DEFINITIONS = (
    ENGAGEMENT,
    REPURCHASE,
    Definition("visit-then-buy", "visit", "purchase", 2),
    Definition("buy-then-visit", "purchase", "visit", 4),
    Definition("web", "any", "any", 30, (("channel", "web"),), (("channel", "web"),)),
    Definition("from-web", "any", "any", 10, start_where=(("channel", "web"),)),
    Definition("true-a", "visit", "any", 3, return_where=(("channel", "true"), ("plan", "a"))),
    Definition("seven", "purchase", "purchase", 5, (("channel", "7"),), ()),
    Definition("often", "any", "any", 20, min_active=2),
    Definition("buyers-often", "any", "purchase", 2, min_active=3),
)


@dataclass(frozen=True)
class Past:
    """Events in the order of their times, and the calendar they are counted by."""

    events: list[dict[str, Any]]
    timezone: str
    week_start: str
    near: list[int]

    @property
    def calendar(self) -> Calendar:
        return calendar(self.timezone, self.week_start)

    @property
    def clock(self) -> Clock:
        return Clock(self.timezone, self.week_start)


@st.composite
def pasts(draw: st.DrawFn, most: int = 40, reaches: tuple[int, ...] = (2, 10, 40, 100, 420, 2200)) -> Past:
    """Few users at few places in time, so that ties, gaps and returns are common.

    Args:
        draw: of Hypothesis.
        most: how many events at the most.
        reaches: how many days all of it may last.
    """
    timezone = draw(st.sampled_from(sorted(ZONES)))
    base = date.fromisoformat(draw(st.sampled_from(ZONES[timezone])))
    reach = draw(st.sampled_from(reaches))
    around = draw(st.lists(st.integers(0, reach), min_size=1, max_size=4))
    zone = ZoneInfo(timezone)

    def moment(days: int, time: int) -> int:
        day = base + timedelta(days=days)
        return round(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) * 1000 + time

    one = st.builds(
        moment, st.builds(int.__add__, st.sampled_from(around), st.integers(0, 4)), st.sampled_from(MOMENTS)
    )
    near = draw(st.lists(one, min_size=3, max_size=16))
    count = draw(st.integers(0, most))
    drawn = draw(
        st.lists(
            st.tuples(
                st.sampled_from(("u1", "u2", "u3", "u4")),
                st.sampled_from(near),
                st.sampled_from(("visit", "visit", "purchase", "purchase", "purchase", "refund")),
                st.sampled_from((0, 1, 99, 100, 2500)),
                st.integers(0, 9),  # an order's number; few, so that some are met twice
                st.sampled_from(PLANS),
                st.sampled_from(CHANNELS),
                st.sampled_from(("properties", "event", "segment")),
            ),
            min_size=count,
            max_size=count,
        )
    )
    events = []
    for number, (user, time, kind, amount, order, plan, channel, place) in enumerate(drawn):
        event: dict[str, Any] = {"user": user, "time": time, "kind": kind, "event_id": f"{number:04d}"[::-1]}
        event["segment"] = {"plan": plan}
        if kind != "visit":
            event["amount"] = amount if kind == "purchase" else -amount - 1
        if kind == "purchase":
            event["order_id"] = f"o{order}" if order < 5 else f"own{number}"
        if channel is not None:
            (event if place == "event" else event.setdefault(place, {}))["channel"] = channel
        events.append(event)
    week_start = draw(st.sampled_from(("monday", "sunday", "thursday")))
    return Past(sorted(events, key=lambda e: e["time"]), timezone, week_start, near)


@dataclass(frozen=True)
class Case:
    """The parameters of a question as they are written, and the same question as the oracle takes it."""

    given: dict[str, str]
    question: Question


@st.composite
def cases(
    draw: st.DrawFn, past: Past, figures: tuple[str, ...] = FIGURES, *, live: bool = False, later: int = 100
) -> Case:
    """Any combination of parameters that is allowed.

    Args:
        draw: of Hypothesis.
        past: what it is asked of.
        figures: the figures to choose from.
        live: only what the service answers.
        later: how many days after the events it may be asked.
    """
    figure = draw(st.sampled_from(figures))
    given = {"figure": figure}
    if draw(st.integers(0, 3)):
        definition = draw(st.sampled_from(DEFINITIONS))
        given["definition"] = definition.name
    else:
        start, returns = (draw(st.sampled_from(("visit", "purchase", "any"))) for _ in range(2))
        given |= {"start": start, "return": returns}
        same = (d for d in DEFINITIONS if d.counted and not d.start_where and (d.start, d.returns) == (start, returns))
        definition = next(same, Definition(f"{start}/{returns}", start, returns, 30))
    grains = [
        g for g in GRAINS[figure] if not (figure == "retention" and definition.min_active > 1 and g == Grain.HOUR)
    ]
    if live and figure == "lifecycle":
        grains.remove(Grain.HOUR)
    grain = draw(st.sampled_from(grains))
    given["grain"] = grain.value
    kind = draw(st.sampled_from(KINDS[figure])) if figure in KINDS else ""
    asked: dict[str, Any] = {"kind": kind}
    if kind:
        given["kind"] = kind
    if figure == "retention":
        asked |= draw(_of_retention(grain, kind, definition))
        if live and grain is Grain.HOUR:
            asked["cohorts"] = "first"
    if "window" in TAKEN_BY and figure in TAKEN_BY["window"]:
        window = draw(_WINDOWS)
        asked["window"] = window or (30 if figure == "stickiness" else definition.inactivity_days)
        given |= {"window": str(window)} if window else {}
    if draw(st.booleans()):
        given["segment"] = asked["dimension"] = "plan"
        asked["top"] = draw(st.integers(1, 4))
    if draw(st.integers(0, 3)) == 0:
        asked["last"] = draw(st.integers(1, 8))
    given |= {name: str(asked[name]) for name in ("top", "last") if name in asked}
    for name in ("mean", "windows", "cohorts"):
        given |= {name: asked[name]} if name in asked else {}
    if kind == "bracket":
        given["brackets"] = ",".join(map(str, asked["brackets"]))
    begin, until = sorted((draw(_moment(past, later)), draw(_moment(past, later))))
    if figure in {"churn", "crr"}:
        begin, until = (past.clock.starts_at(past.clock.day(time)) for time in (begin, until))
    elif live and figure != "value":
        unit = "hour" if asked.get("windows") == "24h" else "day" if figure == "survival" else grain.value
        until = past.clock.start(unit, past.clock.period(unit, until))
    if draw(st.integers(0, 2)) == 0:
        asked["begin"], given["from"] = begin, draw(_written(past.clock, begin))
    if draw(st.integers(0, 2)) == 0 and until > begin:
        asked["until"], given["until"] = until, draw(_written(past.clock, until))
    watermark = draw(_moment(past, later)) if past.events or draw(st.booleans()) else None
    question = Question(
        figure, grain.value, watermark, definition.name, definition.start, definition.returns,
        definition.start_where, definition.return_where, definition.min_active, **asked,
    )  # fmt: skip
    return Case(given, question)


def _moment(past: Past, later: int) -> st.SearchStrategy[int]:
    """An instant among the events, a little off them, or when all is over."""
    near = st.sampled_from(past.near)
    days = st.sampled_from([n for n in (0, 0, 1, 2, 7, 31, 100) if n <= later])
    return st.builds(
        lambda time, off, d: max(time + off + d * 24 * HOUR, 0), near, st.sampled_from((0, 1, -1, HOUR)), days
    )


@st.composite
def _of_retention(draw: st.DrawFn, grain: Grain, kind: str, definition: Definition) -> dict[str, Any]:
    asked: dict[str, Any] = {"mean": draw(st.sampled_from(("weighted", "weighted", "simple")))}
    asked["windows"], asked["cohorts"] = draw(
        st.sampled_from(
            (("calendar", "first"), ("calendar", "recurring"))
            if grain not in KEPT or definition.min_active > 1
            else (("calendar", "first"), ("calendar", "recurring"), ("24h", "first"))
        )
    )
    if kind == "bracket":
        sizes = draw(st.lists(st.sampled_from((1, 2, 3, 5, 30, 100)), min_size=1, max_size=4))
        while sum(sizes) >= HORIZON[grain]:
            sizes.pop()
        asked["brackets"] = tuple(sizes) or (1,)
    return asked


@st.composite
def _written(draw: st.DrawFn, clock: Clock, time: int) -> str:
    """An instant as people write it: the beginning of a day by its date, another one in UTC or by the local clock."""
    day = clock.day(time)
    if clock.starts_at(day) == time and draw(st.booleans()):
        return day.isoformat()
    zone = draw(st.sampled_from((UTC, clock.zone)))
    moment = datetime.fromtimestamp(time // 1000, zone).replace(microsecond=time % 1000 * 1000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def question_of(given: dict[str, str], past: Past, *, watermark: int) -> Question:
    """The oracle's question of parameters as they are written; `from` and `until` are dates."""
    (definition,) = (d for d in DEFINITIONS if d.name == given.get("definition", "engagement"))
    clock = past.clock
    times = {name: clock.starts_at(date.fromisoformat(given[name])) for name in ("from", "until") if name in given}
    usual = 30 if given["figure"] == "stickiness" else definition.inactivity_days
    kinds = KINDS.get(given["figure"], ("",))
    return Question(
        given["figure"], given.get("grain", "day"), watermark, definition.name, definition.start, definition.returns,
        definition.start_where, definition.return_where, definition.min_active, kind=given.get("kind", kinds[0]),
        brackets=tuple(map(int, given.get("brackets", "").split(","))) if "brackets" in given else (),
        windows=given.get("windows", "calendar"), cohorts=given.get("cohorts", "first"), begin=times.get("from"),
        until=times.get("until"), dimension=given.get("segment"), top=int(given.get("top", 20)),
        window=int(given.get("window", usual)), last=int(given["last"]) if "last" in given else None,
    )  # fmt: skip
