"""The real PoCo contracts, version 6.1.0 in token mode, deployed in one go.

Source: local-chain.md §3, variant A, in its order; plain ``CREATE``, so that a deployer's first
deployment on a fresh chain always has the same addresses. The hub alone may be put at a chosen
address, that of a public chain: its constructor is run there, as ``CREATE`` would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from eth_account.signers.local import LocalAccount

from poolhand.devnet.abi import call_data, constructor_args, creation_code, returned, selectors
from poolhand.devnet.artifacts import Artifacts
from poolhand.devnet.rpc import NodeRpc
from poolhand.devnet.transactions import GAS, SetupStep, created_address, next_nonce, settle, sign
from poolhand.domain.ids import ZERO_ADDRESS, Address

ADD: Final = 0
CALLBACK_GAS: Final = 200_000
FACETS: Final = tuple(
    f"facets/Iexec{name}Facet"
    for name in (
        *("AccessorsABILegacy", "CategoryManager", "ConfigurationExtra", "Configuration"),
        *("ERC20", "EscrowToken", "OrderManagement", "Poco1", "Poco2", "PocoAccessors"),
        *("PocoBoost", "PocoBoostAccessors", "Relay"),
    )
)
REGISTRIES: Final = {"app": "AppRegistry", "dataset": "DatasetRegistry"} | {
    "workerpool": "WorkerpoolRegistry"
}
HUB_INTERFACE: Final = "IexecInterfaceToken"
DIAMOND_STEP: Final = 5
"""Place of the hub's creation among the steps: after the token and the parts of a hub."""


@dataclass(frozen=True, slots=True)
class NewCategory:
    """A category to create: its name and reference time (seconds)."""

    name: str
    time_ref: int


NEW_CATEGORIES: Final = (
    NewCategory("XS", 300),
    NewCategory("S", 1_200),
    NewCategory("M", 3_600),
    NewCategory("L", 10_800),
    NewCategory("XL", 36_000),
)


@dataclass(frozen=True, slots=True)
class DeployedContracts:
    """Where the contracts are; ``registries`` has ``app``, ``dataset`` and ``workerpool``."""

    chain_id: int
    hub: Address
    rlc: Address
    registries: dict[str, Address] = field(hash=False)


async def deploy(
    node_url: str,
    artifacts: Artifacts,
    deployer: LocalAccount,
    *,
    owner: Address | None = None,
    categories: Sequence[NewCategory] = NEW_CATEGORIES,
    hub: Address | None = None,
) -> DeployedContracts:
    """Deploy RLC, hub and registries, configured; returns at once what is there already.

    Args:
        node_url: A development node (``evm_mine`` is used, whatever its mining mode).
        artifacts: Where the contracts come from.
        deployer: Sends everything and receives the whole supply of RLC.
        owner: Who owns the contracts afterwards; None: the deployer.
        categories: In order of their ids; add short ones for tests.
        hub: Where the hub is put, on Anvil; None: where ``CREATE`` puts it.

    Raises:
        SetupFailed: A transaction was reverted.
        ChainUnreachable: The node does not answer.
    """
    async with NodeRpc(node_url) as rpc:
        chain_id = int(await rpc.call("eth_chainId"), 16)
        fresh = _Plan(artifacts, Address.parse(deployer.address), 0, chain_id, hub)
        if await _is_complete(rpc, artifacts, fresh.deployed, len(categories)):
            return fresh.deployed
        nonce = await next_nonce(rpc, deployer)
        plan = _Plan(artifacts, Address.parse(deployer.address), nonce, chain_id, hub)
        plan.write(owner, categories)
        raw = sign(deployer, plan.steps, nonce, chain_id)
        if hub is not None:
            made = DIAMOND_STEP + 1
            await _put(rpc, hub, plan.diamond, plan.steps[:made], raw[:made])
            plan.steps, raw = plan.steps[made:], raw[made:]
        await settle(rpc, plan.steps, raw)
        return plan.deployed


async def _put(
    rpc: NodeRpc, place: Address, code: bytes, steps: Sequence[SetupStep], raw: Sequence[str]
) -> None:
    """Put a contract at an address: run its constructor there, and leave what that returns.

    The last of the steps calls ``place``, where the constructor stands meanwhile in place of code.
    """
    before, signed = steps[:-1], raw[:-1]
    await settle(rpc, before, signed)
    await rpc.call("anvil_setCode", str(place), "0x" + code.hex())
    call = {"from": str(place), "to": str(place), "gas": hex(GAS)}
    runtime = await rpc.call("eth_call", call, "latest")
    await settle(rpc, steps[-1:], raw[-1:])
    await rpc.call("anvil_setCode", str(place), runtime)


async def read_hub(
    rpc: NodeRpc, artifacts: Artifacts, hub: Address, name: str, *values: Any
) -> Any:
    """Call a view function of the hub; returns its only value (a tuple for a struct)."""
    interface = artifacts.contract(HUB_INTERFACE)
    data = "0x" + call_data(interface, name, *values).hex()
    answer = await rpc.call("eth_call", {"to": str(hub), "data": data}, "latest")
    return returned(interface, name, answer)[0]


