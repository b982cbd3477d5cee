"""Files that requesters leave for the workers of a deal that they are about to make.

A file is known by whose it is and by its sha256, so whoever reads it can check it. There is no deal
yet by which to judge who brings it: room is bounded for each requester and for all, and what nobody
takes away goes after a time. Where all room is taken, files that no deal names make way for those
of requesters with more at stake; what a deal names stays. They lie in a folder of this service,
whatever storage has results.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

import structlog

from poolhand.domain.errors import ChainUnreachable, Refused, Unavailable
from poolhand.domain.ids import Address
from poolhand.domain.messages import LOGIN_LIFETIME, MAX_SKEW, InputRelease, InputUpload
from poolhand.domain.signatures import BadSignature, recover
from poolhand.domain.units import Seconds, UnixSeconds
from poolhand.observe.private import private_folder
from poolhand.ports.clock import Clock
from poolhand.ports.storage import StorageDown
from poolhand.results.input_deals import InputDeals
from poolhand.results.unbought_inputs import LeftInput, UnboughtInputs

MOST_INPUT: Final = 64 * 1024**2
"""Bytes of one file."""
MOST_OF_REQUESTER: Final = 512 * 1024**2
"""Bytes of one requester's files."""
MOST_RELEASED_AT_ONCE: Final = 256
"""Files that make way for one."""
MOST_OWNERS_ASKED: Final = 32
"""Of whom the chain is asked for one file that comes, at most."""
_NAME: Final = re.compile("[0-9a-f]{64}")
_LEAST_COUNTED: Final = 4096
"""Bytes that a file is counted as at least: a name takes room, too."""
_log = structlog.get_logger()


class InputDiffers(Refused):
    """It is not the file that was signed."""

    http_status = 409


class NotTheInputsOwner(Refused):
    """It is not signed by whose it is, or was so long ago."""

    http_status = 403


class NoSuchInput(Refused):
    """No such file is here; it may have been taken away."""

    http_status = 404


class NoRoomForInput(Unavailable):
    """As many files are here as there may be, of this requester or of all."""

    http_status = 507


