"""The picture that `stream-app backtest` writes: which panels it has, and what they are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream_app.domain.alerts import Health, State, alert_key
from stream_app.domain.events import rfc3339
from stream_app.notifiers import terms, wording
from stream_app.reports import plots
from stream_app.settings.currencies import minor_units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream_app.backtest import Backtest
    from stream_app.domain.alerts import Change, Rule
    from stream_app.domain.counters import Series
    from stream_app.reports.drawing.backtest import Firing, Panel

#: Alerts that one picture shows: those with the most users at risk.
MOST = 12


def picture(done: Backtest, form: str, currency: str) -> bytes:
    """The picture, `png` or `svg`; values of money are of that currency."""
    fired: dict[str, list[Change]] = {}
    for change in done.changes:
        if change.rule in done.courses and change.health is not Health.ERROR:
            fired.setdefault(alert_key(change.rule, change.segment), []).append(change)
    told = [changes for changes in fired.values() if any(one.state is State.FIRING for one in changes)]
    told.sort(key=_worst)
    rules = {rule.name: rule for rule in done.rules.rules}
    panels = [_panel(done, rules[changes[0].rule], changes, currency) for changes in told[:MOST]]
    notes = [f"events until {rfc3339(done.watermark)}" if done.watermark is not None else "no events"]
    if len(told) > MOST:
        notes.append(f"the {MOST} of {len(told)} alerts with the most users at risk")
    named = f"{len(told)} alerts of {len(rules)} rules fired" if told else "Nothing fired"
    return plots.backtest(f"Backtest: {named}", notes, panels, form)


def _worst(changes: Sequence[Change]) -> tuple[int, str]:
    return -max(change.users_at_risk or 0 for change in changes), changes[0].at


def _panel(done: Backtest, rule: Rule, changes: Sequence[Change], currency: str) -> Panel:
    from stream_app.reports.drawing.backtest import Panel

    first = changes[0]
    series: Series = next(iter(first.segment.items()), ())
    seen = done.courses[rule.name].streams[series]
    starts = [one.start for one in seen]
    kind = terms.term(first).kind
    scale = 10.0 ** minor_units(currency) if kind == terms.MONEY else 1.0
    return Panel(
        title=f"{wording.clean(rule.name)}: {wording.who(first)}",
        about=f"{wording.figure(first)}, {wording.clean(rule.definition)}, by {first.grain}"
        f"{f', in {currency}' if kind == terms.MONEY else ''}",
        grain=first.grain,
        starts=starts,
        values=[one.value / scale for one in seen],
        bound=None if rule.drop is not None else rule.below / scale,
        share=kind == terms.SHARE,
        firings=_firings(changes, starts, scale),
    )


def _firings(changes: Sequence[Change], starts: Sequence[str], scale: float) -> list[Firing]:
    """The firings of one alert, by places among the cohorts that were judged."""
    from stream_app.reports.drawing.backtest import Firing

    place = {start: number for number, start in enumerate(starts)}
    found: list[Firing] = []
    for change in changes:
        if wording.about_health(change):
            continue
        if change.state is State.FIRING:
            began = next((n for n, start in enumerate(starts) if start >= (change.began or change.cohort)), 0)
            bound = None if change.threshold is None else change.threshold / scale
            found.append(Firing(began, place[change.cohort], None, bound))
        elif change.state is State.RESOLVED and found:
            found[-1] = found[-1]._replace(ended=place[change.cohort])
    return found
