"""How long the property tests search: `HYPOTHESIS_PROFILE=more` for tenfold, `=long` for a hunt."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

checks = list(HealthCheck)
# Without `explain`, which takes many times as long as to find the smallest example.
phases = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)
settings.register_profile("short", max_examples=40, deadline=None, suppress_health_check=checks, phases=phases)
settings.register_profile("more", max_examples=600, deadline=None, suppress_health_check=checks, phases=phases)
settings.register_profile("long", max_examples=3000, deadline=None, suppress_health_check=checks, phases=phases)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))
