"""The HTML of a mail: tables and styles in the elements, which is all that mail readers agree on."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from stream_app.notifiers import mail_words, summary, wording

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stream_app.domain.alerts import Change, Notice
    from stream_app.notifiers.chart import Chart

_INK, _SOFT = "#23211c", "#6b675d"
_FONT = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_CELL = "padding:4px 16px 4px 0;text-align:left;vertical-align:top"


def html(notice: Notice, chart: Chart | None, public_url: str | None, *, most: int) -> str:
    """The page; every text of others is escaped.

    Args:
        notice: what to tell.
        chart: the picture, whose part has the content id `chart`; None without one.
        public_url: address of the page, for links.
        most: alerts that are listed.
    """
    alerts = mail_words.alerts(notice)
    parts = [
        f'<h2 style="margin:0 0 8px;font-size:18px">{escape(mail_words.title(notice))}</h2>',
        f'<p style="margin:0 0 12px">{escape(mail_words.lead(notice))}</p>',
        _facts(wording.facts(alerts[0])) if len(alerts) == 1 else _list(alerts, most),
    ]
    if chart is not None:
        parts.append(
            f'<p style="margin:12px 0"><img src="cid:chart" width="600" alt="{escape(chart.text)}" '
            'style="max-width:100%;height:auto"></p>'
        )
    said = mail_words.ending(notice)
    parts += [f'<p style="margin:0 0 8px;color:{_SOFT}">{_linked(line)}</p>' for line in said]
    page = wording.link(alerts[0], public_url) if alerts else None
    if page is not None:
        parts.append(f'<p style="margin:12px 0"><a href="{escape(page)}">Open the cohorts</a></p>')
    body = "\n".join(part for part in parts if part)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"></head>\n'
        f'<body style="margin:16px;color:{_INK};font-size:14px;line-height:1.4;{_FONT}">\n{body}\n</body></html>\n'
    )


def _facts(rows: Iterable[tuple[str, str]]) -> str:
    shown = "\n".join(
        f'<tr><th style="{_CELL};font-weight:normal;color:{_SOFT}">{escape(name)}</th>'
        f'<td style="{_CELL}">{escape(value)}</td></tr>'
        for name, value in rows
    )
    return f'<table style="border-collapse:collapse">\n{shown}\n</table>' if shown else ""


def _list(alerts: Sequence[Change], most: int) -> str:
    shown = "\n".join(
        f'<tr><td style="{_CELL}">{summary.mark(one)} {escape(who)}</td>'
        f'<td style="{_CELL};text-align:right;white-space:nowrap"><b>{escape(value)}</b></td>'
        f'<td style="{_CELL};color:{_SOFT}">{escape(rest)}</td></tr>'
        for one in alerts[:most]
        for who, value, rest in [summary.line(one)]
    )
    more = f'\n<p style="margin:4px 0">and {len(alerts) - most:,} more</p>' if len(alerts) > most else ""
    return f'<table style="border-collapse:collapse">\n{shown}\n</table>{more}' if alerts else ""


def _linked(line: str) -> str:
    """A line of text; its addresses of the web become links."""
    words = []
    for word in line.split(" "):
        shown = escape(word)
        words.append(f'<a href="{shown}">{shown}</a>' if word.startswith(("https://", "http://")) else shown)
    return " ".join(words)
