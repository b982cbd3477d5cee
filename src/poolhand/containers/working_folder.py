"""A writable copy of the folder in which an image's program starts.

Apps were written for engines that let them write anywhere, and most that write beside their results
do it where they start, in HOME or in /tmp. HOME and /tmp are a file system in memory; the folder
where the program starts is copied onto a disk of the task (``disks``), open to whatever user the
app has. All else of the image stays read-only.

A program that starts in ``/`` cannot be given a copy of that: it starts in a folder of links to
what is there. The image is a stranger's, yet its files come packed by the engine: what is not a
plain name below the folder is passed over.
"""

from __future__ import annotations

import errno
import os
import shutil
import tarfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile
from typing import IO, Any, Final

import aiohttp
from aiodocker import Docker, DockerError

from poolhand.containers.engine import STATUS_NOT_FOUND, remove
from poolhand.containers.errors import ContainerRefused, DiskUnready
from poolhand.containers.folders import ENTRY_BYTES
from poolhand.domain.errors import is_machines_fault
from poolhand.ports.runtime import ContainerSpec

START_FOLDER: Final = "/iexec_work"
"""Where a program starts whose image would start it in ``/``."""
FILES: Final = 200_000
"""Files and folders that there is room for."""
_AT_THE_TOP: Final = (
    "app apps bin boot code data dev etc home iexec_in iexec_out lib lib32 lib64 media mnt opt "
    "proc root run sbin scripts src srv sys tmp usr var workspace"
)
"""Names that images have in ``/``."""
_TAKEN: Final = ("/dev", "/iexec_in", "/iexec_out", "/proc", "/sys", "/tmp")  # noqa: S108


class WorkingFolderTooLarge(Exception):
    """It does not fit onto the task's disk."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where an image starts its program, and the words of that program."""

    folder: str
    words: tuple[str, ...]

    @classmethod
    def of(cls, image: dict[str, Any]) -> Start:
        """Read the answer of the engine's ``GET /images/{name}/json``."""
        config = image.get("Config") or {}
        words = (*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ()))
        return cls(os.path.normpath("/" + (config.get("WorkingDir") or "").lstrip("/")), words)

    @property
    def is_copied(self) -> bool:
        """Whether its files are copied; ``/`` gets links instead."""
        return self.folder != "/"

    @property
    def target(self) -> str | None:
        """Where the writable folder is mounted; None: writing there is possible already, or odd."""
        taken = any(self.folder == each or self.folder.startswith(f"{each}/") for each in _TAKEN)
        return None if taken else self.folder if self.is_copied else START_FOLDER


async def fill(
    docker: Docker, spec: ContainerSpec, start: Start, volumes: Iterable[str] = ()
) -> None:
    """Bring what the image has in its working folder into ``spec.workplace``, which is empty.

    It may fill half of the limit ``work``: the app shall have room beside it. The engine makes none
    of the image's ``volumes``, into which it would copy what the image has there.

    Raises:
        WorkingFolderTooLarge: It is larger.
        DockerError: The engine does not show the image's files.
        TimeoutError, ClientError: It does not answer.
        DiskUnready: The worker's disk is full or broken.
        ContainerRefused: The files cannot be laid down otherwise.
    """
    try:
        await _copy(docker, spec, start, volumes)
    except (TimeoutError, aiohttp.ClientError):
        raise  # the engine's silence: OSErrors to Python, and none of the image's
    except OSError as fault:
        why = f"{start.folder} of its image cannot be copied: {fault}"
        kind = DiskUnready if is_machines_fault(fault) else ContainerRefused
        raise kind(spec.name, why) from fault


