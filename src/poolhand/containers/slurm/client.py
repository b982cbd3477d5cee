"""Slurm's own programs: submit, cancel, ask for all jobs at once, and for what is free.

Their text forms are read, not JSON: ``--json`` of 22.05 ignores every filter and tells all jobs of
the whole cluster (squeue(1): "all other formatting and filtering arguments will be ignored").
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from poolhand.containers.kept_answer import KeptAnswer
from poolhand.domain.errors import RuntimeDown
from poolhand.domain.text import shown

LONGEST_SLURM_ANSWER: Final = 60.0
"""For one program: a controller that is busy answers late."""
LONGEST_KEPT_ANSWER: Final = 1.0
"""Seconds for which an answer about all jobs is good: no more than one question in that time."""
_PASSED: Final = ("PATH", "HOME", "USER", "LOGNAME", "SLURM_CONF", "SLURM_CONF_SERVER")
"""Of this process's environment, what these programs are given: jobs inherit it."""
_FORM: Final = "%i|%T|%N|%j|%r"
_EXCLUDE: Final = "--exclude="
_WORDS: Final = 300


class JobState(Enum):
    """What a state of Slurm's means for a run."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"
    CANCELLED = "cancelled"
    OUT_OF_MEMORY = "out of memory"
    LOST = "lost"


_STATES: Final = {
    "PENDING": JobState.WAITING,
    "CONFIGURING": JobState.WAITING,
    "REQUEUED": JobState.WAITING,
    "REQUEUE_HOLD": JobState.WAITING,
    "REQUEUE_FED": JobState.WAITING,
    "RESV_DEL_HOLD": JobState.WAITING,
    "SPECIAL_EXIT": JobState.WAITING,
    "RUNNING": JobState.RUNNING,
    "COMPLETING": JobState.RUNNING,
    "SUSPENDED": JobState.RUNNING,
    "STOPPED": JobState.RUNNING,
    "SIGNALING": JobState.RUNNING,
    "STAGE_OUT": JobState.RUNNING,
    "RESIZING": JobState.RUNNING,
    "COMPLETED": JobState.ENDED,
    "FAILED": JobState.ENDED,
    "CANCELLED": JobState.CANCELLED,
    "REVOKED": JobState.CANCELLED,
    "OUT_OF_MEMORY": JobState.OUT_OF_MEMORY,
    "NODE_FAIL": JobState.LOST,
    "BOOT_FAIL": JobState.LOST,
    "PREEMPTED": JobState.LOST,
    "TIMEOUT": JobState.LOST,
    "DEADLINE": JobState.LOST,
}


@dataclass(frozen=True, slots=True)
class SlurmJob:
    """What the controller tells of a job; ``node`` is empty while it waits."""

    number: int
    state: JobState
    node: str
    name: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ClusterRoom:
    """Processors of a partition: of nodes that are up, and of these the free ones; its nodes."""

    processors: int
    free: int
    nodes: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where jobs go: empty words leave it to the cluster; ``options`` are more of sbatch's."""

    partition: str = ""
    account: str = ""
    options: tuple[str, ...] = ()

    def words(self, without: Sequence[str] = ()) -> list[str]:
        """Return them as sbatch takes them.

        Args:
            without: Nodes that are left out besides; of two ``--exclude`` only the last counts.
        """
        named = (("--partition", self.partition), ("--account", self.account))
        kept = [each for each in self.options if not each.startswith(_EXCLUDE)]
        left_out = [each.removeprefix(_EXCLUDE) for each in self.options if each not in kept]
        excluded = ",".join((*left_out, *without))
        return [
            *(f"{flag}={word}" for flag, word in named if word),
            *kept,
            *([_EXCLUDE + excluded] if excluded else []),
        ]


def read_jobs(text: str) -> Mapping[str, SlurmJob]:
    """Read ``squeue -o`` as ``_FORM``, by name; the newest of a name counts."""
    jobs = dict[str, SlurmJob]()
    for line in text.splitlines():
        words = line.split("|", 4)
        if len(words) != 5 or not words[0].isdecimal():
            continue
        state = _STATES.get(words[1], JobState.RUNNING)
        job = SlurmJob(int(words[0]), state, words[2].strip(), words[3], words[4])
        if job.name not in jobs or jobs[job.name].number < job.number:
            jobs[job.name] = job
    return jobs


