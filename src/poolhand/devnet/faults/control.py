"""Setting faults from another program: a Unix socket in the devnet's folder, for its owner alone.

Each connection carries one line of JSON there and one back: ``{"do": "set", "fault": {…}}``,
``{"do": "clear", "name": …, "words": […]}``, ``{"do": "clear-all"}`` or ``{"do": "list"}``; the
answer is ``{"faults": […]}`` or ``{"error": {"code", "message", "exit"}}``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

from poolhand.devnet.faults.faults import Faults
from poolhand.devnet.faults.kinds import BadFault, Fault, dump, identity, load
from poolhand.devnet.faults.line import FIRST_WORD
from poolhand.domain.errors import PoolhandError, Refused, Unavailable
from poolhand.transport.acceptor import accept_streams, unix_listener

SOCKET: Final = "faults.sock"
LONGEST_PATH: Final = 100
"""Bytes of a socket's path, less a few (unix(7): 108)."""
MOST_CONTROL_LINE: Final = 64 * 1024
"""Bytes of one line."""


class NoFaultsHere(Refused):
    """No devnet that can misbehave runs from this folder."""

    def __init__(self, home: Path) -> None:
        super().__init__(
            f"no devnet with faults runs in {home}: start one with `poolhand devnet up --faults`"
        )


class FaultRefused(Refused):
    """The devnet would not do what was asked; the message is its own."""


class FaultFailed(Unavailable):
    """The devnet could not do what was asked; the message is its own."""


class FaultClient:
    """Sets and clears the faults of a devnet that runs in another program.

    Args:
        home: The devnet's folder.

    Every method raises NoFaultsHere where no such devnet runs, FaultRefused and FaultFailed as
    the devnet says.
    """

    def __init__(self, home: Path) -> None:
        self._home = home

    async def in_force(self) -> tuple[Fault, ...]:
        """Return what is wrong now."""
        return await self._ask({"do": "list"})

    async def set(self, fault: Fault) -> tuple[Fault, ...]:
        """Let a fault happen; returns what is wrong then."""
        return await self._ask({"do": "set", "fault": dump(fault)})

    async def clear(self, fault: Fault) -> tuple[Fault, ...]:
        """Take a fault back; returns what is still wrong."""
        name, *words = (str(each) for each in identity(fault))
        return await self.clear_named(name, words)

    async def clear_named(self, name: str, words: Sequence[str] = ()) -> tuple[Fault, ...]:
        """Take back every fault of a name whose first words are these."""
        return await self._ask({"do": "clear", "name": name, "words": list(words)})

    async def clear_all(self) -> tuple[Fault, ...]:
        """Take every fault back."""
        return await self._ask({"do": "clear-all"})

    async def _ask(self, question: Mapping[str, Any]) -> tuple[Fault, ...]:
        try:
            with _reachable(self._home / SOCKET) as path:
                reader, writer = await asyncio.open_unix_connection(path)
            writer.write(json.dumps(question).encode() + b"\n")
            answer = json.loads(await reader.readline())
            writer.close()
            await writer.wait_closed()
        except (OSError, ValueError) as fault:
            raise NoFaultsHere(self._home) from fault
        if "error" in answer:
            told = answer["error"]
            kind = FaultFailed if told["exit"] == Unavailable.exit_code else FaultRefused
            raise kind(str(told["message"]))
        return tuple(map(load, answer["faults"]))


@asynccontextmanager
async def controlled(faults: Faults, home: Path) -> AsyncIterator[None]:
    """Let ``FaultClient`` set the faults of this program's devnet meanwhile."""
    place, tasks = home / SOCKET, set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        with contextlib.suppress(OSError, ValueError):
            async with asyncio.timeout(FIRST_WORD):
                line = await reader.readline()
            writer.write(json.dumps(await _obey(faults, line)).encode() + b"\n")
            await writer.drain()
        writer.close()

    with _reachable(place) as path:
        listener = unix_listener(path)
    place.chmod(0o600)
    acceptor = accept_streams(listener, serve, limit=MOST_CONTROL_LINE)
    try:
        yield
    finally:
        acceptor.close()
        listener.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        place.unlink(missing_ok=True)


async def _obey(faults: Faults, line: bytes) -> dict[str, Any]:
    try:
        asked = json.loads(line)
        deed = _DEEDS.get(asked.get("do"))
        if deed is None:
            raise BadFault("ask to set, clear, clear-all or list")
        await deed(faults, asked)
    except (ValueError, KeyError, TypeError, AttributeError):
        return await _obey(faults, b"{}")
    except PoolhandError as fault:
        told = {"code": fault.code, "message": str(fault), "exit": fault.exit_code}
        return {"error": told}
    return {"faults": [dump(each) for each in faults.in_force]}


async def _set(faults: Faults, asked: Mapping[str, Any]) -> None:
    await faults.set(load(asked["fault"]))


async def _clear(faults: Faults, asked: Mapping[str, Any]) -> None:
    name, words = asked["name"], tuple(asked["words"])
    meant = [each for each in faults.in_force if _begins(each, (name, *words))]
    if not meant:
        raise BadFault(f"no fault '{' '.join((name, *words))}' is in force: nothing was cleared")
    for fault in meant:
        await faults.clear(fault)


async def _clear_all(faults: Faults, _asked: Mapping[str, Any]) -> None:
    await faults.clear_all()


async def _list(_faults: Faults, _asked: Mapping[str, Any]) -> None:
    """Change nothing."""


_DEEDS: Final[Mapping[str, Callable[[Faults, Mapping[str, Any]], Awaitable[None]]]] = {
    "set": _set,
    "clear": _clear,
    "clear-all": _clear_all,
    "list": _list,
}


def _begins(fault: Fault, words: Sequence[str]) -> bool:
    return tuple(map(str, identity(fault)))[: len(words)] == tuple(words)


@contextmanager
def _reachable(socket: Path) -> Iterator[str]:
    """Yield a path to a socket that is short enough for the kernel, however deep the folder."""
    if len(os.fsencode(socket)) <= LONGEST_PATH:
        yield str(socket)
        return
    folder = os.open(socket.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{socket.name}"
    finally:
        os.close(folder)
