from __future__ import annotations

import io

from support.notify import change, resolved

from stream_app.notifiers import ConsoleNotifier


def test_a_block_reads_well():
    block = ConsoleNotifier(public_url="http://127.0.0.1:8000").block(change())
    assert block == (
        "▼ Retention fell: pro-day-7\n"
        "  Day-7 retention of plan = pro fell to 21.0 %, 9.0 points below the threshold of 30.0 %.\n"
        "  Cohort               engagement, of 2026-03-01\n"
        "  Users who came back  260 of 1,240\n"
        "  Below since          the cohort of 2026-02-27\n"
        "  Known since          2026-03-09T00:00:00Z\n"
        "  Page                 http://127.0.0.1:8000/?definition=engagement&grain=day&segment=plan\n"
    )
    assert ConsoleNotifier().block(resolved(2, change())).startswith("▲ Retention recovered: pro-day-7\n")


async def test_a_terminal_without_the_characters_still_gets_the_alert():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    await ConsoleNotifier(stream=lambda: stream).send(change(segment={"plan": "größe"}), "console")
    assert b"? Retention fell: pro-day-7\n" in raw.getvalue()
    assert b"plan = gr??e" in raw.getvalue()
