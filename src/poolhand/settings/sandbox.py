"""What a worker's operator says of the sandbox that apps run in."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from poolhand.domain.sandbox_level import ANY_SANDBOX, SANDBOX_CHOICES, SandboxLevel
from poolhand.settings.home import at_home
from poolhand.settings.load import BadSetting, Option, Settings


def _level(text: str) -> str:
    word = text.strip().lower()
    if word not in SANDBOX_CHOICES:
        raise ValueError(f"it must be one of {', '.join(SANDBOX_CHOICES)}")
    return word


SANDBOX_OPTIONS: Final = (
    Option("sandbox", "POOLHAND_SANDBOX", _level, ANY_SANDBOX,
           "what stands between apps and this machine: runc (containers), gvisor (a kernel of "
           "their own in user space, if the engine has runsc), vm (a virtual machine each, by "
           "QEMU; slow without KVM), auto: the strongest that works at full speed"),
    Option("vm-kernel", "POOLHAND_VM_KERNEL", str, "",
           "folder into which a Linux kernel with its modules was unpacked, for --sandbox vm; "
           "empty: this computer's own"),
)  # fmt: skip


def sandbox_wanted(found: Settings) -> str:
    """Return the level that the operator wants.

    Raises:
        BadSetting: Apps would lack there what they are to have.
    """
    level: str = found["sandbox"]
    if level == SandboxLevel.VM and found["allow-network"]:
        raise BadSetting(
            f"sandbox ({found.origin('sandbox')}): apps in virtual machines have no network: use "
            "--sandbox auto, gvisor or runc, or leave --allow-network out"
        )
    return level


def vm_kernel(found: Settings) -> Path | None:
    """Return the folder of the kernel for virtual machines; None: this computer's own."""
    return at_home(found["vm-kernel"]) if found["vm-kernel"] else None
