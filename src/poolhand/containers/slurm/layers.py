"""The layers of an image, laid over one another in a folder, without trusting one byte of them.

A layer is a stranger's archive, unpacked by the worker itself, perhaps as root. Nothing is written
outside the folder, whatever links it holds (each part of a name is looked up within it); nothing
is a device; no file gives rights (setuid, setgid, attributes); bytes and names are counted while
they come, before they are written.

Source: OCI image specification 1.0, layer.md (whiteouts); Docker image specification 1.2.
"""

from __future__ import annotations

import errno
import gzip
import os
import shutil
import stat
import tarfile
import threading
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

from poolhand.containers.folders import ENTRY_BYTES
from poolhand.containers.slurm.layer_archive import BadLayer, LayerArchive, LayersTooLarge

MOST_IMAGE_BYTES: Final = 16 * 1024**3
"""Bytes of all files of an image, unpacked."""
MOST_IMAGE_NAMES: Final = 500_000
"""Files and folders of an image."""
MOST_IMAGE_LINKS: Final = 40
"""Symbolic links on the way to one name, as the kernel's own limit."""
MOST_FOLDERS_DEEP: Final = 200
"""Folders above one another."""
_WHITEOUT: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"
_GZIP: Final = b"\x1f\x8b"
_LATEST: Final = 2**33
"""Unix seconds: the latest time that every file system can write down."""
_OF_THE_LAYER: Final = (errno.ENAMETOOLONG, errno.EMLINK, errno.EILSEQ, errno.ELOOP)
"""What a file system says of names and links that it cannot have; all else is its own trouble."""


class WrongContent(Exception):
    """A layer is not the one that the image's configuration names."""


@dataclass(slots=True)
class Scope:
    """A folder in which names are looked up as if it were ``/``; ``made``: folders made here."""

    root: Path
    made: int = 0

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
            mode = _mode(place)
            if make and not mode:
                place.mkdir()
                place.chmod(0o755)
                self.made, mode = self.made + 1, stat.S_IFDIR
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


def _mode(place: Path) -> int:
    """Return what is at a place, 0 for nothing."""
    try:
        return place.lstat().st_mode
    except FileNotFoundError:
        return 0


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
        abandoned: Set by whoever does not wait for them any more.
    """

    def __init__(
        self,
        root: Path,
        most_bytes: int = MOST_IMAGE_BYTES,
        most_names: int = MOST_IMAGE_NAMES,
        abandoned: threading.Event | None = None,
    ) -> None:
        self._scope = Scope(root)
        self._bytes, self._names = most_bytes, most_names
        self._abandoned = abandoned or threading.Event()
        self._keeps_owners = os.geteuid() == 0

    def add(self, packed: IO[bytes], diff_id: str) -> None:
        """Lay one over the others.

        Args:
            packed: The layer, plain or compressed by gzip.
            diff_id: What the configuration says of it: ``sha256:`` of it unpacked.

        Raises:
            BadLayer, LayersTooLarge, WrongContent: It must not be used.
            LayerAbandoned: Nobody waits for it any more.
            OSError: The disk failed, or is full.
        """
        head = packed.read(len(_GZIP))
        packed.seek(0)
        plain = cast("IO[bytes]", gzip.GzipFile(fileobj=packed)) if head == _GZIP else packed
        archive = LayerArchive(plain, 2 * self._bytes + 64 * 1024**2, self._abandoned)
        try:
            self._add_all(archive)
            archive.finish()
        except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error, ValueError) as fault:
            raise BadLayer(type(fault).__name__) from fault
        except OSError as fault:
            if fault.errno in _OF_THE_LAYER:
                raise BadLayer(fault.strerror) from fault
            raise
        if archive.digest != diff_id:
            raise WrongContent

    def _add_all(self, archive: LayerArchive) -> None:
        fresh = set[Path]()
        for member in archive:
            self._count(1, member.size)
            self._take(archive, member, fresh)

    def _count(self, names: int, size: int) -> None:
        self._names -= names
        self._bytes -= size + names * ENTRY_BYTES
        if self._names < 0 or self._bytes < 0:
            raise LayersTooLarge

    def _take(self, archive: LayerArchive, member: tarfile.TarInfo, fresh: set[Path]) -> None:
        parts = [part for part in member.name.split("/") if part not in ("", ".")]
        if ".." in parts or "\0" in member.name:
            raise BadLayer("a name that leads out of the image")
        if not parts:
            return
        made = self._scope.made
        parent = self._scope.folder(parts[:-1], make=True)
        assert parent is not None, "it was to be made"
        self._count(self._scope.made - made, 0)
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
            self._write(archive, member, place)
            fresh.add(place)

    def _write(self, archive: LayerArchive, member: tarfile.TarInfo, place: Path) -> None:
        is_folder = place.is_dir() and not place.is_symlink()
        if not (member.isdir() and is_folder):
            _remove(place)
        if member.isdir():
            place.mkdir(exist_ok=True)
        elif member.isfile():
            _copy(archive, place)
        elif member.issym():
            if not member.linkname:
                raise BadLayer("a link to nothing")
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
            os.utime(place, (min(_LATEST, max(0.0, member.mtime)),) * 2)  # 0 for what is no number

    def _link(self, member: tarfile.TarInfo, place: Path) -> None:
        parts = [part for part in member.linkname.split("/") if part not in ("", ".")]
        if not parts or ".." in parts:
            raise BadLayer("a link that leads out of the image")
        folder = self._scope.folder(parts[:-1], make=False)
        source = None if folder is None else folder / parts[-1]
        if source is None or source.is_symlink() or not source.is_file():
            raise BadLayer("a link to what is no file of the image")
        os.link(source, place, follow_symlinks=False)


def _copy(archive: LayerArchive, place: Path) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(place, flags, 0o600), "wb") as file:
        file.writelines(archive.content())


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
