"""Bytes of a record as text for a message."""

from __future__ import annotations


def shown(raw: bytes, longest: int = 60) -> str:
    """Raw bytes as a short text for a message: what is not UTF-8 as escapes, what is long cut."""
    text = bytes(raw[: longest * 4]).decode("utf-8", "backslashreplace")
    text = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    return text if len(text) <= longest and len(raw) <= longest * 4 else text[:longest] + "…"
