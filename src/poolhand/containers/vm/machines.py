"""The virtual machines of one engine: whether they work here, and what their containers are.

Each run has a folder of ours with two files: what its launcher is to do, and how it ended.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import aiohttp
import structlog
from aiodocker import Docker, DockerError

from poolhand.containers.engine import inspect, remove, words_of
from poolhand.containers.errors import DiskUnready, SandboxUnready
from poolhand.containers.sandbox import SANDBOX_USER, SandboxTerms
from poolhand.containers.slurm.bundle import User, user_of
from poolhand.containers.vm.plan import (
    BOOT_SECONDS,
    KVM_DEVICE,
    VmGround,
    machine_config,
    machine_plan,
    shares_of,
    trial_plan,
)
from poolhand.containers.vm.programs import NoProgramsHere
from poolhand.containers.vm.roots import RootDisks
from poolhand.containers.vm.tools import ToolsImages, VmTools
from poolhand.domain.json_text import parse_json
from poolhand.domain.sandbox_level import Sandbox, VmProcessor
from poolhand.domain.text import shown
from poolhand.domain.units import MIB, Seconds
from poolhand.ports.runtime import ContainerOutcome, ContainerSpec, Limits

MOST_REPORT: Final = 16 * 1024
"""Bytes of a report that are read: its writer's container is next to the app's machine."""
_LIMITS: Final = Limits(memory=64 * MIB, cpus=1.0, pids=16, tmp=MIB, log=4_096, output=MIB)
_LONGEST_CAUSE: Final = 300
_OF_THE_ENGINE: Final = (aiohttp.ClientError, TimeoutError)
"""Some of these are errors of the system too, and say that the engine does not answer."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class MachineReport:
    """How a machine ended.

    Attributes:
        is_fault: Whether it never came to start its app, which is not the app's fault.
        out_of_memory: Whether the app's memory ran out.
        words: Why, where it is a fault.
    """

    is_fault: bool
    out_of_memory: bool
    words: str

    @classmethod
    def read(cls, text: bytes) -> MachineReport:
        """Read what a launcher wrote, of which nothing is believed but its form."""
        try:
            told = parse_json(text)
        except ValueError:
            told = None
        if not isinstance(told, dict):
            return cls(is_fault=False, out_of_memory=False, words="")
        started, words = told.get("started") is True, told.get("words")
        return cls(
            is_fault=not started and told.get("phase") != "ended",
            out_of_memory=told.get("out_of_memory") is True,
            words=shown(words, _LONGEST_CAUSE) if isinstance(words, str) else "",
        )


@dataclass(frozen=True, slots=True)
class MachinePlace:
    """Where virtual machines have their files.

    Attributes:
        base: Folder for disks of images and for runs.
        kernel: Folder into which a kernel was unpacked; None: this computer's own is taken.
        kvm: The device file that tells of KVM.
    """

    base: Path
    kernel: Path | None = None
    kvm: Path = Path(KVM_DEVICE)


