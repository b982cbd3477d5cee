"""A cluster of Kubernetes as a ``ContainerRuntime``: each attempt of a run is a Job of one pod.

Jobs outlive this process, and are found again by their labels. A pod that is lost with its node is
not replaced by the cluster (its job has no second try): the worker itself puts the run to another
node, once what the lost one may still write to is moved aside.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, Final, Self

import httpx
import structlog

from poolhand.containers.births import Births
from poolhand.containers.errors import check_owner
from poolhand.containers.followers import Followers
from poolhand.containers.kubernetes.api import KubernetesApi
from poolhand.containers.kubernetes.attempts import KubernetesAttempts
from poolhand.containers.kubernetes.manifest import (
    NAME_NOTE,
    KubernetesPlace,
    label_id,
    labels_of,
    network_policy,
)
from poolhand.containers.kubernetes.pods import PodState, read_pod
from poolhand.containers.kubernetes.run_watch import KubernetesRunWatch
from poolhand.containers.live import LineSplitter
from poolhand.containers.pulls import FindPullLogin, RegistryRule, any_registry, no_login
from poolhand.containers.slurm.images import SharedImages
from poolhand.containers.slurm.shared_files import ASIDE, lay_folders
from poolhand.containers.written import flush_written
from poolhand.domain.errors import RuntimeDown
from poolhand.domain.units import Seconds
from poolhand.ports.runtime import ContainerOutcome, ContainerSpec, ContainerUse, LogLine

PAUSE_BETWEEN_POD_LOOKS: Final = 1.0
"""Seconds between two looks at a pod."""
LEAST_POD_PATIENCE: Final = 120.0
"""Seconds that a pod waits for a node, or its image, at least before its task is given back."""

log = structlog.get_logger()


class KubernetesRuntime:
    """Runs containers as jobs of a namespace; made by ``open``.

    Args:
        api: Of the cluster.
        place: Where jobs run.
        images: What is known of images, on the shared folder.
        pause: Seconds between two looks at a pod.
        patience: Seconds that a pod waits for a node and its image, at least.
    """

    def __init__(
        self,
        api: KubernetesApi,
        place: KubernetesPlace,
        images: SharedImages,
        pause: float = PAUSE_BETWEEN_POD_LOOKS,
        patience: float = LEAST_POD_PATIENCE,
    ) -> None:
        self.api, self._images, self._pause = api, images, pause
        self._patience = patience
        self._attempts = KubernetesAttempts(api, place, images)
        self._births, self._followers = Births[bool](), Followers()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        http: httpx.AsyncClient,
        place: KubernetesPlace,
        *,
        login_of: FindPullLogin = no_login,
        may_ask: RegistryRule = any_registry,
        pause: float = PAUSE_BETWEEN_POD_LOOKS,
        patience: float = LEAST_POD_PATIENCE,
    ) -> AsyncIterator[Self]:
        """Be a client of a cluster until the end of the context; jobs go on.

        Args:
            http: Speaks to its API as this worker.
            place: Where jobs run.
            login_of: Finds the login of a registry.
            may_ask: Decides which registries are asked for images.
            pause: Seconds between two looks at a pod.
            patience: Seconds that a pod waits for a node and its image, at least.

        Raises:
            RuntimeDown: The API does not answer, or the shared folder cannot be written.
        """
        try:
            await asyncio.to_thread(lay_folders, place.shared, "images", ASIDE)
        except OSError as fault:
            raise RuntimeDown(
                f"the cluster's shared folder {place.shared} cannot be used ({fault}): let this "
                "user write there"
            ) from fault
        api = KubernetesApi(http, place.namespace, kept=pause)
        await api.ensure_policy(network_policy())
        images = SharedImages(place.shared / "images", place.shared / "runs", login_of, may_ask)
        runtime = cls(api, place, images, pause, patience)
        try:
            yield runtime
        finally:
            await runtime._births.all_over()

    async def slots(self) -> int:
        """Return the processors of all nodes that take pods.

        Raises:
            RuntimeDown: This worker may not see nodes, or the API does not answer.
        """
        nodes = await self.api.nodes()
        if nodes is None:
            raise RuntimeDown(
                "this worker may not see the cluster's nodes, by which tasks at once are counted: "
                "say how many there may be (--cpus)"
            )
        ready = [each for each in nodes if not (each.get("spec") or {}).get("unschedulable")]
        return max(sum(int(cpus_of(each["status"]["allocatable"]["cpu"])) for each in ready), 1)

    async def lack(self) -> str | None:
        """Say why a further job would wait; None where it would not.

        Raises:
            RuntimeDown: The API does not answer.
        """
        pods = [read_pod(each, "") for each in await self.api.all_pods()]
        waiting = [each.why for each in pods if each.state is PodState.UNSCHEDULABLE]
        if not waiting:
            return None
        return f"the cluster has no room for {len(waiting)} of this worker's pods ({waiting[0]})"

    async def pull(self, image: str, digest: str, timeout: Seconds) -> str:
        """Look an image through; nodes pull it again, by its digest. See ``ContainerRuntime``."""
        return await self._images.pull(image, digest, timeout)

    def pulling(self, reference: str) -> int | None:  # noqa: ARG002 - as the port has it
        """Tell of none: the bytes of an image are not counted here."""
        return None

    async def run(self, spec: ContainerSpec) -> ContainerOutcome:
        """Run to the end and remove what is left; see ``ContainerRuntime.run``.

        Raises:
            ContainerRefused: As the port says.
            ContainerRemoved: Somebody else removed it meanwhile.
            NoNodeFree: It waited for a node for so long that the task is better given back.
            RuntimeDown: The cluster does not answer, or lost several nodes with it.
        """
        joined = await self._births.begin(spec, partial(self._begin, spec))
        watch = KubernetesRunWatch(self._attempts, spec, self._pause, self._patience)
        outcome = await watch.outcome()
        await asyncio.to_thread(flush_written, spec)
        await self._followers.heard_out(spec.name)
        await self._attempts.remove(spec.name)
        return replace(outcome, joined=joined)

    async def follow(self, name: str, tail: int, *, live: bool) -> AsyncIterator[LogLine]:
        """Yield what a container printed; see ``ContainerRuntime.follow``.

        The API does not tell the two streams apart: all lines are of standard output.
        """
        reading = self._followers.reading(name) if live else nullcontext()
        async with aclosing(self._lines(name, tail, live=live)) as lines:
            with reading:
                async for line in lines:
                    yield line

    async def _lines(self, name: str, tail: int, *, live: bool) -> AsyncGenerator[LogLine, None]:
        last = ""
        while (pod := await self._attempts.pod(name)) is not None and pod.name != last:
            last = pod.name
            async with aclosing(self._printed(last, tail, live=live)) as lines:
                async for line in lines:
                    yield line
            if not live or pod.state is PodState.ENDED:
                return
            await asyncio.sleep(self._pause)

    async def _printed(self, pod: str, tail: int, *, live: bool) -> AsyncGenerator[LogLine, None]:
        splitter = LineSplitter()
        async with self.api.followed(pod, tail, live=live) as pieces:
            async for piece in pieces:
                for line in splitter.add(piece, is_error=False):
                    yield line
        for line in splitter.end():
            yield line

    async def usage(self, name: str) -> ContainerUse | None:
        """Return what a container uses now; None where none of this name runs.

        Memory and processors are those of metrics-server, 0 where the cluster has none; how many
        processes there are, nobody tells.
        """
        pod = await self._attempts.pod(name)
        if pod is None or pod.state is not PodState.RUNNING:
            return None
        told = await self.api.usage(pod.name) or {}
        of_container: Mapping[str, Any] = next(iter(told.get("containers") or ()), {})
        used = of_container.get("usage") or {}
        return ContainerUse(bytes_of(str(used.get("memory", "0"))), 0.0, 1)

    async def set_cpus(self, name: str, cpus: float) -> None:
        """Change nothing: what a job was given when it began stays its own to its end."""

    async def kill(self, name: str) -> None:
        """Stop and remove a container; none of this name is fine."""
        await self._births.over(name)
        await self._attempts.remove(name)

    async def orphans(self, label: str) -> tuple[str, ...]:
        """Return the names of all runs with a label ``key=value``."""
        jobs = await self.api.jobs(label_id(label))
        return tuple(sorted({each["metadata"]["annotations"][NAME_NOTE] for each in jobs}))

    async def held_gpus(self, label: str) -> Mapping[str, str]:  # noqa: ARG002 - as the port has it
        """Return that no job has a GPU: none is given one."""
        return {}

    async def sweep(self, label: str, spare: Callable[[str], bool]) -> tuple[str, ...]:
        """Remove the runs with a label; see ``ContainerRuntime.sweep``."""
        removed = []
        for name in await self.orphans(label):
            if not spare(name):
                await self.kill(name)
                log.info("orphan_removed", container=name)
                removed.append(name)
        return tuple(removed)

    async def _begin(self, spec: ContainerSpec) -> bool:
        jobs = await self._attempts.jobs(spec.name)
        if jobs:
            check_owner(spec, labels_of(jobs[-1]))
            log.info("container_joined", container=spec.name, jobs=len(jobs))
            return True
        await self._attempts.put(spec, 1, without=())
        return False


_BINARY: Final = {"Ki": 1024, "Mi": 1024**2, "Gi": 1024**3, "Ti": 1024**4}
_DECIMAL: Final = {"k": 1000, "M": 1000**2, "G": 1000**3, "T": 1000**4}


def bytes_of(quantity: str) -> int:
    """Read an amount of memory as the API writes it: ``128974848``, ``129M``, ``123Mi``."""
    for suffix, factor in {**_BINARY, **_DECIMAL}.items():
        if quantity.endswith(suffix):
            return int(float(quantity.removesuffix(suffix)) * factor)
    return int(float(quantity))


def cpus_of(quantity: str) -> float:
    """Read processors as the API writes them: ``4``, ``3920m``."""
    return float(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)
