"""Reading apps, datasets and workerpools from their own contracts: every generation has those."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from poolhand.chain import abi
from poolhand.chain.link import Query
from poolhand.chain.refusal import NodeRefusal
from poolhand.chain.rpc import Rpc
from poolhand.domain.deal import App, Dataset, Workerpool
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import Address
from poolhand.ports.chain import HubFacts

Getters = tuple[tuple[str, Callable[[Any], Any]], ...]

_OWNER: Getters = (("owner()", abi.address),)
_APP: Getters = (
    *_OWNER,
    ("m_appName()", abi.text),
    ("m_appType()", abi.text),
    ("m_appMultiaddr()", abi.blob),
    ("m_appChecksum()", abi.bytes32),
    ("m_appMREnclave()", abi.blob),
)
_DATASET: Getters = (
    *_OWNER,
    ("m_datasetName()", abi.text),
    ("m_datasetMultiaddr()", abi.blob),
    ("m_datasetChecksum()", abi.bytes32),
)
_WORKERPOOL: Getters = (
    *_OWNER,
    ("m_workerpoolDescription()", abi.text),
    ("m_workerStakeRatioPolicy()", abi.word),
    ("m_schedulerRewardRatioPolicy()", abi.word),
)


class AssetReader:
    """Reads assets, each in one batch: is it registered, and what are its members."""

    def __init__(self, rpc: Rpc, facts: HubFacts) -> None:
        self._rpc, self._facts = rpc, facts

    async def app(self, name: Address) -> App | None:
        """Return a registered app."""
        found = await self._members(name, self._facts.app_registry, _APP)
        return found and App(name, *found)

    async def dataset(self, name: Address) -> Dataset | None:
        """Return a registered dataset."""
        found = await self._members(name, self._facts.dataset_registry, _DATASET)
        return found and Dataset(name, *found)

    async def workerpool(self, name: Address) -> Workerpool | None:
        """Return a registered workerpool."""
        found = await self._members(name, self._facts.workerpool_registry, _WORKERPOOL)
        return found and Workerpool(name, *found)

    async def workerpools_of(self, owner: Address, most: int) -> tuple[Workerpool, ...]:
        """Return the workerpools of an owner: each is a token of the registry (ERC-721)."""
        registry = self._facts.workerpool_registry
        count = await self._rpc.ask(
            self._view(registry, abi.calldata("balanceOf(address)", owner), abi.word)
        )
        wanted = "tokenOfOwnerByIndex(address,uint256)"
        queries = [
            self._view(registry, abi.calldata(wanted, owner, index), abi.address)
            for index in range(min(count, most))
        ]
        names = await self._rpc.ask_each(queries) if queries else ()
        found = [await self.workerpool(name) for name in names]
        return tuple(pool for pool in found if pool is not None)

    async def _members(self, name: Address, registry: Address, getters: Getters) -> Any:
        """Return the members in order, None when the registry knows no such asset."""
        asked = abi.calldata("isRegistered(address)", name)
        queries = [self._view(registry, asked, abi.word)]
        for signature, read in getters:
            queries.append(self._view(name, abi.calldata(signature), abi.optional(read)))
        registered, *members = await self._rpc.ask_all(queries)
        if registered == 0:
            return None
        if isinstance(registered, NodeRefusal) or any(
            member is None or isinstance(member, NodeRefusal) for member in members
        ):
            raise ChainUnreachable(f"asset {name} is registered but unreadable: try again")
        return members

    def _view(self, to: Address, data: str, read: Callable[[Any], Any]) -> Query[Any]:
        call = {"from": str(self._facts.hub), "to": str(to), "data": data}
        return Query("eth_call", (call, "latest"), read)
