"""One process per wallet and machine: two would use the same nonces."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from types import TracebackType
from typing import Self

from poolhand.domain.ids import Address
from poolhand.keys.errors import WalletInUse


class WalletLock:
    """Holds a wallet while the ``with`` block runs; the kernel lets go when the process dies.

    Args:
        folder: Where lock files live (made when missing); one folder per machine, local disk.
        address: The wallet.
    """

    def __init__(self, folder: Path, address: Address) -> None:
        self._path = folder.expanduser() / f"{address}.lock"
        self._address = address
        self._handle: int | None = None

    def acquire(self) -> None:
        """Take the wallet.

        Raises:
            WalletInUse: Somebody holds it; the message names the process id.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder, _, verb = os.pread(handle, 64, 0).decode(errors="replace").partition("\n")
            os.close(handle)
            raise WalletInUse(self._address, holder.strip() or "unknown", verb.strip()) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n{verb_of(sys.argv)}\n".encode(), 0)
        self._handle = handle

    def release(self) -> None:
        """Let go; repeatable. The file stays, for removing it would race."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

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


def verb_of(argv: Sequence[str]) -> str:
    """Return the words of our own command line by which a person knows the program; else nothing.

    No argument is among them: others may read the lock.
    """
    if not argv or Path(argv[0]).name != "poolhand":
        return ""
    return " ".join(takewhile(lambda word: word.isascii() and word.isalpha(), argv[1:3]))
