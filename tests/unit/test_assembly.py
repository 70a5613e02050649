"""What the service is put together from, as far as it connects to nothing."""

from __future__ import annotations

import orjson
from prometheus_client import generate_latest

from stream_app.assembly import source_config, topics_of
from stream_app.bootstrap import Service
from stream_app.domain.events import Reason
from stream_app.settings import Settings


def test_a_live_event_whose_time_is_in_seconds_is_a_dead_letter_and_an_old_one_is_not() -> None:
    settings = Settings()
    config = source_config(settings, topics_of(settings), partitions=1, atomic=True, letter_limit=None)
    now = 1_772_366_400_000
    event = {"type": "visit", "event_id": "e", "user_id": "u"}
    values = [orjson.dumps(event | {"occurred_at": at}) for at in (now // 1000, now, "1971-06-01T00:00:00Z")]
    batch, letters = config.decoder().decode([b"u"] * 3, values, now)
    assert [(letter.position, letter.reason) for letter in letters] == [(0, Reason.BAD_TIME)]
    assert "are these seconds?" in letters[0].message
    assert len(batch) == 2


def test_lost_records_are_counted_from_0_on_for_each_source_topic() -> None:
    service = Service(Settings(visits_topic="seen", purchases_topic="paid"))
    text = generate_latest(service.metrics.registry).decode()
    assert {line for line in text.splitlines() if line.startswith("stream_app_records_lost_total")} == {
        'stream_app_records_lost_total{topic="seen"} 0.0',
        'stream_app_records_lost_total{topic="paid"} 0.0',
    }
