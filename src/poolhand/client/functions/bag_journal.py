"""What was bought for which calls, on disk: a program that is started again pays nothing twice.

A bag is written down before it is bought, with the key of each chunk of calls. It belongs to the
program that wrote it, which holds a lock while it lives. Whoever makes the same call finds it in
the bag of a program that ended before it had the result, or that broke down after.
"""

from __future__ import annotations

import atexit
import json
import os
import secrets
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any, Final

from poolhand.domain.errors import PoolhandError
from poolhand.domain.ids import DealId
from poolhand.domain.json_text import parse_json
from poolhand.observe.private import private_folder
from poolhand.store import lines
from poolhand.store.errors import JournalLocked

BAGS_KEPT: Final = 2_000
"""Bags that are remembered; the oldest are forgotten first."""
SECONDS_BAGS_ARE_KEPT: Final = 30 * 24 * 3600
"""How long a bag is remembered that nobody asks for."""


@dataclass(slots=True)
class BagRecord:
    """A bag of chunks that is bought, or about to be.

    Attributes:
        nonce: Names it, in hexadecimal; it stands in the deal's arguments.
        order: What was ordered: ``args``, ``inputs`` and all of ``FunctionTerms.ordered``.
        keys: Of the chunks, by their index.
        deal_id: None before it is known.
        had: Chunks whose values the program has.
        taken: Chunks that nobody may find here any more.
        buying: Ends with the attempt to buy it that is under way in this program.
    """

    nonce: str
    order: dict[str, Any]
    keys: tuple[str, ...]
    deal_id: DealId | None = None
    had: set[int] = field(default_factory=set)
    taken: set[int] = field(default_factory=set)
    buying: Future[None] | None = None