def read_room(text: str) -> ClusterRoom:
    """Read ``sinfo -o '%C|%D'``: allocated/idle/other/total processors, nodes; each a line."""
    allocated = free = nodes = 0
    for line in text.splitlines():
        counts, _, number = line.partition("|")
        parts = counts.split("/")
        if len(parts) == 4 and all(each.strip().isdecimal() for each in (*parts, number)):
            allocated += int(parts[0])
            free += int(parts[1])
            nodes += int(number) if int(parts[0]) + int(parts[1]) else 0
    return ClusterRoom(allocated + free, free, nodes)


class SlurmClient:
    """The controller of one cluster.

    Args:
        place: Where jobs go.
        clock: Seconds since whenever, never turned back.
    """

    def __init__(self, place: Place, clock: Callable[[], float] = time.monotonic) -> None:
        self.place = place
        self._jobs = KeptAnswer(self._ask, LONGEST_KEPT_ANSWER, clock)

    async def submit(self, script: str, words: Sequence[str], without: Sequence[str] = ()) -> int:
        """Submit a job, to any node but some, and return its number.

        Raises:
            RuntimeDown: The controller does not answer, or does not take it.
        """
        with self._jobs.changing():
            told = await self._call(
                "sbatch", "--parsable", *words, *self.place.words(without), script=script
            )
        number = told.strip().partition(";")[0]
        if not number.isdecimal():
            raise _down("sbatch", f"it answered {shown(told, _WORDS)}")
        return int(number)

    async def cancel(self, number: int) -> None:
        """End a job; one that is over is fine."""
        signalled = ("--full", "--signal=TERM")
        with self._jobs.changing():
            await self._call("scancel", "--quiet", *signalled, str(number), fails=True)
            await self._call("scancel", "--quiet", str(number), fails=True)

    async def jobs(self) -> Mapping[str, SlurmJob]:
        """Return all jobs of this user by name, of ``LONGEST_KEPT_ANSWER`` seconds ago at most.

        Raises:
            RuntimeDown: The controller does not answer.
        """
        return await self._jobs.get()

    async def _ask(self) -> Mapping[str, SlurmJob]:
        words = ("--noheader", "--all", "--states=all", f"--user={os.getuid()}")
        return read_jobs(await self._call("squeue", *words, f"--format={_FORM}"))

    async def room(self) -> ClusterRoom:
        """Return what the partition has.

        Raises:
            RuntimeDown: The controller does not answer, or knows no such partition.
        """
        of = [f"--partition={self.place.partition}"] if self.place.partition else []
        return read_room(await self._call("sinfo", "--noheader", *of, "--format=%C|%D"))

    async def version(self) -> str:
        """Return the cluster's version; raises RuntimeDown where its programs are not here."""
        return (await self._call("sinfo", "--version")).strip().removeprefix("slurm ")

    async def _call(
        self, program: str, *words: str, script: str | None = None, fails: bool = False
    ) -> str:
        environment = {name: os.environ[name] for name in _PASSED if name in os.environ}
        try:
            process = await asyncio.create_subprocess_exec(
                program, *words,
                stdin=asyncio.subprocess.DEVNULL if script is None else asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={"PATH": os.defpath, **environment, "LC_ALL": "C"},
            )  # fmt: skip
        except OSError as fault:
            raise _down(program, f"{fault.strerror}: is Slurm's client installed here?") from fault
        try:
            async with asyncio.timeout(LONGEST_SLURM_ANSWER):
                out, err = await process.communicate(None if script is None else script.encode())
        except TimeoutError as fault:
            raise _down(program, f"no answer in {LONGEST_SLURM_ANSWER:g} s") from fault
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode and not fails:
            said = err.decode(errors="replace").strip().splitlines() or ["it failed"]
            raise _down(program, shown(said[-1], _WORDS))
        return out.decode(errors="replace")


def _down(program: str, why: str) -> RuntimeDown:
    return RuntimeDown(
        f"the Slurm cluster did not do what {program} asked ({why}): see that slurmctld runs and "
        "that this user may submit jobs, then the worker goes on by itself"
    )
