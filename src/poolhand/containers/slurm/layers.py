"""The layers of an image, laid over one another in a folder, without trusting one byte of them.

A layer is a stranger's archive, unpacked by the worker itself, perhaps as root. Nothing is written
outside the folder, whatever links it holds (each part of a name is looked up within it); nothing
is a device; no file gives rights (setuid, setgid, attributes); bytes and names are counted while
they come, before they are written.

Source: OCI image specification 1.0, layer.md (whiteouts); Docker image specification 1.2.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import stat
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Self, cast

from poolhand.containers.folders import ENTRY_BYTES

MOST_IMAGE_BYTES: Final = 16 * 1024**3
"""Bytes of all files of an image, unpacked."""
MOST_IMAGE_NAMES: Final = 500_000
"""Files and folders of an image."""
MOST_IMAGE_LINKS: Final = 40
"""Symbolic links on the way to one name, as the kernel's own limit."""
MOST_FOLDERS_DEEP: Final = 200
"""Folders above one another."""
_MOST_HEADER: Final = 1024**2
_WHITEOUT: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"
_PIECE: Final = 1024**2
_GZIP: Final = b"\x1f\x8b"
_HEADERS: Final = (
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)  # fmt: skip


class BadLayer(Exception):
    """A layer is no archive, or holds what no honest one does."""


class LayersTooLarge(Exception):
    """An image has more bytes or names than it may."""


class WrongContent(Exception):
    """A layer is not the one that the image's configuration names."""


class _Header(tarfile.TarInfo):
    """A header of which no more is read into memory than an honest one has."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Read one."""
        return cls._bounded(super().frombuf(buf, encoding, errors))

    @classmethod
    def _frombuf(cls, *words: Any, **more: Any) -> Self:
        """Read one: what a repaired Python calls instead, Debian's 3.11 among them."""
        found: Self = super()._frombuf(*words, **more)  # type: ignore[misc]
        return cls._bounded(found)

    @classmethod
    def _bounded(cls, found: Self) -> Self:
        if found.type in _HEADERS and found.size > _MOST_HEADER:
            raise BadLayer(f"a header of {found.size} bytes")
        return found


class _CountedLayer:
    """What comes out of a layer's compression: digested, and no more than may be."""

    def __init__(self, source: IO[bytes], most: int) -> None:
        self._source, self._most = source, most
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        data = self._source.read(size)
        self._most -= len(data)
        if self._most < 0:
            raise LayersTooLarge
        self.digest.update(data)
        return data


@dataclass(slots=True)
class Scope:
    """A folder in which names are looked up as if it were ``/``."""

    root: Path

    def folder(self, parts: Iterable[str], *, make: bool) -> Path | None:
        """Return where a folder really is; None where it is not there and not to be made.

        Raises:
            BadLayer: It leads round in circles, or over something that is no folder.
        """
        todo, here, links = [*parts][::-1], list[str](), 0
        while todo:
            part = todo.pop()
            if part in ("", ".", ".."):
                here = here[:-1] if part == ".." else here
                continue
            place = self.root.joinpath(*here, part)
            mode = _mode(place, make=make)
            if stat.S_ISLNK(mode):
                links += 1
                target = str(place.readlink())
                here = [] if target.startswith("/") else here
                todo += target.split("/")[::-1]
                _check_way(links, len(todo))
            elif stat.S_ISDIR(mode):
                here.append(part)
                _check_way(0, len(here))
            elif make:
                raise BadLayer("a file where a folder should be")
            else:
                return None
        return self.root.joinpath(*here)

    def file(self, path: str) -> Path | None:
        """Return where a plain file really is; None where there is none."""
        parts = path.split("/")
        folder = self.folder(parts[:-1], make=False)
        place = None if folder is None else folder / parts[-1]
        for _ in range(MOST_IMAGE_LINKS):
            if place is None or not place.is_symlink():
                break
            target = str(place.readlink())
            base = "" if target.startswith("/") else os.path.relpath(place.parent, self.root)
            parts = [*base.split("/"), *target.split("/")]
            folder = self.folder(parts[:-1], make=False)
            place = None if folder is None else folder / parts[-1]
        return place if place is not None and not place.is_symlink() and place.is_file() else None


def _mode(place: Path, *, make: bool) -> int:
    """Return what is at a place, 0 for nothing; a folder is made where that is wanted."""
    try:
        return place.lstat().st_mode
    except FileNotFoundError:
        if not make:
            return 0
    place.mkdir()
    place.chmod(0o755)
    return stat.S_IFDIR


def _check_way(links: int, parts: int) -> None:
    if links > MOST_IMAGE_LINKS:
        raise BadLayer("links that lead round in circles")
    if parts > MOST_FOLDERS_DEEP:
        raise BadLayer(f"more than {MOST_FOLDERS_DEEP} folders above one another")


