"""The image that the container of a virtual machine has: QEMU, Python, a kernel, its first files.

It is made of this computer's own programs, by name and version of all of them, and made anew when
one of them changes. The engine imports it; nothing of it comes from a registry.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import sys
import tarfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import aiohttp
from aiodocker import Docker, DockerError

from poolhand.containers.engine import STATUS_NOT_FOUND
from poolhand.containers.vm import channel, guest, launcher
from poolhand.containers.vm.initrd import initrd
from poolhand.containers.vm.kernel import GuestKernel, find_kernel
from poolhand.containers.vm.programs import (
    OURS_INSIDE,
    PYTHON_INSIDE,
    QEMU,
    fingerprint,
    python_files,
    qemu_files,
    which,
)

VM_IMAGE: Final = "poolhand-vm"
KERNEL_INSIDE: Final = "/vm-boot/kernel"
INITRD_INSIDE: Final = "/vm-boot/initrd"
LAUNCHER_WORDS: Final = (PYTHON_INSIDE, "-I", "-S", "/vm-boot/start.py")
_RECIPE: Final = 1
"""Raised when this module makes another image of the same programs."""
_FOLDERS: Final = ("dev", "proc", "sys", "tmp", "etc", "vm-run", "share")
_START: Final = f"""import sys
sys.path.insert(0, "{OURS_INSIDE}")
from poolhand.containers.vm.launcher import main
main()
"""


@dataclass(frozen=True, slots=True)
class VmTools:
    """The programs of this computer that run virtual machines."""

    kernel: GuestKernel

    @classmethod
    def found(cls, folder: Path | None) -> VmTools:
        """Find them.

        Args:
            folder: Of a kernel; None: this computer's own.

        Raises:
            NoProgramsHere: One is missing.
        """
        which(QEMU)
        which("mksquashfs")
        return cls(find_kernel(folder))

    def name(self) -> str:
        """Return the name of the image that they make."""
        modules = (channel.__file__, guest.__file__, launcher.__file__)
        paths = {
            "python": Path(sys.executable).resolve(),
            "qemu": Path(which(QEMU)).resolve(),
            "kernel": self.kernel.image,
            "modules": self.kernel.modules / "kernel",
        }
        ours = b"".join(Path(each or "").read_bytes() for each in modules)
        told = repr((_RECIPE, sys.version, str(self.kernel.image), fingerprint(paths))).encode()
        return f"{VM_IMAGE}:{hashlib.sha256(told + ours).hexdigest()[:20]}"

    def write(self, file: IO[bytes]) -> None:
        """Write the image's files as a tar; takes seconds.

        Raises:
            NoProgramsHere: Something that a program needs is missing.
        """
        python = python_files()
        boot = {
            KERNEL_INSIDE: self.kernel.image.read_bytes(),
            INITRD_INSIDE: initrd(python, self.kernel.module_contents()),
            LAUNCHER_WORDS[-1]: _START.encode(),
        }
        _write_tar(file, {**qemu_files(), **python, **boot})


def _write_tar(file: IO[bytes], files: Mapping[str, bytes]) -> None:
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name in _FOLDERS:
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(folder)
        for path, content in files.items():
            info = tarfile.TarInfo(path.lstrip("/"))
            info.size, info.mode = len(content), 0o755
            tar.addfile(info, io.BytesIO(content))


class ToolsImages:
    """Brings the image into an engine.

    Args:
        docker: The engine.
    """

    def __init__(self, docker: Docker) -> None:
        self._docker, self._making = docker, asyncio.Lock()

    async def image(self, tools: VmTools, folder: Path) -> str:
        """Return the image's name; it is made where the engine lacks it.

        Args:
            tools: What it is made of.
            folder: For a temporary file.

        Raises:
            NoProgramsHere: Something that a program needs is missing.
            DockerError: The engine does not take it.
        """
        name = await asyncio.to_thread(tools.name)
        async with self._making:
            try:
                await self._docker.images.inspect(name)
            except DockerError as fault:
                if fault.status != STATUS_NOT_FOUND:
                    raise
                await self._forget_others()
                await self._import(tools, name, folder)
        return name

    async def _import(self, tools: VmTools, name: str, folder: Path) -> None:
        place = folder / f"tools-{name.rpartition(':')[2]}.tar"
        try:
            with place.open("wb+") as file:
                await asyncio.to_thread(tools.write, file)
                file.seek(0)
                repository, _, tag = name.partition(":")
                asked = {"fromSrc": "-", "repo": repository, "tag": tag}
                url = f"{self._docker.docker_host}/{self._docker.api_version}/images/create"
                async with self._docker.session.post(
                    url,
                    params=asked,
                    data=file,
                    headers={"Content-Type": "application/x-tar"},
                    timeout=aiohttp.ClientTimeout(total=600),
                ) as answer:
                    told = await answer.text()
                    if answer.status != 200:
                        raise DockerError(answer.status, told)
        finally:
            place.unlink(missing_ok=True)

    async def _forget_others(self) -> None:
        """Remove images of what these programs were; one that is in use stays."""
        for each in await self._docker.images.list(filters={"reference": [VM_IMAGE]}):
            for name in each.get("RepoTags") or ():
                with suppress(DockerError):
                    await self._docker.images.delete(name)
