"""Is the container engine fit: which, what is known of its versions, its room, how apps are apart.

Source: security advisories of runc (CVE-2019-5736, CVE-2024-21626, CVE-2025-31133, CVE-2025-52565,
CVE-2025-52881) and the versions that fix them, read 2026-11-29; ``GET /info`` and ``/version`` of
Docker's API 1.41.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from poolhand.domain.doctor.findings import Check, Finding, failed, passed, unknown, warned
from poolhand.domain.doctor.machine import LEAST_DISK, show_bytes
from poolhand.domain.network_hosts import NetworkHost
from poolhand.domain.platforms import WORKER_PLATFORMS
from poolhand.domain.sandbox_level import OWN_MACHINE, EngineRuntime, Sandbox, SandboxLevel
from poolhand.domain.version import is_older

DOCKER_CHECK: Final = "Docker"
SLURM: Final = "Slurm"
KUBERNETES: Final = "Kubernetes"
LEAST_KUBERNETES: Final = "1.23"
"""The oldest Kubernetes that keeps all that is asked of it; tried with none but a simulation."""
LEAST_SLURM: Final = "21.08"
"""The oldest Slurm whose programs know all options that are used; tried with 22.05."""
LEAST_SAFE: Final = "18.09.2"
"""Docker before it lets any container become root of the machine (CVE-2019-5736)."""
LEAST_TRIED: Final = "20.10"
"""The oldest Docker with which Poolhand is tried."""
LEAST_ROOM: Final = 1024**3
"""Bytes: an engine with less has no room for an image of the usual size, packed and unpacked."""
_NUMBERS: Final = re.compile(r"\d{1,6}(\.\d{1,6}){0,3}")
GVISOR_STEPS: Final = (
    "`sudo apt install runsc` (Debian 13 and newer; elsewhere as "
    "https://gvisor.dev/docs/user_guide/install/ says), `sudo runsc install`, `sudo systemctl "
    "restart docker`, then start the worker anew"
)
"""How an operator gets gVisor; nothing of it is done by us, for it changes the engine."""


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What an engine says of itself.

    Attributes:
        name: ``Docker``, or what it calls itself.
        version: Its own.
        platform: For what it runs images, such as ``linux/amd64``; empty where it does not tell.
        runc: Of the program that starts containers; empty where it does not tell.
        default_runtime: By which containers are started.
        runtimes: All that it has.
        has_seccomp: Whether it filters system calls.
        lacks: Which limits it cannot keep: ``memory``, ``CPU``, ``processes``.
        cgroups: The version by which it keeps them, ``1`` or ``2``; empty where it does not tell.
        maps_users: Whether root of a container is nobody on the machine.
        room: Bytes left where it keeps images; None where that is not seen.
        cpus: That its containers may use; 0 where it does not tell.
        memory: That its containers may use (bytes); 0 where it does not tell.
        found: What else it tells that an operator wants to know.
    """

    name: str
    version: str
    platform: str = ""
    runc: str = ""
    default_runtime: str = "runc"
    runtimes: tuple[EngineRuntime, ...] = ()
    has_seccomp: bool = True
    lacks: tuple[str, ...] = ()
    cgroups: str = ""
    maps_users: bool = False
    room: int | None = None
    cpus: int = 0
    memory: int = 0
    found: str = ""


def judge_engine(facts: EngineFacts, url: str) -> Finding:
    """Tell which engine answers."""
    if facts.name in (SLURM, KUBERNETES):
        return passed(Check.ENGINE, f"{facts.name} {facts.version} answers: {facts.found}")
    return passed(Check.ENGINE, f"{facts.name} {facts.version} answers at {url}")


def judge_engine_version(facts: EngineFacts) -> Finding:
    """Judge an engine by what is known of its version, and of runc's."""
    check = Check.ENGINE_VERSION
    if facts.name in (SLURM, KUBERNETES):
        return _judge_cluster(facts)
    if facts.name != DOCKER_CHECK:
        return unknown(
            check,
            f"the engine is {facts.name} {facts.version}, and Poolhand is tried with Docker",
            "use Docker if tasks fail here that run elsewhere",
        )
    if _is_older(facts.version, LEAST_SAFE):
        return failed(
            check,
            f"Docker {facts.version} lets a container take over the machine (CVE-2019-5736)",
            f"install Docker {LEAST_TRIED} or newer",
        )
    hole = _hole(facts.runc)
    if hole:
        cve, least = hole
        return warned(
            check,
            f"runc {facts.runc} lets a container break out ({cve}), unless your distribution "
            "has fixed it under the old number",
            f"install all security updates, or runc {least} or newer",
        )
    if _is_older(facts.version, LEAST_TRIED):
        return warned(
            check,
            f"Docker {facts.version} is older than any with which Poolhand is tried",
            f"install Docker {LEAST_TRIED} or newer",
        )
    runc = f", runc {facts.runc}" if facts.runc else ""
    return passed(check, f"nothing bad is known of Docker {facts.version}{runc}")


