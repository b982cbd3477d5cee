"""The pool that a computer is to work for: who it says it is, and whether the chain agrees."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poolhand.cli.command_run import CommandRun
from poolhand.domain.errors import Refused
from poolhand.domain.input_url import is_near_url

if TYPE_CHECKING:
    from poolhand.requester.requester import Requester
    from poolhand.wire.join_api import JoinManifest
    from poolhand.wire.pool_api import PoolConfig


class NotThatPool(Refused):
    """What answers is not the pool that it says, or not on the chain that is meant."""


class NoNodeKnown(Refused):
    """The pool's chain has no name here, and nobody told a node of it."""

    def __init__(self, chain_id: int) -> None:
        super().__init__(
            f"the pool is on chain {chain_id}, which is known here by no name, and its owner names "
            "no node: give one with --rpc URL"
        )


async def ask_pool(command: CommandRun, url: str) -> tuple[JoinManifest, PoolConfig]:
    """Ask a pool who it is; raises NotThatPool where it says two things."""
    import httpx

    from poolhand.requester.main import REQUESTER_TIMEOUT
    from poolhand.transport.pool_client import PoolClient
    from poolhand.web.trusted import trusted

    async with httpx.AsyncClient(
        timeout=REQUESTER_TIMEOUT, verify=trusted(environment=True)
    ) as http:
        client = PoolClient(http, url)
        manifest, config = await client.join_manifest(), await client.config()
    same = ("chain_id", "hub", "workerpool", "owner")
    if [getattr(manifest, each) for each in same] != [getattr(config, each) for each in same]:
        raise NotThatPool(
            f"what answers at {url} says two things of which pool it is: tell its owner"
        )
    command.note(
        f"pool {manifest.workerpool} of {manifest.owner} on chain {manifest.chain_id}, at "
        f"{manifest.url}"
    )
    return manifest, config


def on_pools_chain(
    command: CommandRun, url: str, manifest: JoinManifest, state: Path
) -> CommandRun:
    """Return the same run on the chain of the pool at ``url``, with its journals in ``state``.

    The pool's word for a node is taken where its chain has no name, and where pool and node are
    both on this computer or its network: there it tells a devnet from the chain that it is like.
    Its word for the hub never is, where its chain's id is a public one: wherever nodes are, they
    may be of that very chain, and a devnet that is like one has its hub's address.

    Raises:
        NotThatPool: The hub is not that of the public chain with that id.
        NoNodeKnown: Nobody told a node.
    """
    from poolhand.settings.chains import public_chain

    check_hub(manifest)
    flags: dict[str, Any] = {**command.flags, "as_": "", "state": str(state)}
    own, told = list(command.found["rpc"]), [manifest.rpc] if manifest.rpc else []
    is_here = is_near_url(url)
    name = public_chain(manifest.chain_id, own or (told if is_here else ()))
    if name is not None:
        return replace(command, flags={**flags, "chain": name})
    nodes = own or told
    if not nodes:
        raise NoNodeKnown(manifest.chain_id)
    is_ours = is_here and all(map(is_near_url, nodes))
    if public_chain(manifest.chain_id) is None and not is_ours:
        command.note(
            f"chain {manifest.chain_id} is none that Poolhand knows: that hub {manifest.hub} is "
            "iExec's and its RLC worth anything, only this pool says. Send nothing there that you "
            "would miss, unless you trust its owner"
        )
    flags |= {"rpc": nodes, "hub": str(manifest.hub), "chain_id": str(manifest.chain_id)}
    return replace(command, flags={**flags, "chain": ""})


def check_hub(manifest: JoinManifest) -> None:
    """Check the pool's word for the hub, by which money is paid."""
    from poolhand.settings.chains import KNOWN_CHAINS, public_chain

    name = public_chain(manifest.chain_id)
    if name is not None and KNOWN_CHAINS[name].hub != manifest.hub:
        raise NotThatPool(
            f"the pool names hub {manifest.hub}, and iExec's on {name} is "
            f"{KNOWN_CHAINS[name].hub}: do not join it, its money is not iExec's"
        )


async def check_owner(requester: Requester, manifest: JoinManifest) -> int:
    """Check the pool's owner on chain; return the percent of a price that workers lock."""
    found = await requester.hub.workerpool(manifest.workerpool)
    if found is None or found.owner != manifest.owner:
        owner = "nobody" if found is None else str(found.owner)
        raise NotThatPool(
            f"the chain says that workerpool {manifest.workerpool} is {owner}'s, and "
            f"{manifest.owner} signed what answers at {manifest.url}: do not join it"
        )
    return found.worker_stake_percent
