"""The contract tests name the versions they were written against when they fail."""

from __future__ import annotations

from importlib.metadata import version

PINNED = {"faust-streaming": "0.15.3", "aiokafka": "0.14.0"}


def pytest_report_header() -> str:
    return "internals: " + ", ".join(f"{name} {version(name)} (pinned {pin})" for name, pin in PINNED.items())
