"""The network of the chaos runs: a devnet whose programs, lines and blocks are in our stages."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from chaos.matrix import Fault, Victim
from chaos.programs import Program
from chaos.worker import ORDER
from poolhand.devnet.demo import requester_settings
from poolhand.devnet.engine import DevnetEngine, EngineDied, NoEngineHere
from poolhand.devnet.faults import EVERYBODY, Partition
from poolhand.devnet.faults.line import Line, to_port, to_socket
from poolhand.devnet.images import publish
from poolhand.devnet.node import Anvil
from poolhand.devnet.plan import DevnetPlan
from poolhand.devnet.ports import LOOPBACK_ADDRESS, free_port
from poolhand.devnet.up import Devnet, devnet
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import Address
from poolhand.domain.replicate.events import Flow
from poolhand.requester.main import open_requester
from poolhand.requester.requester import Requester

HERE = Path(__file__).parent
APP = "poolhand/chaos:1.0"
WORKERS = 1
BLOCK_SECONDS = 0.3
"""Between two blocks by the wall clock; by the chain's, a second or more."""
NEVER = 24 * 3600
"""Seconds between blocks that Anvil mines by itself: none comes but ours, after a restart too."""
SIGNALS = {Fault.KILL: signal.SIGKILL, Fault.TERM: signal.SIGTERM}
PROGRAM = {Victim.WORKER: "worker-1", Victim.SCHEDULER: "pool", Victim.RESULTS: "results"}
LINES = {
    Victim.WORKER: ("worker-node", "worker-pool", "results"),
    Victim.SCHEDULER: ("pool-node", "worker-pool", "results"),
    Victim.RESULTS: ("results-node", "results"),
    Victim.NODE: ("worker-node", "pool-node", "results-node"),
    Victim.DOCKER: ("docker",),
}
"""What a partition of a victim cuts. Worker and pool reach the results service by one line."""


