"""Settings of the whole test run."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# No deadline: how long an example takes says something about the machine, not about the code.
# How long an input takes says something of the machine, nothing of the code.
settings.register_profile(
    "flowtape",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("flowtape")