class VirtualMachines:
    """Those of one engine.

    Args:
        docker: The engine.
        place: Where they have their files.
        seccomp: Profile (JSON text) for every container.
        is_inside: Whether this process runs in a container.
    """

    def __init__(
        self, docker: Docker, place: MachinePlace, seccomp: str, *, is_inside: bool = False
    ) -> None:
        self._docker, self._seccomp, self._is_inside = docker, seccomp, is_inside
        self._base, self._kernel, self._kvm = place.base, place.kernel, place.kvm
        base = place.base
        self._images, self._roots = ToolsImages(docker), RootDisks(docker, base / "images")
        self._runs = base / "runs"
        self._tools: VmTools | None = None
        self._laid: set[str] = set()

    def lack(self, vm_processor: VmProcessor) -> str:
        """Say what is missing on this computer for machines; empty: nothing."""
        if self._is_inside:
            return "a worker in a container starts none"
        if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
            return f"they are for Linux on x86_64, and this is {platform.machine()}"
        if vm_processor is VmProcessor.KVM and not self._kvm.exists():
            return f"there is no {self._kvm}: this processor, or whoever lends it, has no KVM"
        try:
            self._tools = VmTools.found(self._kernel)
        except NoProgramsHere as fault:
            return str(fault)
        return ""

    async def tried(self, sandbox: Sandbox, *, afresh: bool = False) -> str:
        """Start a machine that does nothing, and take it away; returns why that failed, or nothing.

        What has worked is not tried again with the same programs until this computer starts anew.

        Args:
            sandbox: With an vm_processor.
            afresh: Whether to try it even so.

        Raises:
            DockerError: The engine cannot even make an image.
        """
        vm_processor = sandbox.vm_processor or VmProcessor.TCG
        lack = await asyncio.to_thread(self.lack, vm_processor)
        if lack:
            return lack
        spec = ContainerSpec(f"poolhand-trial-{uuid4().hex}", "", (), {}, (), _LIMITS, Seconds(0))
        try:
            return await self._started(spec, sandbox, vm_processor, afresh=afresh)
        except TimeoutError:
            return "one had not ended in time"
        except DockerError as fault:
            return shown(words_of(fault), _LONGEST_CAUSE)
        except aiohttp.ClientError:
            raise
        except (NoProgramsHere, OSError) as fault:
            return shown(str(fault), _LONGEST_CAUSE)
        finally:
            with suppress(DockerError):
                await remove(self._docker, spec.name)
            await self.forget(spec.name)

    async def _started(
        self, spec: ContainerSpec, sandbox: Sandbox, vm_processor: VmProcessor, *, afresh: bool
    ) -> str:
        """Start a machine for a trial unless that has worked before; returns why it failed."""
        user = User(os.getuid() or SANDBOX_USER, os.getgid() or SANDBOX_USER)
        ground = await self._ground(spec.name, vm_processor, user, None)
        what = f"{ground.tools} {vm_processor} {sandbox.runtime} {_this_boot()}"
        if not afresh and await asyncio.to_thread(_read, self._base / "tried") == what:
            return ""
        await self._lay(ground, trial_plan(spec, ground))
        config = machine_config(spec, ground, (), self._seccomp, sandbox)
        container = await self._docker.containers.create(config, name=spec.name)
        async with asyncio.timeout(BOOT_SECONDS[vm_processor] + 10):
            await container.start()
            await container.wait()
            found = await inspect(self._docker, spec.name)
        report = await self.report(spec.name)
        code = None if found is None else found["State"]["ExitCode"]
        if code == 0:
            await asyncio.to_thread((self._base / "tried").write_text, what)
            return ""
        told = "" if report is None else report.words
        return told or f"one ended with exit code {code}"

    async def config(
        self, spec: ContainerSpec, terms: SandboxTerms, sandbox: Sandbox
    ) -> dict[str, Any]:
        """Return the body of ``POST /containers/create`` for a run; its image's disk is made.

        Raises:
            ContainerRefused: The image asks for what cannot be given.
            DiskUnready: There is no room for its disk, or a file of ours cannot be written.
            SandboxUnready: A program or file of this computer is gone.
            DockerError: The engine does not tell.
        """
        try:
            return await self._config(spec, terms, sandbox)
        except NoProgramsHere as fault:
            raise SandboxUnready(spec.name, str(fault)) from fault
        except _OF_THE_ENGINE:
            raise
        except FileNotFoundError as fault:
            self._tools = None  # an update may have brought others in their place
            raise SandboxUnready(spec.name, f"{fault.filename} is gone") from fault
        except OSError as fault:
            raise DiskUnready(spec.name, shown(str(fault), _LONGEST_CAUSE)) from fault

    async def _config(
        self, spec: ContainerSpec, terms: SandboxTerms, sandbox: Sandbox
    ) -> dict[str, Any]:
        image: Mapping[str, Any] = await self._docker.images.inspect(spec.image)
        root = await self._roots.disk(spec, image)
        accounts = root.parent / "accounts"
        user = await asyncio.to_thread(user_of, spec, terms, dict(image), accounts)
        vm_processor = sandbox.vm_processor or VmProcessor.TCG
        ground = await self._ground(spec.name, vm_processor, user, root)
        shares = shares_of(spec, terms)
        await self._lay(ground, machine_plan(spec, image, terms, ground))
        return machine_config(spec, ground, shares, self._seccomp, sandbox)

    async def report(self, name: str) -> MachineReport | None:
        """Return how a run's machine ended; None: it had none."""
        return await asyncio.to_thread(_report, self._runs / name / "report")

    async def told(self, name: str, outcome: ContainerOutcome) -> ContainerOutcome:
        """Return how a run ended by what its machine told, if it had one; its files are removed.

        Raises:
            SandboxUnready: The machine never came to start the app.
        """
        report = await self.report(name)
        if report is None:
            return outcome
        await self.forget(name)
        if report.is_fault and not outcome.timed_out:
            raise SandboxUnready(name, report.words)
        return replace(outcome, out_of_memory=outcome.out_of_memory or report.out_of_memory)

    async def forget(self, name: str) -> None:
        """Remove the files of a run; none is fine."""
        self._laid.discard(name)
        await asyncio.to_thread(shutil.rmtree, self._runs / name, ignore_errors=True)

    async def sweep(self, containers: Collection[str]) -> None:
        """Remove the files of runs that an earlier process left.

        Args:
            containers: Names of those that are still there, and keep theirs.
        """
        if not await asyncio.to_thread(self._runs.is_dir):
            return
        for each in await asyncio.to_thread(lambda: list(self._runs.iterdir())):
            if each.name not in containers and each.name not in self._laid:
                await self.forget(each.name)

    async def _ground(
        self, name: str, vm_processor: VmProcessor, user: User, root: Path | None
    ) -> VmGround:
        if self._tools is None:
            self._tools = VmTools.found(self._kernel)
        await asyncio.to_thread(self._base.mkdir, mode=0o700, parents=True, exist_ok=True)
        image = await self._images.image(self._tools, self._base)
        group = self._kvm.stat().st_gid if vm_processor is VmProcessor.KVM else 0
        return VmGround(image, vm_processor, user, self._runs / name, root, group)

    async def _lay(self, ground: VmGround, plan: Mapping[str, Any]) -> None:
        self._laid.add(ground.run.name)
        await asyncio.to_thread(_lay_run, ground.run, json.dumps(plan))


def _lay_run(folder: Path, plan: str) -> None:
    """Write a run's files; those of an earlier container of its name are gone."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content, mode in (("plan", plan, 0o444), ("report", "", 0o666)):
        (folder / name).write_text(content, encoding="utf-8")
        (folder / name).chmod(mode)


def _report(place: Path) -> MachineReport | None:
    try:
        with place.open("rb") as file:
            return MachineReport.read(file.read(MOST_REPORT))
    except OSError:
        return None


def _read(place: Path) -> str:
    try:
        return place.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _this_boot() -> str:
    """Return what tells this start of this computer from others."""
    return _read(Path("/proc/sys/kernel/random/boot_id")).strip()
