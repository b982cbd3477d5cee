"""Print where a kernel for apps' virtual machines is; get it from Debian where it is missing.

    guest_kernel.py    its folder on standard output; exit status 2 and what to do where it cannot
                       be had

Debian's own kernel package is unpacked below ``.poolhand`` and installed nowhere: apt fetches it
and checks it against Debian's signed lists. QEMU and mksquashfs are installed where this user may.
Standard library only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from commands import NEEDS_SOMETHING, NeedsSomething, say, told_by

ROOT: Final = Path(__file__).resolve().parents[1]
KERNEL_PLACE: Final = ROOT / ".poolhand" / "guest-kernel"
KERNEL_PACKAGE: Final = "linux-image-amd64"
PROGRAMS: Final = {"qemu-system-x86_64": "qemu-system-x86", "mksquashfs": "squashfs-tools"}
"""What else is needed, and the packages that have it."""
ELSEWHERE: Final = "unpack a kernel with its modules, and name the folder in POOLHAND_VM_KERNEL"


def guest_kernel() -> Path:
    """Return the folder of a kernel, after getting it and the programs where they are missing.

    Raises:
        NeedsSomething: It is not here and cannot be had.
    """
    missing = [package for program, package in PROGRAMS.items() if not shutil.which(program)]
    if missing:
        done = subprocess.run(
            [ROOT / "scripts/apt-install", "What runs apps in virtual machines", *missing],
            check=False,
            stdout=sys.stderr,
        )
        if done.returncode:
            raise NeedsSomething(f"{' and '.join(missing)} cannot be had: install them")
    named = os.environ.get("POOLHAND_VM_KERNEL")
    if named:
        return Path(named)
    if not list(KERNEL_PLACE.glob("boot/vmlinuz-*")):
        if not shutil.which("apt-get") or not shutil.which("dpkg"):
            raise NeedsSomething(f"a kernel is missing, and this is no Debian: {ELSEWHERE}")
        say("getting a kernel for virtual machines from Debian ...")
        _get()
    return KERNEL_PLACE


def _get() -> None:
    shutil.rmtree(KERNEL_PLACE, ignore_errors=True)
    KERNEL_PLACE.mkdir(parents=True)
    words = told_by(("apt-cache", "depends", "--important", KERNEL_PACKAGE)).split()
    names = [each for each in words if each.startswith("linux-image-") and each != KERNEL_PACKAGE]
    if not names:
        raise NeedsSomething(f"apt knows no {KERNEL_PACKAGE} (apt-get update?): {ELSEWHERE}")
    done = subprocess.run(
        ("apt-get", "-q", "download", names[0]),
        cwd=KERNEL_PLACE,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise NeedsSomething(f"Debian's {names[0]} cannot be had ({said}): {ELSEWHERE}")
    (package,) = KERNEL_PLACE.glob("*.deb")
    told_by(("dpkg", "-x", str(package), str(KERNEL_PLACE)))
    package.unlink()


if __name__ == "__main__":
    try:
        print(guest_kernel())
    except NeedsSomething as trouble:
        say(str(trouble))
        sys.exit(NEEDS_SOMETHING)
