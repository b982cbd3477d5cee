"""What this computer is, read from the kernel's files; another system tells less of itself.

Source: Linux, ``Documentation/admin-guide/cgroup-v2.rst`` and ``cgroup-v1/memory.rst``,
``Documentation/arch/x86/sgx.rst`` and ``tdx.rst``.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from poolhand.domain.doctor.machine import MachineFacts, TeeFacts, VirtualFacts
from poolhand.observe.descriptors import MOST
from poolhand.observe.processors import usable_cpus

_MEMORY_LIMITS: Final = (
    "sys/fs/cgroup/memory.max",
    "sys/fs/cgroup/memory/memory.limit_in_bytes",
)
"""Where a container finds what it may take, by generation of cgroups."""
_GPUS: Final = ("nvidia[0-9]*", "dri/renderD*", "kfd")
_SGX: Final = ("sgx_enclave", "sgx/enclave", "isgx")
_TDX: Final = ("tdx_guest", "tdx-guest")


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
        gpus=_devices(dev, *_GPUS),
        tee=TeeFacts(
            sgx_processor="sgx" in words,
            sgx_devices=_devices(dev, *_SGX),
            tdx_devices=_devices(dev, *_TDX),
            tdx_host="tdx_host_platform" in words,
        ),
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


def _files() -> int:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return MOST if hard == resource.RLIM_INFINITY else hard


def _devices(dev: Path, *patterns: str) -> tuple[str, ...]:
    found = (each for pattern in patterns for each in sorted(dev.glob(pattern)))
    return tuple(f"/dev/{each.relative_to(dev)}" for each in found)
