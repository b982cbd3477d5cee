"""How the programs of a devnet are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import httpx

from poolhand.devnet.adversaries.kinds import Kind
from poolhand.devnet.children import ChildState
from poolhand.devnet.info import PROGRAMS_FILE, DevnetInfo
from poolhand.devnet.rpc import NodeRpc
from poolhand.domain.errors import ChainUnreachable
from poolhand.web.trusted import trusted

_FINE: Final = frozenset({ChildState.UP, ChildState.STARTING, ChildState.ENDED})
"""Without these a program is missed; one that was asked to end is not."""


@dataclass(frozen=True, slots=True)
class Health:
    """One program's answer.

    Where the devnet keeps it up itself: ``state``, ``pid``, ``restarts`` and ``last_exit`` as in
    ``children.ChildStanding``. ``simulated`` is the kind of an adversary.
    """

    name: str
    ok: bool
    detail: str
    state: str | None = None
    pid: int | None = None
    restarts: int = 0
    last_exit: int | None = None
    simulated: str | None = None

    def dump(self) -> dict[str, Any]:
        """Return the JSON object."""
        return asdict(self)


async def ask_all(info: DevnetInfo, home: Path) -> list[Health]:
    """Ask everything that serves, all at once; read how the programs are."""
    asked = (
        _node(info),
        _http("registry", f"http://{info.registry}/v2/"),
        _http("files", f"{info.files_url}/"),
        _market(info),
        _http("results", f"{info.results_url}/health"),
        _http("sms", f"{info.sms_url}/health"),
        _pool(info),
    )
    answers = await asyncio.gather(*asked)
    return combine(answers, _programs(home), info.adversaries)


def _programs(home: Path) -> Mapping[str, Mapping[str, Any]]:
    try:
        found: dict[str, dict[str, Any]] = json.loads((home / PROGRAMS_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def combine(
    answers: Iterable[Health],
    programs: Mapping[str, Mapping[str, Any]],
    adversaries: Mapping[str, str],
) -> list[Health]:
    """Join what was answered with how the programs are; those that serve nothing come last."""
    asked = [replace(each, **programs.get(each.name, {})) for each in answers]
    known = {each.name for each in asked}
    others = [
        _standing(name, told, adversaries.get(name))
        for name, told in programs.items()
        if name not in known
    ]
    return asked + others


def _standing(name: str, told: Mapping[str, Any], kind: str | None) -> Health:
    """Say how a worker is: the death of one that vanishes is no fault of the devnet's."""
    fine = told["state"] in _FINE or kind == Kind.VANISHES
    detail = told["state"] + (f", started again {told['restarts']} times" * bool(told["restarts"]))
    if told["last_exit"] is not None:
        detail += f", last exit {told['last_exit']}"
    if kind is not None:
        detail += f"; simulated adversary: {kind}"
    return Health(name, fine, detail, **told, simulated=kind)


async def _node(info: DevnetInfo) -> Health:
    try:
        async with NodeRpc(info.rpc_url) as rpc:
            block = int(await rpc.call("eth_blockNumber"), 16)
    except ChainUnreachable as fault:
        return Health("node", ok=False, detail=str(fault))
    return Health("node", ok=True, detail=f"block {block}")


async def _http(name: str, url: str) -> Health:
    try:
        async with httpx.AsyncClient(timeout=5, verify=trusted()) as client:
            answer = await client.get(url)
    except httpx.HTTPError as fault:
        return Health(name, ok=False, detail=f"{url}: {type(fault).__name__}")
    return Health(name, ok=answer.status_code < 500, detail=url)


async def _market(info: DevnetInfo) -> Health:
    try:
        async with httpx.AsyncClient(timeout=5, verify=trusted()) as client:
            told = (await client.get(f"{info.market_url}/health")).json()
            detail = told["chain"] or f"book of block {told['block']}"
    except (httpx.HTTPError, ValueError, KeyError) as fault:
        return Health("market", ok=False, detail=f"{info.market_url}: {type(fault).__name__}")
    return Health("market", ok=told["ok"], detail=detail)


async def _pool(info: DevnetInfo) -> Health:
    try:
        async with httpx.AsyncClient(timeout=5, verify=trusted()) as client:
            told = (await client.get(f"{info.pool_url}/health")).json()
            detail = f"{told['workers']} workers, {told['open_tasks']} open tasks"
            detail += f"; {told['chain']}" if told["chain"] else ""
    except (httpx.HTTPError, ValueError, KeyError) as fault:
        return Health("pool", ok=False, detail=f"{info.pool_url}: {type(fault).__name__}")
    return Health("pool", ok=told["ok"], detail=detail)
