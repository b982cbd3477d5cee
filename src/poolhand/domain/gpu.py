"""GPUs of a computer, and which of them a worker has for its tasks.

A GPU has a name that stays the same over restarts and whatever else is built in, and a number, by
which its owner means it: its place among those of this computer, in order of their bus addresses,
as ``nvidia-smi`` counts them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from poolhand.domain.errors import Refused

ALL_GPUS: Final = "all"
"""What an operator writes for every GPU of the computer."""


class GpuMaker(StrEnum):
    """Whose driver a GPU needs."""

    NVIDIA = "NVIDIA"
    AMD = "AMD"


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU that tasks can be given.

    Attributes:
        name: Its UUID where the driver tells one, else its bus address.
        number: Its place among those of this computer, from 0.
        maker: Of it.
        model: As its driver calls it.
        devices: Files in ``/dev`` that a program needs to use it, with those that all of a maker's
            GPUs share.
        groups: Of these files, as far as not everybody may use them.
        place: Among the GPUs of its maker, from 0, in order of their bus addresses.
    """

    name: str
    number: int
    maker: GpuMaker
    model: str
    devices: tuple[str, ...]
    groups: tuple[int, ...] = ()
    place: int = 0

    def __str__(self) -> str:
        return f"GPU {self.number} ({self.maker} {self.model}, {self.name})"


@dataclass(frozen=True, slots=True)
class FoundGpus:
    """What a computer has: GPUs that can be used, and why others cannot, a sentence each."""

    usable: tuple[Gpu, ...] = ()
    lacks: tuple[str, ...] = ()


class NoSuchGpu(Refused):
    """The worker's operator wants GPUs that this computer does not have, or cannot give."""


def chosen_gpus(found: FoundGpus, wanted: Collection[str]) -> tuple[Gpu, ...]:
    """Return the GPUs that a worker is to have.

    Args:
        found: Of this computer.
        wanted: Numbers and names, or ``ALL_GPUS``; none: the worker has none.

    Raises:
        NoSuchGpu: One of them is not there, or there are none at all.
    """
    if not wanted:
        return ()
    if not found.usable:
        why = "; ".join(found.lacks) or "this computer has none that its kernel knows"
        raise NoSuchGpu(f"no GPU can be given to tasks ({why}): repair that, or leave --gpu out")
    if ALL_GPUS in wanted:
        return found.usable
    known = {key: each for each in found.usable for key in (str(each.number), each.name)}
    for each in wanted:
        if each not in known:
            raise NoSuchGpu(f"there is no GPU '{each}' here: {_list(found)}")
    return tuple(dict.fromkeys(known[each] for each in wanted))


def _list(found: FoundGpus) -> str:
    listed = ", ".join(map(str, found.usable))
    lacks = "".join(f"; {each}" for each in found.lacks)
    return f"choose among {listed}{lacks}"


def free_gpu(gpus: Sequence[Gpu], taken: Collection[str]) -> Gpu | None:
    """Return the first GPU that no task has; ``taken`` are names."""
    return next((each for each in gpus if each.name not in taken), None)
