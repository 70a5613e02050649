"""How far each figure was looked at, and for how long one cannot be had: over reloads, tenures and removed rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from support.alerts import course, rule, snapshot
from support.judging import NOW, Given

from stream_app.agents.figures import ERROR_AFTER, Figures

RULE = rule()
SEEN = snapshot({(): [(100, 40)]})
COURSE = course({(): [(100, 40)]})


class During(Given):
    """A look during which something happens, once."""

    def __init__(self) -> None:
        super().__init__({RULE.name: COURSE})
        self.what: Any = None

    async def courses(self, rules: Any, seen: Any) -> Any:
        what, self.what = self.what, None
        if what is not None:
            what()
        return await super().courses(rules, seen)


async def test_what_is_forgotten_during_a_look_is_looked_at_again_after_it() -> None:
    look = During()
    figures = Figures(look, lambda: NOW)  # type: ignore[arg-type]
    look.what = figures.forget
    await figures.courses([RULE], SEEN)
    assert await figures.courses([RULE], SEEN) == {RULE.name: COURSE}
    assert await figures.courses([RULE], SEEN) == {}


async def test_a_rule_that_comes_to_watch_another_segment_is_looked_at_again() -> None:
    figures = Figures(Given({RULE.name: COURSE}), lambda: NOW)  # type: ignore[arg-type]
    await figures.courses([RULE], SEEN)
    other = replace(RULE, segment=("plan", "pro"))
    assert other.fingerprint == RULE.fingerprint
    assert await figures.courses([other], SEEN) == {RULE.name: COURSE}


class Failing:
    """Figures whose look fails, and a clock."""

    def __init__(self) -> None:
        self.now = NOW
        self.figures = Figures(Given({RULE.name: "silent"}), lambda: self.now)  # type: ignore[arg-type]

    async def fails(self) -> bool:
        """Whether another failure is told of."""
        return bool(await self.figures.courses([RULE], SEEN))


async def test_a_failure_is_an_error_after_a_while_also_where_rules_were_read_anew() -> None:
    one = Failing()
    assert not await one.fails()
    one.now += ERROR_AFTER
    one.figures.forget(again=True)
    assert await one.fails()


async def test_a_failure_of_a_former_tenure_does_not_count() -> None:
    one = Failing()
    await one.fails()
    one.now += 10 * ERROR_AFTER
    one.figures.forget()
    assert not await one.fails()


async def test_a_failure_of_a_rule_that_was_removed_does_not_count_when_it_is_put_back() -> None:
    one = Failing()
    await one.fails()
    await one.figures.courses([], SEEN)
    one.now += 10 * ERROR_AFTER
    assert not await one.fails()
