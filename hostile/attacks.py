"""The table of hostile images: what each does, and how one sees that it was contained.

A judge is told what the program said of its success, how its container ended and what the machine
lost meanwhile; it answers whether that was contained, and in a few words what was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from poolhand.ports.runtime import ContainerOutcome, Limits

MIB = 2**20
LIMITS = Limits(
    memory=256 * MIB, cpus=1.0, pids=64, tmp=16 * MIB, log=64 * 1024, output=32 * MIB, work=0
)
"""Of every hostile container."""
MOST_DISK = LIMITS.output + 64 * MIB
"""Bytes of this machine's disk that one may cost: the result's file system, with its own tables."""
LOG_BYTES = 10 * 2**30
MOST_LOG = 5 * LIMITS.log + 2**20
"""Bytes of the engine's log files of one container: two of twice what is kept, and what it buffers."""


@dataclass(frozen=True)
class Seen:
    """What was seen of one hostile container; bytes.

    Attributes:
        outcome: How it ended.
        told: What its program said, the last line that it printed.
        kept: A number that it left in its result.
        disk: What its result took of this machine's disk at most.
        log: The engine's log files of it, at most.
        cpu_seconds: Processor time that it had, by the engine's count.
        calls: Connections that this machine got from it.
        leaked: Whether its packed result holds this machine's secret.
    """

    outcome: ContainerOutcome
    told: Mapping[str, Any]
    kept: int
    disk: int
    log: int
    cpu_seconds: float
    calls: int
    leaked: bool


Verdict: TypeAlias = tuple[bool, str]


@dataclass(frozen=True)
class Attack:
    """One hostile image.

    Attributes:
        name: Of its program.
        does: What it does, for a person.
        judge: Tells whether it was contained.
        seconds: That its task has.
        environment: That its program is given.
    """

    name: str
    does: str
    judge: Callable[[Seen], Verdict]
    seconds: int = 20
    environment: Mapping[str, str] = field(default_factory=dict)


def ended(seen: Seen) -> str:
    """Tell in words how a container ended."""
    outcome = seen.outcome
    why = (
        "its time was up" if outcome.timed_out
        else "out of memory" if outcome.out_of_memory
        else "over the size of its result" if outcome.output_too_large
        else f"exit code {outcome.exit_code}"
    )  # fmt: skip
    return f"ended: {why}"


def ended_by_us(seen: Seen) -> Verdict:
    outcome = seen.outcome
    return outcome.exit_code != 0 or outcome.timed_out, ended(seen)


def out_of_memory(seen: Seen) -> Verdict:
    return seen.outcome.out_of_memory or seen.outcome.exit_code == 137, ended(seen)


def bounded_disk(seen: Seen) -> Verdict:
    """The kernel refused, and what it took of the disk is no more than its limit."""
    fits = seen.disk <= MOST_DISK and seen.told.get("bytes", 0) <= MOST_DISK
    return fits, f"{_refused(seen)}, {seen.disk / MIB:.0f} MiB of the disk"


def bounded_files(seen: Seen) -> Verdict:
    made = seen.told.get("files")
    how = f"{_refused(seen)} after {made:,} files" if made is not None else ended(seen)
    return seen.disk <= MOST_DISK and (made or 0) < 10**6, how


def _refused(seen: Seen) -> str:
    why = seen.told.get("refused")
    if not why:
        return ended(seen)
    return " and ".join(sorted({why} if isinstance(why, str) else set(why)))


def unreached(seen: Seen) -> Verdict:
    reached = seen.told.get("reached")
    words = ", ".join(seen.told.get("refused", ()))
    return reached == [] and not seen.calls, f"nobody reached ({words})"


def unread(seen: Seen) -> Verdict:
    read, changed = seen.told.get("read"), seen.told.get("changed")
    found = sorted([*(read or {}), *(changed or [])])
    return (read, changed) == ({}, []), f"got {', '.join(found)}" if found else "got nothing"


def bounded_log(seen: Seen) -> Verdict:
    kept = len(seen.outcome.stdout)
    good = kept <= LIMITS.log and 0 < seen.log <= MOST_LOG
    words = (
        f"printed {seen.kept / 2**30:.1f} GiB, of which the engine kept {seen.log / 1024:.0f} KiB"
    )
    return good, f"{words}; {ended(seen)}"


def unprivileged(seen: Seen) -> Verdict:
    told = seen.told
    good = told.get("capabilities") == 0 and told.get("mounted") is False
    return good, f"euid {told.get('euid')}, no capability, nothing mounted"


def alone(seen: Seen) -> Verdict:
    """It saw only what runs in its own container or machine, which is their init program."""
    told = seen.told
    names = told.get("names", ["?"])
    good = all(each.endswith(("docker-init", "tini", "/init")) for each in names)
    answers = sorted({*told.get("traced", ()), *told.get("read", ())})
    return good, f"sees its own init alone: {', '.join(answers)}"


def refused_all(seen: Seen) -> Verdict:
    answers = seen.told.get("answers", ["ok"])
    found = sorted(set(answers.values() if isinstance(answers, Mapping) else answers))
    return "ok" not in found, ", ".join(found)


def unleaked(seen: Seen) -> Verdict:
    made = len(seen.told.get("made", ()))
    return made >= 8 and not seen.leaked, f"{made} links left, none followed"


def ended_alone(seen: Seen) -> Verdict:
    return seen.kept == 1, ended(seen)


def one_processor(seen: Seen) -> Verdict:
    used = seen.cpu_seconds / max(seen.outcome.seconds, 1)
    return 0 < used < 1.3, f"got {used:.1f} processors"


ATTACKS = (
    Attack("fork_bomb", "makes processes without end", ended_by_us, 6),
    Attack("memory_bomb", "takes memory without end", out_of_memory),
    Attack("one_file", "fills the disk: one file", bounded_disk),
    Attack("many_files", "fills the disk: many files", bounded_disk),
    Attack("deleted_files", "fills the disk: files that it has deleted", bounded_disk),
    Attack("allocated_files", "fills the disk: 3 GB allocated at once", bounded_disk),
    Attack("million_files", "makes a million files", bounded_files, 60),
    Attack("network", "calls the machine, the clouds' metadata service, a stranger", unreached, 30),
    Attack("host_reads", "opens the machine's files, devices, settings and engine socket", unread),
    Attack(
        "long_log",
        "prints 10 GB, or as much as it can in two minutes",
        bounded_log,
        120,
        {"HOSTILE_LOG": str(LOG_BYTES)},
    ),
    Attack("set_uid", "starts a setuid program of root's", unprivileged),
    Attack("p_trace", "traces and reads every other process", alone),
    Attack("io_uring", "asks for an io_uring", refused_all),
    Attack("vsock", "asks for vsock, kernel crypto, raw and bluetooth sockets", refused_all),
    Attack("links", "leaves links out of its result", unleaked),
    Attack("kill_all", "kills every process that it may", ended_alone),
    Attack("all_processors", "keeps four processors busy", one_processor),
)
