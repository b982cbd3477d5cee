"""What a Docker engine says of itself, read for the doctor; nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from poolhand.containers.engine import connect, working
from poolhand.containers.engine_disk import room_of
from poolhand.containers.pulls import platform_of_engine
from poolhand.domain.doctor.engine import DOCKER_CHECK, EngineFacts
from poolhand.domain.sandbox_level import EngineRuntime
from poolhand.domain.text import shown

_LIMITS: Final = {"MemoryLimit": "memory", "CpuCfsQuota": "CPU", "PidsLimit": "processes"}
"""What the engine calls its limits, and what we do."""
_MAPPED: Final = ("name=userns", "name=rootless")
"""Options by which users of a container are others outside."""
_LONGEST_NAME: Final = 80
"""Characters of a name or version."""
_LONGEST_PATH: Final = 400
"""Characters of a path or argument."""


async def look_at_engine(url: str) -> EngineFacts:
    """Ask an engine what it is.

    Args:
        url: ``unix://`` or ``tcp://``.

    Raises:
        RuntimeDown: No engine works there.
    """
    with working(url):
        docker = connect(url)
        try:
            version, info = await docker.version(), await docker.system.info()
        finally:
            await docker.close()
    return engine_facts(version, info, await room_of(info, url))


def engine_facts(
    version: Mapping[str, Any], info: Mapping[str, Any], room: int | None = None
) -> EngineFacts:
    """Read the answers to ``GET /version`` and ``GET /info``.

    Args:
        version: The one.
        info: The other.
        room: Bytes left where it keeps images; None where that is not seen.
    """
    parts = {
        str(each.get("Name", "")): str(each.get("Version", ""))
        for each in version.get("Components") or ()
        if isinstance(each, Mapping)
    }
    default, runtimes = runtimes_of(info)
    is_podman = any("podman" in name.lower() for name in parts)
    return EngineFacts(
        name="Podman" if is_podman else DOCKER_CHECK,
        version=shown(str(version.get("Version", "")), _LONGEST_NAME),
        platform=shown(platform_of_engine(version), _LONGEST_NAME),
        runc=shown(parts.get("runc", ""), _LONGEST_NAME),
        default_runtime=default,
        runtimes=runtimes,
        has_seccomp=any("seccomp" in str(each) for each in info.get("SecurityOptions") or ()),
        cgroups=shown(str(info.get("CgroupVersion") or ""), _LONGEST_NAME),
        maps_users=any(str(each).startswith(_MAPPED) for each in info.get("SecurityOptions") or ()),
        lacks=tuple(word for name, word in _LIMITS.items() if info.get(name) is False),
        room=room,
        cpus=_count(info.get("NCPU")),
        memory=_count(info.get("MemTotal")),
    )


def runtimes_of(info: Mapping[str, Any]) -> tuple[str, tuple[EngineRuntime, ...]]:
    """Return by which runtime an engine starts containers, and all that it has.

    Args:
        info: Its answer to ``GET /info``.
    """
    told = info.get("Runtimes")
    found = told.items() if isinstance(told, Mapping) else ()
    runtimes = tuple(_runtime(str(name), each) for name, each in found)
    return shown(str(info.get("DefaultRuntime") or "runc"), _LONGEST_NAME), runtimes


def _count(told: object) -> int:
    return told if isinstance(told, int) and told > 0 else 0


def _runtime(name: str, told: object) -> EngineRuntime:
    members = told if isinstance(told, Mapping) else {}
    program = members.get("path") or members.get("runtimeType") or ""
    arguments = members.get("runtimeArgs")
    words = arguments if isinstance(arguments, list) else []
    return EngineRuntime(
        shown(name, _LONGEST_NAME),
        shown(str(program), _LONGEST_PATH),
        tuple(shown(str(each), _LONGEST_PATH) for each in words),
    )
