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
from poolhand.devnet.artifacts import Artifacts
from poolhand.devnet.children import Child
from poolhand.devnet.contracts import Deployed, deploy
from poolhand.devnet.examples import publish_examples
from poolhand.devnet.info import INFO_FILE, DevnetAccount, DevnetInfo
from poolhand.devnet.node import Anvil
from poolhand.devnet.ports import LOOPBACK, free_port
from poolhand.devnet.registry import Registry
from poolhand.domain.errors import Refused
from poolhand.domain.units import BlockNumber
from poolhand.store import JournalLocked, lines
from poolhand.transport.asgi import serve

LOCK: Final = "devnet"
PROGRAMS: Final = ("node", "registry", "files", "results", "pool")


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
    """

    home: Path
    workers: int = 4
    block_time: int = 1
    cache: Path = field(default_factory=lambda: Path("~/.cache/poolhand").expanduser())
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Devnet:
    """A running devnet: what clients need, the node, and the programs by name."""

    info: DevnetInfo
    node: Anvil
    children: dict[str, Child]


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
    plan.home.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        _hold(plan.home, stack)
        progress("fetching Anvil and the PoCo contracts (once)")
        found = await asyncio.to_thread(artifacts.ensure, plan.cache)
        ports = _Ports(plan.home / "ports.json")
        node = Anvil(found.anvil, plan.home / "chain", port=ports["node"])
        await stack.enter_async_context(node)
        progress("deploying the contracts")
        deployed, funded = await _chain(plan, found, node)
        registry = await stack.enter_async_context(
            Registry(plan.home / "registry", port=ports["registry"])
        )
        files = plan.home / "files"
        files.mkdir(exist_ok=True)
        await _serve_files(files, ports["files"], stack)
        info = _info(deployed, funded, node, registry, ports, files)
        children = _programs(plan, info, node)
        progress(f"starting results, pool and {plan.workers} workers; pushing the example apps")
        await asyncio.gather(_start(children, stack), publish_examples(registry.host))
        target = plan.home / INFO_FILE
        _write(target, info.dump())
        stack.callback(target.unlink, missing_ok=True)
        yield Devnet(info, node, children)


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


async def _chain(plan: DevnetPlan, found: Artifacts, node: Anvil) -> tuple[Deployed, Funded]:
    """Deploy and fund at once, then let blocks come at their own pace."""
    deployed = await deploy(node.url, found, derive(DEPLOYER))
    funded = await fund(node.url, found, deployed, plan.home, workers=plan.workers)
    await node.rpc("evm_setAutomine", False)
    await node.rpc("evm_setIntervalMining", plan.block_time)
    await node.save()
    return deployed, funded


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
    deployed: Deployed,
    funded: Funded,
    node: Anvil,
    registry: Registry,
    ports: _Ports,
    files: Path,
) -> DevnetInfo:
    return DevnetInfo(
        rpc_url=node.url,
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
    )


def _programs(plan: DevnetPlan, info: DevnetInfo, node: Anvil) -> dict[str, Child]:
    logs = plan.home / "logs"
    common = {
        "POOL_ADDRESS": info.workerpool,
        "POOLHAND_HUB": info.hub,
        "POOLHAND_CHAIN": "",
        "POOLHAND_CHAIN_ID": str(info.chain_id),
        "POOLHAND_LOCKS": str(plan.home / "locks"),
        "IEXEC_BLOCKCHAIN_NODE_ADDRESS": node.ws_url,
        "IEXEC_WORKER_OVERRIDE_BLOCKCHAIN_NODE_ADDRESS": node.ws_url,
        **plan.environment,
    }
    made = {
        "results": Child("results", ("results", "serve", "--json"), common | _results(plan, info),
                         logs),
        "pool": Child("pool", ("pool", "serve", "--json"), common | _pool(plan, info), logs),
    }  # fmt: skip
    for number in range(1, plan.workers + 1):
        name = f"worker-{number}"
        own = common | _worker(plan, info, name)
        made[name] = Child(name, ("worker", "start", "--json"), own, logs)
    return made


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
    password = Path(account.password_file).read_text(encoding="utf-8").strip()
    return {
        f"{prefix}_WALLET_PATH": account.keystore,
        f"{prefix}_WALLET_PASSWORD": password,
    }


async def _start(children: Mapping[str, Child], stack: AsyncExitStack) -> None:
    """Start everything at once: a worker whose pool is not there yet tries again by itself."""
    stack.push_async_callback(_stop, tuple(children.values()))
    for child in children.values():
        await child.start()
    await asyncio.gather(*(child.ready() for child in children.values()))


async def _stop(children: tuple[Child, ...]) -> None:
    """Stop workers first, then what they talk to."""
    last = [child for child in children if child.name in PROGRAMS]
    await asyncio.gather(*(child.stop() for child in children if child not in last))
    await asyncio.gather(*(child.stop() for child in last))


def _write(path: Path, members: Mapping[str, Any]) -> None:
    draft = path.with_name(f".{path.name}.part")
    draft.write_text(json.dumps(members, indent=2), encoding="utf-8")
    draft.replace(path)
