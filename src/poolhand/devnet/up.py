"""One command, one network: node, contracts, registry, files, market, results, pool, workers.

Everything lives below one folder and is resumed from it; everything that is started is stopped.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from starlette.applications import Starlette

from poolhand.devnet import artifacts
from poolhand.devnet.accounts import DEPLOYER, POOL_ACCOUNT, Funded, derive, fund
from poolhand.devnet.adversaries.kinds import ADVERSARIES
from poolhand.devnet.artifacts import Artifacts
from poolhand.devnet.children import Child
from poolhand.devnet.contracts import DeployedContracts, deploy
from poolhand.devnet.documentation import built_site, site_app
from poolhand.devnet.examples import publish_examples
from poolhand.devnet.faults.control import controlled
from poolhand.devnet.faults.faults import Faults
from poolhand.devnet.faults.grounds import Grounds, prepared
from poolhand.devnet.info import INFO_FILE, PROGRAMS_FILE, DevnetInfo
from poolhand.devnet.ipfs_node import file_server
from poolhand.devnet.likeness import Likeness, likeness
from poolhand.devnet.members import write_members
from poolhand.devnet.node import Anvil
from poolhand.devnet.plan import DevnetPlan
from poolhand.devnet.ports import LOOPBACK_ADDRESS, KeptPorts
from poolhand.devnet.programs import PROGRAMS_WITH_PORTS, programs, sms_key_file
from poolhand.devnet.registry import Registry
from poolhand.devnet.sdk import chain_files, write_chain_files
from poolhand.devnet.simulated_tee import SimulatedTeeFiles
from poolhand.devnet.tee_images import publish_stages
from poolhand.domain.errors import Refused
from poolhand.market.pages.table import ROOT
from poolhand.observe.private import private_folder
from poolhand.sms.keeping import make_master_key
from poolhand.store import lines
from poolhand.store.errors import JournalLocked
from poolhand.transport.asgi import serve

LOCK: Final = "devnet"


class DevnetRunning(Refused):
    """A devnet runs in this folder already."""

    def __init__(self, home: Path) -> None:
        super().__init__(
            f"a devnet runs in {home} already: stop it with `poolhand devnet down`, or choose "
            "another folder with POOLHAND_HOME"
        )


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
        progress("looking for Anvil and the PoCo contracts; the first time they are fetched")
        found = await asyncio.to_thread(artifacts.ensure, plan.cache)
        ports = KeptPorts(plan.home / "ports.json", PROGRAMS_WITH_PORTS)
        alike = likeness(plan.home, plan.like)
        port = 0 if plan.faults else ports["node"]
        node = Anvil(found.anvil, plan.home / "chain", chain_id=alike.chain_id, port=port)
        await stack.enter_async_context(node)
        progress("deploying the contracts")
        deployed, funded = await _chain(plan, alike, found, node)
        registry = await stack.enter_async_context(
            Registry(plan.home / "registry", port=ports["registry"])
        )
        files = plan.home / "files"
        files.mkdir(exist_ok=True)
        await _serve_files(files, ports["files"], stack)
        children: dict[str, Child] = {}
        grounds = await _grounds(plan, node, ports, children, stack)
        info = replace(
            _info(plan, deployed, funded, registry, ports, files, _rpc_url(node, ports, grounds)),
            site_url=await _serve_site(ports, stack),
        )
        make_sms_key(plan.home)
        if plan.tee:
            progress("making a SIMULATED root for confidential tasks: nothing is kept secret by it")
            stages = await publish_stages(registry.host, cache=plan.cache)
            await asyncio.to_thread(SimulatedTeeFiles(plan.home).make, stages, plan.honest)
        children |= programs(plan, info, grounds)
        progress(
            f"starting market, matcher, secrets, results, pool and {plan.workers} workers; "
            "pushing the example apps"
        )
        for name, kind in plan.named.items():
            progress(f"starting {name}, a simulated adversary: {ADVERSARIES[kind].does}")
        await asyncio.gather(start_all(children, stack), publish_examples(registry.host))
        _supervise(plan, children, stack)
        target = plan.home / INFO_FILE
        write_chain_files(info)
        write_members(target, info.dump())
        stack.callback(target.unlink, missing_ok=True)
        yield Devnet(info, node, children, await _faults(plan, grounds, stack))


def _hold(home: Path, stack: AsyncExitStack) -> None:
    try:
        handle = lines.lock(home / LOCK)
    except JournalLocked:
        raise DevnetRunning(home) from None
    stack.callback(os.close, handle)


async def _chain(
    plan: DevnetPlan, alike: Likeness, found: Artifacts, node: Anvil
) -> tuple[DeployedContracts, Funded]:
    """Deploy and fund at once, then let blocks come at their own pace."""
    deployed = await deploy(node.url, found, derive(DEPLOYER), hub=alike.hub)
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
    ports: KeptPorts,
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


def make_sms_key(home: Path) -> None:
    """Make the key under which secrets lie, the first time; it stays for the folder's life."""
    file = sms_key_file(home)
    if not file.exists():
        make_master_key(file)