async def _copy(docker: Docker, spec: ContainerSpec, start: Start, volumes: Iterable[str]) -> None:
    async with unstarted(docker, spec, volumes) as container:
        if not start.is_copied:
            names = names_at_the_top(start)
            found = [name for name in names if await _exists(docker, container, name)]
            for name in found:
                (Path(spec.workplace) / name).symlink_to(f"/{name}")
            return
        with TemporaryFile(dir=Path(spec.workplace).parent) as packed:
            if await _fetch(docker, container, start.folder, packed, spec.limits.work):
                unpack(packed, Path(spec.workplace), spec.limits.work // 2)


def names_at_the_top(start: Start) -> list[str]:
    """Return what may be in ``/`` of an image that its program could look for where it starts."""
    return sorted({*_AT_THE_TOP.split(), *map(_top, start.words)})


def _top(word: str) -> str:
    """Return the first name of a relative path (``-`` for none)."""
    parts = PurePosixPath(word).parts
    relative = parts and parts[0] not in ("/", "..", "-") and not word.startswith("-")
    return parts[0] if relative and word.isprintable() else "-"


@asynccontextmanager
async def unstarted(
    docker: Docker, spec: ContainerSpec, volumes: Iterable[str]
) -> AsyncIterator[str]:
    """Hold a container of the image that is never started: only so do engines show files.

    Args:
        docker: The engine.
        spec: Of whose image; its name and labels are the container's.
        volumes: Folders of which the engine is not to make volumes.
    """
    name = f"{spec.name}-image"
    await remove(docker, name)
    body: dict[str, Any] = {
        "Image": spec.image,
        "Entrypoint": ["-"],
        "HostConfig": {"Tmpfs": dict.fromkeys(volumes, "")},
        "NetworkDisabled": True,
        "Labels": dict(spec.labels),
    }
    container = await docker.containers.create(body, name=name)
    try:
        yield container.id
    finally:
        await remove(docker, name)


async def _exists(docker: Docker, container: str, name: str) -> bool:
    url = f"{docker.docker_host}/{docker.api_version}/containers/{container}/archive"
    async with docker.session.head(url, params={"path": f"/{name}"}) as answer:
        return answer.status == 200


async def _fetch(docker: Docker, container: str, folder: str, into: IO[bytes], most: int) -> bool:
    """Write a folder's files to a tar; tells whether the image has that folder."""
    url = f"{docker.docker_host}/{docker.api_version}/containers/{container}/archive"
    async with docker.session.get(url, params={"path": folder}) as answer:
        if answer.status == STATUS_NOT_FOUND:
            return False
        if answer.status != 200:
            raise DockerError(answer.status, await answer.text())
        async for block in answer.content.iter_chunked(1024 * 1024):
            into.write(block)
            if into.tell() > most:
                raise WorkingFolderTooLarge
    into.seek(0)
    return True


def unpack(packed: IO[bytes], into: Path, most: int) -> None:
    """Unpack a tar whose names begin with the folder's own; everybody may write all of it.

    Symbolic links come last, so that nothing is written through one.

    Args:
        packed: The tar.
        into: An empty folder.
        most: Bytes of all files.

    Raises:
        WorkingFolderTooLarge: There is more, or more than fits onto a disk of the folder's own.
        OSError: The disk is broken, or full where it is the worker's, too.
    """
    unpacking = _Unpacking(into, most)
    try:
        with tarfile.open(fileobj=packed, mode="r:") as tar:
            for member in tar:
                unpacking.take(tar, member)
            unpacking.link()
    except OSError as fault:
        if fault.errno == errno.ENOSPC and into.is_mount():
            raise WorkingFolderTooLarge from fault
        raise


class _Unpacking:
    """What has been unpacked so far: nothing is put into, or linked to, what is not of it."""

    def __init__(self, into: Path, most: int) -> None:
        self._into, self._left = into, most
        self._folders, self._files = {into}, set[Path]()
        self._links: list[tuple[Path, str]] = []

    def take(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        place = self._place(member.name)
        if place is None or place.parent not in self._folders:
            return
        self._left -= member.size + ENTRY_BYTES
        if self._left < 0:
            raise WorkingFolderTooLarge
        if member.isdir():
            place.mkdir()
            place.chmod(0o777)
            self._folders.add(place)
        elif member.issym():
            self._links.append((place, member.linkname))
        else:
            self._take_file(tar, member, place)

    def _take_file(self, tar: tarfile.TarFile, member: tarfile.TarInfo, place: Path) -> None:
        if member.isfile():
            _write(tar, member, place)
        elif member.islnk() and (source := self._place(member.linkname)) in self._files:
            os.link(source, place, follow_symlinks=False)
        else:
            return
        self._files.add(place)

    def link(self) -> None:
        for place, target in self._links:
            place.symlink_to(target)

    def _place(self, name: str) -> Path | None:
        parts = PurePosixPath(name).parts[1:]
        return self._into.joinpath(*parts) if parts and ".." not in parts else None


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, place: Path) -> None:
    source = tar.extractfile(member)
    assert source is not None, "a member that is a file has content"
    with source, place.open("xb") as file:
        shutil.copyfileobj(source, file, 1024 * 1024)
        os.fchmod(file.fileno(), (member.mode & 0o777) | 0o666)
    os.utime(place, (member.mtime, member.mtime))
