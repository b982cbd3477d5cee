"""How an engine is told to give a container a GPU, and every other container none.

Where the engine tells that it knows the GPU (CDI), it is asked for it by its name. Else, and with
AMD's always, the container gets the GPU's device files, and of NVIDIA's driver the libraries that
programs load: they must be of the very version of the kernel's driver, so no image can bring them.

Source: CDI specification 0.6 and ``nvidia-ctk cdi generate`` (names ``nvidia.com/gpu=<uuid or
number>``); Docker Engine API 1.41 (``HostConfig.Devices``), 1.44 (``DeviceRequests`` with the
driver ``cdi``) and 1.50 (``DiscoveredDevices``); libnvidia-container, ``src/nvc_info.c``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog
from aiodocker import Docker, DockerError

from poolhand.containers.engine import NO_ANSWER, OWN_FAULT
from poolhand.containers.errors import GpuUnready
from poolhand.domain.gpu import Gpu, GpuMaker
from poolhand.ports.runtime import ContainerSpec, Mount

HIDDEN: Final = {"NVIDIA_VISIBLE_DEVICES": "void"}
"""Variables of every container: whatever its image asks for, a runtime that hands GPUs to whoever
asks hands it none. What it is given, it is given by the engine."""
LIBRARIES_INSIDE: Final = "/usr/local/nvidia/lib64"
"""Where images look for the driver's libraries that NVIDIA makes for containers."""
LIBRARY_PATH: Final = "LD_LIBRARY_PATH"
_CDI_KIND: Final = "nvidia.com/gpu"
_LIBRARIES: Final = (
    "libcuda.so", "libcudadebugger.so", "libnvidia-ml.so", "libnvidia-ptxjitcompiler.so",
    "libnvidia-nvvm.so", "libnvidia-nvvm70.so", "libnvidia-gpucomp.so", "libnvidia-opencl.so",
    "libnvidia-cfg.so",
)  # fmt: skip
"""What computing takes of the driver; not what draws."""
_CUDA: Final = "libcuda.so.1"
_FOLDERS: Final = (
    "usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib64",
    "usr/lib/x86_64-linux-gnu/nvidia/current", "usr/lib/aarch64-linux-gnu/nvidia/current",
    "usr/lib64/nvidia", "usr/lib", "usr/local/nvidia/lib64", "run/opengl-driver/lib",
    "opt/nvidia/lib64", "home/kubernetes/bin/nvidia/lib64",
)  # fmt: skip
"""Where distributions put it, in the order in which it is looked for."""
_LINKER: Final = "etc/ld.so.conf.d"
_ELF64: Final = b"\x7fELF\x02"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class GpuTerms:
    """What a container is given, as the engine is told of it.

    Attributes:
        request: Name of a device that the engine knows; empty: none.
        devices: Files on this computer, and what they are called in the container.
        groups: To which the app must belong to use these.
        libraries: Of the driver, mounted.
    """

    request: str = ""
    devices: tuple[tuple[str, str], ...] = ()
    groups: tuple[int, ...] = ()
    libraries: tuple[Mount, ...] = ()

    @property
    def host(self) -> Mapping[str, Any]:
        """What the engine's ``HostConfig`` has of it."""
        if self.request:
            asked = {"Driver": "cdi", "DeviceIDs": [self.request]}
            return {"DeviceRequests": [asked]}
        if not self.devices:
            return {}
        devices = [
            {"PathOnHost": host, "PathInContainer": inside, "CgroupPermissions": "rw"}
            for host, inside in self.devices
        ]
        groups = {"GroupAdd": [str(each) for each in self.groups]} if self.groups else {}
        return {"Devices": devices, **groups}

    def environment(self, library_path: str) -> Mapping[str, str]:
        """Return variables by which programs find the driver's libraries first.

        Args:
            library_path: Where the image's programs look for libraries.
        """
        if not self.libraries:
            return {}
        paths = [LIBRARIES_INSIDE, *(each for each in library_path.split(":") if each)]
        return {LIBRARY_PATH: ":".join(dict.fromkeys(paths))}


