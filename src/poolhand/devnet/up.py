"""One command, one network: node, contracts, registry, files, results, pool and workers.

Everything lives below one folder and is resumed from it; everything that is started is stopped.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from poolhand.devnet import artifacts
from poolhand.devnet.accounts import DEPLOYER, POOL, Funded, derive, fund
from poolhand.devnet.adversaries.kinds import KINDS, TURN_SEEKERS, Kind, names_of
from poolhand.devnet.artifacts import Artifacts
from poolhand.devnet.children import FIRST_PAUSE, Child
from poolhand.devnet.contracts import DeployedContracts, deploy
from poolhand.devnet.examples import publish_examples
from poolhand.devnet.faults.control import controlled
from poolhand.devnet.faults.faults import Faults
from poolhand.devnet.faults.grounds import Grounds, prepared
from poolhand.devnet.info import INFO_FILE, PROGRAMS_FILE, DevnetAccount, DevnetInfo
from poolhand.devnet.node import Anvil
from poolhand.devnet.ports import LOOPBACK, free_port
from poolhand.devnet.registry import Registry
from poolhand.domain.errors import Refused
from poolhand.domain.units import BlockNumber
from poolhand.observe.private import private_folder
from poolhand.settings.home import at_home
from poolhand.store import lines
from poolhand.store.errors import JournalLocked
from poolhand.transport.asgi import serve
from poolhand.wire.session import LEASE

LOCK: Final = "devnet"
PROGRAMS: Final = ("node", "registry", "files", "results", "pool")
VANISHED: Final = LEASE + 4.0
"""Seconds that a vanished adversary stays away: the pool is to notice."""


class DevnetRunning(Refused):
    """A devnet runs in this folder already."""

    def __init__(self, home: Path) -> None:
        super().__init__(
            f"a devnet runs in {home} already: stop it with `poolhand devnet down`, or choose "
            "another folder with POOLHAND_HOME"
        )


@dataclass(frozen=True, slots=True)
class DevnetPlan:
    """What to start.

    Attributes:
        home: Folder of everything.
        workers: How many.
        block_time: Whole seconds between blocks.
        cache: Folder of Anvil and contracts, shared between devnets.
        environment: Added to that of every program (settings of pool and workers).
        adversaries: Simulated ones, to run beside the honest workers.
        restart: Whether a program that dies is started again.
        faults: Put lines between the programs, so that the world can misbehave.
        disks: Programs that get a disk of their own, to be filled; with ``faults``, for root.
        engine: Run a Docker engine of the devnet's own, to be killed; with ``faults``, for root.
    """

    home: Path
    workers: int = 4
    block_time: int = 1
    cache: Path = field(default_factory=lambda: at_home("~/.cache/poolhand"))
    environment: Mapping[str, str] = field(default_factory=dict)
    adversaries: tuple[Kind, ...] = ()
    restart: bool = False
    faults: bool = False
    disks: tuple[str, ...] = ()
    engine: bool = False

    @property
    def named(self) -> Mapping[str, Kind]:
        """The adversaries by name."""
        return names_of(self.adversaries)


@dataclass(slots=True)
class Devnet:
    """A running devnet: what clients need, the node, the programs by name.

    ``faults`` is there if the plan asked for it.
    """

    info: DevnetInfo
    node: Anvil
    children: dict[str, Child]
    faults: Faults | None = None


@asynccontextmanager
async def devnet(plan: DevnetPlan, progress: Callable[[str], None]) -> AsyncIterator[Devnet]:
    """Run a devnet; ``info.json`` in its folder exists exactly while it is ready.

    Args:
        plan: What to start.
        progress: Called with a line for people at every step.

    Raises:
        DevnetRunning: The folder is in use.
        Unavailable: Something could not be fetched or started; the message says what to do.
    """
    private_folder(plan.home)
    async with AsyncExitStack() as stack:
        _hold(plan.home, stack)
        progress("fetching Anvil and the PoCo contracts (once)")
        found = await asyncio.to_thread(artifacts.ensure, plan.cache)
        ports = _Ports(plan.home / "ports.json")
        node = Anvil(found.anvil, plan.home / "chain", port=0 if plan.faults else ports["node"])
        await stack.enter_async_context(node)
        progress("deploying the contracts")
        deployed, funded = await _chain(plan, found, node)
        registry = await stack.enter_async_context(
            Registry(plan.home / "registry", port=ports["registry"])
        )
        files = plan.home / "files"
        files.mkdir(exist_ok=True)
        await _serve_files(files, ports["files"], stack)
        children: dict[str, Child] = {}
        grounds = await _grounds(plan, node, ports, children, stack)
        info = _info(plan, deployed, funded, registry, ports, files, _rpc_url(node, ports, grounds))
        children |= _programs(plan, info, grounds)
        progress(f"starting results, pool and {plan.workers} workers; pushing the example apps")
        for name, kind in plan.named.items():
            progress(f"starting {name}, a simulated adversary: {KINDS[kind].does}")
        await asyncio.gather(_start(children, stack), publish_examples(registry.host))
        _supervise(plan, children, stack)
        target = plan.home / INFO_FILE
        _write(target, info.dump())
        stack.callback(target.unlink, missing_ok=True)
        yield Devnet(info, node, children, await _faults(plan, grounds, stack))


class _Ports:
    """Ports by program, the same after a restart wherever they are still free.

    Links to results are on chain: they should outlive a restart.
    """

    def __init__(self, file: Path) -> None:
        try:
            wished = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            wished = {}
        self._chosen = {name: free_port(int(wished.get(name, 0))) for name in PROGRAMS}
        _write(file, self._chosen)

    def __getitem__(self, name: str) -> int:
        return self._chosen[name]

    def url(self, name: str) -> str:
        """Return the URL of a program."""
        return f"http://{LOOPBACK}:{self[name]}"


def _hold(home: Path, stack: AsyncExitStack) -> None:
    try:
        handle = lines.lock(home / LOCK)
    except JournalLocked:
        raise DevnetRunning(home) from None
    stack.callback(os.close, handle)


async def _chain(
    plan: DevnetPlan, found: Artifacts, node: Anvil
) -> tuple[DeployedContracts, Funded]:
    """Deploy and fund at once, then let blocks come at their own pace."""
    deployed = await deploy(node.url, found, derive(DEPLOYER))
    funded = await fund(
        node.url,
        found,
        deployed,
        plan.home,
        workers=plan.workers,
        adversaries=tuple(plan.named),
    )
    await node.pace(plan.block_time)
    await node.save()
    return deployed, funded


async def _grounds(
    plan: DevnetPlan,
    node: Anvil,
    ports: _Ports,
    children: Mapping[str, Child],
    stack: AsyncExitStack,
) -> Grounds | None:
    """Prepare for faults, if they are wanted."""
    if not plan.faults:
        return None
    wanted = {name: ports[name] for name in ("node", "pool", "results")}
    return await stack.enter_async_context(
        prepared(plan.home, node, wanted, children, disks=plan.disks, own_engine=plan.engine)
    )


async def _faults(
    plan: DevnetPlan, grounds: Grounds | None, stack: AsyncExitStack
) -> Faults | None:
    """Let faults be set, from here and from other programs."""
    if grounds is None:
        return None
    faults = await stack.enter_async_context(Faults(grounds))
    await stack.enter_async_context(controlled(faults, plan.home))
    return faults


def _rpc_url(node: Anvil, ports: _Ports, grounds: Grounds | None) -> str:
    return node.url if grounds is None else ports.url("node")


async def _serve_files(folder: Path, port: int, stack: AsyncExitStack) -> None:
    """Serve a folder, so that datasets and input files have a URL."""
    app = Starlette(routes=[Mount("/", StaticFiles(directory=folder))])
    up = asyncio.Event()
    task = asyncio.create_task(serve(app, LOOPBACK, port, lambda _port: up.set()))
    stack.push_async_callback(_ended, task)
    waiting = asyncio.create_task(up.wait())
    await asyncio.wait((waiting, task), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        task.result()


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def _info(
    plan: DevnetPlan,
    deployed: DeployedContracts,
    funded: Funded,
    registry: Registry,
    ports: _Ports,
    files: Path,
    rpc_url: str,
) -> DevnetInfo:
    return DevnetInfo(
        rpc_url=rpc_url,
        chain_id=deployed.chain_id,
        hub=str(deployed.hub),
        rlc=str(deployed.rlc),
        registries={kind: str(address) for kind, address in deployed.registries.items()},
        workerpool=str(funded.workerpool),
        pool_url=ports.url("pool"),
        results_url=ports.url("results"),
        registry=registry.host,
        files_url=ports.url("files"),
        files=str(files),
        accounts=dict(funded.accounts),
        adversaries={name: str(kind) for name, kind in plan.named.items()},
    )


def _programs(plan: DevnetPlan, info: DevnetInfo, grounds: Grounds | None) -> dict[str, Child]:
    logs, ws_url = plan.home / "logs", info.rpc_url.replace("http://", "ws://", 1)
    common = {
        "POOL_ADDRESS": info.workerpool,
        "POOLHAND_HUB": info.hub,
        "POOLHAND_CHAIN": "",
        "POOLHAND_CHAIN_ID": str(info.chain_id),
        "POOLHAND_LOCKS": str(plan.home / "locks"),
        "POOLHAND_OVERSUBSCRIBE": "true",
        "IEXEC_BLOCKCHAIN_NODE_ADDRESS": ws_url,
        "IEXEC_WORKER_OVERRIDE_BLOCKCHAIN_NODE_ADDRESS": ws_url,
        **plan.environment,
    }
    behind = {} if grounds is None else grounds.environment(info.pool_url, info.results_url)
    made = {
        "results": Child("results", ("results", "serve", "--json"), common | _results(plan, info)
                         | behind, logs),
        "pool": Child("pool", ("pool", "serve", "--json"), common | _pool(plan, info) | behind,
                      logs),
    }  # fmt: skip
    for number in range(1, plan.workers + 1):
        name = f"worker-{number}"
        own = common | _worker(plan, info, name) | behind
        made[name] = Child(name, ("worker", "start", "--json"), own, logs)
    for name, kind in plan.named.items():
        words = ("devnet", "adversary", "--kind", kind, "--json")
        pause = VANISHED if kind is Kind.VANISHES else FIRST_PAUSE
        own = common | _worker(plan, info, name) | behind
        made[name] = Child(name, words, own, logs, pause)
    return made


def _believed(plan: DevnetPlan, info: DevnetInfo) -> str:
    """Name the adversaries that the pool believes at first, so that they have a hand in tasks.

    Not those that are about who gets work: of these it is the pool that has to find out.
    """
    kinds = plan.named.items()
    return ",".join(info.accounts[name].address for name, kind in kinds if kind not in TURN_SEEKERS)


def _results(plan: DevnetPlan, info: DevnetInfo) -> dict[str, str]:
    return {
        "POOLHAND_RESULTS_PORT": info.results_url.rpartition(":")[2],
        "POOLHAND_RESULTS_FOLDER": str(plan.home / "results"),
    }


def _pool(plan: DevnetPlan, info: DevnetInfo) -> dict[str, str]:
    (plan.home / "pool").mkdir(exist_ok=True)
    return {
        "IEXEC_CORE_PORT": info.pool_url.rpartition(":")[2],
        "IEXEC_RESULT_REPOSITORY_URL": info.results_url,
        "POOLHAND_DATABASE": f"sqlite:///{plan.home / 'pool' / 'pool.db'}",
        "POOLHAND_PUBLIC_LOGS": "true",
        "IEXEC_START_BLOCK_NUMBER": str(BlockNumber(0)),
        "POOLHAND_TRUSTED_WORKERS": _believed(plan, info),
        **_wallet(info.accounts[POOL], "IEXEC_CORE"),
        **plan.environment,
    }


def _worker(plan: DevnetPlan, info: DevnetInfo, name: str) -> dict[str, str]:
    return {
        "IEXEC_CORE_URL": info.pool_url,
        "IEXEC_WORKER_NAME": name,
        "IEXEC_WORKER_BASE_DIR": str(plan.home / "workers"),
        "IEXEC_WORKER_PORT": "0",
        "POOLHAND_ALLOW_PRIVATE": "true",
        **_wallet(info.accounts[name], "IEXEC_WORKER"),
        **plan.environment,
    }


def _wallet(account: DevnetAccount, prefix: str) -> dict[str, str]:
    return {
        f"{prefix}_WALLET_PATH": account.keystore,
        f"{prefix}_WALLET_PASSWORD": "",
        "POOLHAND_WALLET_PASSWORD": "",
        "POOLHAND_WALLET_PASSWORD_FILE": account.password_file,
    }


async def _start(children: Mapping[str, Child], stack: AsyncExitStack) -> None:
    """Start everything at once: a worker whose pool is not there yet tries again by itself."""
    stack.push_async_callback(_stop, tuple(children.values()))
    for child in children.values():
        await child.start()
    await asyncio.gather(*(child.ready() for child in children.values()))


def _supervise(plan: DevnetPlan, children: Mapping[str, Child], stack: AsyncExitStack) -> None:
    """Write down how the programs are, now and whenever that changes; start again what dies."""
    target = plan.home / PROGRAMS_FILE

    def note() -> None:
        _write(target, {name: child.standing.dump() for name, child in children.items()})

    def forget() -> None:
        for child in children.values():
            child.changed = lambda: None
        target.unlink(missing_ok=True)

    stack.callback(forget)
    note()
    for child in children.values():
        child.changed = note
        keeper = asyncio.create_task(child.keep(restart=plan.restart))
        stack.push_async_callback(_ended, keeper)


async def _stop(children: tuple[Child, ...]) -> None:
    """Stop workers first, then what they talk to."""
    last = [child for child in children if child.name in PROGRAMS]
    await asyncio.gather(*(child.stop() for child in children if child not in last))
    await asyncio.gather(*(child.stop() for child in last))


def _write(path: Path, members: Mapping[str, Any]) -> None:
    draft = path.with_name(f".{path.name}.part")
    draft.write_text(json.dumps(members, indent=2), encoding="utf-8")
    draft.replace(path)
