"""*Simulated* GPUs: the files of a computer that has some, whose devices compute nothing.

The device files are made anew below a folder of the test's (as root), with the numbers of devices
of this kernel that do no harm: what is given to a container can be opened there, and no more.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

NVIDIA_SHARED = {"nvidiactl": (1, 7), "nvidia-uvm": (1, 9), "nvidia-uvm-tools": (1, 9)}
"""Files that all share, with the numbers of ``/dev/full`` and ``/dev/urandom``."""
ONES = ((1, 3), (1, 5), (10, 229))
"""Numbers of the GPUs' own: ``/dev/null``, ``/dev/zero``, and ``/dev/fuse``, which no container may
open that is not given it."""
LIBRARY = b"\x7fELF\x02 simulated"
LIBRARIES = "usr/lib/x86_64-linux-gnu"


def uuid(number: int) -> str:
    return f"GPU-0000000{number}-aaaa-bbbb-cccc-dddddddddddd"


def make_device(path: Path, numbers: tuple[int, int] = (1, 3), mode: int = 0o666) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mknod(path, stat.S_IFCHR | mode, os.makedev(*numbers))
    path.chmod(mode)


def make_nvidia(root: Path, count: int = 2, *, first: int = 0) -> Path:
    """Make files as NVIDIA's driver does for some GPUs; returns the folder below which they are."""
    for number in range(count):
        folder = root / f"proc/driver/nvidia/gpus/0000:0{number + 1}:00.0"
        folder.mkdir(parents=True)
        (folder / "information").write_text(
            f"Model: \t\t NVIDIA Simulated {number}\nIRQ:   \t\t 40\n"
            f"GPU UUID: \t {uuid(number)}\nBus Type: \t PCIe\n"
            f"Device Minor: \t {number}\nGPU Excluded:\t No\n"
        )
        make_device(root / f"dev/nvidia{number}", ONES[first + number])
    for name, numbers in NVIDIA_SHARED.items():
        make_device(root / "dev" / name, numbers)
    libraries = root / LIBRARIES
    libraries.mkdir(parents=True)
    for name in ("libcuda.so", "libnvidia-ml.so", "libnvidia-ptxjitcompiler.so"):
        (libraries / f"{name}.550.1").write_bytes(LIBRARY + name.encode())
        (libraries / f"{name}.1").symlink_to(f"{name}.550.1")
    (libraries / "libcuda.so").symlink_to("libcuda.so.1")
    (libraries / "libGLX_nvidia.so.0").write_bytes(LIBRARY)
    return root


def make_amd(root: Path, count: int = 1, *, group: int = 4321, kfd: bool = True) -> Path:
    """Make files as Linux does for AMD's GPUs, which a group may use."""
    for number in range(count):
        render = root / f"sys/class/drm/renderD{128 + number}"
        device = root / f"sys/devices/pci0000:00/0000:0{number + 3}:00.0"
        device.mkdir(parents=True)
        render.mkdir(parents=True)
        (device / "vendor").write_text("0x1002\n")
        (device / "product_name").write_text(f"Simulated Instinct {number}\n")
        (render / "device").symlink_to(device)
        own = root / f"dev/dri/renderD{128 + number}"
        make_device(own, ONES[number], 0o660)
        os.chown(own, 0, group)
    if kfd:
        make_device(root / "dev/kfd", (1, 7), 0o660)
        os.chown(root / "dev/kfd", 0, group)
    return root