NO_GPU: Final = GpuTerms()
"""Of a container that is given none."""


class GpuGiver:
    """Finds by what an engine gives a GPU to a container.

    Args:
        docker: The engine.
        root: Below which this computer's files are.
    """

    def __init__(self, docker: Docker, root: Path = Path("/")) -> None:
        self._docker, self._root = docker, root

    async def terms(self, spec: ContainerSpec) -> GpuTerms:
        """Return what a container is given of the GPU that it is to have.

        Raises:
            GpuUnready: It has gone, or its driver's libraries are not here.
            DockerError: The engine does not tell what it knows.
        """
        gpu = spec.gpu
        if gpu is None:
            return NO_GPU
        request = cdi_name(gpu, await self._discovered())
        way = "cdi" if request else "device files"
        log.info("gpu_given", container=spec.name, gpu=gpu.name, way=way)
        if request:
            return GpuTerms(request)
        try:
            return await asyncio.to_thread(self._files, gpu)
        except FileNotFoundError as fault:
            raise GpuUnready(spec.name, str(fault)) from fault

    async def _discovered(self) -> Collection[str]:
        """Return the devices that the engine knows by name; an older one tells of none."""
        try:
            told = await self._docker.system.info()
        except DockerError as fault:
            if fault.status == NO_ANSWER or fault.status in OWN_FAULT:
                raise
            return ()  # a guard before the engine forbids the question
        return {str(each.get("ID")) for each in told.get("DiscoveredDevices") or ()}

    def _files(self, gpu: Gpu) -> GpuTerms:
        devices = tuple((str(self._root / each.lstrip("/")), each) for each in gpu.devices)
        gone = [inside for host, inside in devices if not Path(host).exists()]
        if gone:
            raise FileNotFoundError(f"{gpu} has lost its device file {gone[0]}")
        libraries = () if gpu.maker is GpuMaker.AMD else tuple(driver_libraries(self._root))
        return GpuTerms(devices=devices, groups=gpu.groups, libraries=libraries)


def cdi_name(gpu: Gpu, discovered: Collection[str]) -> str:
    """Return by which name an engine knows a GPU; empty: it does not.

    Args:
        gpu: It.
        discovered: What the engine knows.
    """
    if gpu.maker is not GpuMaker.NVIDIA:
        return ""
    names = (f"{_CDI_KIND}={each}" for each in (gpu.name, gpu.place))
    return next((each for each in names if each in discovered), "")


def driver_libraries(root: Path) -> Iterator[Mount]:
    """Yield the libraries of NVIDIA's driver, each under the names by which it is loaded.

    Args:
        root: Below which this computer's files are.

    Raises:
        FileNotFoundError: They are not here.
    """
    folder = next((each for each in _folders(root) if _is_elf64(each / _CUDA)), None)
    if folder is None:
        raise FileNotFoundError(f"{_CUDA} of NVIDIA's driver is in no folder where libraries are")
    for stem in _LIBRARIES:
        for each in sorted(folder.glob(f"{stem}*")):
            if each.is_file():
                yield Mount(str(each.resolve()), f"{LIBRARIES_INSIDE}/{each.name}", writable=False)


def _folders(root: Path) -> Iterator[Path]:
    yield from (root / each for each in _FOLDERS)
    for listed in sorted((root / _LINKER).glob("*.conf")):
        for line in listed.read_text(errors="replace").splitlines():
            if line.startswith("/"):
                yield root / line.strip().lstrip("/")


def _is_elf64(file: Path) -> bool:
    """Whether a library is one of this processor's 64 bits, not of its 32."""
    try:
        with file.open("rb") as opened:
            return opened.read(len(_ELF64)) == _ELF64
    except OSError:
        return False
