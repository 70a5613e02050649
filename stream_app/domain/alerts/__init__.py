"""Alerts: rules over closed cells, and what each one's state is. Pure; the runtime is in `agents` and `notifiers`."""

from stream_app.domain.alerts.change import AlertState, Change, Reason, State, alert_key
from stream_app.domain.alerts.machine import step
from stream_app.domain.alerts.rule import Rule
from stream_app.domain.alerts.rules import RulesError, load_rules
from stream_app.domain.alerts.select import Step, evaluate, frontier, selected

__all__ = [
    "AlertState",
    "Change",
    "Reason",
    "Rule",
    "RulesError",
    "State",
    "Step",
    "alert_key",
    "evaluate",
    "frontier",
    "load_rules",
    "selected",
    "step",
]
