"""Reads what a trial came to: from the chain, the pool, the worker, the engine and the disk."""

from __future__ import annotations

import asyncio
import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from aiodocker import Docker, DockerError
from eth_hash.auto import keccak

from chaos.arena import Arena
from chaos.halting import lived_file
from chaos.judge import Funds, Outcome
from chaos.programs import tail
from poolhand.devnet.rpc import NodeRpc
from poolhand.domain.errors import ChainUnreachable, PoolhandError
from poolhand.domain.hashes import result_hash
from poolhand.domain.ids import TaskId
from poolhand.domain.replicate import machine
from poolhand.domain.replicate.machine import Replicate
from poolhand.domain.replicate.status import FINAL, Status
from poolhand.requester.archive import digests
from poolhand.store.file import FileJournal
from poolhand.store.section import Section
from poolhand.worker.shell import REPLICATE_CODEC

LABEL = "poolhand.task"
SIGNATURES = (
    "initialize(bytes32,uint256)",
    "initializeArray(bytes32[],uint256[])",
    "contribute(bytes32,bytes32,bytes32,address,bytes,bytes)",
    "reveal(bytes32,bytes32)",
    "finalize(bytes32,bytes,bytes)",
    "contributeAndFinalize(bytes32,bytes32,bytes,bytes,address,bytes,bytes)",
    "reopen(bytes32)",
    "claim(bytes32)",
    "claimArray(bytes32[])",
)
SELECTORS = {"0x" + keccak(each.encode())[:4].hex(): each.partition("(")[0] for each in SIGNATURES}


@dataclass(frozen=True)
class Books:
    """What everybody owned at one moment (nRLC), and the block of it."""

    funds: Mapping[str, Funds]
    kitty: int
    block: int


async def read_books(arena: Arena) -> Books:
    hub = arena.requester.hub
    inside = await hub.accounts(arena.names)
    outside = await hub.rlc_balances(arena.names)
    funds = {
        name: Funds(inside[owner].stake, inside[owner].locked, outside[owner])
        for owner, name in arena.names.items()
    }
    return Books(funds, await hub.kitty(), (await hub.head()).number)


@dataclass(frozen=True)
class News:
    """What pool and worker say; empty members while they do not answer."""

    task: Mapping[str, Any]
    open_tasks: int
    busy: Mapping[str, int]
    held: tuple[str, ...]
    answered: bool

    @property
    def settled(self) -> bool:
        ends = [each["status"] for each in self.task.get("replicates", ())]
        over = bool(ends) and all(Status(each) in FINAL for each in ends)
        return self.answered and over and not self.open_tasks and not self.held

    def history(self, worker: str) -> tuple[str, ...]:
        for each in self.task.get("replicates", ()):
            if each["worker"] == worker:
                return tuple(entry["status"] for entry in each["history"])
        return ()


async def ask(arena: Arena, task_id: TaskId) -> News:
    """Ask pool and worker how things stand."""
    pool = arena.running.info.pool_url
    try:
        async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
            task = (await http.get(f"{pool}/v1/tasks/{task_id}")).json()
            health = (await http.get(f"{pool}/health")).json()
            workers = (await http.get(f"{pool}/v1/workers")).json()
            page = await http.get(f"{_page(arena)}/v1/status")
            held = tuple(each["task_id"] for each in page.json()["replicates"])
    except (httpx.HTTPError, OSError, ValueError, KeyError):
        return News({}, -1, {}, (), answered=False)
    names = {str(owner): name for owner, name in arena.names.items()}
    busy = {names[connected["worker"]]: connected["replicates"] for connected in workers}
    return News(task, health["open_tasks"], busy, held, answered=bool(busy))


def _page(arena: Arena) -> str:
    return str(json.loads((_base(arena) / "worker.json").read_text(encoding="utf-8"))["url"])


def _base(arena: Arena) -> Path:
    own = arena.worker.environment
    return Path(own["IEXEC_WORKER_BASE_DIR"]) / own["IEXEC_WORKER_NAME"]


async def containers(arena: Arena, task_id: TaskId) -> tuple[str, ...]:
    """Return the containers of a task that the engine knows."""
    try:
        async with Docker(arena.docker_url) as docker:
            found = await docker.containers.list(
                all=True, filters={"label": [f"{LABEL}={task_id}"]}
            )
    except DockerError as fault:
        return (f"the engine does not answer ({fault.message})",)
    return tuple("container " + each["Names"][0].removeprefix("/") for each in found)


async def left_behind(arena: Arena, task_id: TaskId) -> tuple[str, ...]:
    folder = _base(arena) / "tasks" / str(task_id)
    files = (f"folder {folder}",) if folder.exists() else ()
    return (*await containers(arena, task_id), *files)


