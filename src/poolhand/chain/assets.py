"""Reading apps, datasets and workerpools from their own contracts: every generation has those."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

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


MOST_ASSETS_KNOWN: Final = 10_000
"""Assets that are remembered to be registered."""


class AssetReader:
    """Reads assets: first whether a registry knows them, then what they say of themselves.

    Strangers name assets. What no registry has made is never called: it could answer with nonsense,
    with megabytes or not for seconds, for which the endpoint would be blamed and left alone, and
    everything else that is to be read of the chain along with it.
    """

    def __init__(self, rpc: Rpc, facts: HubFacts) -> None:
        self._rpc, self._facts = rpc, facts
        self._known: OrderedDict[tuple[Address, Address], None] = OrderedDict()

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
        if not await self._is_registered(name, registry):
            return None
        members = await self._rpc.ask_all(
            [
                self._view(name, abi.calldata(signature), abi.optional(read))
                for signature, read in getters
            ]
        )
        if any(member is None or isinstance(member, NodeRefusal) for member in members):
            self._known.pop((registry, name), None)  # a fork may have taken it back
            raise ChainUnreachable(f"asset {name} is registered but unreadable: try again")
        return members

    async def _is_registered(self, name: Address, registry: Address) -> bool:
        """Whether a registry has an asset; what it once had it keeps, but for a fork."""
        key = registry, name
        if key in self._known:
            return True
        asked = abi.calldata("isRegistered(address)", name)
        if not await self._rpc.ask(self._view(registry, asked, abi.word)):
            return False
        self._known[key] = None
        while len(self._known) > MOST_ASSETS_KNOWN:
            self._known.popitem(last=False)
        return True

    def _view(self, to: Address, data: str, read: Callable[[Any], Any]) -> Query[Any]:
        call = {"from": str(self._facts.hub), "to": str(to), "data": data}
        return Query("eth_call", (call, "latest"), read)
