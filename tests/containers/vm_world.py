"""Virtual machines in tests: those that boot, and a computer that seems to have what they need."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

from poolhand.containers.vm.kernel import MODULES_NEEDED
from poolhand.containers.vm.machines import MachinePlace
from poolhand.containers.vm.programs import NoProgramsHere
from poolhand.containers.vm.tools import VmTools
from poolhand.domain.sandbox_level import SandboxLevel

NO_KVM = Path("/dev/null/kvm")
LEVEL = SandboxLevel.VM


def kernel_here() -> Path | None:
    """Return the folder of a kernel that is not this computer's own; None: that one is meant."""
    named = os.environ.get("POOLHAND_VM_KERNEL")
    fetched = Path(__file__).parents[2] / ".poolhand" / "guest-kernel"
    return Path(named) if named else fetched if fetched.is_dir() else None


def why_no_machines() -> str:
    """Say why no machine boots here; empty: one does."""
    if platform.machine() != "x86_64":
        return f"virtual machines are for x86_64, and this is {platform.machine()}"
    try:
        VmTools.found(kernel_here())
    except NoProgramsHere as fault:
        return f"no virtual machine boots here ({fault}): python3 scripts/guest_kernel.py"
    return ""


def emulated(base: Path) -> MachinePlace:
    """Return a place where KVM is not even tried."""
    return MachinePlace(base, kernel_here(), NO_KVM)


def seeming_computer(folder: Path, *, kvm: bool = True, missing: str = "") -> MachinePlace:
    """Lay what is looked for, as empty files; PATH must name ``folder/bin`` then.

    Args:
        folder: Empty.
        kvm: Whether there is a device for KVM.
        missing: The name of a program that is not there.
    """
    programs, kernel = folder / "bin", folder / "kernel"
    programs.mkdir(parents=True)
    for name in {"qemu-system-x86_64", "mksquashfs"} - {missing}:
        (programs / name).touch(0o755)
    lay_kernel(kernel)
    device = folder / "kvm"
    if kvm:
        device.touch()
    return MachinePlace(folder / "vm", kernel, device)


def lay_kernel(folder: Path, version: str = "6.1.0", left_out: str = "") -> Path:
    """Lay a kernel with modules that need no others; returns the modules' folder."""
    (folder / "boot").mkdir(parents=True, exist_ok=True)
    (folder / f"boot/vmlinuz-{version}").write_bytes(b"kernel")
    modules = folder / "lib/modules" / version
    shutil.rmtree(modules, ignore_errors=True)
    (modules / "kernel/fs").mkdir(parents=True)
    for name in MODULES_NEEDED:
        if name != left_out:
            (modules / f"kernel/fs/{name.replace('_', '-')}.ko").write_bytes(b"\0depends=\0")
    return modules
