"""Alerts: rules over closed cells, what each one's state is, and who is told. Pure; the runtime is in `agents`."""

from stream_app.domain.alerts.change import AlertState, Change, Health, Reason, State, alert_key
from stream_app.domain.alerts.command import Action, Command, Silence
from stream_app.domain.alerts.desk import Dispatch, dispatch
from stream_app.domain.alerts.flows import Flow, Flows, flows, kinds_of
from stream_app.domain.alerts.group import Group, Hold
from stream_app.domain.alerts.hours import Hours
from stream_app.domain.alerts.machine import step, withdrawn
from stream_app.domain.alerts.notice import Curve, Notice, NoticeKind, Standing
from stream_app.domain.alerts.observation import Closing, Course, Observation, Outage
from stream_app.domain.alerts.observe import counted_by, from_answer, from_snapshot, frontier, query_of
from stream_app.domain.alerts.quality import counts_volume, outages, volumes, volumes_of
from stream_app.domain.alerts.rule import Baseline, FalseAlarms, Quality, Rule, RuleSet, Sending, Side, Test
from stream_app.domain.alerts.rules import RulesError, load_rules
from stream_app.domain.alerts.select import Step, evaluate
from stream_app.domain.alerts.silences import Applied, apply
from stream_app.domain.alerts.streamstate import stream_steps, watched_volumes

__all__ = [
    "Action",
    "AlertState",
    "Applied",
    "Baseline",
    "Change",
    "Closing",
    "Command",
    "Course",
    "Curve",
    "Dispatch",
    "FalseAlarms",
    "Flow",
    "Flows",
    "Group",
    "Health",
    "Hold",
    "Hours",
    "Notice",
    "NoticeKind",
    "Observation",
    "Outage",
    "Quality",
    "Reason",
    "Rule",
    "RuleSet",
    "RulesError",
    "Sending",
    "Side",
    "Silence",
    "Standing",
    "State",
    "Step",
    "Test",
    "alert_key",
    "apply",
    "counted_by",
    "counts_volume",
    "dispatch",
    "evaluate",
    "flows",
    "from_answer",
    "from_snapshot",
    "frontier",
    "kinds_of",
    "load_rules",
    "outages",
    "query_of",
    "step",
    "stream_steps",
    "volumes",
    "volumes_of",
    "watched_volumes",
    "withdrawn",
]
