"""Is this computer fit for a worker: processors, memory, disk, limits, and what it has besides."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from poolhand.domain.doctor.enclaves import TeeFacts
from poolhand.domain.doctor.findings import (
    Check,
    Finding,
    failed,
    of_message,
    passed,
    unknown,
    warned,
)
from poolhand.domain.gpu import FoundGpus, NoSuchGpu, chosen_gpus
from poolhand.domain.units import GIB, KIB, MIB

LEAST_CPUS: Final = 2
"""The seed: a worker's computer needs at least 2 CPUs."""
USUAL_MEMORY: Final = 1_900 * MIB
"""Bytes: the 2,048 MB for which a worker is made, less what a kernel keeps of them."""
WORKER_MEMORY: Final = 128 * MIB
"""Bytes that the worker itself may take (86 MB by `make bench`)."""
LEAST_DISK: Final = 16 * MIB
"""Bytes below which a disk counts as full."""
LEAST_FILES: Final = 1_024
"""Open files of a worker with all its slots busy, with room to spare."""
GOES_ON_BY_ITSELF: Final = "the worker goes on by itself"


def show_bytes(size: int) -> str:
    """Write a number of bytes in the largest unit of which it has one."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size >= unit:
            return f"{size / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{size} bytes"


def usual_slots(cpus: int) -> int:
    """Return how many tasks at once a worker takes unless it is told: one CPU is the machine's."""
    return max(cpus - 1, 1)


def judge_cpus(cpus: int) -> Finding:
    """Judge the processors that this program may use."""
    if cpus < LEAST_CPUS:
        return failed(
            Check.CPUS,
            f"this computer has {cpus} CPU and a worker needs at least {LEAST_CPUS}",
            "use another computer, or give the virtual machine more",
        )
    return passed(Check.CPUS, f"{cpus} CPUs")


def judge_memory(total: int, task: int, slots: int) -> Finding:
    """Judge the memory of the machine, or of the container in which the worker runs.

    Args:
        total: There is (bytes).
        task: What one task may take (bytes).
        slots: Tasks at once.
    """
    there = f"{show_bytes(total)} of memory"
    if total < task + WORKER_MEMORY:
        return failed(
            Check.MEMORY,
            f"{there}, and one task may take {show_bytes(task)} of it besides the worker",
            "use a computer with more, or let tasks have less with --memory",
        )
    if total < USUAL_MEMORY:
        return warned(
            Check.MEMORY,
            f"{there}, and a worker is made for 2 GiB",
            "give the virtual machine 2,048 MB, or expect that apps are ended when it runs out",
        )
    if slots * task + WORKER_MEMORY > total:
        return warned(
            Check.MEMORY,
            f"{there}, and {slots} tasks at once may take {show_bytes(slots * task)}",
            "compute fewer at once with --cpus, or let each have less with --memory",
        )
    return passed(Check.MEMORY, f"{there}, {show_bytes(task)} for each of {slots} tasks")


def full_disk(free: int, place: str, least_free: int | None = None) -> str | None:
    """Say that a disk is full, as a sentence; None where there is room.

    Args:
        free: What may still be written (bytes).
        place: A folder on it.
        least_free: What must be left (bytes); None: as little as a worker can do with.
    """
    wanted = LEAST_DISK if least_free is None else least_free
    if free >= wanted:
        return None
    least = f"less than {wanted // MIB} MiB are free, or no more files can be made"
    return f"the disk at {place} is full: {least}"


def judge_disk(free: int, place: str, task: int) -> Finding:
    """Judge the room on the worker's disk.

    Args:
        free: What may still be written (bytes).
        place: The worker's folder.
        task: What input, result and working folder of one task may take (bytes).
    """
    lack = full_disk(free, place)
    if lack is not None:
        return failed(Check.DISK, lack, f"free some space; {GOES_ON_BY_ITSELF}")
    if free < task:
        return warned(
            Check.DISK,
            f"{show_bytes(free)} are free at {place}, and one task may take {show_bytes(task)}",
            "free some space, or name a larger disk with --base-dir",
        )
    return passed(Check.DISK, f"{show_bytes(free)} are free at {place}")


def judge_disk_limit(promise: str, *, by_kernel: bool, is_seen: bool) -> Finding:
    """Judge what keeps an app within its disk.

    Args:
        promise: What the kind of disk gives, and what would be better behind ``; ``.
        by_kernel: Whether the kernel keeps the limit.
        is_seen: Whether the engine sees what is mounted here.
    """
    found, _, fix = promise.partition("; ")
    if not by_kernel:
        return warned(Check.DISK_LIMIT, found, fix)
    if not is_seen:
        return warned(
            Check.DISK_LIMIT,
            "the engine does not see the disks that this machine gives to tasks",
            "run worker and engine on one machine, and neither in a container",
        )
    return passed(Check.DISK_LIMIT, promise)