def _judge_cluster(facts: EngineFacts) -> Finding:
    least = LEAST_SLURM if facts.name == SLURM else LEAST_KUBERNETES
    told = f"{facts.name} {facts.version}"
    if _is_older(facts.version, least):
        return warned(
            Check.ENGINE_VERSION,
            f"{told} is older than any that Poolhand knows",
            f"ask the cluster's operator for {facts.name} {least} or newer",
        )
    return passed(Check.ENGINE_VERSION, f"{told} knows all that a worker asks of it")


def _is_older(version: str, least: str) -> bool:
    """Compare by numbers alone: what distributions add behind them is no release before."""
    found = _NUMBERS.match(version)
    return found is not None and is_older(found[0], least)


def _hole(runc: str) -> tuple[str, str] | None:
    """Return the worst that is known of a version of runc, and the first without it."""
    if not runc:
        return None
    if _is_older(runc, "1.1.12"):
        return "CVE-2024-21626", "1.1.12"
    if _is_older(runc, "1.2.8"):
        return "CVE-2025-31133", "1.2.8"
    if not _is_older(runc, "1.3.0") and _is_older(runc, "1.3.3"):
        return "CVE-2025-31133", "1.3.3"
    return None


def judge_engine_platform(facts: EngineFacts) -> Finding:
    """Judge whether apps, as a rule, are built for an engine's processor."""
    check, usual = Check.ENGINE_PLATFORM, " or ".join(WORKER_PLATFORMS)
    if not facts.platform:
        return unknown(
            check,
            "the engine does not tell for which processor it runs images",
            f"install Docker {LEAST_TRIED} or newer",
        )
    if facts.platform not in WORKER_PLATFORMS:
        return warned(
            check,
            f"the engine runs images for {facts.platform}, and most apps are built for {usual} "
            "alone, so that their tasks fail here at the download",
            f"ask the pool's owner whether its buyers have apps for {facts.platform}, or use "
            f"another computer ({usual})",
        )
    return passed(check, f"the engine runs images for {facts.platform}, as most apps are built")


def judge_engine_size(facts: EngineFacts, slots: int, task: int) -> Finding:
    """Judge whether an engine has what tasks are to get: one in a virtual machine has less.

    Args:
        facts: Of the engine.
        slots: Tasks at once.
        task: Memory that one task may take (bytes).
    """
    check = Check.ENGINE_SIZE
    if facts.name in (SLURM, KUBERNETES):
        return passed(check, "tasks wait in the cluster until it has room for them")
    if not facts.cpus or not facts.memory:
        return unknown(
            check,
            "the engine does not tell how many CPUs and how much memory it has",
            f"install Docker {LEAST_TRIED} or newer",
        )
    has = f"the engine has {facts.cpus} CPUs and {show_bytes(facts.memory)} of memory"
    more = "give its virtual machine more (Docker Desktop: Settings, Resources)"
    if facts.memory < task:
        return failed(
            check,
            f"{has}, and one task may take {show_bytes(task)}",
            f"{more}, or let tasks have less with --memory",
        )
    if facts.cpus < slots:
        return warned(
            check,
            f"{has}, so that {slots} tasks at once share them",
            f"compute fewer at once with --cpus {facts.cpus}, or {more}",
        )
    if facts.memory < slots * task:
        return warned(
            check,
            f"{has}, and {slots} tasks at once may take {show_bytes(slots * task)}",
            f"compute fewer at once with --cpus, let each have less with --memory, or {more}",
        )
    return passed(check, f"{has}, enough for {slots} tasks at once")


def judge_engine_disk(facts: EngineFacts) -> Finding:
    """Judge the room that an engine has for images."""
    check = Check.ENGINE_DISK
    if facts.room is None:
        return unknown(
            check,
            "how much room the engine has for images is not seen from here",
            "where it runs, look with df at the folder that docker info calls Docker Root Dir",
        )
    left = show_bytes(facts.room)
    if facts.room < LEAST_ROOM:
        judge = failed if facts.room < LEAST_DISK else warned
        return judge(
            check,
            f"the engine has {left} left for images, and most apps need more"
            if facts.room
            else "the engine's disk takes no more images: no space is left on it, or no files",
            "free some space on its disk, as with docker system prune",
        )
    return passed(check, f"the engine has {left} left for images")