async def _is_complete(
    rpc: NodeRpc, artifacts: Artifacts, found: DeployedContracts, categories: int
) -> bool:
    """Whether an earlier deployment ended: its last step sets the callback gas."""
    if await rpc.call("eth_getCode", str(found.hub), "latest") == "0x":
        return False
    if not any(await read_hub(rpc, artifacts, found.hub, "eip712domain_separator")):
        return False
    count = await read_hub(rpc, artifacts, found.hub, "countCategory")
    gas = await read_hub(rpc, artifacts, found.hub, "callbackgas")
    return bool(count >= categories and gas == CALLBACK_GAS)


class _Plan:
    """The transactions of a deployment, their addresses known in advance by nonce."""

    def __init__(
        self,
        artifacts: Artifacts,
        sender: Address,
        nonce: int,
        chain_id: int,
        hub: Address | None,
    ) -> None:
        self.steps: list[SetupStep] = []
        self.diamond = b""
        self._artifacts, self._sender, self._nonce = artifacts, sender, nonce
        first_registry = 7 + 2 * len(FACETS)
        registries = {
            kind: self._at(first_registry + 3 * place) for place, kind in enumerate(REGISTRIES)
        }
        self._put = hub is not None
        place = hub or self._at(DIAMOND_STEP)
        self.deployed = DeployedContracts(chain_id, place, self._at(0), registries)

    def write(self, owner: Address | None, categories: Sequence[NewCategory]) -> None:
        """Write every step, in the order of local-chain.md §3."""
        self._create("RLC", creation_code(self._artifacts.token()))
        self._diamond()
        library = self._create_contract("libs/IexecLibOrders_v5")
        for path in FACETS:
            self._facet(path, library)
        for kind, name in REGISTRIES.items():
            self._registry(kind, name)
        self._configure(categories)
        if owner is not None and owner != self._sender:
            self._hand_over(owner)

    def _diamond(self) -> None:
        parts = ("DiamondInit", "DiamondCutFacet", "DiamondLoupeFacet", "OwnershipFacet")
        found = {name: self._artifacts.diamond_part(name) for name in parts}
        places = {name: self._create(name, creation_code(found[name])) for name in parts}
        cuts = [(places[name], ADD, selectors(found[name])) for name in parts[1:]]
        init = call_data(found["DiamondInit"], "init")
        diamond = self._artifacts.contract("Diamond")
        args = constructor_args(diamond, [cuts, (self._sender, places["DiamondInit"], init)])
        self.diamond = creation_code(diamond, args=args)
        assert len(self.steps) == DIAMOND_STEP
        if self._put:
            self._send("Diamond", self.deployed.hub, b"")
        else:
            self._create("Diamond", self.diamond)

    def _facet(self, path: str, library: Address) -> None:
        facet = self._artifacts.contract(path)
        place = self._create(path, creation_code(facet, library))
        cut = self._artifacts.diamond_part("DiamondCutFacet")
        added = [(place, ADD, selectors(facet))]
        data = call_data(cut, "diamondCut", added, ZERO_ADDRESS, b"")
        self._send(f"diamondCut {path}", self.deployed.hub, data)

    def _registry(self, kind: str, name: str) -> None:
        path = f"registries/{kind}s/{name}"
        registry = self._artifacts.contract(path)
        place = self._create_contract(path)
        assert place == self.deployed.registries[kind]
        base = f"https://nfts-metadata.iex.ec/{kind}/{self.deployed.chain_id}/"
        self._send(f"{name}.initialize", place, call_data(registry, "initialize", ZERO_ADDRESS))
        self._send(f"{name}.setBaseURI", place, call_data(registry, "setBaseURI", base))

    def _configure(self, categories: Sequence[NewCategory]) -> None:
        found = self.deployed
        places = [found.registries[kind] for kind in REGISTRIES]
        token = (found.rlc, "Staked RLC", "SRLC", 9, *places, ZERO_ADDRESS)
        self._hub("configure", *token)
        for each in categories:
            self._hub("createCategory", each.name, '""', each.time_ref)
        self._hub("setCallbackGas", CALLBACK_GAS)

    def _hand_over(self, owner: Address) -> None:
        ownership = self._artifacts.diamond_part("OwnershipFacet")
        data = call_data(ownership, "transferOwnership", owner)  # the same signature everywhere
        for place in (self.deployed.rlc, self.deployed.hub, *self.deployed.registries.values()):
            self._send("transferOwnership", place, data)

    def _hub(self, name: str, *values: Any) -> None:
        interface = self._artifacts.contract(HUB_INTERFACE)
        self._send(name, self.deployed.hub, call_data(interface, name, *values))

    def _create_contract(self, path: str) -> Address:
        return self._create(path, creation_code(self._artifacts.contract(path)))

    def _create(self, what: str, code: bytes) -> Address:
        place = self._at(len(self.steps))
        self.steps.append(SetupStep(what, None, code))
        return place

    def _send(self, what: str, to: Address, data: bytes) -> None:
        self.steps.append(SetupStep(what, to, data))

    def _at(self, step: int) -> Address:
        return created_address(self._sender, self._nonce + step)
