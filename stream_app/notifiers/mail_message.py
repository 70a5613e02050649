"""A notice as a mail: text and HTML, the chart within, and the headers that make a thread of what belongs together."""

from __future__ import annotations

import hashlib
import re
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import TYPE_CHECKING

from stream_app.notifiers import mail_words, summary, wording
from stream_app.notifiers.mail_html import html

if TYPE_CHECKING:
    import datetime as dt

    from stream_app.domain.alerts import Notice
    from stream_app.notifiers.chart import Chart

#: Alerts of a group that are listed; the page has the rest.
MOST_LISTED = 50
#: Servers break or refuse longer subjects.
_LONGEST_SUBJECT = 200
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Seven bits only: not every server on the way takes eight.
_POLICY = SMTP.clone(cte_type="7bit")
CHART = "chart"


def message_id(notice_id: str, sender: str) -> str:
    """The Message-ID of a notice: the same one however often it is sent, so that servers and readers drop repeats.

    >>> message_id("4f1c", "Alerts <alerts@example.com>")
    '<4f1c.stream-app@example.com>'
    """
    local = notice_id if _PLAIN.fullmatch(notice_id) else hashlib.sha256(notice_id.encode()).hexdigest()[:32]
    return f"<{local}.stream-app@{parseaddr(sender)[1].rpartition('@')[2]}>"


def message(
    notice: Notice, sender: str, recipient: str, *, date: dt.datetime, chart: Chart | None, public_url: str | None
) -> bytes:
    """The mail, ready to be handed in.

    Args:
        notice: what to tell.
        sender: as the setting `smtp_from` has it.
        recipient: one address.
        date: when it is sent.
        chart: the picture; None without one.
        public_url: address of the page, for links.
    """
    mail = EmailMessage(_POLICY)
    mail["Subject"] = wording.clean(mail_words.title(notice), _LONGEST_SUBJECT)
    mail["From"] = sender
    mail["To"] = Address(addr_spec=recipient)
    mail["Date"] = format_datetime(date)
    mail["Message-ID"] = message_id(notice.id, sender)
    if notice.root is not None:
        mail["In-Reply-To"] = mail["References"] = message_id(notice.root, sender)
    # So that no absence note answers, and a reader's filters have something to go by.
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Stream-App-Rule"] = wording.clean(notice.rule, 100)
    mail["X-Stream-App-Notice"] = notice.kind.value
    mail.set_content(text(notice, public_url))
    mail.add_alternative(html(notice, chart, public_url, most=MOST_LISTED), subtype="html")
    if chart is not None:
        *_, page = mail.iter_parts()
        page.add_related(chart.png, "image", "png", cid=f"<{CHART}>", filename=f"{CHART}.png", disposition="inline")
    return mail.as_bytes()


def text(notice: Notice, public_url: str | None) -> str:
    """The mail for readers without HTML."""
    alerts = mail_words.alerts(notice)
    lines = [mail_words.lead(notice), ""]
    if len(alerts) == 1:
        facts = wording.facts(alerts[0])
        width = max((len(name) for name, _ in facts), default=0)
        lines += [f"  {name:<{width}}  {value}" for name, value in facts]
    else:
        lines += [f"  {summary.mark(one)} {' '.join(filter(None, summary.line(one)))}" for one in alerts[:MOST_LISTED]]
        if len(alerts) > MOST_LISTED:
            lines.append(f"  and {len(alerts) - MOST_LISTED:,} more")
    lines += ["", *mail_words.ending(notice)]
    page = wording.link(alerts[0], public_url) if alerts else None
    if page is not None:
        lines.append(page)
    return "\n".join(lines).rstrip() + "\n"
