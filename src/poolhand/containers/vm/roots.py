"""App images as disks of virtual machines: the engine packs an image's files, mksquashfs makes one.

No file of an image is ever unpacked on this computer. mksquashfs reads what a stranger made, so it
runs as nobody where it can, and may write one file of a bounded size alone.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp
import structlog
from aiodocker import Docker, DockerError

from poolhand.containers.engine import STATUS_NOT_FOUND
from poolhand.containers.errors import ContainerRefused, DiskUnready
from poolhand.containers.sandbox import SANDBOX_USER
from poolhand.containers.vm.programs import which
from poolhand.containers.working_folder import unstarted
from poolhand.domain.text import shown
from poolhand.domain.units import GIB, MIB
from poolhand.ports.runtime import ContainerSpec

MOST_ROOT_DISK: Final = 32 * GIB
"""Bytes of one disk."""
LEAST_DISK_FREE: Final = 256 * MIB
LONGEST_PACKING: Final = 1_800.0
"""Seconds until an image's disk is made."""
ACCOUNT_LISTS: Final = ("passwd", "group")
_BOUNDED: Final = 'ulimit -c 0; ulimit -f "$0"; exec "$@"'
_BLOCK: Final = 512
_SUFFIX: Final = ".squashfs"
_PIECE: Final = 1024 * 1024
_MOST_LIST: Final = 1024 * 1024
MOST_PACKERS_WORDS: Final = 4_096
"""Bytes of what the packing program says that are kept, the last ones."""

log = structlog.get_logger()


class RootDisks:
    """The disks of one engine's images, in a folder of ours.

    Args:
        docker: The engine.
        folder: For them; made when it is first needed.
    """

    def __init__(self, docker: Docker, folder: Path) -> None:
        self._docker, self._folder = docker, folder
        self._making: dict[str, asyncio.Lock] = {}

    async def disk(self, spec: ContainerSpec, image: Mapping[str, Any]) -> Path:
        """Return the disk of a run's image, made where it is not there.

        Beside it lies a folder ``…/accounts`` with the image's lists of users and groups.

        Args:
            spec: Of the run.
            image: The engine's account of it.

        Raises:
            ContainerRefused: Its files cannot be made a disk.
            DiskUnready: This computer's disk is full.
            DockerError: The engine does not show its files.
        """
        name = str(image["Id"]).rpartition(":")[2]
        place = self._folder / name / f"root{_SUFFIX}"
        async with self._making.setdefault(name, asyncio.Lock()):
            if not place.exists():
                await self._forget_others()
                await self._make(spec, place)
        self._making.pop(name, None)
        return place

    async def _make(self, spec: ContainerSpec, place: Path) -> None:
        shutil.rmtree(place.parent, ignore_errors=True)
        (place.parent / "accounts/etc").mkdir(parents=True)
        draft = place.parent / "draft"
        draft.mkdir()
        draft.chmod(0o777)
        try:
            async with unstarted(self._docker, spec, ()) as container:
                for each in ACCOUNT_LISTS:
                    await self._keep_list(container, each, place.parent / "accounts/etc" / each)
                await self._pack_in_time(spec, container, draft)
            made = draft / place.name
            made.chmod(0o444)
            made.rename(place)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    async def _pack_in_time(self, spec: ContainerSpec, container: str, draft: Path) -> None:
        try:
            async with asyncio.timeout(LONGEST_PACKING):
                await self._pack(spec, container, draft)
        except TimeoutError as fault:
            raise DiskUnready(spec.name, "its image's disk takes too long to make") from fault

    async def _pack(self, spec: ContainerSpec, container: str, draft: Path) -> None:
        url = f"{self._docker.docker_host}/{self._docker.api_version}/containers/{container}/export"
        lasts = aiohttp.ClientTimeout(total=None, sock_read=120)
        words = ("-", f"root{_SUFFIX}", "-tar", "-comp", "gzip", "-Xcompression-level", "1")
        quiet = ("-noappend", "-no-progress", "-quiet", "-no-xattrs", "-processors", "1")
        program = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", _BOUNDED, str(MOST_ROOT_DISK // _BLOCK),
            which("mksquashfs"), *words, *quiet,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            cwd=draft,
            env={"PATH": os.defpath},
            **_as_nobody(),
        )  # fmt: skip
        try:
            async with self._docker.session.get(url, timeout=lasts) as answer:
                if answer.status != 200:
                    raise DockerError(answer.status, await answer.text())
                told = await _fed(program, answer)
        finally:
            if program.returncode is None:
                program.kill()
                await program.wait()
        if program.returncode:
            log.warning("image_not_packed", image=spec.image, said=told)
            if shutil.disk_usage(draft).free < LEAST_DISK_FREE:
                raise DiskUnready(spec.name, "there is no room for its image's disk")
            raise ContainerRefused(spec.name, f"its image's files cannot be made a disk: {told}")

    async def _keep_list(self, container: str, name: str, place: Path) -> None:
        """Keep an image's list of users or groups, if it has one."""
        try:
            tar = await self._docker.containers.container(container).get_archive(f"/etc/{name}")
            member = next((each for each in tar.getmembers() if each.isreg()), None)
            file = None if member is None else tar.extractfile(member)
            if file is not None:
                await asyncio.to_thread(place.write_bytes, file.read(_MOST_LIST))
        except DockerError as fault:
            if fault.status != STATUS_NOT_FOUND:
                raise
        except aiohttp.ClientPayloadError:
            log.info("image_list_too_long", list=name)

    async def _forget_others(self) -> None:
        """Remove the disks of images that the engine no longer has."""
        if not self._folder.is_dir():
            return
        kept = {str(each["Id"]).rpartition(":")[2] for each in await self._docker.images.list()}
        for each in self._folder.iterdir():
            if each.name not in kept and each.name not in self._making:
                log.info("root_disk_removed", image=each.name)
                await asyncio.to_thread(shutil.rmtree, each, ignore_errors=True)


async def _fed(program: asyncio.subprocess.Process, answer: aiohttp.ClientResponse) -> str:
    """Give a program what an engine sends; returns its last words."""
    assert program.stdin is not None
    assert program.stderr is not None
    words = asyncio.create_task(last_words(program.stderr))
    try:
        async for block in answer.content.iter_chunked(_PIECE):
            program.stdin.write(block)
            await program.stdin.drain()
        program.stdin.close()
    except (BrokenPipeError, ConnectionResetError):
        pass  # it has ended: its exit code tells
    await program.wait()
    told = (await words).decode(errors="replace").strip().splitlines()
    return shown(told[-1] if told else "", 200)


async def last_words(stream: asyncio.StreamReader) -> bytes:
    """Read all that a program says, so that it never waits for us; returns the end of it."""
    kept = b""
    while piece := await stream.read(_PIECE):
        kept = (kept + piece)[-MOST_PACKERS_WORDS:]
    return kept


def _as_nobody() -> dict[str, Any]:
    if os.getuid():
        return {}
    return {"user": SANDBOX_USER, "group": SANDBOX_USER, "extra_groups": ()}