def judge_system_limits(files: int) -> Finding:
    """Judge how many files the worker may have open at most."""
    if files < LEAST_FILES:
        return warned(
            Check.SYSTEM_LIMITS,
            f"a program may have {files} files open here, and a worker may need {LEAST_FILES}",
            "raise the hard limit (`ulimit -Hn`, or LimitNOFILE= of its service)",
        )
    return passed(Check.SYSTEM_LIMITS, f"{files} open files")


def judge_gpus(found: FoundGpus, wanted: Collection[str]) -> Finding:
    """Judge GPUs, which no worker needs.

    Args:
        found: Of this computer.
        wanted: Which of them tasks are to be given (``--gpu``, ``--gpus``).
    """
    try:
        chosen = chosen_gpus(found, wanted)
    except NoSuchGpu as fault:
        return of_message(Check.GPU, str(fault), "")
    lacks = "; ".join(found.lacks)
    if chosen:
        return passed(Check.GPU, f"tasks are given {', '.join(map(str, chosen))}")
    if not found.usable:
        return passed(Check.GPU, lacks or "no GPU is found; none is needed")
    listed = ", ".join(map(str, found.usable))
    return passed(Check.GPU, f"found {listed}{f'; {lacks}' * bool(lacks)}", "--gpu offers it")


@dataclass(frozen=True, slots=True)
class VirtualFacts:
    """What a machine has of virtualization; ``is_guest``: it is a virtual machine itself."""

    processor: bool = False
    device: bool = False
    usable: bool = False
    is_guest: bool = False


@dataclass(frozen=True, slots=True)
class NamespaceFacts:
    """Whether a program of this user can leave the network for one of its own, as a signer does.

    Attributes:
        work: Tried, and it could.
        refused_by: Setting of the kernel that refuses it, as sysctl(8) writes what would allow it;
            empty where none does.
        exist: Whether this system has them at all.
        untried: Why it could not be tried; empty where it was.
    """

    work: bool = True
    refused_by: str = ""
    exist: bool = True
    untried: str = ""


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """What a computer is.

    Attributes:
        cpus: That this program may use.
        memory: That it may use (bytes).
        files: That a program may have open at most.
        gpus: That can be given to tasks, and why others cannot.
        tee, virtual: What it has of either.
    """

    cpus: int
    memory: int
    files: int
    gpus: FoundGpus = FoundGpus()
    tee: TeeFacts = TeeFacts()
    virtual: VirtualFacts = VirtualFacts()


def judge_namespaces(facts: NamespaceFacts) -> Finding:
    """Judge user namespaces, by which a signer that is not root's gives up the network."""
    check = Check.USER_NAMESPACES
    if not facts.exist:
        return passed(check, "this system has none; the wallet's signer does without")
    if facts.untried:
        return unknown(
            check,
            f"whether the wallet's signer gets a network of its own was not seen: {facts.untried}",
            "look again; a worker that starts logs what its signer gave up (`signer_started`)",
        )
    if facts.work:
        return passed(check, "the wallet's signer gets a network of its own, which leads nowhere")
    found = (
        "this kernel gives a program of this user no namespace of its own, so the wallet's signer "
        "is kept from the network by its filter of system calls alone"
    )
    if facts.refused_by:
        return warned(
            check, found, f"as root: `sysctl -w {facts.refused_by}`, and in /etc/sysctl.d"
        )
    return warned(
        check,
        found,
        "let the container or service in which it runs make namespaces, or let the signer run "
        "apart, in a container without a network",
    )


def judge_virtualization(facts: VirtualFacts) -> Finding:
    """Judge virtualization, which only the worker in a virtual machine needs."""
    if facts.usable:
        return passed(Check.VIRTUALIZATION, "virtual machines run at full speed (/dev/kvm)")
    if facts.device:
        return passed(
            Check.VIRTUALIZATION,
            "/dev/kvm is there and this user may not use it; only a virtual machine needs it",
            "add the user to the group kvm, then log in again",
        )
    if facts.is_guest or facts.processor:
        return passed(
            Check.VIRTUALIZATION,
            "no /dev/kvm; only a worker in a virtual machine needs it",
            "load the module kvm_intel or kvm_amd; in a virtual machine, let its host nest them",
        )
    return passed(
        Check.VIRTUALIZATION,
        "no virtualization is found; only a worker in a virtual machine needs it",
        "enable VT-x or AMD-V in the BIOS, or join by script or Docker instead",
    )
