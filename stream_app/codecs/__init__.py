"""Bytes to domain values and back: events, state rows, partials, dead letters. Reads no clock, does no I/O."""
