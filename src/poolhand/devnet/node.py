"""Anvil, the development node: started on a free port, its chain kept on disk, stopped for sure.

Source: local-chain.md §5.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Self

from poolhand.devnet.ports import LOOPBACK_ADDRESS, free_port
from poolhand.devnet.rpc import NodeRpc
from poolhand.domain.errors import ChainUnreachable, Unavailable

DEVNET_CHAIN_ID: Final = 31337
TEST_MNEMONIC: Final = "test test test test test test test test test test test junk"
"""Public: Anvil's and Hardhat's default. Whoever holds coin under it has given it away."""
LONGEST_NODE_START: Final = 20.0
LONGEST_NODE_STOP: Final = 10.0
PORT_TRIES: Final = 5
SAVE_SECONDS: Final = 10.0


class NodeDied(Unavailable):
    """Anvil ended, or did not become ready."""

    def __init__(self, why: str, log: Path) -> None:
        super().__init__(f"Anvil does not run: {why}. Its log is {log}; start the devnet again")


class Anvil:
    """One Anvil process; an async context manager.

    The chain is saved every ``save_seconds`` and at the end, each time whole or not at all, and a
    new Anvil on the same folder goes on from there; where that is None, when ``save`` or ``end``
    asks for it alone. The process ends with the context, and (on Linux) with the program that
    started it, however that ends.

    Attributes:
        port: Where it listens, on the loopback interface alone.
        url: For HTTP. ``ws_url``: for subscriptions.
    """

    def __init__(
        self,
        program: Path,
        folder: Path,
        *,
        block_time: float | None = None,
        accounts: int = 20,
        mnemonic: str = TEST_MNEMONIC,
        chain_id: int = DEVNET_CHAIN_ID,
        port: int = 0,
        save_seconds: float | None = SAVE_SECONDS,
    ) -> None:
        """Describe a node; nothing starts before the context is entered.

        Args:
            program: The Anvil binary.
            folder: For its state and log; made when missing.
            block_time: Seconds between blocks; None mines a block per transaction, at once.
            accounts: How many accounts of the mnemonic start with 10 000 coins each.
            mnemonic: Whose accounts.
            chain_id: Of the chain.
            port: Wished for; another is taken when it is in use. 0: any.
            save_seconds: How often the chain is saved; None: not by itself, at the end neither.
        """
        self._program, self._folder, self._wished = program, folder, port
        self._save_seconds = save_seconds
        self._block_time = block_time
        self._arguments = [
            *("--host", LOOPBACK_ADDRESS, "--chain-id", str(chain_id), "--accounts", str(accounts)),
            *("--mnemonic", mnemonic, "--no-cors"),
            *(() if save_seconds is None else ("--dump-state", str(folder / "exit.json"))),
            *("--cache-path", str(folder / "states")),
        ]
        self._process: asyncio.subprocess.Process | None = None
        self._rpc: NodeRpc | None = None
        self._saver: asyncio.Task[None] | None = None
        self._saving = asyncio.Lock()
        self.port = 0

    @property
    def url(self) -> str:
        """The HTTP endpoint."""
        return f"http://{LOOPBACK_ADDRESS}:{self.port}"

    @property
    def ws_url(self) -> str:
        """The WebSocket endpoint."""
        return f"ws://{LOOPBACK_ADDRESS}:{self.port}"

    @property
    def log(self) -> Path:
        """What Anvil prints (readable by the owner alone: it prints the mnemonic's keys)."""
        return self._folder / "anvil.log"

    @property
    def state(self) -> Path:
        """The saved chain."""
        return self._folder / "state.json"

    @property
    def pid(self) -> int | None:
        """The process, while it runs."""
        process = self._process
        return None if process is None or process.returncode is not None else process.pid

    async def rpc(self, method: str, *params: Any) -> Any:
        """Make one JSON-RPC call; see ``devnet.rpc.Rpc.call`` for its errors."""
        if self._rpc is None:
            raise ChainUnreachable("Anvil is not started: enter its context first")
        return await self._rpc.call(method, *params)

    async def pace(self, block_time: int) -> None:
        """Let blocks come every so many seconds from now on, after a restart too."""
        await self.rpc("evm_setAutomine", False)
        await self.rpc("evm_setIntervalMining", block_time)
        self._block_time = block_time

    @asynccontextmanager
    async def without_blocks(self) -> AsyncIterator[None]:
        """Let no block come meanwhile."""
        await self.rpc("evm_setIntervalMining", 0)
        try:
            yield
        finally:
            with contextlib.suppress(ChainUnreachable):
                await self.rpc("evm_setIntervalMining", int(self._block_time or 0))

    async def end(self, number: int = signal.SIGTERM) -> None:
        """End the process by a signal as a node ends that has its chain on disk.

        Anvil has it in memory alone, so no block may come between the last save and the signal.
        What waits in its pool of transactions is lost, as it is with any node. Repeatable.
        """
        process = self._process
        if process is None or self.pid is None:
            return
        async with self.without_blocks():
            await self.save()
            _signal(lambda: process.send_signal(number))
            await process.wait()
        await self._stop()

    async def restart(self) -> None:
        """Start the process again after ``end``, on the same port if that is still free.

        Raises:
            NodeDied: It does not start.
        """
        for _ in range(PORT_TRIES):
            if self.pid is not None or await self._start():
                return
            self.port = free_port()
        raise NodeDied("every port that was free a moment ago was taken", self.log)

    async def save(self) -> None:
        """Write the chain to disk now."""
        async with self._saving:
            packed = bytes.fromhex((await self.rpc("anvil_dumpState")).removeprefix("0x"))
            await asyncio.to_thread(_write_whole, self.state, gzip.decompress(packed))

    async def __aenter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(self._adopt_exit_state)
        for _ in range(PORT_TRIES):
            self.port = free_port(self._wished)
            if await self._start():
                if self._save_seconds is not None:
                    self._saver = asyncio.create_task(self._keep_saving(self._save_seconds))
                return self
        raise NodeDied("every port that was free a moment ago was taken", self.log)

    async def __aexit__(self, *_: object) -> None:
        if self._saver is not None:
            self._saver.cancel()
            await asyncio.wait([self._saver])
            if self.pid is not None:
                with contextlib.suppress(ChainUnreachable):
                    await self.save()
        await self._stop()

    async def _start(self) -> bool:
        """Start the process and wait until it answers; False when its port was taken."""
        load = ("--load-state", str(self.state)) if self.state.exists() else ()
        pace = () if self._block_time is None else ("--block-time", f"{self._block_time:g}")
        handle = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            self._process = await asyncio.create_subprocess_exec(
                *_tied_to_us(),
                str(self._program),
                *("--port", str(self.port)),
                *self._arguments,
                *pace,
                *load,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=handle,
                stderr=handle,
                start_new_session=True,  # a terminal's Ctrl-C must not outrun our own stop
            )
        except OSError as fault:
            raise NodeDied(f"{self._program} cannot be started ({fault})", self.log) from fault
        finally:
            os.close(handle)
        self._rpc = NodeRpc(self.url)
        try:
            return await self._ready(self._process, self._rpc)
        except BaseException:
            await self._stop()
            raise

    async def _ready(self, process: asyncio.subprocess.Process, rpc: NodeRpc) -> bool:
        ended = asyncio.create_task(process.wait())
        try:
            async with asyncio.timeout(LONGEST_NODE_START):
                while not ended.done():
                    with contextlib.suppress(ChainUnreachable):
                        await rpc.call("eth_chainId")
                        return True
                    await asyncio.wait([ended], timeout=0.02)
        except TimeoutError:
            raise NodeDied(f"no answer within {LONGEST_NODE_START:g} s", self.log) from None
        finally:
            ended.cancel()
        await self._stop()
        last = self._last_line()
        if "already in use" in last:
            return False
        raise NodeDied(f"it ended with code {process.returncode} ({last})", self.log)

    async def _stop(self) -> None:
        rpc, self._rpc = self._rpc, None
        if rpc is not None:
            await rpc.close()
        process = self._process
        if process is None or process.returncode is not None:
            return
        _signal(process.terminate)
        try:
            await asyncio.wait_for(process.wait(), LONGEST_NODE_STOP)
        except TimeoutError:
            _signal(process.kill)
            await process.wait()

    async def _keep_saving(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            with contextlib.suppress(ChainUnreachable):  # it may be ended, to be started again
                await self.save()

    def _adopt_exit_state(self) -> None:
        """Take over what Anvil wrote when it ended without us, if that is newer and complete."""
        left = self._folder / "exit.json"
        if not left.exists():
            return
        newer = not self.state.exists() or left.stat().st_mtime > self.state.stat().st_mtime
        if newer and _is_complete(left):
            left.replace(self.state)
        else:
            left.unlink()

    def _last_line(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").split("\n")
        errors = [line.strip() for line in lines if line.startswith("Error")]
        return errors[-1] if errors else "it gave no reason"


def _tied_to_us() -> tuple[str, ...]:
    """Return the words that make Linux end the process when ours ends, by SIGTERM."""
    setpriv = shutil.which("setpriv")
    return () if setpriv is None else (setpriv, "--pdeathsig", signal.Signals.SIGTERM.name[3:])


def _is_complete(state: Path) -> bool:
    try:
        return isinstance(json.loads(state.read_bytes()), dict)
    except ValueError:
        return False


def _signal(send: Callable[[], None]) -> None:
    with contextlib.suppress(ProcessLookupError):
        send()


def _write_whole(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.part")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