def judge_sandbox(facts: EngineFacts, found: Sandbox, wanted: str) -> Finding:
    """Judge how far apps are kept apart from the machine and from one another.

    Args:
        facts: Of the engine.
        found: What a worker here would run apps in; it was tried.
        wanted: What the operator asks for.
    """
    if facts.name == KUBERNETES:
        return unknown(
            Check.SANDBOX,
            "whether the cluster keeps apps off its network is not seen from here",
            "ask the cluster's operator for a network that keeps NetworkPolicies (as Calico and "
            "Cilium do), and for a limit of processes per pod (podPidsLimit)",
        )
    if facts.lacks:
        return failed(
            Check.SANDBOX,
            f"the engine cannot limit {' and '.join(facts.lacks)} of a container",
            "enable these cgroup controllers (for memory the kernel parameter "
            "cgroup_enable=memory), then start the engine again",
        )
    if not facts.has_seccomp:
        return failed(
            Check.SANDBOX,
            "the engine filters no system calls (no seccomp), so that an app may make any",
            "use a kernel and an engine that are built with seccomp",
        )
    root = "; their root is nobody on this machine" if facts.maps_users else ""
    runtime = found.runtime or facts.default_runtime
    told = f"{found.level}: {found.promise} (runtime {runtime}){root}"
    if found.is_emulated:
        left = "; ".join(f"{name}: {why}" for name, why in found.passed_over)
        return warned(
            Check.SANDBOX,
            f"{told}: {left}",
            "use a computer whose processor's virtualisation is on (/dev/kvm, of group kvm), or "
            "say --sandbox auto for the strongest level at full speed",
        )
    if found.passed_over:
        left = "; ".join(f"{name}: {why}" for name, why in found.passed_over)
        return warned(
            Check.SANDBOX,
            f"{told}, and what is stronger does not work here ({left})",
            "let the engine's containers use /dev/kvm, or say --sandbox gvisor or runc"
            if any(name.startswith(OWN_MACHINE) for name, _ in found.passed_over)
            else "repair that runtime in the engine's daemon.json, or say --sandbox runc to do "
            "without",
        )
    can_be_more = found.level is SandboxLevel.RUNC and wanted != SandboxLevel.RUNC
    more = f"gVisor gives each app a kernel of its own: {GVISOR_STEPS}" if can_be_more else ""
    return passed(Check.SANDBOX, told, more)


def judge_hosts(hosts: tuple[NetworkHost, ...], lack: str) -> Finding:
    """Judge whether apps reach the hosts that an operator allows.

    Args:
        hosts: Those.
        lack: Why apps reach none of them; empty: they do, which was tried.
    """
    if not hosts:
        return passed(Check.HOSTS, "apps reach no host: none is allowed, and none has to be")
    told = ", ".join(hosts)
    if lack:
        return warned(
            Check.HOSTS,
            f"apps reach none of the hosts that are allowed, {told} ({lack})",
            "repair that, or take network-hosts away: until then no task that asks for hosts is "
            "placed here",
        )
    return passed(Check.HOSTS, f"apps whose orders ask for it reach {told}, and nothing else")


def judge_cgroups(facts: EngineFacts) -> Finding:
    """Judge by which generation of the kernel's control groups limits are kept."""
    if facts.name == KUBERNETES:
        return passed(Check.CGROUPS, "limits of containers are kept by the nodes' own kubelets")
    if facts.name == SLURM:
        return unknown(
            Check.CGROUPS,
            "how nodes keep a job within its memory is not seen from here",
            "ask the cluster's operator for ConstrainRAMSpace=yes in cgroup.conf",
        )
    if facts.cgroups == "2":
        return passed(Check.CGROUPS, "limits of containers are kept by cgroup v2")
    if facts.cgroups == "1":
        return warned(
            Check.CGROUPS,
            "limits of containers are kept by cgroup v1, which newer systems and engines give up",
            "boot with the kernel parameter systemd.unified_cgroup_hierarchy=1, or take a newer "
            "system (Debian 11, Ubuntu 21.10, Fedora 31)",
        )
    return unknown(
        Check.CGROUPS,
        "the engine does not tell by which cgroups it keeps limits",
        f"install Docker {LEAST_TRIED} or newer",
    )
