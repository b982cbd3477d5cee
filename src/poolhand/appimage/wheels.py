"""Which wheels an image gets, for a Python and a platform that need not be this machine's.

pip finds and downloads them, with whatever index and logins this machine's own configuration has,
and is let build nothing. It judges the markers of requirements (``python_version < "3.12"``) by the
Python that it runs on, whatever Python is asked for; so what it brought is gone over once more for
the Python of the image: what that needs besides is asked for in another round, and what it does not
need stays out.

Source: pip 26, "pip download" (``--only-binary``, ``--python-version``, ``--platform``); PEP 508,
"Environment Markers"; PEP 600 and 656 (names of platforms).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from poolhand.appimage.requirements import RequirementLine
from poolhand.appimage.wheel import Wheel, read_wheel
from poolhand.domain.errors import Refused

if TYPE_CHECKING:
    from packaging.requirements import Requirement

MOST_WHEEL_ROUNDS: Final = 8
"""How often pip is asked anew for what only the image's Python needs."""
NEWEST_GLIBC: Final = 34
"""Of ``manylinux_2_N``: what images of Debian 12, Ubuntu 22.04 and newer ones have."""
NEWEST_MUSL: Final = 2
_LEGACY: Final = ("manylinux2014", "manylinux2010", "manylinux1")
_MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64"}


class MissingWheel(Refused):
    """A package has no wheel that fits, or its requirements cannot be met."""


@dataclass(frozen=True, slots=True)
class TargetPython:
    """The Python of an image.

    Attributes:
        version: Such as ``3.12``.
        full: With its patch, as far as the base tells.
        platform: Of images, such as ``linux/amd64``.
        musl: Whether its C library is musl, as on Alpine.
    """

    version: str
    full: str
    platform: str
    musl: bool = False

    @property
    def machine(self) -> str:
        """The processor, by the kernel's name."""
        name = self.platform.partition("/")[2]
        return _MACHINES.get(name, name)

    @property
    def wheel_platforms(self) -> tuple[str, ...]:
        """Platforms of wheels that run there, the newest first."""
        if self.musl:
            return tuple(f"musllinux_1_{n}_{self.machine}" for n in range(NEWEST_MUSL, -1, -1))
        newer = [f"manylinux_2_{n}" for n in range(NEWEST_GLIBC, 4, -1)]
        return tuple(f"{each}_{self.machine}" for each in (*newer, *_LEGACY, "linux"))

    @property
    def environment(self) -> dict[str, str]:
        """What markers are judged by."""
        return {
            "implementation_name": "cpython",
            "implementation_version": self.full,
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": self.full,
            "python_version": self.version,
            "sys_platform": "linux",
        }

    def __str__(self) -> str:
        return f"Python {self.version} on {self.platform}{' with musl' if self.musl else ''}"


class WheelSource(Protocol):
    """Where wheels come from."""

    async def fetch(
        self, lines: Sequence[str], options: Sequence[str], target: TargetPython, folder: Path
    ) -> None:
        """Put wheels of all requirements, and of what they need, into an empty folder.

        Args:
            lines: Requirements, with hashes and without markers.
            options: Where packages are.
            target: What they are for.
            folder: For the wheels.

        Raises:
            MissingWheel: There is none that fits.
            IndexDown: The index does not answer.
        """
        ...


async def find_wheels(
    source: WheelSource,
    lines: Sequence[RequirementLine],
    options: Sequence[str],
    target: TargetPython,
    folder: Path,
) -> tuple[Wheel, ...]:
    """Fetch all wheels that requirements need, and return them by their names.

    Args:
        source: Fetches them.
        lines: What is required; those whose markers are not of the target are left out.
        options: Where packages are.
        target: What they are for.
        folder: Empty; for the wheels of each round.

    Raises:
        MissingWheel: There is none that fits, or the rounds have no end.
        IndexDown: The index does not answer.
        UnfitWheel: A wheel is none.
    """
    wanted = [each for each in lines if _holds(each.parsed, target, ("",))]
    asked = [_unmarked(each) for each in wanted]
    strict = any(each.hashes for each in wanted)
    for number in range(MOST_WHEEL_ROUNDS):
        if not asked:
            return ()
        place = folder / str(number)
        place.mkdir()
        await source.fetch(asked, options, target, place)
        found = {each.name: each for each in map(read_wheel, sorted(place.iterdir()))}
        reached, lacking = closure(found, (each.parsed for each in wanted), target)
        if not lacking:
            return tuple(found[name] for name in sorted(reached))
        if strict:
            raise MissingWheel(
                f"{lacking[0]} is needed as well on {target}, and has no hash: add it to the "
                "requirements file with its hash, as every other one"
            )
        asked += [each for each in lacking if each not in asked]
    raise MissingWheel(
        f"what the packages need on {target} could not be settled: write more of their versions "
        "into the requirements (==)"
    )


def closure(
    found: Mapping[str, Wheel], wanted: Iterable[Requirement], target: TargetPython
) -> tuple[frozenset[str], list[str]]:
    """Return the wheels that a Python needs of those that were found, and what it lacks."""
    from packaging.utils import canonicalize_name  # noqa: PLC0415 - few programs need it

    reached: dict[str, set[str]] = {}
    lacking: dict[str, None] = {}
    ahead = list(wanted)
    while ahead:
        need = ahead.pop()
        name = canonicalize_name(need.name)
        wheel = found.get(name)
        if wheel is None or not need.specifier.contains(wheel.version, prereleases=True):
            lacking[_plain(need)] = None
            continue
        extras = {"", *need.extras} - reached.get(name, set())
        if extras:
            reached.setdefault(name, set()).update(extras)
            ahead += [each for each in wheel.needs if _holds(each, target, sorted(extras))]
    return frozenset(reached), sorted(lacking)


def _holds(need: Requirement, target: TargetPython, extras: Iterable[str]) -> bool:
    """Whether a requirement counts on a Python, for one of the extras that are asked for."""
    marker = need.marker
    return marker is None or any(
        marker.evaluate({**target.environment, "extra": each}) for each in extras
    )


def _unmarked(line: RequirementLine) -> str:
    """Return a requirement whose marker was judged already, with its hashes."""
    return str(replace(line, text=_plain(line.parsed)))


def _plain(need: Requirement) -> str:
    extras = f"[{','.join(sorted(need.extras))}]" if need.extras else ""
    if need.url:
        return f"{need.name}{extras} @ {need.url}"
    return f"{need.name}{extras}{need.specifier}"
