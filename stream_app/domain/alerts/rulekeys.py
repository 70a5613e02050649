"""The keys of a rules file."""

from __future__ import annotations

FIGURE = ("name", "figure", "measure", "definition", "grain", "index", "kind", "brackets", "windows", "cohorts",
          "window", "segment")  # fmt: skip
BOUND = ("below", "above", "drop", "rise", "baseline", "season", "over", "resolve")
JUDGING = ("test", "false_alarms", "overdispersion", "for", "min_group", "no_data", "flapping")
SENDING = ("to", "repeat", "at_most", "hours", "labels", "note")

#: Of a rule.
KEYS = (*FIGURE, *BOUND, *JUDGING, *SENDING)
REQUIRED = ("name", "definition", "grain")
#: Of a rule, the keys that are handed on to `metrics.query.parse`.
PARAMETERS = ("kind", "brackets", "windows", "cohorts", "window")
#: Of `defaults`: what a rule takes that has not its own.
DEFAULTS = ("false_alarms", "test", "for", "min_group", "no_data", "flapping", *SENDING)
#: Of `quality`, the alerts on the stream itself.
QUALITY = ("volume", "stalled", "behind", *SENDING)
#: Of the file.
FILE = ("defaults", "quality", "rules")
