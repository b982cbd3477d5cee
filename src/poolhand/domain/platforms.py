"""Processors that an image is built for, read from what its registry holds.

Source: OCI Image Specification 1.1 (image index, config); Docker's manifest list has the same form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

WORKER_PLATFORMS: Final = ("linux/amd64",)
"""What iExec's workers run, and Poolhand's on such machines."""
GO_NAMES: Final = {"x86_64": "amd64", "aarch64": "arm64"}
"""Names of the Go language, which images use, where they differ from Linux's."""
_UNKNOWN: Final = "unknown"


def linux_on(machine: str) -> str:
    """Return the platform of a Linux machine by its kernel's name of the processor."""
    return f"linux/{GO_NAMES.get(machine, machine)}"


def listed_platforms(manifest: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the platforms of an image index (``os/architecture``); None: it is no index.

    Entries for an unknown platform are attestations, not images.
    """
    entries = manifest.get("manifests")
    if not isinstance(entries, list):
        return None
    told = [each.get("platform") for each in entries if isinstance(each, dict)]
    found = [platform_of(each) for each in told if isinstance(each, dict)]
    return tuple(dict.fromkeys(each for each in found if each))


def platform_of(members: Mapping[str, Any]) -> str:
    """Return the platform of an image's config, or of an entry; empty: it does not say."""
    system, machine = members.get("os"), members.get("architecture")
    known = (
        isinstance(system, str) and isinstance(machine, str) and _UNKNOWN not in (system, machine)
    )
    return f"{system}/{machine}" if known and system and machine else ""


def runs_on(built_for: Iterable[str], wanted: Iterable[str]) -> bool:
    """Tell whether an image runs on one of the wanted platforms; one that says nothing may."""
    found = set(built_for)
    return not found or bool(found & set(wanted))
