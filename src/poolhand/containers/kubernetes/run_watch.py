"""One run on Kubernetes seen to its end: its time, its size, and what a lost node means for it."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog

from poolhand.containers.errors import ContainerRefused, ContainerRemoved, NoNodeFree
from poolhand.containers.kubernetes.attempts import KubernetesAttempts, attempt_of
from poolhand.containers.kubernetes.pods import Pod, PodState
from poolhand.containers.pull_causes import PullCause, cause_of
from poolhand.containers.written import is_too_large
from poolhand.domain.errors import RuntimeDown
from poolhand.domain.text import shown
from poolhand.ports.runtime import ContainerOutcome, ContainerSpec

MOST_PODS_OF_A_RUN: Final = 4
"""Nodes on which one run is tried before the cluster is called unfit."""
LONGEST_API_SILENCE: Final = 600.0
"""Seconds for which the API may not answer, as while a cluster is upgraded."""
KILLED: Final = 137

log = structlog.get_logger()


class KubernetesRunWatch:
    """Sees one run to its end, over lost nodes.

    Args:
        attempts: Of this worker.
        spec: The run.
        pause: Seconds between two looks.
        patience: Seconds for a node and an image, at least.
    """

    def __init__(
        self, attempts: KubernetesAttempts, spec: ContainerSpec, pause: float, patience: float
    ) -> None:
        self._attempts, self._spec, self._pause = attempts, spec, pause
        self._patience = max(float(spec.timeout), patience)
        self._lost = set[str]()
        self._since = self._answered = time.monotonic()

    async def outcome(self) -> ContainerOutcome:
        """Return how the run ended; its job is still there, but for one that was ended by us."""
        while True:
            found = await self._look()
            if found is not None:
                return found
            await asyncio.sleep(self._pause)

    async def _look(self) -> ContainerOutcome | None:
        try:
            pod = await self._attempts.pod(self._spec.name)
        except RuntimeDown:
            if time.monotonic() - self._answered > LONGEST_API_SILENCE:
                raise
            return None  # pods go on without their API
        self._answered = time.monotonic()
        if pod is None:
            await self._miss()
            return None
        match pod.state:
            case PodState.ENDED:
                return await self._read(pod)
            case PodState.RUNNING:
                return await self._attend(pod)
            case PodState.REFUSED:
                await self._attempts.remove(self._spec.name)
                raise ContainerRefused(self._spec.name, pod.why)
            case PodState.LOST:
                await self._move(pod)
            case _:
                await self._wait(pod)
        return None

    async def _attend(self, pod: Pod) -> ContainerOutcome | None:
        """Look at time and size of what runs; end it where either is over its limit."""
        self._since = time.monotonic()
        late = time.time() - pod.began >= self._spec.timeout
        if not late and not await asyncio.to_thread(is_too_large, self._spec):
            return None
        printed = await self._attempts.api.log(pod.name, self._spec.limits.log)
        await self._attempts.remove(self._spec.name)
        return ContainerOutcome(
            exit_code=KILLED,
            timed_out=late,
            out_of_memory=False,
            output_too_large=await asyncio.to_thread(is_too_large, self._spec),
            stdout=printed,
            stderr=b"",
            seconds=max(time.time() - pod.began, 0.0),
        )

    async def _read(self, pod: Pod) -> ContainerOutcome:
        seconds = max(pod.ended - pod.began, 0.0)
        return ContainerOutcome(
            exit_code=pod.exit_code,
            timed_out=seconds > self._spec.timeout,
            out_of_memory=pod.out_of_memory,
            output_too_large=await asyncio.to_thread(is_too_large, self._spec),
            stdout=await self._attempts.api.log(pod.name, self._spec.limits.log),
            stderr=b"",
            seconds=seconds,
        )

    async def _miss(self) -> None:
        """Decide on a run without a pod: its job is gone, or has not made one yet, or lost it."""
        jobs = await self._attempts.jobs(self._spec.name)
        if not jobs:
            raise ContainerRemoved(self._spec.name)
        status = jobs[-1].get("status") or {}
        if status.get("failed") or status.get("succeeded"):  # its pod went with a node
            await self._again(attempt_of(jobs[-1]), "")
        await self._give_back_in_time("no pod has been made for it")

    async def _wait(self, pod: Pod) -> None:
        if pod.state is PodState.PULL_FAILS:
            cause = cause_of(0, pod.why)
            if cause.is_lasting and cause is not PullCause.NOT_FOUND:
                await self._attempts.remove(self._spec.name)
                raise ContainerRefused(self._spec.name, pod.why)
        await self._give_back_in_time(pod.why)

    async def _give_back_in_time(self, why: str) -> None:
        if time.monotonic() - self._since > self._patience:
            await self._attempts.remove(self._spec.name)
            log.warning("pod_not_started", container=self._spec.name, cause=why)
            raise NoNodeFree(self._spec.name, self._patience)

    async def _move(self, pod: Pod) -> None:
        log.warning("node_lost", container=self._spec.name, node=pod.node, cause=pod.why)
        await self._again(pod.attempt, pod.node)

    async def _again(self, attempt: int, node: str) -> None:
        """Put the run to another node; what the lost one may still write is moved aside."""
        self._lost |= {node} - {""}
        await self._attempts.remove(self._spec.name)
        if attempt >= MOST_PODS_OF_A_RUN:
            raise RuntimeDown(
                f"container {self._spec.name} was lost with {attempt} nodes of the cluster "
                f"({shown(', '.join(sorted(self._lost)), 200)}): see why they fail"
            )
        await self._attempts.put_aside(self._spec, attempt)
        await self._attempts.put(self._spec, attempt + 1, tuple(sorted(self._lost)))
        self._since = time.monotonic()
