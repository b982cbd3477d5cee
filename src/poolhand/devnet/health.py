"""How the programs of a devnet are."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from typing import Any

import httpx

from poolhand.devnet.info import DevnetInfo
from poolhand.devnet.rpc import Rpc
from poolhand.domain.errors import ChainUnreachable


@dataclass(frozen=True, slots=True)
class Health:
    """One program's answer."""

    name: str
    ok: bool
    detail: str

    def dump(self) -> dict[str, Any]:
        """Return the JSON object."""
        return asdict(self)


async def ask_all(info: DevnetInfo) -> list[Health]:
    """Ask node, registry, files, results and pool, all at once."""
    asked = (
        _node(info),
        _http("registry", f"http://{info.registry}/v2/"),
        _http("files", f"{info.files_url}/"),
        _http("results", f"{info.results_url}/health"),
        _pool(info),
    )
    return list(await asyncio.gather(*asked))


async def _node(info: DevnetInfo) -> Health:
    try:
        async with Rpc(info.rpc_url) as rpc:
            block = int(await rpc.call("eth_blockNumber"), 16)
    except ChainUnreachable as fault:
        return Health("node", ok=False, detail=str(fault))
    return Health("node", ok=True, detail=f"block {block}")


async def _http(name: str, url: str) -> Health:
    try:
        async with httpx.AsyncClient(timeout=5) as client:
            answer = await client.get(url)
    except httpx.HTTPError as fault:
        return Health(name, ok=False, detail=f"{url}: {type(fault).__name__}")
    return Health(name, ok=answer.status_code < 500, detail=url)


async def _pool(info: DevnetInfo) -> Health:
    try:
        async with httpx.AsyncClient(timeout=5) as client:
            told = (await client.get(f"{info.pool_url}/health")).json()
            detail = f"{told['workers']} workers, {told['open_tasks']} open tasks"
    except (httpx.HTTPError, ValueError, KeyError) as fault:
        return Health("pool", ok=False, detail=f"{info.pool_url}: {type(fault).__name__}")
    return Health("pool", ok=True, detail=detail)