async def forget_image(arena: Arena) -> None:
    """Remove the app's image, so that the worker has to pull it."""
    async with Docker(arena.docker_url) as docker:
        for image in await docker.images.list(filter=None):
            if any("poolhand/chaos" in tag for tag in (image["RepoDigests"] or ())):
                await docker.images.delete(image["Id"], force=True)


def journaled(arena: Arena, task_id: TaskId) -> Replicate | None:
    """Return what the journal of a worker that does not run says of a task."""
    journal = FileJournal(_base(arena) / "journal")
    try:
        stories = Section(journal, "task").read()
        events = [
            REPLICATE_CODEC.decode(event) for stream, event in stories if stream == str(task_id)
        ]
    finally:
        journal.close()
    return machine.replay(events) if events else None


def has_lived(arena: Arena, task_id: TaskId, status: Status) -> bool:
    """Whether a replicate had a status by the worker's own journal."""
    lived = lived_file(arena.order)
    return lived.exists() and f"{task_id} {status}" in lived.read_text().splitlines()


async def outcome(arena: Arena, before: Books, task_id: TaskId, news: News) -> Outcome:
    """Return what the task came to."""
    hub = arena.requester.hub
    view = (await hub.tasks({task_id: ()}))[task_id]
    after = await read_books(arena)
    names = {str(owner): name for owner, name in arena.names.items()}
    return Outcome(
        flow=str(news.task.get("flow")),
        chain_status=view.status.name,
        digest=str(view.digest),
        consensus_is_digests=view.consensus == result_hash(task_id, view.digest),
        replicates={names[a["worker"]]: a["status"] for a in news.task.get("replicates", ())},
        funds={name: _change(before.funds[name], now) for name, now in after.funds.items()},
        kitty=after.kitty - before.kitty,
        mined=await _mined(arena, before.block + 1, after.block),
        held=news.held,
        open_tasks=news.open_tasks,
        busy=news.busy,
        left=await left_behind(arena, task_id),
        archive=await _archive(arena, task_id),
    )


def _change(before: Funds, after: Funds) -> Funds:
    return Funds(
        after.stake - before.stake, after.locked - before.locked, after.wallet - before.wallet
    )


async def _mined(arena: Arena, first: int, last: int) -> Mapping[str, int]:
    """Count the transactions of workers and pool, reverted ones included."""
    found: Counter[str] = Counter()
    async with NodeRpc(arena.running.info.rpc_url) as rpc:
        for number in range(first, last + 1):
            block = await rpc.call("eth_getBlockByNumber", hex(number), True)
            for each in block["transactions"]:
                name = _name(arena, each["from"])
                if name != "requester":
                    found[f"{name}:{SELECTORS.get(each['input'][:10], each['input'][:10])}"] += 1
    return dict(found)


def _name(arena: Arena, sender: str) -> str:
    names = {str(owner).lower(): name for owner, name in arena.names.items()}
    return names.get(sender.lower(), sender)


async def _archive(arena: Arena, task_id: TaskId) -> str:
    """Download the result as its requester does; returns a digest of all of its files."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            result = await arena.requester.download(task_id, Path(folder))
        except PoolhandError as fault:
            return f"not to be had: {fault}"
        computed, files = digests(result.archive)
    return hashlib.sha256(repr((computed, sorted(files.items()))).encode()).hexdigest()


async def story(arena: Arena, task_id: TaskId | None) -> str:
    """Tell everything about a trial that does not end, for a person."""
    parts = []
    if task_id is not None:
        news = await ask(arena, task_id)
        parts.append("pool's task: " + json.dumps(news.task, indent=1)[:6000])
        parts.append(f"open {news.open_tasks}, busy {dict(news.busy)}, held {news.held}")
        parts.append(f"left: {await left_behind(arena, task_id)}")
        try:
            view = (await arena.requester.hub.tasks({task_id: ()}))[task_id]
            parts.append(f"chain: {view.status.name}, {len(view.contributors)} contributors")
        except ChainUnreachable as fault:
            parts.append(f"chain: {fault}")
    for program in arena.programs.values():
        frozen = " (frozen)" if program.is_frozen else "" if program.runs else " (ended)"
        parts.append(f"--- {program.name}{frozen}\n{tail(program.log, 25)}")
    return "\n".join(parts)


async def until(condition: Any, pause: float = 0.1) -> Any:
    """Ask again and again until the answer is true; returns it."""
    while not (found := await condition()):  # noqa: ASYNC110 - other programs tell us nothing
        await asyncio.sleep(pause)
    return found
