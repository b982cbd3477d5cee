"""Which sandbox apps run in: the strongest of what the operator allows that works on this engine.

It is found out by trying, when it is first needed, for an engine may come up after its worker; and
anew when the engine no longer has the runtime that was found, or starts nothing by it.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping
from typing import Any, Final

import structlog
from aiodocker import Docker, DockerError

from poolhand.containers.engine import NO_ANSWER, OWN_FAULT, connect, words_of, working
from poolhand.containers.engine_look import runtimes_of
from poolhand.containers.errors import SandboxUnready
from poolhand.containers.host_paths import own_container
from poolhand.containers.sandbox import SANDBOX_USER
from poolhand.containers.sandbox_trial import TRIAL_SECONDS, try_out
from poolhand.containers.seccomp import PROFILE
from poolhand.containers.vm.kernel import KERNEL_STEPS
from poolhand.containers.vm.machines import MachinePlace, VirtualMachines
from poolhand.domain.doctor.engine import GVISOR_STEPS
from poolhand.domain.errors import Refused
from poolhand.domain.sandbox_level import (
    ANY_SANDBOX,
    OWN_MACHINE,
    EngineRuntime,
    Sandbox,
    SandboxLevel,
    VmProcessor,
    candidates,
    machine_fault,
)

UNKNOWN_RUNTIME: Final = re.compile(r"(unknown runtime specified|unknown or invalid runtime name)",
                                    re.IGNORECASE)  # fmt: skip
"""How an engine begins that has no such runtime (Docker 20.10, Docker 23 and newer)."""

log = structlog.get_logger()


class NoSuchSandbox(Refused):
    """The operator asked for a level that this engine cannot give."""

    def __init__(self, wanted: str, passed_over: tuple[tuple[str, str], ...]) -> None:
        why = "; ".join(f"{name}, {cause}" for name, cause in passed_over).replace(": ", ", ")
        steps = (
            f"get what is missing ({KERNEL_STEPS})" if wanted == SandboxLevel.VM
            else "repair it in the engine's daemon.json" if why
            else f"get gVisor by {GVISOR_STEPS}"
        )  # fmt: skip
        super().__init__(
            f"this engine cannot run apps at the sandbox level '{wanted}' "
            f"({why or 'it has no such runtime'}): {steps}; or set POOLHAND_SANDBOX to auto"
        )
        self.passed_over = passed_over


class Sandboxes:
    """Finds the sandbox of one engine.

    Args:
        docker: The engine.
        wanted: A level, or ``auto``.
        network: Whether apps may use the network.
        gpus: Whether some are to be given GPUs.
        seccomp: Profile (JSON text) for every container.
        longest: Seconds for one trial.
        machines: Virtual machines that we start ourselves; None: there are none.
    """

    def __init__(
        self,
        docker: Docker,
        wanted: str,
        seccomp: str,
        *,
        network: bool,
        gpus: bool = False,
        longest: float = TRIAL_SECONDS,
        machines: VirtualMachines | None = None,
    ) -> None:
        self._machines = machines
        self._docker, self._wanted, self.seccomp = docker, wanted, seccomp
        self._network, self._gpus, self._longest = network, gpus, longest
        self._choosing = asyncio.Lock()
        self._found: Sandbox | None = None

    @property
    def found(self) -> Sandbox | None:
        """What was found; None: nothing yet."""
        return self._found

    async def chosen(self) -> Sandbox:
        """Find what apps run in, by trying once.

        Raises:
            NoSuchSandbox: What the operator wants does not work here.
            DockerError: The engine does not tell.
        """
        async with self._choosing:
            if self._found is None:
                self._found = await self._choose()
                log.info("sandbox_chosen", level=self._found.level, runtime=self._found.runtime,
                         passed_over=dict(self._found.passed_over),
                         promise=self._found.promise)  # fmt: skip
            return self._found

    async def needed(self, name: str) -> Sandbox:
        """Find what a container is to run in.

        Args:
            name: Of the container.

        Raises:
            SandboxUnready: What the operator wants does not work here, or no longer.
            DockerError: The engine does not tell.
        """
        try:
            return await self.chosen()
        except NoSuchSandbox as fault:
            raise SandboxUnready(name, str(fault)) from fault

    async def is_to_blame(self, fault: DockerError) -> bool:
        """Tell whether the runtime, and not the app, is why an engine did not start a container.

        Then another is found for the next one.

        Args:
            fault: What the engine said.

        Raises:
            DockerError: The engine does not tell.
        """
        found = self._found
        if found is None:
            return False
        why = ""
        if UNKNOWN_RUNTIME.match(words_of(fault)):
            why = "the engine has no such runtime any more"
        elif fault.status in OWN_FAULT and found.level is not SandboxLevel.RUNC:
            why = await self._tried(found, afresh=True)
        if why:
            log.warning("sandbox_failed", level=found.level, runtime=found.runtime, cause=why)
            self._found = None
        return bool(why)

    async def _choose(self) -> Sandbox:
        default, runtimes = runtimes_of(await self._told())
        passed_over: list[tuple[str, str]] = []
        machine = await self._machine(default, passed_over)
        if machine is not None:
            return machine
        for each in candidates(runtimes, default, self._wanted):
            name = "" if each.name == default else each.name
            sandbox = Sandbox(each.level, name, tuple(passed_over))
            why = each.fault(network=self._network, gpus=self._gpus)
            if not why and each.level is not SandboxLevel.RUNC:
                why = await self._tried(sandbox)
            if not why:
                return sandbox
            passed_over.append((each.name, why))
        raise NoSuchSandbox(self._wanted, tuple(passed_over))

    async def _machine(self, default: str, passed_over: list[tuple[str, str]]) -> Sandbox | None:
        """Return a virtual machine each, where that is wanted and works.

        By ``auto`` only with KVM, and what this computer does not have for it at all is no fault.
        """
        by_name = self._wanted == SandboxLevel.VM
        if self._machines is None or not (by_name or self._wanted == ANY_SANDBOX):
            return None
        runtime = "" if EngineRuntime(default).level is SandboxLevel.RUNC else SandboxLevel.RUNC
        for vm_processor in VmProcessor if by_name else (VmProcessor.KVM,):
            sandbox = Sandbox(SandboxLevel.VM, runtime, tuple(passed_over), vm_processor)
            why = machine_fault(network=self._network, gpus=self._gpus)
            lack = await asyncio.to_thread(self._machines.lack, vm_processor)
            if not by_name and (lack or why):
                log.info("no_virtual_machines", cause=lack or why)
                return None
            why = why or lack or await self._machines.tried(sandbox)
            if not why:
                return sandbox
            passed_over.append((f"{OWN_MACHINE} ({vm_processor})", why))
        return None

    async def _told(self) -> Mapping[str, Any]:
        """Ask the engine of itself; one behind a guard that forbids it tells of no runtime."""
        try:
            return await self._docker.system.info()
        except DockerError as fault:
            if fault.status == NO_ANSWER or fault.status in OWN_FAULT:
                raise
            return {}

    async def _tried(self, sandbox: Sandbox, *, afresh: bool = False) -> str:
        if sandbox.vm_processor and self._machines:
            return await self._machines.tried(sandbox, afresh=afresh)
        user = f"{os.getuid() or SANDBOX_USER}:{os.getgid() or SANDBOX_USER}"
        return await try_out(self._docker, sandbox, self.seccomp, user, self._longest)


async def look_at_sandbox(
    url: str,
    wanted: str,
    *,
    network: bool,
    gpus: bool = False,
    longest: float = TRIAL_SECONDS,
    machines: MachinePlace | None = None,
) -> Sandbox:
    """Find what a worker's apps would run in; the trial leaves nothing.

    Args:
        url: Of the engine.
        wanted: A level, or ``auto``.
        network: Whether apps may use the network.
        gpus: Whether some are to be given GPUs.
        longest: Seconds for one trial.
        machines: Where virtual machines have their files; None: there are none.

    Raises:
        NoSuchSandbox: What is wanted does not work here.
        RuntimeDown: No engine works there.
    """
    with working(url):
        docker = connect(url)
        try:
            inside = own_container() is not None
            virtual = machines and VirtualMachines(docker, machines, PROFILE, is_inside=inside)
            sandboxes = Sandboxes(
                docker,
                wanted,
                PROFILE,
                network=network,
                gpus=gpus,
                longest=longest,
                machines=virtual or None,
            )
            return await sandboxes.chosen()
        finally:
            await docker.close()
