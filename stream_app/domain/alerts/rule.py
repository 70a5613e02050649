"""A rule: which figure of which segment must not fall below what, and who is told."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stream_app.domain.periods import Grain

#: The segment value that stands for every value by itself.
EVERY = "*"


@dataclass(frozen=True)
class Rule:
    """One alert rule, already validated.

    Attributes:
        name: unique in its file; part of every alert's identity.
        definition: name of the retention definition.
        grain: the length of a period.
        index: the period index that is judged, 1 or more.
        below: a retained share below this is a breach.
        resolve: a firing alert resolves at this share or above; at least `below`.
        min_group: a cohort with fewer users is skipped.
        steps: judged cells in a row that must breach before the alert fires (`for` in the file).
        segment: dimension and value, value `*` for every value by itself; None for all users.
        to: targets of notifications: `console`, `slack:#channel` or `slack:CHANNELID`.
    """

    name: str
    definition: str
    grain: Grain
    index: int
    below: float
    resolve: float
    min_group: int = 100
    steps: int = 1
    segment: tuple[str, str] | None = None
    to: tuple[str, ...] = ("console",)

    @cached_property
    def fingerprint(self) -> str:
        """Changes with everything that changes a judgement; neither with `to` nor with the segments watched."""
        judged = [self.definition, self.grain, self.index, self.below, self.resolve, self.min_group, self.steps]
        return hashlib.sha256(orjson.dumps(judged)).hexdigest()[:16]

    def watches(self, segment: Mapping[str, str]) -> bool:
        """Whether this rule judges that segment (`{}` is all users), whether or not it has data."""
        if self.segment is None:
            return not segment
        dimension, value = self.segment
        return dimension in segment and value in (EVERY, segment[dimension])
