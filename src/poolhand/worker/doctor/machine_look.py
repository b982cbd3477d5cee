"""What this computer is, read from the kernel's files; another system tells less of itself.

Source: Linux, ``Documentation/admin-guide/cgroup-v2.rst`` and ``cgroup-v1/memory.rst``,
``Documentation/arch/x86/sgx.rst`` and ``tdx.rst``.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from poolhand.domain.doctor.machine import MachineFacts, NamespaceFacts, VirtualFacts
from poolhand.domain.text import shown
from poolhand.observe.descriptors import MOST_DESCRIPTORS
from poolhand.observe.gpus import find_gpus
from poolhand.observe.processors import usable_cpus
from poolhand.worker.doctor.enclave_look import look_at_enclaves

_MEMORY_LIMITS: Final = (
    "sys/fs/cgroup/memory.max",
    "sys/fs/cgroup/memory/memory.limit_in_bytes",
)
"""Where a container finds what it may take, by generation of cgroups."""
UNSHARE_LEFT: Final = 40
UNSHARE_REFUSED: Final = 41
"""How the program ends that tries to leave the network; whatever else it ends by says neither."""
_TRIAL: Final = (
    "import sys; from poolhand.keys import confinement; "
    f"sys.exit({UNSHARE_LEFT} if confinement.leave_network() else {UNSHARE_REFUSED})"
)
LEAVE: Final = (sys.executable, "-P", "-c", _TRIAL)
"""Leaves the network as a signer does."""
_UNSHARE_SECONDS: Final = 50.0
"""For that program, on a slow computer, too; less than a check has."""
_MOST_SAID: Final = 200
"""Characters of its last words."""
_REFUSALS: Final = (
    ("user/max_user_namespaces", "0", "user.max_user_namespaces=15000"),
    ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "kernel.apparmor_restrict_unprivileged_userns=0",
    ),
)
"""Files below ``/proc/sys``, what they say where they refuse namespaces, and what allows them."""


def look_at_machine(root: Path = Path("/")) -> MachineFacts:
    """Read what this computer is.

    Args:
        root: Below which the kernel's files are.
    """
    dev, words = root / "dev", _processor_words(root)
    kvm = dev / "kvm"
    return MachineFacts(
        cpus=usable_cpus(),
        memory=min((psutil.virtual_memory().total, *_limits(root))),
        files=_files(),
        gpus=find_gpus(root),
        tee=look_at_enclaves(root, words),
        virtual=VirtualFacts(
            processor=bool(words & {"vmx", "svm"}),
            device=kvm.exists(),
            usable=os.access(kvm, os.R_OK | os.W_OK),
            is_guest="hypervisor" in words,
        ),
    )


def _processor_words(root: Path) -> set[str]:
    """Return what the first processor can do, in the kernel's words."""
    with suppress(OSError):
        for line in (root / "proc/cpuinfo").read_text(errors="replace").splitlines():
            name, _, told = line.partition(":")
            if name.strip() in ("flags", "Features"):
                return set(told.split())
    return set()


def _limits(root: Path) -> Iterator[int]:
    """Yield what a container of ours may take of memory (bytes); it may be without a limit."""
    for name in _MEMORY_LIMITS:
        with suppress(OSError, ValueError):
            yield int((root / name).read_text())


def look_at_namespaces(
    root: Path = Path("/"), leave: tuple[str, ...] = LEAVE, seconds: float = _UNSHARE_SECONDS
) -> NamespaceFacts:
    """Try whether a process of this user can leave the network, and see what refuses it.

    Args:
        root: Below which the kernel's files are.
        leave: A program that tries it and ends by ``UNSHARE_LEFT`` or ``UNSHARE_REFUSED``.
        seconds: That it may take.
    """
    if sys.platform != "linux":
        return NamespaceFacts(work=False, exist=False)
    try:
        done = subprocess.run(  # noqa: S603 - ourselves
            leave, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return NamespaceFacts(work=False, untried=f"the trial took over {seconds:g} s")
    except OSError as fault:
        return NamespaceFacts(work=False, untried=fault.strerror or str(fault))
    if done.returncode not in (UNSHARE_LEFT, UNSHARE_REFUSED):
        return NamespaceFacts(work=False, untried=_end_of(done))
    refused = (wanted for name, unless, wanted in _REFUSALS if _says(root, name, unless))
    return NamespaceFacts(work=done.returncode == UNSHARE_LEFT, refused_by=next(refused, ""))


def _end_of(done: subprocess.CompletedProcess[bytes]) -> str:
    """Say how a program ended that was to end otherwise."""
    code = done.returncode
    ended = f"ended by signal {-code}" if code < 0 else f"ended with {code}"
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return f"the trial {ended}" + (f": {shown(said[-1], _MOST_SAID)}" if said else "")


def _says(root: Path, name: str, told: str) -> bool:
    with suppress(OSError):
        return (root / "proc/sys" / name).read_text().strip() == told
    return False


def _files() -> int:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else hard