class Blocks:
    """Mines at our own pace, a second of chain time per block at least, and can be held still."""

    def __init__(self, node: Anvil) -> None:
        self._node = node
        self._turn = asyncio.Lock()
        self.number = 0

    async def keep_mining(self) -> None:
        while True:
            async with self._turn:
                with contextlib.suppress(ChainUnreachable):
                    await self._mine()
            await asyncio.sleep(BLOCK_SECONDS)

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Mine nothing inside of the context."""
        async with self._turn:
            yield

    async def pass_by(self, count: int) -> None:
        """Wait for a number of blocks, or as long as they would take."""
        await asyncio.sleep(count * BLOCK_SECONDS)

    async def _mine(self) -> None:
        node = self._node
        last = await node.rpc("eth_getBlockByNumber", "latest", False)
        at = max(int(last["timestamp"], 16) + 1, int(time.time()))
        await node.rpc("evm_mine", at)
        self.number = int(last["number"], 16) + 1


@dataclass
class Arena:
    """Everything that a trial touches."""

    home: Path
    running: Devnet
    requester: Requester
    programs: dict[str, Program]
    lines: dict[str, Line]
    blocks: Blocks
    engine: DevnetEngine | None
    no_engine: str
    app: Address
    flow: Flow | None = None
    silent: bool = False
    names: dict[Address, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def node(self) -> Anvil:
        return self.running.node

    @property
    def worker(self) -> Program:
        return self.programs["worker-1"]

    @property
    def order(self) -> Path:
        return self.home / "order.json"

    @property
    def docker_url(self) -> str:
        """The engine itself, not the line to it."""
        if self.engine is None:
            return os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
        return f"unix://{self.engine.socket}"

    async def play(self, flow: Flow) -> None:
        """Make the pool settle trust-1 tasks by a flow; it restarts when that changes."""
        if flow is self.flow:
            return
        pool = self.programs["pool"]
        await pool.end(signal.SIGTERM)
        quick = flow is Flow.CONTRIBUTE_AND_FINALIZE
        pool.environment["POOLHAND_QUICK_FINISH"] = str(quick).lower()
        await pool.start()
        await pool.ready()
        self.flow = flow

    async def strike(self, victim: Victim, fault: Fault) -> None:
        """Let a fault happen to a victim."""
        if fault is Fault.PARTITION:
            for name in LINES[victim]:
                self.lines[name].cut(self._cut(name))
        elif victim is Victim.NODE:
            async with self.blocks.held():
                await self.node.end(SIGNALS[fault])
        elif victim is Victim.DOCKER:
            assert self.engine is not None
            await self.engine.end(SIGNALS[fault])
        else:
            await self.programs[PROGRAM[victim]].end(SIGNALS[fault])

    async def mend(self, victim: Victim, fault: Fault) -> None:
        """Undo it: start again what ended, heal what was cut."""
        if fault is Fault.PARTITION:
            for name in LINES[victim]:
                self.lines[name].heal(self._cut(name))
        elif victim is Victim.NODE:
            async with self.blocks.held():
                await self.node.restart()
        elif victim is Victim.DOCKER:
            assert self.engine is not None
            await self.engine.start()
        else:
            await self.programs[PROGRAM[victim]].start()

    def _cut(self, name: str) -> Partition:
        return Partition(EVERYBODY, name, self.silent)


@asynccontextmanager
async def arena(home: Path, say: Callable[[str], None]) -> AsyncIterator[Arena]:
    """Run the network; everything is stopped at the end."""
    sell_all = {"POOLHAND_PREFLIGHT": "false"}  # whoever is killed here comes back
    plan = DevnetPlan(home / "net", workers=WORKERS, environment=sell_all)
    async with AsyncExitStack() as stack:
        engine, why = await _own_engine(home / "engine", stack)
        running = await stack.enter_async_context(devnet(plan, say))
        environments = {
            name: psutil.Process(child.pid).environ()
            for name, child in running.children.items()
            if name not in ("market", "matcher", "sms")  # of which nothing here wants anything
        }
        for child in running.children.values():
            await child.stop()
        await running.node.pace(NEVER)
        made = Arena(plan.home, running, None, {}, {}, Blocks(running.node), engine, why, None)  # type: ignore[arg-type]
        mining = asyncio.create_task(made.blocks.keep_mining())
        stack.push_async_callback(_cancelled, mining)
        await _lay_lines(made, stack)
        _describe(made, environments)
        stack.push_async_callback(_stop_all, made)
        for program in made.programs.values():
            await program.start()
        await asyncio.gather(*(program.ready() for program in made.programs.values()))
        await _furnish(made, stack)
        yield made


async def _own_engine(folder: Path, stack: AsyncExitStack) -> tuple[DevnetEngine | None, str]:
    try:
        return await stack.enter_async_context(DevnetEngine(folder)), ""
    except (NoEngineHere, EngineDied) as fault:
        return None, str(fault)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


async def _lay_lines(made: Arena, stack: AsyncExitStack) -> None:
    info = made.running.info
    node, pool, results = (
        int(url.rpartition(":")[2]) for url in (info.rpc_url, info.pool_url, info.results_url)
    )
    ends = {
        "worker-node": node, "pool-node": node, "results-node": node,
        "worker-pool": pool, "results": results,
    }  # fmt: skip
    for name, end in ends.items():
        made.ports[name] = free_port()
        line = Line(name, made.ports[name], to_port(lambda end=end: end), dict)  # type: ignore[misc]
        made.lines[name] = await stack.enter_async_context(line)
    if made.engine is not None:
        near = made.engine.socket.with_name("line.sock")
        line = Line("docker", near, to_socket(made.engine.socket), dict)
        made.lines["docker"] = await stack.enter_async_context(line)


def _describe(made: Arena, environments: dict[str, dict[str, str]]) -> None:
    ports, logs = made.ports, made.home / "logs"
    pool_url = f"http://{LOOPBACK_ADDRESS}:{ports['worker-pool']}"
    results_url = f"http://{LOOPBACK_ADDRESS}:{ports['results']}"
    for name, environment in environments.items():
        noun = name.partition("-")[0]
        node = f"ws://{LOOPBACK_ADDRESS}:{ports[f'{noun}-node']}"
        own = {
            **environment,
            "IEXEC_BLOCKCHAIN_NODE_ADDRESS": node,
            "IEXEC_WORKER_OVERRIDE_BLOCKCHAIN_NODE_ADDRESS": node,
            "POOLHAND_PUBLIC_URL": pool_url,
            "IEXEC_RESULT_REPOSITORY_URL": results_url,
            "IEXEC_CORE_URL": pool_url,
            "POOLHAND_RESULTS_URL": results_url,
            ORDER: str(made.order),
        }
        if made.engine is not None:
            own["DOCKER_HOST"] = f"unix://{made.engine.socket.with_name('line.sock')}"
        words = {
            "worker": ("-m", "chaos.worker", "--json"),
            "pool": ("-m", "poolhand", "pool", "serve", "--json"),
            "results": ("-m", "poolhand", "results", "serve", "--json"),
        }[noun]
        own["PYTHONPATH"] = os.pathsep.join(
            filter(None, (str(HERE.parent), os.environ.get("PYTHONPATH")))
        )
        made.programs[name] = Program(name, words, own, logs)


async def _stop_all(made: Arena) -> None:
    for program in reversed(made.programs.values()):
        await program.stop()


async def _furnish(made: Arena, stack: AsyncExitStack) -> None:
    info = made.running.info
    await publish(HERE / "app", APP, info.registry)
    shutil.copyfile(HERE / "app" / "main.py", Path(info.files) / "input.txt")
    settings = requester_settings(info, made.home)
    made.requester = await stack.enter_async_context(open_requester(settings))
    made.app = (await made.requester.deploy_app(f"{info.registry}/{APP}", "chaos")).address
    made.names = {Address.parse(each.address): name for name, each in info.accounts.items()}
