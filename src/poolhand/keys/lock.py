"""One process per wallet and machine: two would use the same nonces.

A program that holds a wallet for long may take orders for it: where, and by what token, stands in
the lock, which its owner alone may read. So another program of the same person asks it to send.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from poolhand.domain.ids import Address
from poolhand.keys.errors import OrdersTaken, WalletInUse
from poolhand.settings.home import at_home

_LONGEST_LOCK: Final = 1024
"""Bytes of a lock that are read."""


class WalletLock:
    """Holds a wallet while the ``with`` block runs; the kernel lets go when the process dies.

    Args:
        folder: Where lock files live (made when missing); one folder per machine, local disk.
        address: The wallet.
    """

    def __init__(self, folder: Path, address: Address) -> None:
        self._path = at_home(folder) / f"{address}.lock"
        self._address = address
        self._handle: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether this object holds the wallet."""
        return self._handle is not None

    def acquire(self) -> None:
        """Take the wallet.

        Raises:
            WalletInUse: Somebody holds it; the message names the process id.
        """
        handle = self._locked()
        while not _lies_at(handle, self._path):  # it was removed before we had it
            os.close(handle)
            handle = self._locked()
        self._handle = handle
        self._write()

    def _locked(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            told = os.pread(handle, _LONGEST_LOCK, 0).decode(errors="replace").split("\n")
            os.close(handle)
            raise _in_use(self._address, told) from None
        return handle

    def take_orders(self, url: str, token: str) -> None:
        """Tell those who may read the lock where orders for the wallet are taken.

        Args:
            url: Of the service that takes them.
            token: Which they must carry.
        """
        self._write(url, token)

    def _write(self, *more: str) -> None:
        assert self._handle is not None
        lines = (str(os.getpid()), verb_of(sys.argv), *more, "")
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, "\n".join(lines).encode(), 0)

    def release(self) -> None:
        """Let go; repeatable. The file stays, for the next program."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def remove(self) -> None:
        """Let go, and take away the file, and the folder when it is empty.

        The file goes while it is held: whoever opened it before finds it gone (``acquire``).
        """
        if self._handle is not None:
            self._path.unlink(missing_ok=True)
            self.release()
            with suppress(OSError):  # others lock their wallets there
                self._path.parent.rmdir()

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def _lies_at(handle: int, path: Path) -> bool:
    """Whether an open file is the one that has this name now."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(handle), path.stat())
    return False


def forget_locks(folder: Path) -> None:
    """Take away what locking wallets has left; the locks that programs hold stay.

    Args:
        folder: Where lock files live.
    """
    for left in sorted(at_home(folder).glob("*.lock")):
        lock = WalletLock(folder, Address.parse(left.stem))
        with suppress(WalletInUse):
            lock.acquire()
            lock.remove()


def held_by(folder: Path, address: Address) -> WalletInUse | None:
    """Return what a program would be told that takes a wallet now; None where it may have it.

    Only looked at: nothing is made, and whoever shares the look for its moment is let in.

    Args:
        folder: Where lock files live.
        address: The wallet.
    """
    try:
        handle = os.open(at_home(folder) / f"{address}.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # nobody has ever held it, or it is another user's
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _in_use(
            address, os.pread(handle, _LONGEST_LOCK, 0).decode(errors="replace").split("\n")
        )
    finally:
        os.close(handle)
    return None


def _in_use(address: Address, told: Sequence[str]) -> WalletInUse:
    """Return the error that tells what stands in a lock."""
    holder, verb, url, token, *_ = (*(line.strip() for line in told), "", "", "", "")
    orders = OrdersTaken(url, token) if url and token else None
    return WalletInUse(address, holder or "unknown", verb, orders)


def verb_of(argv: Sequence[str]) -> str:
    """Return the words of our own command line by which a person knows the program; else nothing.

    No argument is among them: they may hold secrets.
    """
    if not argv or Path(argv[0]).name != "poolhand":
        return ""
    return " ".join(takewhile(lambda word: word.isascii() and word.isalpha(), argv[1:3]))
