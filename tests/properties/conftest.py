"""How long the property tests search: `HYPOTHESIS_PROFILE=long` for a hunt, the default ends in about a minute."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

checks = list(HealthCheck)
settings.register_profile("short", max_examples=60, deadline=None, suppress_health_check=checks)
settings.register_profile("long", max_examples=3000, deadline=None, suppress_health_check=checks)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))
