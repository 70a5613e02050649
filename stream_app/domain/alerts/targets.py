"""Where alerts are sent, as rules name it."""

from __future__ import annotations

import re

from stream_app.domain.alerts.yamlnodes import suggest

#: What a target can be, for messages.
TARGETS = "console, slack:#channel, webhook:NAME, email:ADDRESS or alertmanager"

_KNOWN = (
    re.compile(r"console|alertmanager"),
    re.compile(r"slack:(#[^\s#,:<>@]{1,80}|[CGD][A-Z0-9]{8,20})"),
    re.compile(r"webhook:[A-Za-z0-9][A-Za-z0-9._-]{0,62}"),
    # A mail server says what an address is; here only what would break a header or a list is refused.
    re.compile(r"email:(?=.{3,254}$)[^\s@,;<>\"()\[\]\\:]{1,64}@[^\s@,;<>\"()\[\]\\:]+"),
)


def problem_of(target: str) -> str | None:
    """What is wrong with a target and what to write; None where it is one."""
    if any(known.fullmatch(target) and target.isprintable() for known in _KNOWN):
        return None
    return f"{target!r} is not a target; {_hint(target)}"


def _hint(target: str) -> str:
    channel = "slack:#" + target.removeprefix("slack:").lstrip("#").strip()
    if target.startswith(("slack:", "#")) and _KNOWN[1].fullmatch(channel):
        return f"did you mean {channel!r}?"
    if "@" in target and _KNOWN[3].fullmatch(f"email:{target.strip()}"):
        return f"did you mean 'email:{target.strip()}'?"
    return f"{suggest(target, ['console', 'alertmanager', 'slack:#channel'])}use {TARGETS}"