def _rpc_url(node: Anvil, ports: KeptPorts, grounds: Grounds | None) -> str:
    return node.url if grounds is None else ports.url("node")


async def _serve_files(folder: Path, port: int, stack: AsyncExitStack) -> None:
    """Serve a folder, so that datasets and input files have a URL."""
    await _serve(file_server(folder), port, stack)


async def _serve_site(ports: KeptPorts, stack: AsyncExitStack) -> str:
    """Serve the documentation, if it has been built here; returns its URL, or nothing."""
    site = built_site()
    if site is None:
        return ""
    await _serve(site_app(site), ports["site"], stack)
    return ports.url("site")


async def _serve(app: Starlette, port: int, stack: AsyncExitStack) -> None:
    """Serve an application from this process until the devnet ends."""
    up = asyncio.Event()
    task = asyncio.create_task(serve(app, LOOPBACK_ADDRESS, port, lambda _port: up.set()))
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
    ports: KeptPorts,
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
        market_url=ports.url("market"),
        pages_url=f"{ports.url('market')}{ROOT}",
        results_url=ports.url("results"),
        sms_url=ports.url("sms"),
        sms_urls={
            "tdx": ports.url("sms"),
            "scone": ports.url("sms-scone"),
            "gramine": ports.url("sms-gramine"),
        },
        registry=registry.host,
        files_url=ports.url("files"),
        files=str(files),
        chain_files=chain_files(plan.home),
        accounts=dict(funded.accounts),
        adversaries={name: str(kind) for name, kind in plan.named.items()},
    )


async def start_all(children: Mapping[str, Child], stack: AsyncExitStack) -> None:
    """Start everything at once: a worker whose pool is not there yet tries again by itself.

    What was started is stopped with the stack, whether all became ready or not.
    """
    stack.push_async_callback(_stop, tuple(children.values()))
    for child in children.values():
        await child.start()
    await asyncio.gather(*(child.ready() for child in children.values()))


class _ProgramsFile:
    """Tells how the programs are, to whoever looks into the devnet's folder, while it runs."""

    def __init__(self, target: Path, children: Mapping[str, Child]) -> None:
        self._target, self._children = target, children
        self._is_over = False

    def write(self) -> None:
        """Write it anew; once it is removed, it stays away."""
        if not self._is_over:
            told = {name: child.standing.dump() for name, child in self._children.items()}
            write_members(self._target, told)

    def remove(self) -> None:
        """The devnet ends: how its programs end is nobody's concern any more."""
        self._is_over = True
        self._target.unlink(missing_ok=True)


def _supervise(plan: DevnetPlan, children: Mapping[str, Child], stack: AsyncExitStack) -> None:
    """Write down how the programs are, now and whenever that changes; start again what dies."""
    kept = _ProgramsFile(plan.home / PROGRAMS_FILE, children)
    stack.callback(kept.remove)
    kept.write()
    for child in children.values():
        child.changed.connect(kept.write)
        keeper = asyncio.create_task(child.keep(restart=plan.restart))
        stack.push_async_callback(_ended, keeper)


async def _stop(children: tuple[Child, ...]) -> None:
    """Stop workers first, then the pool, which takes its orders out of the market, then others."""
    last = [child for child in children if child.name in PROGRAMS_WITH_PORTS]
    pools = [child for child in last if child.name == POOL_ACCOUNT]
    for some in (set(children) - set(last), pools, last):
        await asyncio.gather(*(child.stop() for child in some))
