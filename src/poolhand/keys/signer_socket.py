"""A signer that runs apart: the same line, over a Unix socket that is found by its path.

Signer and worker are then containers or users of their own, and share one folder. Who connects is
known by the kernel's word alone: the number of a user. One is taken, and the socket is gone.

The folder is shared with a worker that may be in other hands: what lies there under any name may be
a link to a file of the signer's.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import stat
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from poolhand.domain.errors import BadHex, Refused, Unavailable
from poolhand.domain.ids import Address
from poolhand.keys.own_signer import ApartEnd, OwnSigner, SignerGone
from poolhand.keys.signer_line import SignerLine

CONNECT_SECONDS: Final = 60.0
"""For a signer that is started beside its worker: opening a wallet takes seconds."""
PAUSE_BETWEEN_DIALLINGS: Final = 0.2
"""Seconds between two tries."""
_CREDENTIALS: Final = struct.Struct("3i")
_OTHERS_OUT: Final = 0o117
"""Of a new socket: its user and group may connect."""
_GROUP_READS: Final = 0o640
_MOST_SIGNER_WORDS: Final = 256
"""Bytes that are read of what a signer tells of itself."""

log = structlog.get_logger()


class SocketUnusable(Refused):
    """There can be no socket at this path, or none that tells who connects."""


class NoSigner(Unavailable):
    """No signer takes this program at the socket."""


class SignerDoor:
    """Where a signer waits for its worker; made by ``opened``.

    Args:
        listener: Bound and listening.
        path: Of its socket.
        peer: Number of the only user who is let in.
        told: File that tells whose wallet it is, open and locked while it waits; None: there is
            none.
    """

    def __init__(
        self, listener: socket.socket, path: Path, peer: int, told: int | None = None
    ) -> None:
        self._listener, self._path, self._peer, self._told = listener, path, peer, told

    @classmethod
    @contextmanager
    def opened(cls, path: Path, peer: int, wallet: Address) -> Iterator[SignerDoor]:
        """Wait at a path until the end of the context, or until somebody was let in.

        Whose wallet it is stands beside the socket, for who connects is taken: no look would do.
        Where that cannot be written, it waits all the same, and says so in its log.

        Raises:
            SocketUnusable: There can be no socket, another signer waits there, or this system does
                not tell who connects.
        """
        if not hasattr(socket, "SO_PEERCRED"):
            raise SocketUnusable(
                "this system does not tell who connects to a Unix socket: let the worker start its "
                "own signer, without --signer"
            )
        _clear(path)
        listener = socket.socket(socket.AF_UNIX)
        before = os.umask(_OTHERS_OUT)
        try:
            listener.bind(os.fspath(path))
            listener.listen()
        except OSError as fault:
            listener.close()
            raise SocketUnusable(
                f"a socket cannot be made at {path} ({fault.strerror or fault}): name a path in a "
                "folder that this user may write to, of at most 100 bytes, with --socket"
            ) from None
        finally:
            os.umask(before)
        listener.setblocking(False)
        door = cls(listener, path, peer, _tell(path, wallet))
        try:
            yield door
        finally:
            door.close()

    async def taken(self) -> SignerLine:
        """Wait for the worker, and shut the door behind it; whoever else comes is sent away."""
        loop = asyncio.get_running_loop()
        while True:
            line, _ = await loop.sock_accept(self._listener)
            if (user := _peer_of(line)) == self._peer:
                self.close()
                line.setblocking(True)
                return SignerLine(line)
            line.close()
            log.warning("stranger_refused", user=user, expected=self._peer)

    def close(self) -> None:
        """Take the socket away; repeatable."""
        if self._listener.fileno() >= 0:
            self._listener.close()
            with suppress(OSError):
                self._path.unlink()
        if self._told is not None:
            os.close(self._told)
            self._told = None


def address_file(socket_path: Path) -> Path:
    """Return where a signer writes whose wallet it has; it stays when the socket is gone.

    A signer that waits holds a lock on it, which ends with that program however it ends.
    """
    return socket_path.with_name(f"{socket_path.name}.address")


def _tell(path: Path, wallet: Address) -> int | None:
    """Write whose wallet it is; return the file, open and locked, or None where that failed.

    The file is a new one, locked before it has its name, and takes that from whatever had it:
    nothing that lay there is opened, nor what a link there led to.
    """
    place = address_file(path)
    try:
        handle, draft = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(handle, f"{wallet}\n".encode())
            os.fchmod(handle, _GROUP_READS)
            Path(draft).replace(place)
        except OSError:
            os.close(handle)
            Path(draft).unlink(missing_ok=True)
            raise
    except OSError as fault:
        log.warning("signer_address_unwritten", path=str(place), error=fault.strerror or str(fault))
        return None
    return handle


@dataclass(frozen=True, slots=True)
class SignerTold:
    """What can be known of a signer without taking it.

    Attributes:
        waits: Whether it waits for its worker to connect; None: there is a socket, and whose word
            would tell whether somebody waits there is missing.
        wallet: Whose, as it says; None where it does not.
    """

    waits: bool | None
    wallet: Address | None


def look_at_signer(path: Path) -> SignerTold:
    """Look at a signer's socket and at what it wrote beside; it is not connected to."""
    owner = _socket_owner(path)
    untold = SignerTold(False if owner is None else None, None)
    try:
        handle = os.open(address_file(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return untold
    try:
        told = os.fstat(handle)
        if not stat.S_ISREG(told.st_mode) or owner not in (None, told.st_uid):
            return untold
        wallet = None
        with suppress(OSError, ValueError, BadHex):
            wallet = Address.parse(os.read(handle, _MOST_SIGNER_WORDS).decode("ascii").strip())
        return SignerTold(owner is not None and _is_locked(handle), wallet)
    finally:
        os.close(handle)


def _socket_owner(path: Path) -> int | None:
    """Return the number of the user whose socket lies at a path; None: there is no socket."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_uid if stat.S_ISSOCK(found.st_mode) else None


def _is_locked(handle: int) -> bool:
    """Whether another program holds a lock on an open file; whoever looks, too, is let in."""
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _peer_of(line: socket.socket) -> int:
    """Return the number of the user who has connected, as the kernel knows it."""
    told = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(told)
    return int(user)


def _clear(path: Path) -> None:
    """Remove the socket that a signer left which was killed."""
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except OSError:  # none is there; or making one will tell why not
        return
    if not is_socket:
        raise SocketUnusable(f"{path} is there and is no socket: name another path with --socket")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except OSError as fault:
            raise SocketUnusable(
                f"{path} cannot be looked at ({fault.strerror}): name another path with --socket"
            ) from None
    raise SocketUnusable(f"another signer waits at {path}: stop it, or name another path")


def connect_signer(path: Path, seconds: float = CONNECT_SECONDS) -> OwnSigner:
    """Connect to a signer that runs apart, and wait until it has given up what it needs not.

    Args:
        path: Of its socket.
        seconds: To wait for it.

    Raises:
        NoSigner: None is there in time, or it serves another user than this one.
        SignerRefused: As it says.
    """
    line = SignerLine(_connected(path, time.monotonic() + seconds))
    line.wait_at_most(seconds)
    try:
        return OwnSigner.greeted(ApartEnd(path), line)
    except SignerGone:
        line.close()
        raise NoSigner(
            f"the signer at {path} did not take this program: start it with --peer {os.geteuid()}, "
            "the user as whom the worker runs, and see its log"
        ) from None
    except BaseException:
        line.close()
        raise


def _connected(path: Path, until: float) -> socket.socket:
    told = False
    while True:
        line = socket.socket(socket.AF_UNIX)
        try:
            line.connect(os.fspath(path))
        except (FileNotFoundError, ConnectionRefusedError) as fault:
            line.close()
            if time.monotonic() >= until:
                raise _absent(path, fault) from None
        except OSError as fault:
            line.close()
            raise _absent(path, fault) from None
        else:
            return line
        if not told:
            log.info("waits_for_signer", socket=str(path))
            told = True
        time.sleep(PAUSE_BETWEEN_DIALLINGS)


def _absent(path: Path, fault: OSError) -> NoSigner:
    return NoSigner(
        f"no signer waits at {path} ({fault.strerror or fault}): start it with `poolhand signer "
        "serve`, and see that this user may enter the folder"
    )
