"""What the columns of a figure's table mean, in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stream_app.reports.words import UNKNOWN, figure_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    Answer = Mapping[str, Any]

_NOTHING = f"{UNKNOWN} is not observed, or a share of nothing"
_KINDS = {
    "classic": "in {unit} k",
    "rolling": "in {unit} k or later, as far as observed",
    "bracket": "in any {unit} of the bracket",
}
_MEANS = {"weighted": "mean weighted by size, with its 95 % interval", "simple": "mean of the cohorts' shares"}
_LEGENDS = {
    "churn": "active: activity in the days of the window up to the end of the day",
    "lifecycle": "returning: active in the period before too; resurrected: not in the one before, and not new; dormant:"
    " in the one before, not in this one; quick ratio: (new + resurrected) / dormant",
    "crr": "S: active at the start; E: at the end; N: new in between; kept: of S, in E; lost: of S, not in E;"
    " resurrected: in E, neither in S nor new; CRR: (E - N) / S; kept % and churn %: of S",
    "stickiness": "DAU: users active on the day; MAU: in the window that ends with it",
    "value": "revenue is net of refunds; AOV: revenue an order; kept: of each payer of the period before the lesser of"
    " both periods' revenue, GRR its share of the revenue before; returning: what they paid in this period, NRR its"
    " share",
    "concentration": "top: the tenth of users with the most active days; of customers (with an order or refund), the"
    " tenth with the most revenue",
}


def legend(answer: Answer) -> str:
    """What the cells of a figure's table are, and what stands where one is null."""
    figure = figure_of(answer)
    if figure == "retention":
        return _retention(answer)
    if figure == "survival":
        return _survival(answer)
    return f"{_LEGENDS[figure]}; {_NOTHING}"


def _retention(answer: Answer) -> str:
    windows = answer["windows"] == "24h"
    users = "of the users of a cohort who have reached window k" if windows else "of a cohort"
    when = _KINDS[answer["kind"]].format(unit="window" if windows else answer["grain"])
    return f"share in % {users} with a return event {when}; {_MEANS[answer['mean']]}; {UNKNOWN} is not yet observed"


def _survival(answer: Answer) -> str:
    left = "have not churned" if answer["kind"] == "churn" else "have not come back on a later day"
    return (
        f"share in % of customers who {left} that many days after their first, by Kaplan-Meier, for all with its 95 %"
        f" interval; median: the first day on which half or less are left; {UNKNOWN} is not observed"
    )
