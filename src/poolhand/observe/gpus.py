"""GPUs of this computer, read from the kernel's files; nothing is asked of a driver's library.

Source: NVIDIA's driver, ``/proc/driver/nvidia/gpus/*/information`` and ``nvidia-modprobe``; Linux,
``drivers/gpu/drm/amd/amdkfd/kfd_topology.c`` and ``Documentation/gpu/drm-uapi.rst``.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from poolhand.domain.gpu import FoundGpus, Gpu, GpuMaker
from poolhand.domain.text import shown

_NVIDIA: Final = "proc/driver/nvidia/gpus"
_NVIDIA_NEEDED: Final = ("/dev/nvidiactl", "/dev/nvidia-uvm")
_NVIDIA_USED: Final = ("/dev/nvidia-uvm-tools",)
"""Files that all of NVIDIA's GPUs share: those without which nothing computes, and others."""
_AMD_VENDOR: Final = 0x1002
_AMD_NEEDED: Final = ("/dev/kfd",)
_PCI: Final = "sys/bus/pci/devices"
_NVIDIA_VENDOR: Final = 0x10DE
_DISPLAY_CLASS: Final = 0x03
"""First byte of the class of a PCI device that is a GPU, with a connector for a screen or none."""
_UNKNOWN_UUID: Final = "?"
_MOST_MODEL: Final = 60
"""Characters of a model's name."""


def find_gpus(root: Path = Path("/")) -> FoundGpus:
    """Find the GPUs whose drivers are there.

    Args:
        root: Below which the kernel's files are.
    """
    found, lacks = list[Gpu](), list[str]()
    for maker, look in ((GpuMaker.NVIDIA, _nvidia), (GpuMaker.AMD, _amd)):
        place = 0
        for told in look(root):
            if isinstance(told, str):
                lacks.append(told)
            else:
                found.append(replace(told, number=len(found), maker=maker, place=place))
            place += not isinstance(told, str)
    if not any(each.maker is GpuMaker.NVIDIA for each in found) and not lacks:
        lacks.extend(_without_driver(root))
    return FoundGpus(tuple(found), tuple(lacks))


def _nvidia(root: Path) -> Iterator[Gpu | str]:
    """Yield each GPU that NVIDIA's driver has, or why it cannot be used."""
    for folder in sorted((root / _NVIDIA).glob("*")):
        told = _members(folder / "information")
        address, minor = folder.name, told.get("Device Minor", "")
        uuid, model = told.get("GPU UUID", ""), _model(told.get("Model", "").removeprefix("NVIDIA"))
        if told.get("GPU Excluded", "No") == "Yes":
            yield f"the driver leaves the GPU at {address} out (GPU Excluded)"
        elif not minor.isdecimal():
            yield f"the driver tells no device of the GPU at {address}"
        else:
            name = uuid if uuid and _UNKNOWN_UUID not in uuid else address
            devices = (f"/dev/nvidia{minor}", *_NVIDIA_NEEDED)
            gpu = Gpu(name, 0, GpuMaker.NVIDIA, model, devices)
            yield _with_files(root, gpu, _NVIDIA_USED, "run `nvidia-modprobe -u -c=0` as root")


def _amd(root: Path) -> Iterator[Gpu | str]:
    """Yield each GPU that AMD's driver can compute on, or why it cannot be used."""
    for folder in sorted((root / "sys/class/drm").glob("renderD*"), key=_bus_address):
        if _number(folder / "device/vendor") != _AMD_VENDOR:
            continue
        model = _model(_text(folder / "device/product_name"))
        devices = (f"/dev/dri/{folder.name}", *_AMD_NEEDED)
        gpu = Gpu(_bus_address(folder), 0, GpuMaker.AMD, model, devices)
        yield _with_files(root, gpu, (), "load its driver, amdgpu")


def _with_files(root: Path, gpu: Gpu, more: tuple[str, ...], repair: str) -> Gpu | str:
    """Return a GPU with those of its files that are there, or why it cannot be used."""
    modes = {each: _mode(root, each) for each in (*gpu.devices, *more)}
    for name in gpu.devices:
        if modes[name] is None:
            return f"{gpu.maker} {gpu.model} has no device file {name} ({repair})"
    groups = set()
    for name, found in modes.items():
        if found is None or _all_of(found.st_mode):
            continue
        if not _all_of(found.st_mode >> 3):
            return f"{gpu.maker} {gpu.model} is of no use (neither all nor a group may use {name})"
        groups.add(found.st_gid)
    there = tuple(name for name, found in modes.items() if found is not None)
    return replace(gpu, devices=there, groups=tuple(sorted(groups)))


def _without_driver(root: Path) -> Iterator[str]:
    """Yield a sentence for each of NVIDIA's GPUs that is built in, where no driver has it."""
    for folder in sorted((root / _PCI).glob("*")):
        is_gpu = (_number(folder / "class") or 0) >> 16 == _DISPLAY_CLASS
        if is_gpu and _number(folder / "vendor") == _NVIDIA_VENDOR:
            yield f"the GPU at {folder.name} lacks NVIDIA's driver"


def _mode(root: Path, name: str) -> os.stat_result | None:
    try:
        found = (root / name.lstrip("/")).stat()
    except OSError:
        return None
    return found if stat.S_ISCHR(found.st_mode) else None


def _all_of(mode: int) -> bool:
    """Whether the last three bits of a file's mode let somebody read and write it."""
    return mode & 0o6 == 0o6


def _members(file: Path) -> Mapping[str, str]:
    """Read lines ``name: value``."""
    lines = (line.partition(":") for line in _text(file).splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}


def _bus_address(folder: Path) -> str:
    """Return the bus address of a device, as the kernel links it."""
    return (folder / "device").resolve().name


def _model(told: str) -> str:
    return shown(told.strip(), _MOST_MODEL) or "GPU"


def _number(file: Path) -> int | None:
    with suppress(ValueError):
        return int(_text(file), 0)
    return None


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return ""