class Layers:
    """Layers laid into an empty folder, lowest first.

    Args:
        root: The folder.
        most_bytes, most_names: What may come in all.
    """

    def __init__(
        self, root: Path, most_bytes: int = MOST_IMAGE_BYTES, most_names: int = MOST_IMAGE_NAMES
    ) -> None:
        self._scope = Scope(root)
        self._bytes, self._names = most_bytes, most_names
        self._keeps_owners = os.geteuid() == 0

    def add(self, packed: IO[bytes], diff_id: str) -> None:
        """Lay one over the others.

        Args:
            packed: The layer, plain or compressed by gzip.
            diff_id: What the configuration says of it: ``sha256:`` of it unpacked.

        Raises:
            BadLayer, LayersTooLarge, WrongContent: It must not be used.
            OSError: The disk failed, or is full.
        """
        head = packed.read(len(_GZIP))
        packed.seek(0)
        plain = cast("IO[bytes]", gzip.GzipFile(fileobj=packed)) if head == _GZIP else packed
        counted = _CountedLayer(plain, 2 * self._bytes + 64 * 1024**2)
        try:
            self._add_all(counted)
            while counted.read(_PIECE):
                pass
        except (tarfile.TarError, EOFError, gzip.BadGzipFile, ValueError) as fault:
            raise BadLayer(type(fault).__name__) from fault
        if f"sha256:{counted.digest.hexdigest()}" != diff_id:
            raise WrongContent

    def _add_all(self, counted: _CountedLayer) -> None:
        fresh = set[Path]()
        with tarfile.open(
            fileobj=cast("IO[bytes]", counted), mode="r|", tarinfo=_Header, bufsize=_PIECE
        ) as tar:
            while (member := tar.next()) is not None:
                self._names -= 1
                self._bytes -= max(member.size, 0) + ENTRY_BYTES
                if self._names < 0 or self._bytes < 0:
                    raise LayersTooLarge
                self._take(tar, member, fresh)
                tar.members.clear()  # type: ignore[attr-defined]  # else all headers are kept

    def _take(self, tar: tarfile.TarFile, member: tarfile.TarInfo, fresh: set[Path]) -> None:
        parts = [part for part in member.name.split("/") if part not in ("", ".")]
        if ".." in parts or "\0" in member.name:
            raise BadLayer("a name that leads out of the image")
        if not parts:
            return
        parent = self._scope.folder(parts[:-1], make=True)
        assert parent is not None, "it was to be made"
        place = parent / parts[-1]
        if parts[-1] == _OPAQUE:
            for each in parent.iterdir():
                if each not in fresh:
                    _remove(each)
        elif parts[-1].startswith(_WHITEOUT):
            name = parts[-1].removeprefix(_WHITEOUT)
            if name in ("", ".", ".."):
                raise BadLayer("a whiteout of nothing")
            _remove(parent / name)
        else:
            self._write(tar, member, place)
            fresh.add(place)

    def _write(self, tar: tarfile.TarFile, member: tarfile.TarInfo, place: Path) -> None:
        is_folder = place.is_dir() and not place.is_symlink()
        if not (member.isdir() and is_folder):
            _remove(place)
        if member.isdir():
            place.mkdir(exist_ok=True)
        elif member.isfile():
            _copy(tar, member, place)
        elif member.issym():
            place.symlink_to(member.linkname)
        elif member.islnk():
            self._link(member, place)
            return
        else:
            return  # a device, a pipe: the sandbox has its own
        self._dress(member, place)

    def _dress(self, member: tarfile.TarInfo, place: Path) -> None:
        """Give it its owner, rights and time; who cannot give owners away can read all of it."""
        if self._keeps_owners:
            os.chown(place, member.uid & 0x7FFFFFFF, member.gid & 0x7FFFFFFF, follow_symlinks=False)
        if not member.issym():
            own = 0 if self._keeps_owners else 0o700 if member.isdir() else 0o600
            place.chmod((member.mode & 0o1777) | own)
            os.utime(place, (max(member.mtime, 0),) * 2)

    def _link(self, member: tarfile.TarInfo, place: Path) -> None:
        parts = [part for part in member.linkname.split("/") if part not in ("", ".")]
        if not parts or ".." in parts:
            raise BadLayer("a link that leads out of the image")
        folder = self._scope.folder(parts[:-1], make=False)
        source = None if folder is None else folder / parts[-1]
        if source is None or source.is_symlink() or not source.is_file():
            raise BadLayer("a link to what is no file of the image")
        os.link(source, place, follow_symlinks=False)


def _copy(tar: tarfile.TarFile, member: tarfile.TarInfo, place: Path) -> None:
    source = tar.extractfile(member)
    assert source is not None, "a member that is a file has content"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with source, os.fdopen(os.open(place, flags, 0o600), "wb") as file:
        shutil.copyfileobj(source, file, _PIECE)


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