class InputShelf:
    """Keeps files in a folder; lives in the event loop.

    Args:
        folder: Made when the first comes.
        most: Bytes of all files; 0: none is taken.
        keep: Seconds for which a file is kept after it was brought last.
        clock: Tells the time.
        deals: Tell what is bought and what is at stake; None: nothing makes way.
    """

    def __init__(
        self,
        folder: Path,
        most: int,
        keep: Seconds,
        clock: Clock,
        deals: InputDeals | None = None,
    ) -> None:
        self._folder, self._most, self._keep = folder, most, keep
        self._clock, self._deals = clock, deals
        self._unbought, self._making_room = UnboughtInputs(), asyncio.Lock()
        self._sizes: dict[LeftInput, int] = {}
        self._held: Counter[Address] = Counter()
        self._total = 0
        for path in sorted(folder.glob("0x*/*"), key=_brought):
            if path.suffix == ".part":  # of an upload that a crash cut off
                path.unlink()
            elif _NAME.fullmatch(path.name):
                known = LeftInput(Address.parse(path.parent.name), bytes.fromhex(path.name))
                self._count(known, path.stat().st_size, UnixSeconds(int(_brought(path))))

    async def take(self, said: InputUpload, body: AsyncIterator[bytes]) -> None:
        """Take a file whose claim holds; one that is here is kept anew, and its body not read.

        Raises:
            InputDiffers: The body is not what was signed.
            NoRoomForInput: Trying later may help.
            StorageDown: The disk.
        """
        known = LeftInput(said.owner, said.file)
        path = self._path(known)
        if known in self._sizes:
            with _disk():
                await asyncio.to_thread(os.utime, path)
            if known in self._unbought:
                self._unbought.add(known, self._counted(known), self._clock.now())
            return
        await self._make_room(known.owner, max(said.size, _LEAST_COUNTED))
        draft = path.with_name(f"{path.name}.{os.urandom(8).hex()}.part")
        with self._arriving(known.owner, said.size), _disk():
            await asyncio.to_thread(private_folder, path.parent)
            try:
                await _write(draft, said, body)
                await asyncio.to_thread(draft.replace, path)
            finally:
                await asyncio.to_thread(draft.unlink, missing_ok=True)
        if known not in self._sizes:  # brought twice at once
            self._count(known, said.size, self._clock.now())

    def found(self, known: LeftInput) -> tuple[Path, int]:
        """Return where a file lies, and its bytes; raises NoSuchInput."""
        size = self._sizes.get(known)
        if size is None:
            raise NoSuchInput(
                "no such file is here: whoever left it has taken it away, or did so long ago"
            )
        return self._path(known), size

    async def drop(self, known: LeftInput) -> None:
        """Take a file away; repeatable."""
        size = self._sizes.pop(known, None)
        if size is None:
            return
        self._hold(known.owner, -max(size, _LEAST_COUNTED))
        self._unbought.remove(known)
        with _disk():
            await asyncio.to_thread(self._path(known).unlink, missing_ok=True)

    async def tidy_up(self, now: UnixSeconds) -> int:
        """Take away what was brought too long ago; return how many."""
        removed = 0
        for known in tuple(self._sizes):
            with _disk():
                brought = await asyncio.to_thread(_brought, self._path(known))
            if brought + self._keep < now:
                await self.drop(known)
                removed += 1
        return removed

    async def _make_room(self, owner: Address, size: int) -> None:
        """Take away unbought files where others' are in the way of one, as far as that goes."""
        if self._deals is None or size > self._most or self._total + size <= self._most:
            return
        async with self._making_room:  # one after the other: each asks the chain
            with suppress(ChainUnreachable):
                await self._release_for(owner, size, self._deals)

    async def _release_for(self, comer: Address, size: int, deals: InputDeals) -> None:
        stake, asked = await deals.stake(comer), set[Address]()
        for _ in range(MOST_RELEASED_AT_ONCE):
            if self._total + size <= self._most:
                return
            now, owner = self._clock.now(), self._unbought.weakest()
            if owner is not None and owner not in asked:
                if len(asked) == MOST_OWNERS_ASKED:
                    return
                asked.add(owner)
                await self._look_at(owner, deals, now)
                continue
            going = self._unbought.making_way(comer, stake, size, now)
            if going is None:
                return
            _log.info("input_released", owner=str(going.owner), sha256=going.sha256.hex())
            await self.drop(going)

    async def _look_at(self, owner: Address, deals: InputDeals, now: UnixSeconds) -> None:
        """Learn what an owner has at stake and which of its files are bought, just now."""
        stake, files = await deals.stake(owner), self._unbought.of(owner)
        age = Seconds(max(now - min(files.values()), 0))
        for known in await deals.named(owner, files.keys(), age):
            self._unbought.remove(known)
        self._unbought.tell_stake(owner, stake)

    def _counted(self, known: LeftInput) -> int:
        return max(self._sizes[known], _LEAST_COUNTED)

    @contextmanager
    def _arriving(self, owner: Address, size: int) -> Iterator[None]:
        """Hold room for a file while it comes."""
        counted = max(size, _LEAST_COUNTED)
        if self._held[owner] + counted > MOST_OF_REQUESTER:
            raise NoRoomForInput(
                f"files of requester {owner} come to more than {MOST_OF_REQUESTER} bytes: take "
                "some away, or wait until deals that need them have ended"
            )
        if self._total + counted > self._most:
            raise NoRoomForInput(
                f"files for workers come to more than {self._most} bytes here, of deals or of "
                "requesters with as much at stake: have more RLC in the hub, ask the service's "
                "operator for more room (POOLHAND_MAX_INPUTS), or bring it elsewhere"
            )
        self._hold(owner, counted)
        try:
            yield
        finally:
            self._hold(owner, -counted)

    def _count(self, known: LeftInput, size: int, brought: UnixSeconds) -> None:
        self._sizes[known] = size
        self._hold(known.owner, self._counted(known))
        self._unbought.add(known, self._counted(known), brought)

    def _hold(self, owner: Address, size: int) -> None:
        self._held[owner] += size
        self._total += size
        if not self._held[owner]:
            del self._held[owner]

    def _path(self, known: LeftInput) -> Path:
        return self._folder / f"0x{known.owner.hex()}" / known.sha256.hex()


@contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        raise StorageDown(f"a file for workers cannot be kept ({fault}): check the disk") from fault


def _brought(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0


async def _write(draft: Path, said: InputUpload, body: AsyncIterator[bytes]) -> None:
    checksum, size = hashlib.sha256(), 0
    file = await asyncio.to_thread(_opened, draft)
    with file:
        async for piece in body:
            size += len(piece)
            if size > said.size:
                break
            checksum.update(piece)
            await asyncio.to_thread(file.write, piece)
        await asyncio.to_thread(_sync, file)
    if size != said.size or checksum.digest() != said.file:
        raise InputDiffers("the body is not the file that its owner signed: send it again")


def _opened(draft: Path) -> IO[bytes]:
    return os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def check_input_claim(
    said: InputUpload | InputRelease, signature: bytes, now: UnixSeconds
) -> LeftInput:
    """Check that whose file it is says so; before a body is read.

    Raises:
        NotTheInputsOwner: Somebody else has signed, or it was long ago.
    """
    if not now <= said.expiry <= now + LOGIN_LIFETIME + MAX_SKEW:
        raise NotTheInputsOwner(f"this is valid until {said.expiry}, it is {now}: set the clock")
    try:
        signer = recover(said.digest, signature)
    except BadSignature as fault:
        raise NotTheInputsOwner(str(fault)) from fault
    if signer != said.owner:
        raise NotTheInputsOwner(f"it is signed by {signer}, not by {said.owner}")
    return LeftInput(said.owner, said.file)
