"""How far an app is kept apart from the machine, and which runtimes of an engine keep it so.

A runtime is the program by which an engine starts a container. Whoever set the engine up has named
it and given it arguments, some of which take away what the level promises.

Source: ``runsc flags``, gVisor 20221219 and 20240729; ``GET /info`` of Docker's API 1.41.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from poolhand.domain.units import MIB


class SandboxLevel(StrEnum):
    """What stands between an app and the machine, the weakest first."""

    RUNC = "runc"
    GVISOR = "gvisor"
    VM = "vm"


class VmProcessor(StrEnum):
    """What computes for a virtual machine that we start ourselves."""

    KVM = "kvm"
    TCG = "tcg"


ANY_SANDBOX: Final = "auto"
SANDBOX_CHOICES: Final = (*SandboxLevel, ANY_SANDBOX)
"""What an operator may ask for."""
SANDBOX_PROMISES: Final = {
    SandboxLevel.RUNC: "apps share this machine's kernel, behind namespaces, limits and a filter "
    "of system calls",
    SandboxLevel.GVISOR: "each app has a kernel of its own in user space (gVisor); this machine's "
    "answers a few calls of that one alone",
    SandboxLevel.VM: "each app has a virtual machine, with a kernel of its own",
}
"""What each level gives, in one sentence for an operator."""
_STRENGTH: Final = tuple(SandboxLevel)
_WORDS: Final = {
    SandboxLevel.GVISOR: ("runsc", "gvisor"),
    SandboxLevel.VM: ("kata", "krun", "firecracker"),
}
_NO_LIMITS: Final = "ignore-cgroups"
_NO_NETWORK: Final = ("network=none",)
_GIVES_GPUS: Final = ("nvidia", "amd-container")
"""Words in the names of runtimes that give GPUs to every container whose image asks for them."""


@dataclass(frozen=True, slots=True)
class Overhead:
    """What a level takes besides the app, and what is therefore added to the app's limits.

    Attributes:
        memory: Bytes.
        pids: Threads on the machine for each process that the app may have.
        threads: Threads on the machine however few processes it has.
    """

    memory: int = 0
    pids: int = 1
    threads: int = 0


SANDBOX_OVERHEADS: Final = {
    SandboxLevel.RUNC: Overhead(),
    SandboxLevel.GVISOR: Overhead(memory=64 * MIB, pids=2, threads=128),
    SandboxLevel.VM: Overhead(),
}
MACHINE_OVERHEAD: Final = Overhead(memory=288 * MIB, pids=0, threads=128)
"""Of a virtual machine that we start, besides its own memory (``containers.vm.plan``): QEMU, what
it emulates with, and its threads."""
OWN_MACHINE: Final = "a virtual machine"
"""How one that we start is called among runtimes that were passed over, with its processor."""
EMULATED: Final = (
    "emulated, since KVM does not work here: apps compute 10 to 30 times slower and miss deadlines"
)
"""What an operator must know of a virtual machine without KVM."""


@dataclass(frozen=True, slots=True)
class EngineRuntime:
    """A runtime as its engine tells of it.

    Attributes:
        name: By which containers ask for it.
        program: Its file, or what kind of one it is; empty where the engine does not tell.
        arguments: That the program is always given.
    """

    name: str
    program: str = ""
    arguments: tuple[str, ...] = ()

    @property
    def level(self) -> SandboxLevel:
        """How far it keeps apps apart, by what it is called."""
        called = f"{self.name} {self.program.rpartition('/')[2]}".lower()
        for level, words in _WORDS.items():
            if any(word in called for word in words):
                return level
        return SandboxLevel.RUNC

    def fault(self, *, network: bool, gpus: bool = False) -> str:
        """Say why it is not for apps, by its arguments; empty: nothing speaks against it.

        Args:
            network: Whether apps may use the network.
            gpus: Whether some are to be given GPUs.
        """
        called = f"{self.name} {self.program.rpartition('/')[2]}".lower()
        if any(word in called for word in _GIVES_GPUS):
            return "it gives every app that asks for them all GPUs of this machine"
        if gpus and self.level is not SandboxLevel.RUNC:
            return "it gives apps no GPU, and --gpu is set"
        flags = {each.lstrip("-") for each in self.arguments}
        if flags & {_NO_LIMITS, f"{_NO_LIMITS}=true"}:
            return f"its argument --{_NO_LIMITS} takes all limits of memory, CPU and processes away"
        if network and flags & set(_NO_NETWORK):
            return "its argument --network=none gives apps no network, and --allow-network is set"
        return ""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What a worker's apps run in.

    Attributes:
        level: How far it keeps them apart.
        runtime: Its name in the engine; empty: the engine's default.
        passed_over: Runtimes of a higher level that the engine has, and why each was not taken.
        vm_processor: Of a virtual machine that we start ourselves; None: the engine's runtime keeps
            apps apart.
    """

    level: SandboxLevel
    runtime: str = ""
    passed_over: tuple[tuple[str, str], ...] = ()
    vm_processor: VmProcessor | None = None

    @property
    def overhead(self) -> Overhead:
        """What it takes besides the app."""
        return MACHINE_OVERHEAD if self.vm_processor else SANDBOX_OVERHEADS[self.level]

    @property
    def is_emulated(self) -> bool:
        """Whether a processor is emulated in software."""
        return self.vm_processor is VmProcessor.TCG

    @property
    def word(self) -> str:
        """What it is called where there is room for a word or two, as on a pool's page."""
        return f"{self.level} (emulated)" if self.is_emulated else self.level

    @property
    def promise(self) -> str:
        """What it gives, in one sentence for an operator."""
        promise = SANDBOX_PROMISES[self.level]
        return f"{promise} ({EMULATED})" if self.is_emulated else promise


def is_stronger(level: SandboxLevel, than: SandboxLevel) -> bool:
    """Tell whether one level keeps apps further apart than another."""
    return _STRENGTH.index(level) > _STRENGTH.index(than)


def candidates(
    runtimes: Iterable[EngineRuntime], default: str, wanted: str
) -> tuple[EngineRuntime, ...]:
    """Return the runtimes that could give what is wanted, the strongest first.

    Args:
        runtimes: All that the engine has.
        default: Which it takes by itself.
        wanted: A level, or ``auto``: any that can be chosen, or what the engine takes by itself.
    """
    known = {each.name: each for each in runtimes}
    usual = known.get(default) or EngineRuntime(default)
    levels = _wanted(wanted, usual)
    fit = [each for each in {**known, default: usual}.values() if each.level in levels]
    return tuple(sorted(fit, key=lambda each: (-_STRENGTH.index(each.level), _turn(each, default))))


def _wanted(wanted: str, usual: EngineRuntime) -> Collection[SandboxLevel]:
    if wanted == ANY_SANDBOX:
        return {SandboxLevel.RUNC, SandboxLevel.GVISOR, usual.level}
    return {SandboxLevel(wanted)}


def machine_fault(*, network: bool, gpus: bool) -> str:
    """Say why our virtual machines are not for apps; empty: nothing speaks against it.

    Args:
        network: Whether apps may use the network.
        gpus: Whether some are to be given GPUs.
    """
    if gpus:
        return "it gives apps no GPU, and --gpu is set"
    return "it gives apps no network, and --allow-network is set" if network else ""


def _turn(runtime: EngineRuntime, default: str) -> tuple[bool, bool, str]:
    """Order the runtimes of one level: the engine's own choice, then runc itself, then by name."""
    return runtime.name != default, runtime.name != SandboxLevel.RUNC, runtime.name
