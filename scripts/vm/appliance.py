"""Packs a virtual disk as an appliance: an OVF descriptor, its manifest, and the archive of all.

    python scripts/vm/appliance.py NAME DISK.vmdk CAPACITY FOLDER

writes ``FOLDER/NAME.ova``. The descriptor is OVF 1.x, whose manifests have SHA-1: it tells a broken
download. Who must trust a file compares the SHA-256 that stands beside it.
"""

from __future__ import annotations

import re
import sys
import tarfile
from collections.abc import Callable
from hashlib import file_digest, sha1, sha256
from io import BufferedReader, BytesIO
from pathlib import Path
from shutil import copyfileobj
from string import Template
from typing import Final
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

TEMPLATE: Final = Path(__file__).with_name("appliance.ovf")
_OVF: Final = "{http://schemas.dmtf.org/ovf/envelope/1}"
ABOUT: Final = "A worker of the iExec network: Debian 12, a container engine and Poolhand"


def descriptor(name: str, disk: str, size: int, capacity: int) -> bytes:
    """Write the descriptor.

    Args:
        name: Of the machine.
        disk: File name of its disk.
        size: Of that file (bytes).
        capacity: Of the disk as the machine sees it (bytes).
    """
    gaps = {"name": name, "about": ABOUT, "disk": disk, "size": size, "capacity": capacity}
    text = TEMPLATE.read_text(encoding="utf-8")
    return (
        Template(text)
        .substitute({key: escape(str(told), {'"': "&quot;"}) for key, told in gaps.items()})
        .encode()
    )


def manifest(members: dict[str, str]) -> bytes:
    """Write the manifest: SHA-1 in hex, by file name."""
    return "".join(f"SHA1({name})= {digest}\n" for name, digest in members.items()).encode()


def pack(name: str, disk: Path, capacity: int, folder: Path) -> Path:
    """Write the archive, the descriptor first; the same disk gives the same bytes.

    Args:
        name: Of the machine and its files.
        disk: A stream-optimised VMDK.
        capacity: As in ``descriptor``.
        folder: For ``NAME.ova`` and ``NAME.ova.sha256``.
    """
    inner = f"{name}-disk1.vmdk"
    told = descriptor(name, inner, disk.stat().st_size, capacity)
    hashes = {f"{name}.ovf": sha1(told).hexdigest(), inner: _digest(disk, sha1)}  # noqa: S324 - OVF 1
    written = folder / f"{name}.ova"
    with tarfile.open(written, "w", format=tarfile.USTAR_FORMAT) as archive:
        for member, body in ((f"{name}.ovf", told), (f"{name}.mf", manifest(hashes))):
            archive.addfile(_entry(member, len(body)), BytesIO(body))
        with disk.open("rb") as opened:
            archive.addfile(_entry(inner, disk.stat().st_size), opened)
    digest = _digest(written, sha256)
    written.with_name(f"{name}.ova.sha256").write_text(f"{digest}  {name}.ova\n", encoding="utf-8")
    return written


def verify(archive: Path) -> None:
    """Hold an archive against the SHA-256 beside it, its manifest and its descriptor.

    Raises:
        Damaged: It is not what one of them tells.
    """
    told = archive.with_name(f"{archive.name}.sha256").read_text(encoding="utf-8")
    _hold(_digest(archive, sha256) == told.partition(" ")[0], f"SHA-256 of {archive.name}")
    with tarfile.open(archive) as opened:
        names = opened.getnames()
        _hold(
            [Path(each).suffix for each in names] == [".ovf", ".mf", ".vmdk"], f"order of {names}"
        )
        descriptor, listed, disk = names
        text = _content(opened, listed).read().decode()
        digests = dict(re.findall(r"^SHA1\((.+)\)= ([0-9a-f]{40})$", text, re.MULTILINE))
        _hold(digests.keys() == {descriptor, disk}, f"files of {listed}")
        for name, digest in digests.items():
            found = file_digest(_content(opened, name), sha1).hexdigest()
            _hold(found == digest, f"SHA-1 of {name}")
        (file,) = ET.fromstring(_content(opened, descriptor).read()).iter(f"{_OVF}File")  # noqa: S314
        size = str(opened.getmember(disk).size)
        named = (file.get(f"{_OVF}href"), file.get(f"{_OVF}size"))
        _hold(named == (disk, size), f"disk in {descriptor}")


def lay_out(archive: Path, folder: Path) -> Path:
    """Write an archive's files, which ``verify`` has held to be in order, into a folder.

    By hand, for what makes ``extractall`` safe is newer than Debian 12's Python.

    Returns:
        The disk.
    """
    with tarfile.open(archive) as opened:
        for member in opened.getnames():
            with (folder / Path(member).name).open("wb") as written:
                copyfileobj(_content(opened, member), written)
    (disk,) = folder.glob("*.vmdk")
    return disk


class Damaged(Exception):
    """An archive is not what it tells of itself."""


def _hold(is_so: bool, what: str) -> None:
    if not is_so:
        raise Damaged(f"{what} does not fit: build or download the archive anew")


def _content(archive: tarfile.TarFile, name: str) -> BufferedReader:
    found = archive.extractfile(name)
    assert isinstance(found, BufferedReader), "every member is a file"
    return found


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o644
    return entry


def _digest(file: Path, algorithm: Callable[[], object]) -> str:
    with file.open("rb") as opened:
        return file_digest(opened, algorithm).hexdigest()  # type: ignore[arg-type]


if __name__ == "__main__":
    machine, vmdk, bytes_of_disk, place = sys.argv[1:]
    print(pack(machine, Path(vmdk), int(bytes_of_disk), Path(place)))
