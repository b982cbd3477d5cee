"""Image layers that come out the same, byte for byte, from the same files.

A layer is a gzipped tar. Everything that varies from machine to machine is fixed here: owner,
times, order, the gzip header. Source: OCI Image Specification 1.1, "Image Layer Filesystem
Changeset".
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

COMPRESSION: Final = 3
"""The registry is on this machine: speed counts, size hardly."""


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


@dataclass(frozen=True, slots=True)
class Copied:
    """A file of this machine; what it links to is copied."""

    path: Path
    executable: bool = False


LayerEntry = LayerPlace | LayerLink | Text | Copied


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer on disk: ``digest`` of the gzipped bytes, ``diff_id`` of the tar, both sha256:…."""

    path: Path
    digest: str
    diff_id: str
    size: int


def write_layer(path: Path, entries: Mapping[str, LayerEntry]) -> Layer:
    """Write a layer of entries by their absolute names; parent directories are added."""
    with path.open("wb") as file:
        outer = _Hashing(file)
        with gzip.GzipFile("", "wb", COMPRESSION, outer, mtime=0) as packed:
            inner = _Hashing(packed)
            with tarfile.open(mode="w|", fileobj=inner, format=tarfile.PAX_FORMAT) as archive:
                for name, entry in sorted(_with_parents(entries).items()):
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
        case Text(content):
            _add_file(archive, info, content.encode(), executable=False)
        case Copied(path, executable):
            _add_file(archive, info, path.read_bytes(), executable=executable)


def _add_file(
    archive: tarfile.TarFile, info: tarfile.TarInfo, content: bytes, *, executable: bool
) -> None:
    info.size, info.mode = len(content), 0o755 if executable else 0o644
    archive.addfile(info, io.BytesIO(content))


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
