"""One run seen to its end: its result, its signs of life, and what becomes of it without a node."""

from __future__ import annotations

import asyncio
import stat
import time
from pathlib import Path
from typing import Any, Final

import structlog

from poolhand.containers.errors import ContainerRefused, ContainerRemoved, NoNodeFree
from poolhand.containers.slurm.client import JobState, SlurmJob
from poolhand.containers.slurm.jobs import PAUSE_BETWEEN_JOB_LOOKS, Jobs
from poolhand.containers.slurm.run_folder import JobAttempt, RunFolder
from poolhand.containers.written import is_too_large
from poolhand.domain.errors import RuntimeDown
from poolhand.domain.text import shown
from poolhand.ports.runtime import ContainerOutcome, ContainerSpec

PAUSE_BETWEEN_QUEUE_LOOKS: Final = 1.0
"""Seconds between two looks at the cluster's queue, and at the size of what a run writes."""
LONGEST_UNSEEN_RESULT: Final = 10.0
"""Seconds that a result may take to be seen here once its job has ended."""
LONGEST_CONTROLLER_SILENCE: Final = 600.0
"""Seconds for which a controller may not answer, as while it is started again; jobs go on."""
MOST_ATTEMPTS: Final = 4
"""Nodes on which one run is tried before the cluster is called unfit."""
MOST_FAULTY_NODES: Final = 2
"""Nodes that may fail to start a container before it is held against the container."""
LEAST_QUEUEING: Final = 120.0
"""Seconds that a job waits in the queue at least before its task is given back."""
_OF_THE_IMAGE: Final = (
    "executable file not found", "exec: ", "exec format error", "unable to find user",
    "no such file or directory: unknown", "chdir to cwd",
)  # fmt: skip
"""Words of runc's about what an image holds, whatever the node."""

log = structlog.get_logger()


