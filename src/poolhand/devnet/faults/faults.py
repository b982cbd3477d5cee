"""The faults in force on one devnet: set, cleared, listed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Coroutine, Mapping
from typing import Any, Final, Self

import structlog

from poolhand.devnet.children import Child, ProgramDied
from poolhand.devnet.faults.blocks import keep_gas_dear, make_gas_cheap, reorganise
from poolhand.devnet.faults.grounds import Grounds
from poolhand.devnet.faults.kinds import (
    EVERY_PROGRAM,
    EVERY_WORKER,
    EVERYBODY,
    OTHER_CALLERS,
    BadFault,
    DearGas,
    Down,
    DropTransactions,
    Fault,
    FullDisk,
    How,
    Lag,
    LoseAnswers,
    Partition,
    Reorg,
    TooManyRequests,
    identity,
    words,
)
from poolhand.domain.errors import Unavailable

SIGNALS: Final[Mapping[How, signal.Signals]] = {"kill": signal.SIGKILL, "term": signal.SIGTERM}
ENDS_AFTER_FULL_DISK: Final = 60.0
"""How long after its disk has room again a program may still end for lack of it."""
NODE: Final = "node"
DOCKER_PEER: Final = "docker"

log = structlog.get_logger()


class NoDiskOfItsOwn(BadFault):
    """Only a disk that no other program uses is filled."""

    def __init__(self, program: str) -> None:
        super().__init__(
            f"{program} has no disk of its own to be filled: start the devnet as root with "
            f"`poolhand devnet up --faults --disk {program}`"
        )


class NoEngineOfItsOwn(BadFault):
    """An engine that others use is never touched."""

    def __init__(self) -> None:
        super().__init__(
            "the Docker engine is not the devnet's own and is left alone: cut it off with "
            "`poolhand devnet fault set partition workers docker`, or start the devnet as root "
            "with `poolhand devnet up --faults --engine`"
        )


class Faults:
    """Sets faults and takes them back; an async context manager that takes all back in the end.

    One call at a time is carried out; a fault that is set again replaces itself.
    """

    def __init__(self, grounds: Grounds) -> None:
        self._grounds = grounds
        self._in_force: dict[tuple[Any, ...], Fault] = {}
        self._turn = asyncio.Lock()
        self._gas: asyncio.Task[None] | None = None
        self._fee_before = ""
        self._awaited: set[asyncio.Task[None]] = set()
        self._late: dict[str, asyncio.Task[None]] = {}

    @property
    def in_force(self) -> tuple[Fault, ...]:
        """What is wrong now, oldest first."""
        return tuple(self._in_force.values())

    async def set(self, fault: Fault) -> None:
        """Let a fault happen; it lasts until it is cleared (``Reorg`` is over at once).

        Raises:
            BadFault: It cannot be on this devnet; the message says why.
            Unavailable: What it is brought about with does not answer.
        """
        self._check(fault)
        async with self._turn:
            await self._clear(fault)
            await self._begin(fault)
            if not isinstance(fault, Reorg):
                self._in_force[identity(fault)] = fault
        log.warning("fault_set", fault=words(fault), simulated=True)

    async def clear(self, fault: Fault) -> bool:
        """Take a fault back; returns whether it was in force."""
        async with self._turn:
            found = await self._clear(fault)
        if found:
            log.warning("fault_cleared", fault=words(fault), simulated=True)
        return found

    async def clear_all(self) -> tuple[Fault, ...]:
        """Take every fault back, the last one first; returns them."""
        gone = tuple(reversed(self.in_force))
        for fault in gone:
            await self.clear(fault)
        return gone

    async def restart(self, program: str, how: How = "kill") -> None:
        """Take a program down and up again."""
        await self.set(Down(program, how))
        await self.clear(Down(program, how))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave a world that can be stopped: nothing frozen or full; who is dead stays dead."""
        async with self._turn:
            for each in reversed(self.in_force):
                if not isinstance(each, Down) or each.how == "freeze":
                    await self._clear(each)
        for task in self._awaited:
            task.cancel()
        await asyncio.gather(*self._awaited, return_exceptions=True)

    def _check(self, fault: Fault) -> None:
        match fault:
            case Partition(caller=caller, service=service):
                self._check_caller(caller)
                self._check_line(service)
            case Lag() | TooManyRequests() | DropTransactions() | LoseAnswers():
                self._check_caller(fault.caller)
            case Down(program=program):
                self._check_program(program)
            case FullDisk(program=program) if program not in self._grounds.disks:
                raise NoDiskOfItsOwn(program)
            case FullDisk() | DearGas() | Reorg():
                pass

    def _check_caller(self, caller: str) -> None:
        known = (EVERYBODY, EVERY_PROGRAM, EVERY_WORKER, OTHER_CALLERS, *self._grounds.children)
        if caller not in known:
            raise BadFault(f"nobody called '{caller}' calls here: choose from {', '.join(known)}")

    def _check_line(self, service: str) -> None:
        if service not in self._grounds.lines:
            raise BadFault(f"there is no line to '{service}' on this devnet that could be cut")

    def _check_program(self, program: str) -> None:
        if program == DOCKER_PEER and self._grounds.engine is None:
            raise NoEngineOfItsOwn
        known = (NODE, DOCKER_PEER, *self._grounds.children)
        if program not in known:
            raise BadFault(f"there is no program '{program}': choose from {', '.join(known)}")

    # ----------------------------------------------------------------------------- there and back

    async def _begin(self, fault: Fault) -> None:
        grounds = self._grounds
        match fault:
            case Partition():
                grounds.lines[fault.service].cut(fault)
            case Lag() | TooManyRequests() | DropTransactions() | LoseAnswers():
                await grounds.bad_node.set(fault)
            case DearGas():
                await self._raise_gas(fault)
            case Down():
                await self._take_down(fault)
            case FullDisk():
                self._forget_late(fault.program)
                await asyncio.to_thread(grounds.disks[fault.program].fill)
            case Reorg():
                await reorganise(grounds.node, fault.depth, lose=fault.lose)

    async def _clear(self, fault: Fault) -> bool:
        """Undo the fault of this identity, if it is in force."""
        former = self._in_force.get(identity(fault))
        match former:
            case Partition():
                self._grounds.lines[former.service].heal(former)
            case Lag() | TooManyRequests() | DropTransactions() | LoseAnswers():
                await self._grounds.bad_node.clear(former)
            case DearGas():
                await self._lower_gas()
            case Down():
                await self._bring_up(former)
            case FullDisk():
                await self._make_room(former)
            case None | Reorg():
                return False
        del self._in_force[identity(fault)]
        return True

    async def _raise_gas(self, fault: DearGas) -> None:
        node = self._grounds.node
        head = await node.rpc("eth_getBlockByNumber", "latest", False)
        self._fee_before = head["baseFeePerGas"]
        self._gas = asyncio.create_task(keep_gas_dear(node, fault.factor))

    async def _lower_gas(self) -> None:
        if self._gas is not None:
            self._gas.cancel()
            await asyncio.wait([self._gas])
        await make_gas_cheap(self._grounds.node, self._fee_before)

    async def _take_down(self, fault: Down) -> None:
        pid = self._pid(fault.program)
        if fault.how == "freeze":
            if pid is not None:
                _signal(pid, signal.SIGSTOP)
            return
        number = SIGNALS[fault.how]
        if fault.program == NODE:
            await self._grounds.node.end(number)
        elif fault.program == DOCKER_PEER:
            assert self._grounds.engine is not None
            await self._grounds.engine.end(number)
        else:
            await self._grounds.children[fault.program].end(number)

    async def _bring_up(self, fault: Down) -> None:
        pid = self._pid(fault.program)
        if fault.how == "freeze":
            if pid is not None:
                _signal(pid, signal.SIGCONT)
            return
        if fault.program == NODE:
            await self._grounds.node.restart()
        elif fault.program == DOCKER_PEER:
            assert self._grounds.engine is not None
            await self._grounds.engine.start()
        else:
            await self._revive(fault.program)

    async def _make_room(self, fault: FullDisk) -> None:
        """Free the disk; a program that stopped because of it is started, as its operator would."""
        self._grounds.disks[fault.program].clear()
        if ("down", fault.program) not in self._in_force:
            await self._revive(fault.program)
            self._late[fault.program] = self._background(self._revive_late(fault.program))

    async def _revive_late(self, program: str) -> None:
        """Start a program, too, that had given up when there was room again and was not yet gone.

        On a busy machine the way out takes seconds.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ENDS_AFTER_FULL_DISK):
                code = await self._grounds.children[program].ended()
            if code == Unavailable.exit_code and ("down", program) not in self._in_force:
                await self._revive(program)

    def _forget_late(self, program: str) -> None:
        task = self._late.pop(program, None)
        if task is not None:
            task.cancel()

    async def _revive(self, program: str) -> None:
        """Start a program that does not run.

        It may need what another fault withholds before it is ready: so nobody waits for it here.
        """
        child = self._grounds.children[program]
        if child.pid is not None:
            return
        await child.start()
        self._background(_hear(child))

    def _background(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Do something beside; it ends with us at the latest."""
        task = asyncio.create_task(work)
        self._awaited.add(task)
        task.add_done_callback(self._awaited.discard)
        return task

    def _pid(self, program: str) -> int | None:
        grounds = self._grounds
        if program == NODE:
            return grounds.node.pid
        if program == DOCKER_PEER:
            return None if grounds.engine is None else grounds.engine.pid
        return grounds.children[program].pid


async def _hear(child: Child) -> None:
    try:
        await child.ready()
    except ProgramDied as fault:
        log.warning("program_did_not_start", name=child.name, cause=str(fault))


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
