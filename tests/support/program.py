"""What the command line calls, in place of the real program."""

from __future__ import annotations

ANSWER = {
    "schema": "stream-app/churn/1",
    "definition": "repurchase",
    "grain": "day",
    "inactivity_days": 30,
    "timezone": "UTC",
    "as_of": "1997-04-01T00:00:00Z",
    "late_share": 0.0,
    "segments": [
        {"segment": {}, "days": [{"date": "1997-03-31", "customers": 9, "active": 6, "churned": 3}]},
    ],
}


class FakeProgram:
    """Notes what it is called with; `fails` is raised instead of an answer."""

    def __init__(self, fails: BaseException | None = None, answer: dict | None = None):
        self.calls: list[tuple] = []
        self._fails = fails
        self._answer = ANSWER if answer is None else answer

    def _note(self, *call):
        self.calls.append(call)
        if self._fails is not None:
            raise self._fails

    def run(self, settings):
        self._note("run", settings, {})
        return 0

    def check(self, settings):
        self._note("check", settings, {})
        return 0

    def rebuild(self, settings, **options):
        self._note("rebuild", settings, options)
        return 0

    def demo(self, settings, **options):
        self._note("demo", settings, options)
        return 0

    def analyze(self, path, given, **options):
        self._note("analyze", path, given, options)
        return self._answer
