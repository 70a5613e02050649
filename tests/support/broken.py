"""Records that cannot be counted."""

from __future__ import annotations

import json
from typing import Any


def broken_records(dimension: str = "tier") -> list[tuple[bytes | None, bytes | None]]:
    """One record (key, value) of every kind that cannot be counted; `dimension` is one that is configured."""

    def event(**changes: Any) -> bytes:
        whole = {"type": "purchase", "event_id": "e", "user_id": "u", "occurred_at": "2023-11-15T00:00:00Z",
                 "order_id": "o", "amount": "1.00", "currency": "USD"}  # fmt: skip
        return json.dumps({k: v for k, v in (whole | changes).items() if v is not ...}).encode()

    return [
        (b"u", None),
        (b"u", b""),
        (b"u", b"not json"),
        (b"u", b'{"type": "visit"'),
        (b"u", b"[1, 2]"),
        (b"u", b"\xff\xfe"),
        (b"u", event(type="party")),
        (b"u", event(event_id=...)),
        (b"u", event(user_id=...)),
        (b"u", event(user_id=7)),
        (b"u", event(user_id="")),
        (b"someone-else", event()),
        (None, event()),
        (b"u", event(occurred_at="yesterday")),
        (b"u", event(occurred_at="2023-11-15T00:00:00")),
        (b"u", event(occurred_at="2999-01-01T00:00:00Z")),
        (b"u", event(order_id=...)),
        (b"u", event(amount=...)),
        (b"u", event(amount="1.001")),
        (b"u", event(amount="NaN")),
        (b"u", event(amount=True)),
        (b"u", event(currency="EUR")),
        (b"u", event(segment=["plan"])),
        (b"u", event(segment={dimension: {"nested": 1}})),
        (b"u", b"x" * 900_000),  # in base64 it is larger than Kafka takes by default
    ]
