"""The first files of a machine: Python, our programs, the kernel's modules; as a cpio archive.

Source: Linux, Documentation/driver-api/early-userspace/buffer-format.rst ("newc").
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final

from poolhand.containers.vm.programs import OURS_INSIDE, PYTHON_INSIDE

_FOLDERS: Final = ("/dev", "/proc", "/sys", "/root", "/tmp")  # noqa: S108 - of the archive
_START: Final = f"""import sys
sys.path.insert(0, "{OURS_INSIDE}")
from poolhand.containers.vm.guest import main
main()
"""
START_FILE: Final = "/start.py"
"""What the kernel's words name as the first program's first argument."""


def initrd(files: Mapping[str, bytes], modules: Iterable[bytes]) -> bytes:
    """Return the archive.

    Args:
        files: Python and our programs, by path.
        modules: Of the kernel, in the order in which they are loaded.
    """
    numbered = {f"/modules/{n:02}.ko": content for n, content in enumerate(modules)}
    regular = {**files, **numbered, START_FILE: _START.encode()}
    archive = bytearray()
    for number, (name, mode, content, device) in enumerate(_entries(regular), 1):
        _add(archive, number, name, mode, content, device)
    _add(archive, 0, "TRAILER!!!", 0, b"", 0)
    return bytes(archive)


def _entries(files: Mapping[str, bytes]) -> Iterator[tuple[str, int, bytes, int]]:
    made: set[str] = set()
    for folder in sorted({*_FOLDERS, *_parents(files)}):
        if folder not in made:
            made.add(folder)
            yield folder, stat.S_IFDIR | 0o755, b"", 0
    yield "/dev/console", stat.S_IFCHR | 0o600, b"", 1
    yield "/init", stat.S_IFLNK | 0o777, PYTHON_INSIDE.encode(), 0
    for name, content in files.items():
        yield name, stat.S_IFREG | 0o755, content, 0


def _parents(files: Iterable[str]) -> Iterator[str]:
    for name in files:
        yield from (str(each) for each in PurePosixPath(name).parents if str(each) != "/")


def _add(
    archive: bytearray, number: int, name: str, mode: int, content: bytes, device: int
) -> None:
    """Append an entry; ``device`` is the minor number of one whose major is 5 (consoles)."""
    plain = name.lstrip("/").encode() + b"\0"
    major = 5 if device else 0
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, major, device, len(plain), 0)
    archive += b"070701" + b"".join(b"%08x" % each for each in fields) + plain
    archive += bytes(-len(archive) % 4)
    archive += content
    archive += bytes(-len(archive) % 4)
