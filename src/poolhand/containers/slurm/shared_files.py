"""What the worker lays on the shared folder for all jobs: folders, the runner, and a small init.

Source: tini(1) and catatonit(1): ``INIT -- PROGRAM ARGUMENT...``; ELF, chapter 5 (``PT_INTERP``).
"""

from __future__ import annotations

import os
import shutil
import struct
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from poolhand.containers.folders import remove
from poolhand.containers.slurm import runner
from poolhand.domain.errors import RuntimeDown

INIT_PROGRAMS: Final = (
    "tini-static", "catatonit", "docker-init", "/usr/libexec/podman/catatonit",
    "/usr/libexec/docker/docker-init",
)  # fmt: skip
"""Programs that reap orphans and pass signals on, as Docker's ``--init``; all are called alike."""
ASIDE: Final = "aside"
"""The folder of what lost nodes may still write to."""
LONGEST_UNFINISHED: Final = 24 * 3600.0
"""Seconds after which nobody works any more on what is not whole, or was moved aside."""
_LEFT: Final = ("images/.new-*", "images/.gone-*", "runs/.gone-*", f"{ASIDE}/*")
_LARGEST_INIT: Final = 8 * 1024**2
_PROGRAM_HEADERS: Final = struct.Struct("<32xQ14xHH")
_INTERPRETER: Final = 3


def lay_folders(shared: Path, *names: str) -> None:
    """Make folders there that no other user may enter, and clear away what was cut off long ago.

    Raises:
        OSError: This user may not write there.
    """
    for name in names:
        (shared / name).mkdir(parents=True, exist_ok=True)
        (shared / name).chmod(0o700)
    for each in (place for pattern in _LEFT for place in shared.glob(pattern)):
        with suppress(OSError):  # another worker clears away, too, or a lost node still writes
            if time.time() - each.stat().st_mtime > LONGEST_UNFINISHED:
                remove(each)


def lay_runner(shared: Path) -> Path:
    """Put the runner where nodes see it; returns the file."""
    return _lay(shared, "runner", ".py", Path(runner.__file__).read_bytes(), 0o600)


def lay_init(shared: Path) -> Path:
    """Put the init of this machine where nodes see it; returns the file.

    Raises:
        RuntimeDown: This machine has none.
    """
    return _lay(shared, "init", "", find_init().read_bytes(), 0o755)


def find_init() -> Path:
    """Return an init of this machine that needs no library, so that it runs in every image.

    Raises:
        RuntimeDown: It has none.
    """
    for name in INIT_PROGRAMS:
        found = shutil.which(name)
        if found is not None and is_static(Path(found)):
            return Path(found)
    raise RuntimeDown(
        "a small init, with which containers on a cluster begin, is not installed here: apt "
        "install tini, or your system's tini-static or catatonit"
    )


def is_static(program: Path) -> bool:
    """Tell whether a program is a 64-bit ELF file that names no interpreter."""
    with program.open("rb") as file:
        content = file.read(_LARGEST_INIT)
    if (
        content[:6] != b"\x7fELF\x02\x01"
        or not _PROGRAM_HEADERS.size <= len(content) < _LARGEST_INIT
    ):
        return False
    start, size, count = _PROGRAM_HEADERS.unpack_from(content)
    kinds = (content[start + each * size :][:4] for each in range(count))
    return all(int.from_bytes(kind, "little") != _INTERPRETER for kind in kinds)


def _lay(shared: Path, name: str, suffix: str, content: bytes, mode: int) -> Path:
    """Write a file under a name that its content decides, so that none changes under a job."""
    place = shared / f"{name}-{sha256(content).hexdigest()[:16]}{suffix}"
    if not place.exists():
        new = place.with_name(f".{place.name}.{os.getpid()}")
        new.write_bytes(content)
        new.chmod(mode)
        new.replace(place)
    place.chmod(mode)
    return place