class RunWatch:
    """Sees one run to its end, over lost nodes."""

    def __init__(self, jobs: Jobs, run: RunFolder, spec: ContainerSpec, silence: float) -> None:
        self._jobs, self._run, self._spec, self._silence = jobs, run, spec, silence
        self._lost: list[str] = []
        self._faults: list[str] = []
        self._since = self._heard = self._answered = time.monotonic()
        self._beat = 0
        self._ended: float | None = None

    async def outcome(self) -> ContainerOutcome:
        """Return how the run ended."""
        measured, attempt = float("-inf"), await self._attempt()
        while True:
            result = await asyncio.to_thread(attempt.members, "result")
            if result is not None:
                if "failed" not in result:
                    return await asyncio.to_thread(self._read, attempt, result)
                is_runcs = "of_node" not in result
                await self._fault(attempt, str(result["failed"]), is_runcs=is_runcs)
                attempt = await self._attempt()
            elif time.monotonic() - measured >= PAUSE_BETWEEN_QUEUE_LOOKS:
                measured = time.monotonic()
                found = await self._look(attempt)
                if found is not None:
                    return found
                attempt = await self._attempt()
            await asyncio.sleep(PAUSE_BETWEEN_JOB_LOOKS)

    async def _attempt(self) -> JobAttempt:
        attempt = await asyncio.to_thread(self._run.attempt)
        if attempt is None:
            raise ContainerRemoved(self._spec.name)
        return attempt

    async def _look(self, attempt: JobAttempt) -> ContainerOutcome | None:
        """Look at job, signs of life and size; return the outcome where that decides it."""
        if await asyncio.to_thread(is_too_large, self._spec):
            await self._jobs.end(attempt)
            return await asyncio.to_thread(self._read, attempt, _ended_by_us())
        now = time.monotonic()
        await self._hear(attempt, now)
        try:
            job = await self._jobs.job(attempt)
        except RuntimeDown:
            if now - self._answered > LONGEST_CONTROLLER_SILENCE:
                raise
            return None  # the job goes on without its controller, and so does its result
        self._answered = now
        return await self._judge(attempt, job, now)

    async def _judge(
        self, attempt: JobAttempt, job: SlurmJob | None, now: float
    ) -> ContainerOutcome | None:
        """Act on what the cluster tells of the job; None of it: it knows none."""
        state = JobState.LOST if job is None else job.state
        if state in (JobState.WAITING, JobState.RUNNING):
            self._ended = None
            if state is JobState.WAITING:
                await self._wait(attempt, now)
            elif now - self._heard > self._silence:
                await self._move(attempt, "" if job is None else job.node)
            return None
        self._ended = now if self._ended is None else self._ended
        if state is JobState.LOST and job is not None:
            await self._move(attempt, job.node)
        elif now - self._ended > LONGEST_UNSEEN_RESULT:
            return await self._over(attempt, job)
        return None

    async def _hear(self, attempt: JobAttempt, now: float) -> None:
        told = await asyncio.to_thread(attempt.members, "alive")
        if told is not None and told.get("beat") != self._beat:
            self._beat, self._heard = told["beat"], now

    async def _wait(self, attempt: JobAttempt, now: float) -> None:
        self._heard = now
        longest = max(float(self._spec.timeout), LEAST_QUEUEING)
        if now - self._since > longest and attempt.give_up():
            await self._jobs.end(attempt)
            await asyncio.to_thread(self._run.remove)
            raise NoNodeFree(self._spec.name, longest)

    async def _over(self, attempt: JobAttempt, job: SlurmJob | None) -> ContainerOutcome | None:
        """Decide on a job that has ended without a result."""
        if job is not None and job.state is JobState.OUT_OF_MEMORY:
            ended = {**_ended_by_us(), "out_of_memory": True}
            return await asyncio.to_thread(self._read, attempt, ended)
        if job is not None and job.state is JobState.CANCELLED:
            await asyncio.to_thread(self._run.remove)
            raise ContainerRemoved(self._spec.name)
        if job is None or attempt.has_begun:
            await self._move(attempt, "" if job is None else job.node)
        else:
            await self._fault(attempt, _last_words(attempt), job.node, is_runcs=False)
        return None

    async def _fault(
        self, attempt: JobAttempt, words: str, node: str = "", *, is_runcs: bool
    ) -> None:
        """Go on after a container that a node could not start."""
        log.warning("container_not_started", container=self._spec.name, node=words)
        self._faults.append(words)
        if is_runcs and (_is_the_images(words) or len(self._faults) > MOST_FAULTY_NODES):
            await asyncio.to_thread(self._run.remove)
            raise ContainerRefused(self._spec.name, shown(words, 300))
        if not is_runcs:
            await asyncio.to_thread(self._run.remove)
            raise RuntimeDown(
                f"a node of the cluster cannot run containers ({shown(words, 300)}): install runc "
                "and python3 on all nodes of the partition"
            )
        job = await self._jobs.job(attempt)
        await self._move(attempt, node or ("" if job is None else job.node))

    async def _move(self, attempt: JobAttempt, node: str) -> None:
        """Put the run to another node; what the lost one may still write is moved aside."""
        log.warning("node_lost", container=self._spec.name, node=node, attempt=attempt.number)
        self._lost += [each for each in (node,) if each]
        await self._jobs.cancel(attempt)
        if attempt.number >= MOST_ATTEMPTS:
            await asyncio.to_thread(self._run.remove)
            raise RuntimeDown(
                f"container {self._spec.name} was lost with {attempt.number} nodes of the cluster "
                f"({', '.join(self._lost)}): see why they fail"
            )
        await asyncio.to_thread(set_aside, self._spec, attempt.folder)
        await self._jobs.put(self._run, self._spec, tuple(sorted(set(self._lost))))
        self._since = self._heard = time.monotonic()
        self._beat, self._ended = 0, None

    def _read(self, attempt: JobAttempt, result: dict[str, Any]) -> ContainerOutcome:
        out, err = attempt.printed(self._spec.limits.log)
        return ContainerOutcome(
            exit_code=int(result["exit_code"]),
            timed_out=bool(result["timed_out"]),
            out_of_memory=bool(result["out_of_memory"]),
            output_too_large=is_too_large(self._spec),
            stdout=out,
            stderr=err,
            seconds=float(result["seconds"]),
        )


def set_aside(spec: ContainerSpec, place: Path) -> None:
    """Move what a lost node may still write to into a folder; a mount there follows it."""
    places = [mount.source for mount in spec.mounts if mount.writable]
    for number, each in enumerate([*places, *([spec.workplace] if spec.workplace else [])]):
        if Path(each).exists():
            mode = stat.S_IMODE(Path(each).stat().st_mode)
            place.mkdir(parents=True, exist_ok=True)
            Path(each).rename(place / f"aside-{number}")
            Path(each).mkdir()
            Path(each).chmod(mode)


def _ended_by_us() -> dict[str, Any]:
    return {"exit_code": 137, "timed_out": False, "out_of_memory": False, "seconds": 0.0}


def _is_the_images(words: str) -> bool:
    return any(each in words for each in _OF_THE_IMAGE)


def _last_words(attempt: JobAttempt) -> str:
    try:
        text = (attempt.folder / "words").read_bytes()[-2000:].decode(errors="replace")
    except OSError:
        text = ""
    return (text.strip().splitlines() or ["the job ended without a word"])[-1]
