"""Image layers that come out the same, byte for byte, from the same files.

A layer is a gzipped tar. Everything that varies from machine to machine is fixed here: owner,
times, order, the gzip header. Source: OCI Image Specification 1.1, "Image Layer Filesystem
Changeset".
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final, Protocol

COMPRESSION: Final = 3
"""Where the registry is on this machine: speed counts, size hardly."""


@dataclass(frozen=True, slots=True)
class LayerPlace:
    """A directory of the image that holds nothing yet, such as ``/tmp``."""

    mode: int = 0o755


@dataclass(frozen=True, slots=True)
class LayerLink:
    """A symbolic link to a name in the image."""

    target: str


@dataclass(frozen=True, slots=True)
class Text:
    """A small file, given by its content."""

    content: str
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Copied:
    """A file of this machine; what it links to is copied."""

    path: Path
    executable: bool = False


class LayerContent(Protocol):
    """What content is read of."""

    def read(self, size: int = ..., /) -> bytes:
        """Return that many bytes; fewer at the end alone."""
        ...


@dataclass(frozen=True, slots=True)
class Streamed:
    """A file that is read while the layer is written.

    Attributes:
        size: Bytes that it has; no more of it is read.
        opener: Opens it.
        sha256: What its content must have (64 digits); empty: whatever comes is taken.
    """

    size: int
    opener: Callable[[], AbstractContextManager[LayerContent]]
    executable: bool = False
    sha256: str = ""


class ContentChanged(Exception):
    """A file has another content than it had when the layer was described."""


class NobodyWaits(Exception):
    """Whoever wanted the layer has gone."""


LayerEntry = LayerPlace | LayerLink | Text | Copied | Streamed


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer on disk: ``digest`` of the gzipped bytes, ``diff_id`` of the tar, both sha256:…."""

    path: Path
    digest: str
    diff_id: str
    size: int


def write_layer(
    path: Path,
    entries: Mapping[str, LayerEntry],
    compression: int = COMPRESSION,
    abandoned: threading.Event | None = None,
) -> Layer:
    """Write a layer of entries by their absolute names; parent directories are added.

    Args:
        path: Of the file that it becomes.
        entries: By name; a file's content is read while it is written, never as a whole.
        compression: Of gzip, 1 (fast) to 9 (small).
        abandoned: Set by whoever does not wait for it any more.

    Raises:
        ContentChanged: A file has another content than its entry says, or is shorter.
        NobodyWaits: It was abandoned.
        OSError: One cannot be read, or the layer not be written.
    """
    with path.open("wb") as file:
        outer = _Hashing(file)
        with gzip.GzipFile("", "wb", compression, outer, mtime=0) as packed:
            inner = _Hashing(packed)
            with tarfile.open(mode="w|", fileobj=inner, format=tarfile.PAX_FORMAT) as archive:
                for name, entry in sorted(_with_parents(entries).items()):
                    if abandoned is not None and abandoned.is_set():
                        raise NobodyWaits
                    _add(archive, name.lstrip("/"), entry)
    return Layer(path, outer.digest, inner.digest, path.stat().st_size)


def _with_parents(entries: Mapping[str, LayerEntry]) -> dict[str, LayerEntry]:
    parents = {str(parent) for name in entries for parent in PurePosixPath(name).parents}
    return {**{parent: LayerPlace() for parent in parents - {"/"}}, **entries}


def _add(archive: tarfile.TarFile, name: str, entry: LayerEntry) -> None:
    info = tarfile.TarInfo(name)  # owner 0:0, no names, time 0
    match entry:
        case LayerPlace(mode):
            info.type, info.mode = tarfile.DIRTYPE, mode
            archive.addfile(info)
        case LayerLink(target):
            info.type, info.linkname, info.mode = tarfile.SYMTYPE, target, 0o777
            archive.addfile(info)
        case Text(content, executable):
            data = content.encode()
            _add_file(archive, info, io.BytesIO(data), len(data), executable=executable)
        case Copied(path, executable):
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                _add_file(archive, info, file, size, executable=executable)
        case Streamed():
            with entry.opener() as stream:
                read = _HashingReader(stream)
                _add_file(archive, info, read, entry.size, executable=entry.executable)
            if entry.sha256 and read.sha256 != entry.sha256:
                raise ContentChanged


def _add_file(
    archive: tarfile.TarFile,
    info: tarfile.TarInfo,
    content: IO[bytes] | _HashingReader,
    size: int,
    *,
    executable: bool,
) -> None:
    info.size, info.mode = size, 0o755 if executable else 0o644
    archive.addfile(info, content)


class _HashingReader:
    """Hash what is read through it."""

    def __init__(self, below: LayerContent) -> None:
        self._below, self._hash = below, hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def read(self, size: int = 0, /) -> bytes:
        content = self._below.read(size)
        if len(content) < size:
            raise ContentChanged
        self._hash.update(content)
        return content


class _Hashing(io.RawIOBase):
    """Hash what is written through it."""

    def __init__(self, below: IO[bytes] | gzip.GzipFile) -> None:
        self._below, self._hash = below, hashlib.sha256()

    @property
    def digest(self) -> str:
        return "sha256:" + self._hash.hexdigest()

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self._hash.update(content)
        return self._below.write(content)
