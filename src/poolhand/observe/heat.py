"""How hot this computer's processors are, as Linux and the BSDs tell by their sensors.

Source: Linux, Documentation/hwmon/coretemp.rst and k10temp.rst; psutil, ``sensors_temperatures``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import psutil

PROCESSOR_SENSORS: Final = (
    "coretemp", "k10temp", "zenpower", "cpu_thermal", "cpu-thermal", "soc_thermal", "soc-thermal",
    "acpitz",
)  # fmt: skip
"""Names of those that tell of processors, the surest first; others tell of disks and batteries."""
LOWEST_BELIEVED: Final = 1.0
HIGHEST_BELIEVED: Final = 125.0
"""°C: sensors that are not wired say less or more."""


def _sensors() -> Mapping[str, Sequence[Any]]:
    return psutil.sensors_temperatures() if hasattr(psutil, "sensors_temperatures") else {}


def hottest_processor(
    sensors: Callable[[], Mapping[str, Sequence[Any]]] = _sensors,
) -> float | None:
    """Return the highest temperature that the surest sensor of processors tells (°C), or None.

    Args:
        sensors: Reads them: by name, each with ``current``.
    """
    try:
        found = sensors()
    except (OSError, ValueError):  # a driver that answers nonsense, or is being taken away
        return None
    for name in PROCESSOR_SENSORS:
        told = [
            each.current
            for each in found.get(name, ())
            if LOWEST_BELIEVED <= each.current <= HIGHEST_BELIEVED
        ]
        if told:
            return float(max(told))
    return None