class BagJournal:
    """Bags of one wallet on one chain, as one program sees them; for clients in any thread.

    Args:
        folder: Of the bags, for its owner alone.

    Attributes:
        bags: That this program has or could have, by their nonces.
        users: Clients of this program that have it.
    """

    def __init__(self, folder: Path) -> None:
        private_folder(folder)
        self.users, self._is_clean, self._turn, self._process = 0, True, RLock(), os.getpid()
        self._folder, self._name = folder, secrets.token_hex(8)
        self._lock: int | None = lines.lock(folder / self._name)
        self.bags: dict[str, BagRecord] = {}
        self._free: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
        self._found: dict[str, Path] = {}
        self._look_around()
        atexit.register(self._at_exit)

    @classmethod
    def shared(cls, folder: Path) -> BagJournal:
        """Return the journal that all clients of this program have; each closes it once."""
        with _SHARED_TURN:
            found = _SHARED.get(folder)
            if found is None or not found.is_open:
                found = _SHARED[folder] = cls(folder)
            return found.joined()

    def joined(self) -> BagJournal:
        """Return it for one client more, which closes it."""
        self.users += 1
        return self

    @property
    def is_open(self) -> bool:
        """Whether this program holds it still."""
        return self._lock is not None and self._process == os.getpid()

    def _look_around(self) -> None:
        """Find bags of programs that are no more."""
        over = {
            owner
            for owner in {_owner(file) for file in self._folder.glob("*.*")} - {self._name}
            if self._is_over(owner)
        }
        left = [file for file in self._folder.glob("*.bag") if _owner(file) in over]
        for number, file in enumerate(sorted(left, key=_age, reverse=True)):
            record = _read(file) if number < BAGS_KEPT else None
            if record is None or _age(file) < time.time() - SECONDS_BAGS_ARE_KEPT:
                file.unlink(missing_ok=True)
            else:
                self._found[record.nonce], self.bags[record.nonce] = file, record
        for nonce in reversed(self._found):  # the oldest is found first
            self.release(nonce, range(len(self.bags[nonce].keys)))
        for owner in over - {_owner(file) for file in self._found.values()}:
            (self._folder / f"{owner}.lock").unlink(missing_ok=True)

    def _is_over(self, owner: str) -> bool:
        path = self._folder / owner
        if not path.with_name(f"{owner}.lock").exists():
            return True
        try:
            os.close(lines.lock(path))
        except JournalLocked:
            return False
        return True

    def begin(self, order: dict[str, Any], keys: Iterable[str], nonce: str) -> BagRecord:
        """Write a bag down before it is bought."""
        record = BagRecord(nonce, order, tuple(keys))
        told = {"order": order, "keys": record.keys}
        lines.replace(self._path(nonce), iter([_line(told)]))
        with self._turn:
            self.bags[nonce] = record
        return record

    def bought(self, nonce: str, deal_id: DealId) -> None:
        """Write down which deal it is."""
        record = self.bags[nonce]
        record.deal_id = deal_id
        self._add(nonce, {"deal": str(deal_id)}, sync=True)

    def had(self, nonce: str, index: int) -> None:
        """Write down that the program has the values of a chunk."""
        with self._turn:
            self.bags[nonce].had.add(index)
        self._add(nonce, {"had": index})

    def take(self, nonce: str, index: int) -> None:
        """Write down that a chunk has come to nothing: the same call is bought anew."""
        with self._turn:
            self.bags[nonce].taken.add(index)
        self._add(nonce, {"taken": [index]})

    def drop(self, nonce: str) -> None:
        """Forget a bag: it was not bought."""
        with self._turn:
            self.bags.pop(nonce, None)
        self._path(nonce).unlink(missing_ok=True)

    def release(self, nonce: str, indices: Iterable[int]) -> None:
        """Let the same calls be found in a bag again: who made them has gone; repeatable."""
        with self._turn:
            record = self.bags.get(nonce)
            for index in indices if record else ():
                if record and index not in record.taken:
                    free = self._free[record.keys[index]]
                    if (nonce, index) not in free:
                        free.append((nonce, index))

    def find(self, key: str) -> tuple[str, int] | None:
        """Return a bag and index that has a chunk of this key, for this program from now on."""
        with self._turn:
            waiting = self._free.get(key, [])
            while waiting:
                nonce, index = waiting.pop(0)
                record = self.bags.get(nonce)
                if record and index not in record.taken and self._is_mine(nonce):
                    return nonce, index
            return None

    def _is_mine(self, nonce: str) -> bool:
        """Take a bag of a program that is no more; one of several that try succeeds."""
        file = self._found.get(nonce)
        if file is None:
            return True
        try:
            file.rename(self._path(nonce))
        except OSError:  # another program was faster
            self.bags.pop(nonce, None)
            return False
        del self._found[nonce]
        return True

    def close(self, *, clean: bool, bags: Iterable[str] = ()) -> None:
        """End one client's part, and with the last the program's; repeatable after that.

        Args:
            clean: It ends as it should: what it has had is forgotten, where no other client of the
                program ends otherwise. Else the same calls find it.
            bags: Of this client, by their nonces.
        """
        with _SHARED_TURN:
            self.users, self._is_clean = self.users - 1, self._is_clean and clean
            if self.users <= 0:
                self._end()
                return
        for record in [] if clean else [self.bags[each] for each in bags if each in self.bags]:
            self.release(record.nonce, tuple(record.had))

    def _end(self) -> None:
        handle, self._lock = self._lock, None
        if handle is None:
            return
        atexit.unregister(self._at_exit)
        if self._process != os.getpid():
            return  # it is its parent's
        if self._is_clean:
            for nonce in self.bags.keys() - self._found.keys():
                self._settle(nonce)
            (self._folder / f"{self._name}.lock").unlink(missing_ok=True)
        os.close(handle)

    def _at_exit(self) -> None:
        """The program ends; by an error, where there is a last one that nobody has handled."""
        self.users = 1
        self.close(clean=not hasattr(sys, "last_type"))

    def _settle(self, nonce: str) -> None:
        record = self.bags[nonce]
        if len(record.had | record.taken) == len(record.keys):
            self._path(nonce).unlink(missing_ok=True)
        elif record.had:
            self._add(nonce, {"taken": sorted(record.had)})

    def _path(self, nonce: str) -> Path:
        return self._folder / f"{nonce}.{self._name}.bag"

    def _add(self, nonce: str, told: dict[str, Any], *, sync: bool = False) -> None:
        with suppress(FileNotFoundError):
            handle = os.open(self._path(nonce), os.O_WRONLY | os.O_APPEND)
            try:
                os.write(handle, _line(told))
                if sync:
                    os.fsync(handle)
            finally:
                os.close(handle)


_SHARED: Final[dict[Path, BagJournal]] = {}
_SHARED_TURN: Final = RLock()


def _line(told: dict[str, Any]) -> bytes:
    return json.dumps(told, separators=(",", ":")).encode() + b"\n"


def _owner(file: Path) -> str:
    """Return whose a bag, or a lock, is."""
    return file.stem.rpartition(".")[2]


def _age(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _read(file: Path) -> BagRecord | None:
    """Read a bag; None where it is damaged, and a last line that was cut off is passed over."""
    try:
        first, *rest = _members(file)
        record = BagRecord(file.stem.partition(".")[0], first["order"], tuple(first["keys"]))
        for told in rest:
            if "deal" in told:
                record.deal_id = DealId.parse(told["deal"])
            record.had.update([told["had"]] if "had" in told else ())
            record.taken.update(told.get("taken", ()))
    except (OSError, ValueError, KeyError, TypeError, PoolhandError):
        return None
    return record


def _members(file: Path) -> Iterator[dict[str, Any]]:
    for line in file.read_bytes().splitlines():
        try:
            told = parse_json(line)
        except ValueError:
            return
        yield told
