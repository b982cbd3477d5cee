"""File systems mounted below a folder of ours; Linux, as root, with mount(8) and umount(8).

Mounts are let go lazily: what still reads from one keeps it until it closes its files, then the
kernel frees mount and loop device by itself.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import shutil
import socket
import struct
import subprocess
from pathlib import Path
from typing import Final

MOUNTED: Final = Path("/proc/self/mountinfo")
SYSTEM_PATH: Final = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where these programs are: the PATH of a user often lacks it."""
LONGEST_MOUNT: Final = 60.0
"""Seconds for one of these programs: a disk that hangs must not hold a worker for ever."""
GREETING: Final = 5.0
"""Seconds for an engine on this machine to take a connection."""
_ESCAPE: Final = re.compile(rb"\\([0-7]{3})")
_CREDENTIALS: Final = struct.Struct("3i")
_UNIX: Final = "unix://"


def mounted_below(folder: Path, told: Path = MOUNTED) -> list[Path]:
    """Return the mount points at and below ``folder``, innermost first; as often as mounted."""
    try:
        lines = told.read_bytes().splitlines()
    except OSError:  # another system, or /proc is hidden: then nothing of ours is mounted either
        return []
    above = os.path.realpath(folder)
    points = [Path(os.fsdecode(_plain(line.split()[4]))) for line in lines]
    return sorted((each for each in points if each.is_relative_to(above)), reverse=True)


def name_on_disk(folder: Path, told: Path = MOUNTED) -> Path:
    """Return what a folder is called in its own file system, whatever that is mounted as here.

    Where nothing tells, or nothing but a whole file system is mounted, that is its path.
    """
    try:
        lines = told.read_bytes().splitlines()
    except OSError:
        return folder
    found = folder
    deepest = 0
    for line in lines:  # a later mount lies over an earlier one
        root, point = (Path(os.fsdecode(_plain(each))) for each in line.split()[3:5])
        if folder.is_relative_to(point) and len(point.parts) >= deepest:
            found, deepest = root / folder.relative_to(point), len(point.parts)
    return found


def _plain(name: bytes) -> bytes:
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 8)]), name)


def release(folder: Path) -> None:
    """Unmount whatever is mounted at and below ``folder``; nothing is fine.

    Raises:
        OSError: The kernel would not.
    """
    for point in mounted_below(folder):
        run("umount", "--lazy", "--no-canonicalize", os.fspath(point))


def mount(source: str, folder: Path, *options: str) -> None:
    """Mount something where no program gains rights from it.

    Args:
        source: A device, a file, or a name.
        folder: Where.
        options: Of mount(8), each a word.

    Raises:
        OSError: The kernel would not.
    """
    run("mount", *options, "-o", "nodev,nosuid,noatime", source, os.fspath(folder))


def flush(folder: Path) -> None:
    """Wait until a folder's file system has written everything.

    Raises:
        OSError: It could not; what was read back from it since is not to be trusted.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), os.fspath(folder))
    finally:
        os.close(descriptor)


def shares_mounts(engine: str, processes: Path = Path("/proc")) -> bool:
    """Tell whether an engine sees what this process mounts.

    Only one on this machine whose mounts are the same list: a file system that it does not see
    would leave its containers an unbounded folder instead.

    Args:
        engine: Its URL.
        processes: Where the kernel tells of them.
    """
    if not engine.startswith(_UNIX):
        return False
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(GREETING)
            line.connect(engine.removeprefix(_UNIX))
            told = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        process, _, _ = _CREDENTIALS.unpack(told)
        theirs, ours = ((processes / who / "ns/mnt").stat() for who in (str(process), "self"))
    except (OSError, AttributeError):
        return False
    return (theirs.st_dev, theirs.st_ino) == (ours.st_dev, ours.st_ino)


def run(program: str, *arguments: str, time_limit: float = LONGEST_MOUNT) -> None:
    """Run a program of the system, for ``time_limit`` seconds at most.

    Raises:
        OSError: It is not there, took too long, or failed; the message is its last line.
    """
    path = f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"
    found = shutil.which(program, path=path)
    if found is None:
        raise FileNotFoundError(errno.ENOENT, "no such program on this machine", program)
    try:
        done = subprocess.run(  # noqa: S603 - fixed words and paths of ours
            [found, *arguments],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=time_limit,
        )
    except subprocess.TimeoutExpired as fault:
        raise OSError(errno.ETIMEDOUT, f"not done after {time_limit:g} s", program) from fault
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise OSError(errno.EIO, said)
