"""What happened: the events of each user, the orders, the segments."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from oracle.question import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date

    from oracle.clock import Clock
    from oracle.question import Question, Where

NONE, OTHER = "(none)", "(other)"


class History:
    """All events before the question's `until`, in any order, some of them perhaps twice."""

    def __init__(self, events: Iterable[dict[str, Any]], clock: Clock, question: Question) -> None:
        known = self.known = list(events)
        self.clock, self.question = clock, question
        self.events = [e for e in known if question.until is None or e["time"] < question.until]
        self.starts = self._times(question.start, question.start_where)
        self.returns = self._times(question.returns, question.return_where)
        #: The latest instant of which anything is known.
        self.latest: int | None = None
        if question.as_of is not None:
            seen = [question.as_of - 1, *(e["time"] for e in known)]
            self.latest = max(seen) if question.until is None else max(min(t, question.until - 1) for t in seen)

    def _times(self, event: str, where: Where) -> dict[str, list[int]]:
        times: dict[str, list[int]] = defaultdict(list)
        for e in self.events:
            if e["kind"] in KINDS[event] and all(text(property_of(e, name)) == value for name, value in where):
                times[e["user"]].append(e["time"])
        return dict(times)

    # -- activity

    def first_start(self, user: str) -> int:
        return min(self.starts[user])

    def days(self, user: str) -> set[date]:
        """The local days on which the user did what counts as a return."""
        return {self.clock.day(t) for t in self.returns.get(user, ())}

    def periods(self, user: str) -> set[int]:
        """The periods in which the user did what counts as a return, however little."""
        return {self.clock.period(self.question.grain, t) for t in self.returns.get(user, ())}

    def returned(self, user: str) -> set[int]:
        """The periods with a return in enough of their sub-periods."""
        part: Callable[[int], object] = self.clock.hour if self.question.grain == "day" else self.clock.day
        parts: dict[int, set[object]] = defaultdict(set)
        for t in self.returns.get(user, ()):
            parts[self.clock.period(self.question.grain, t)].add(part(t))
        return {period for period, active in parts.items() if len(active) >= self.question.min_active}

    # -- money

    def orders(self) -> list[tuple[str, int, int, bool]]:
        """Orders and refunds before `until`, each once: user, time, amount (below 0: a refund), whether forms differ.

        Of an order that came in several forms the latest is the order, even if an earlier one came before `until`.
        """
        versions: dict[tuple[str, bool, str], set[tuple[int, int]]] = defaultdict(set)
        for e in self.known:
            if e["kind"] == "visit":
                continue
            refund = e["kind"] == "refund"
            name = e["event_id"] if refund else e.get("order_id", e["event_id"])
            versions[e["user"], refund, name].add((e["time"], e.get("amount", -1 if refund else 0)))
        until = self.question.until
        found = [(user, *max(seen), len(seen) > 1 and not refund) for (user, refund, _), seen in versions.items()]
        return [order for order in found if until is None or order[1] < until]

    # -- segments

    def values(self, dimension: str) -> dict[str, str]:
        """Each user's value of a dimension: that of the first event, of whatever kind."""
        first: dict[str, tuple[int, str, str]] = {}
        for event in self.events:
            value = (event.get("segment") or {}).get(dimension) or NONE
            candidate = (event["time"], event["event_id"], value)
            first[event["user"]] = min(first.get(event["user"], candidate), candidate)
        return {user: value for user, (_, _, value) in first.items()}

    def segments(self) -> list[tuple[dict[str, str], set[str]]]:
        """The segments to show, each with the users the figure is of: the largest first, the rest as `(other)`."""
        of_starts = self.question.figure in {"retention", "survival", "value"}
        users = set(self.starts if of_starts else self.returns)
        if self.question.figure in {"value", "concentration"}:  # somebody may have nothing but a refund
            users |= {user for user, _, _, _ in self.orders()}
        dimension, top = self.question.dimension, self.question.top
        if dimension is None:
            return [({}, users)]
        values = self.values(dimension)
        members: dict[str, set[str]] = defaultdict(set)
        for user in users:
            members[values[user]].add(user)
        ranked = sorted((v for v in members if v != OTHER), key=lambda v: (-len(members[v]), v))
        shown = [({dimension: v}, members[v]) for v in ranked[:top]]
        rest = [members[v] for v in members if v not in ranked[:top]]
        return [*shown, ({dimension: OTHER}, set().union(*rest))] if rest else shown

    # -- what is shown

    def not_before(self, periods: Iterable[int]) -> list[int]:
        """Those that do not begin before `from`, oldest first."""
        begin, clock, grain = self.question.begin, self.clock, self.question.grain
        if begin is None:
            return sorted(periods)
        # A day that a change of the calendar left out begins and ends with the next one: it is before it.
        return sorted(p for p in periods if clock.start(grain, p) >= begin and p >= clock.period(grain, begin))

    def shown(self, periods: Iterable[int]) -> list[int]:
        """Of those that do not begin before `from` the latest `last`, oldest first."""
        kept = self.not_before(periods)
        return kept if self.question.last is None else kept[-self.question.last :]

    def closed(self, first: int | None) -> list[int]:
        """The closed periods from the first on, as far as they are shown."""
        as_of, grain = self.question.as_of, self.question.grain
        if first is None or as_of is None:
            return []
        return self.shown(range(first, self.clock.last_closed(grain, as_of) + 1))

    def day_number(self, day: date) -> int:
        return self.clock.number("day", day)


def property_of(event: dict[str, Any], name: str) -> Any:
    """What a condition is compared with: of `properties`, the event itself and its segment the first that has it."""
    for place in (event.get("properties") or {}, event, event.get("segment") or {}):
        if place.get(name) is not None:
            return place[name]
    return None


def text(value: Any) -> str | None:
    """Numbers and booleans as JSON writes them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (str, int, float)) else None


def share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
