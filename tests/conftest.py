"""Puts this folder on the path of every test; what needs a chain asks ``chain_fixtures`` for it."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A property is not a benchmark: how long an example takes on a busy machine proves nothing.
settings.register_profile("poolhand", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("poolhand")
