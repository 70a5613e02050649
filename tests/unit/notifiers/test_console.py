from __future__ import annotations

import io

from support.notices import back, closed, fell, later, opened, segments

from stream_app.domain.alerts import NoticeKind, Standing
from stream_app.notifiers import ConsoleNotifier


def test_a_block_reads_well():
    block = ConsoleNotifier(public_url="http://127.0.0.1:8000").block(opened(note="Runbook https://wiki.example"))
    assert block == (
        "▼ Retention fell: pro-day-7\n"
        "  Day-7 retention of plan = pro fell to 21.0 %, 9.0 points below the threshold of 30.0 %.\n"
        "  Judged                   engagement, the cohort of 2026-03-01\n"
        "  Users who came back      260 of 1,240\n"
        "  95 % interval            18.8 % to 23.4 %\n"
        "  At risk                  112 users, 3,400.00 USD\n"
        "  Below since              the cohort of 2026-02-27 (3 judged)\n"
        "  Evidence against chance  7,943 to 1\n"
        "  Known since              2026-03-09T00:00:00Z\n"
        "  Page                     http://127.0.0.1:8000/#definition=engagement&grain=day&segment=plan&value=pro"
        "&cohort=2026-03-01&index=7\n"
        "  Note                     Runbook https://wiki.example\n"
    )
    assert ConsoleNotifier().block(closed(opened())).startswith("▲ Retention recovered: pro-day-7\n")


def test_many_segments_are_a_line_each():
    one, two = segments(2)
    over = back(9, one)
    notice = later(opened(one, two), NoticeKind.CHANGED, [two, over], [Standing(two), Standing(over)])
    assert ConsoleNotifier().block(notice).splitlines() == [
        "▼ Retention fell, Retention recovered: pro-day-7",
        (
            "  ▼ country = country-001 10.1 % (18.8 % to 23.4 %) 19.9 points below 30.0 % · group of 1,240 ·"
            " 999 users, 3,400.00 USD at risk · since 2026-02-27"
        ),
        "  ▲ country = country-000 34.2 % (31.6 % to 36.9 %) 1.2 points above 33.0 % · group of 1,240",
        "  At risk together  999 users, 3,400.00 USD",
        f"  Known since       {notice.at}",
    ]


async def test_an_edit_prints_nothing():
    stream = io.StringIO()
    console = ConsoleNotifier(stream=lambda: stream)
    await console.send(later(opened(), NoticeKind.EDITED), "console")
    assert stream.getvalue() == ""
    await console.send(later(opened(), NoticeKind.REPEATED), "console")
    assert stream.getvalue().startswith("▼ Reminder: Retention fell: pro-day-7\n")


async def test_a_terminal_without_the_characters_still_gets_the_alert():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    await ConsoleNotifier(stream=lambda: stream).send(opened(fell(segment={"plan": "größe"})), "console")
    assert b"? Retention fell: pro-day-7\n" in raw.getvalue()
    assert b"plan = gr??e" in raw.getvalue()
