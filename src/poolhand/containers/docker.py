"""The Docker engine as a ``ContainerRuntime``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import structlog
from aiodocker import Docker, DockerError

from poolhand.containers.app_disks import lay_disks
from poolhand.containers.births import Births
from poolhand.containers.container_ends import REMOVED, ContainerEnds
from poolhand.containers.disks import DiskKind, TaskDisks
from poolhand.containers.engine import (
    CONFLICT,
    DEFAULT_URL,
    NO_ANSWER,
    STATUS_NOT_FOUND,
    answering,
    connect,
    inspect,
    removal,
    remove,
    stop,
    working,
)
from poolhand.containers.errors import (
    ContainerRefused,
    ContainerRemoved,
    DiskUnready,
    check_owner,
)
from poolhand.containers.gpus import GpuGiver
from poolhand.containers.host_paths import OutsidePaths
from poolhand.containers.image_terms import ImageTerms
from poolhand.containers.listing import held_gpus, labelled
from poolhand.containers.live import follow_logs, set_cpus, usage_of
from poolhand.containers.proxy_sidecar import ProxySidecars
from poolhand.containers.pulls import FindPullLogin, Puller, RegistryRule, any_registry, no_login
from poolhand.containers.run_clock import RunClock
from poolhand.containers.sandbox import SandboxTerms, container_config
from poolhand.containers.sandboxes import Sandboxes
from poolhand.containers.seccomp import PROFILE
from poolhand.containers.start_doubts import StartDoubts
from poolhand.containers.vm.machines import MachinePlace, VirtualMachines
from poolhand.containers.working_folder import WorkingFolderTooLarge, fill
from poolhand.containers.written import flush_written, is_too_large
from poolhand.domain.errors import RuntimeDown
from poolhand.domain.sandbox_level import Sandbox, SandboxLevel
from poolhand.domain.units import Seconds
from poolhand.observe.kernel_log import KERNEL_LOG
from poolhand.ports.runtime import ContainerOutcome, ContainerSpec, ContainerUse, LogLine

PAUSE_BETWEEN_SIZE_LOOKS: Final = 0.25
"""Pause between two looks at the size of what a container writes."""
WATCHED: Final = TaskDisks(DiskKind.WATCH)

log = structlog.get_logger()


class DockerRuntime:
    """Runs containers in the sandbox of ``sandbox``; made by ``open``.

    What a run may write to is a disk of a certain size (``disks``), and each file is bounded by a
    ulimit. It is measured every ``PAUSE_BETWEEN_SIZE_LOOKS``, too: what is over its limit ends at
    once, and where the kernel keeps no limit, this is all there is.
    """

    def __init__(
        self,
        docker: Docker,
        url: str,
        puller: Puller,
        sandboxes: Sandboxes,
        now: Callable[[], float],
        disks: TaskDisks,
        inside: str | None,
        kernel_log: Path = KERNEL_LOG,
        sidecar_image: str = "",
        files: Path = Path("/"),
        machines: VirtualMachines | None = None,
    ) -> None:
        self._machines = machines
        self._docker, self._url = docker, url
        self._outside = OutsidePaths(docker, inside)
        self._sidecars = ProxySidecars(docker, self._outside, sandboxes.seccomp, sidecar_image)
        self._sandboxes, self._clock, self._disks = sandboxes, RunClock(now), disks
        self._ends = ContainerEnds(docker, self._clock, kernel_log)
        self._puller, self.pulling = puller, puller.pulling
        self._images = ImageTerms(docker)
        self._births = Births[tuple[str, float | None]]()
        self._doubts = StartDoubts(sandboxes)
        self._gpus = GpuGiver(docker, files)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str | None = None,
        *,
        login_of: FindPullLogin = no_login,
        may_ask: RegistryRule = any_registry,
        seccomp: str = PROFILE,
        sandbox: str = SandboxLevel.RUNC,
        network: bool = False,
        now: Callable[[], float] = time.time,
        absent_ok: bool = False,
        disks: TaskDisks = WATCHED,
        inside: str | None = None,
        kernel_log: Path = KERNEL_LOG,
        sidecar_image: str = "",
        gpus: bool = False,
        files: Path = Path("/"),
        machines: MachinePlace | None = None,
    ) -> AsyncIterator[Self]:
        """Be a client of an engine until the end of the context; containers stay.

        Args:
            url: ``unix://`` or ``tcp://``; None for the usual socket.
            login_of: Finds the login of a registry.
            may_ask: Decides which registries are asked for images.
            seccomp: Profile (JSON text) for every container.
            sandbox: The level at which apps run, or ``auto``: the strongest that works.
            network: Whether apps may use the network.
            now: Seconds since 1970.
            absent_ok: Whether it may be away now, and come back.
            disks: What apps write to.
            inside: The container in which this process runs, see ``own_container``.
            kernel_log: Of this machine, where it tells of an app that ran out of memory.
            sidecar_image: Of the containers by which apps reach hosts, see ``proxy_sidecar``.
            gpus: Whether some apps are to be given GPUs.
            files: Below which this machine's files are, device files of GPUs above all.
            machines: Where virtual machines have their files; None: there are none.

        Raises:
            RuntimeDown: No engine answers and it may not be away, or none ever has such a URL.
            NoSuchSandbox: An engine answers, and cannot give that level.
        """
        where = url or DEFAULT_URL
        with answering(where):
            docker = connect(where)
        puller = Puller(docker, where, login_of, may_ask)
        virtual = None
        if machines is not None:
            virtual = VirtualMachines(docker, machines, seccomp, is_inside=inside is not None)
        sandboxes = Sandboxes(
            docker, sandbox, seccomp, network=network, gpus=gpus, machines=virtual
        )
        told = sidecar_image, files, virtual
        runtime = cls(docker, where, puller, sandboxes, now, disks, inside, kernel_log, *told)
        try:
            await runtime._greet(absent_ok=absent_ok)
            yield runtime
        finally:
            await runtime._births.all_over()
            await docker.close()

    async def _greet(self, *, absent_ok: bool) -> None:
        try:
            with answering(self._url):
                version = await self._docker.version()
            with working(self._url):
                await self._sandboxes.chosen()
        except RuntimeDown:
            if not absent_ok:
                raise
        else:
            log.info("engine_found", url=self._url, version=version.get("Version"))

    @property
    def disk(self) -> DiskKind:
        """What keeps apps within their disks."""
        return self._disks.kind

    @property
    def sandbox(self) -> Sandbox | None:
        """What apps run in; None: not known yet, for the engine has not answered."""
        return self._sandboxes.found

    async def hosts_lack(self, folder: str = "") -> str | None:
        """Say why no app can be let through to hosts here; None where it can.

        Args:
            folder: For a trial, see ``ProxySidecars.tried``; empty: nothing is tried.

        Raises:
            RuntimeDown: The engine does not answer, or cannot give the sandbox that is wanted.
        """
        with working(self._url):
            found = await self._sandboxes.needed("")
            if folder:
                return await self._sidecars.tried(found, folder) or None
            return await self._sidecars.lack(found) or None

    async def pull(self, image: str, digest: str, timeout: Seconds) -> str:
        """Make an image present; see ``ContainerRuntime.pull``."""
        return await self._puller.pull(image, digest, timeout)

    async def run(self, spec: ContainerSpec) -> ContainerOutcome:
        """Run to the end and remove the container; see ``ContainerRuntime.run``.

        A run that is cancelled leaves its container alone: the next run of the name joins it, and
        it gets no more time, for the clock counts from the container's own start.

        Raises:
            ContainerRefused: As the port says; also when a stranger's container has this name.
            ContainerRemoved: Somebody else removed it meanwhile.
            RuntimeDown: The engine does not answer.
            OSError: A disk that it wrote to failed.
        """
        with working(self._url):
            joined = await inspect(self._docker, spec.name) is not None
            container, spent = await self._births.begin(spec, partial(self._begin, spec))
            late = None if spent is None else await self._follow(container, spec, spent)
            outcome = await self._ends.read(container, spec, late)
            await remove(self._docker, container)
            if self._machines is not None:
                outcome = await self._machines.told(spec.name, outcome)
            if spec.proxy:
                await self._sidecars.remove(spec.name)
            self._clock.forget(spec.name)
        await asyncio.to_thread(flush_written, spec)
        return replace(outcome, joined=joined)

    async def follow(self, name: str, tail: int, *, live: bool) -> AsyncIterator[LogLine]:
        """Yield what a container printed; see ``ContainerRuntime.follow``."""
        with working(self._url):
            try:
                async for line in follow_logs(self._docker, name, tail, live=live):
                    yield line
            except DockerError as fault:
                if fault.status not in (STATUS_NOT_FOUND, CONFLICT):
                    raise

    async def usage(self, name: str) -> ContainerUse | None:
        """Return what a container uses now; None where none of this name runs."""
        with working(self._url):
            return await usage_of(self._docker, name)

    async def set_cpus(self, name: str, cpus: float) -> None:
        """Give a running container so many processors from now on; none of this name is fine."""
        with working(self._url):
            await set_cpus(self._docker, name, cpus)

    async def kill(self, name: str) -> None:
        """Stop and remove a container; none of this name is fine."""
        self._doubts.forget(name)
        await self._births.over(name)
        with working(self._url):
            await remove(self._docker, name)
            await self._sidecars.remove(name)
        if self._machines is not None:
            await self._machines.forget(name)
        self._clock.forget(name)

    async def orphans(self, label: str) -> tuple[str, ...]:
        """Return the names of all containers, running or not, with a label ``key=value``."""
        with working(self._url):
            return await labelled(self._docker, label)

    async def held_gpus(self, label: str) -> Mapping[str, str]:
        """Return the names of the GPUs that containers have; see ``ContainerRuntime.held_gpus``."""
        with working(self._url):
            return await held_gpus(self._docker, label)

    async def sweep(self, label: str, spare: Callable[[str], bool]) -> tuple[str, ...]:
        """Remove the containers with a label; see ``ContainerRuntime.sweep``."""
        removed = []
        for name in await self.orphans(label):
            if not spare(name):
                await self.kill(name)
                log.info("orphan_removed", container=name)
                removed.append(name)
        if self._machines is not None:
            await self._machines.sweep(await self.orphans(label))
        return tuple(removed)

    async def _begin(self, spec: ContainerSpec) -> tuple[str, float | None]:
        """Return this run's container and how long it has run by now (s; None: it has ended)."""
        terms = await self._terms(spec)
        container = await self._create(spec, terms)
        if container is not None:
            try:
                return container, await self._start(container, spec, terms)
            except WorkingFolderTooLarge:
                log.warning("working_folder_read_only", image=spec.image, limit=spec.limits.work)
                self._images.give_up_copy(spec.image, terms)
                await remove(self._docker, container)
                return await self._begin(spec)
        found = await self._found(spec)
        if found is None:
            return await self._begin(spec)
        container, state = str(found["Id"]), found["State"]
        if state["Status"] == "created":
            # Half born: an engine that died meanwhile may refuse for ever to start this one.
            await remove(self._docker, container)
            return await self._begin(spec)
        log.info("container_joined", container=spec.name, status=state["Status"])
        ended = state["Status"] == "exited"
        return container, None if ended else self._clock.spent(spec.name, state)

    async def _create(self, spec: ContainerSpec, terms: SandboxTerms) -> str | None:
        """Create the container; None when the name is taken."""
        sandbox = await self._sandboxes.needed(spec.name)
        wanted = await self._config(spec, terms, sandbox)
        config = await self._outside.seen(wanted)
        try:
            config = await self._sidecars.opened(spec, config, sandbox)
            container = await self._docker.containers.create(config, name=spec.name)
        except DockerError as fault:
            if fault.status == CONFLICT:
                return None
            raise await self._doubts.refusal(spec.name, fault) from fault
        return container.id

    async def _config(
        self, spec: ContainerSpec, terms: SandboxTerms, sandbox: Sandbox
    ) -> dict[str, Any]:
        if sandbox.vm_processor is None or self._machines is None:
            gpu = await self._gpus.terms(spec)
            return container_config(spec, terms, self._sandboxes.seccomp, sandbox, gpu)
        try:
            return await self._machines.config(spec, terms, sandbox)
        except DockerError as fault:
            raise await self._doubts.refusal(spec.name, fault) from fault

    async def _start(self, container: str, spec: ContainerSpec, terms: SandboxTerms) -> float:
        start = terms.start if spec.workplace else None
        try:
            await asyncio.to_thread(lay_disks, self._disks, spec, has_copy=start is not None)
            if start is not None:
                await fill(self._docker, spec, start, terms.volumes.in_memory)
            self._clock.begin(spec.name)
            await self._docker.containers.container(container).start()
        except DockerError as fault:
            if fault.status != NO_ANSWER:
                await remove(self._docker, container)
            raise await self._doubts.refusal(spec.name, fault) from fault
        except (ContainerRefused, DiskUnready):
            await remove(self._docker, container)
            raise
        self._doubts.forget(spec.name)
        return 0.0

    async def _terms(self, spec: ContainerSpec) -> SandboxTerms:
        try:
            return await self._images.of(spec.image)
        except DockerError as fault:
            raise await self._doubts.refusal(spec.name, fault) from fault

    async def _found(self, spec: ContainerSpec) -> dict[str, Any] | None:
        """Return the engine's account of the container of this name; None: it is gone now."""
        found = await inspect(self._docker, spec.name)
        if found is None:
            return None
        if found["State"]["Status"] in REMOVED:
            await remove(self._docker, found["Id"])
            await removal(self._docker, found["Id"])
            return None
        check_owner(spec, found["Config"]["Labels"] or {})
        return found

    async def _follow(self, container: str, spec: ContainerSpec, spent: float) -> bool | None:
        """Wait for the end, or bring it about; return whether time was up (None: stamps tell)."""
        watch = asyncio.create_task(self._watch(container, spec))
        try:
            async with asyncio.timeout(max(spec.timeout - spent, 0.0)) as time_left:
                await self._wait(container, spec)
        except TimeoutError:
            if not time_left.expired():
                raise  # the engine's silence, not the app's
            was_running = await stop(self._docker, container)
            await self._wait(container, spec)
            return True if was_running else None
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        return False

    async def _watch(self, container: str, spec: ContainerSpec) -> None:
        while True:
            await asyncio.sleep(PAUSE_BETWEEN_SIZE_LOOKS)
            if await asyncio.to_thread(is_too_large, spec):
                await stop(self._docker, container)
                return

    async def _wait(self, container: str, spec: ContainerSpec) -> None:
        try:
            await self._docker.containers.container(container).wait()
        except DockerError as fault:
            if fault.status != STATUS_NOT_FOUND:
                raise
            raise ContainerRemoved(spec.name) from fault
