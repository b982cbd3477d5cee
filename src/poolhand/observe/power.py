"""What feeds this computer, as Linux tells below ``/sys/class/power_supply``.

Source: Linux, Documentation/ABI/testing/sysfs-class-power: ``type`` is Mains, USB, Battery or UPS;
``scope`` Device marks the battery of a mouse or a pen.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

from poolhand.ports.machine_use import Power

SUPPLIES: Final = Path("/sys/class/power_supply")


def read_power(supplies: Path = SUPPLIES) -> Power:
    """Return what feeds this computer; a mains adapter that is plugged in wins over a battery."""
    is_plugged, drains, charges = False, False, list[int]()
    has_battery = False
    for each in sorted(supplies.iterdir()) if supplies.is_dir() else ():
        kind = _read(each / "type")
        if kind in ("Mains", "USB"):
            is_plugged |= _read(each / "online") == "1"
        elif kind in ("Battery", "UPS") and _read(each / "scope") != "Device":
            has_battery = True
            drains |= _read(each / "status") == "Discharging"
            with suppress(ValueError):
                charges.append(int(_read(each / "capacity")))
    if not has_battery:
        return Power()
    return Power(drains and not is_plugged, min(charges, default=None))


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
