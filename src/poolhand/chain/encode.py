"""Calls to calldata, mined receipts to ours.

Source: PoCo 6.x ABI; selectors are computed from the signatures and checked in the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from eth_abi.abi import encode as abi_encode
from eth_hash.auto import keccak

from poolhand.chain.abi import quantity, raw_bytes, selector
from poolhand.domain.errors import BrokenPrecondition
from poolhand.domain.ids import ZERO_ADDRESS, Address, DealId, TxHash
from poolhand.domain.onchain import (
    AllowHub,
    Call,
    ChangePolicy,
    Claim,
    Contribute,
    ContributeAndFinalize,
    CreateApp,
    CreateAsset,
    CreateDataset,
    CreateWorkerpool,
    Deposit,
    DepositFor,
    Finalize,
    Initialize,
    Receipt,
    Reopen,
    Reveal,
    TransferCoin,
    TransferRlc,
    Withdraw,
    WithdrawTo,
)
from poolhand.domain.orders.model import (
    AppOrder,
    CloseOrder,
    DatasetOrder,
    MatchOrders,
    RequestOrder,
    Signed,
    SponsorMatch,
    WorkerpoolOrder,
)
from poolhand.domain.units import WEI_PER_NANO_RLC, BlockNumber, Gas, Wei
from poolhand.ports.chain import HubFacts

_ASSET_ORDER: Final = "(address,uint256,uint256,bytes32,address,address,address,bytes32,bytes)"
_POOL_ORDER: Final = (
    "(address,uint256,uint256,bytes32,uint256,uint256,address,address,address,bytes32,bytes)"
)
_REQUEST_ORDER: Final = (
    "(address,uint256,address,uint256,address,uint256,address,uint256,bytes32,uint256,uint256,"
    "address,address,string,bytes32,bytes)"
)
_MATCHED: Final = keccak(b"OrdersMatched(bytes32,bytes32,bytes32,bytes32,bytes32,uint256)")
_TRANSFER: Final = keccak(b"Transfer(address,address,uint256)")


@dataclass(frozen=True, slots=True)
class Encoded:
    """Where a transaction goes, what it carries and says (wei)."""

    to: Address
    value: Wei
    data: bytes


def function(name: str, types: tuple[str, ...], values: Sequence[Any]) -> bytes:
    """Return calldata."""
    return selector(_signature(name, types)) + abi_encode(types, values)


def _signature(name: str, types: tuple[str, ...]) -> str:
    return f"{name}({','.join(types)})"


def encode(call: Call, facts: HubFacts) -> Encoded:
    """Return the transaction that makes a call on the hub that ``facts`` describe."""
    return _ENCODERS[type(call)](call, facts)


def encode_prediction(asset: CreateAsset, facts: HubFacts) -> Encoded:
    """Return the read that answers where an asset is or would be (``predictX`` of a registry).

    Its arguments are those of ``createX``, so only the selector differs.
    """
    name, types = _PREDICTIONS[type(asset)]
    created = encode(asset, facts)
    return Encoded(created.to, Wei(0), selector(_signature(name, types)) + created.data[4:])


_PREDICTIONS: Final[Mapping[type, tuple[str, tuple[str, ...]]]] = {
    CreateApp: ("predictApp", ("address", "string", "string", "bytes", "bytes32", "bytes")),
    CreateDataset: ("predictDataset", ("address", "string", "bytes", "bytes32")),
    CreateWorkerpool: ("predictWorkerpool", ("address", "string")),
}


def _hub(name: str, *types: str) -> Callable[[HubFacts, Sequence[Any]], Encoded]:
    def build(facts: HubFacts, values: Sequence[Any]) -> Encoded:
        return Encoded(facts.hub, Wei(0), function(name, types, values))

    return build


_initialize = _hub("initialize", "bytes32", "uint256")
_initialize_many = _hub("initializeArray", "bytes32[]", "uint256[]")
_contribute = _hub("contribute", "bytes32", "bytes32", "bytes32", "address", "bytes", "bytes")
_reveal = _hub("reveal", "bytes32", "bytes32")
_finalize = _hub("finalize", "bytes32", "bytes", "bytes")
_both = _hub(
    "contributeAndFinalize", "bytes32", "bytes32", "bytes", "bytes", "address", "bytes", "bytes"
)
_reopen = _hub("reopen", "bytes32")
_claim = _hub("claim", "bytes32")
_claim_many = _hub("claimArray", "bytes32[]")
_deposit = _hub("deposit")
_withdraw = _hub("withdraw", "uint256")
_withdraw_to = _hub("withdrawTo", "uint256", "address")
_deposit_for = _hub("depositForArray", "uint256[]", "address[]")
_FOUR: Final = (_ASSET_ORDER, _ASSET_ORDER, _POOL_ORDER, _REQUEST_ORDER)
_match, _sponsor_match = _hub("matchOrders", *_FOUR), _hub("sponsorMatchOrders", *_FOUR)


def _encode_initialize(call: Initialize, facts: HubFacts) -> Encoded:
    if len(call.tasks) == 1:
        return _initialize(facts, call.tasks[0])
    return _initialize_many(facts, tuple(zip(*call.tasks, strict=True)))


def _encode_contribute(call: Contribute, facts: HubFacts) -> Encoded:
    enclave = call.enclave, call.enclave_sign, call.authorization
    return _contribute(facts, (call.task_id, call.result_hash, call.seal, *enclave))


def _encode_both(call: ContributeAndFinalize, facts: HubFacts) -> Encoded:
    enclave = call.enclave, call.enclave_sign, call.authorization
    return _both(facts, (call.task_id, call.digest, call.results, call.callback_data, *enclave))


def _encode_claim(call: Claim, facts: HubFacts) -> Encoded:
    if len(call.tasks) == 1:
        return _claim(facts, call.tasks)
    return _claim_many(facts, (call.tasks,))


def _encode_deposit(call: Deposit, facts: HubFacts) -> Encoded:
    if facts.rlc is None:
        coin = Wei(call.amount * WEI_PER_NANO_RLC)
        return Encoded(facts.hub, coin, _deposit(facts, ()).data)
    types = ("address", "uint256", "bytes")
    data = function("approveAndCall", types, (facts.hub, call.amount, b""))
    return Encoded(facts.rlc, Wei(0), data)


def _encode_allowance(call: AllowHub, facts: HubFacts) -> Encoded:
    if facts.rlc is None:
        raise BrokenPrecondition("a native chain's hub is paid with coin, and allowed nothing")
    data = function("approve", ("address", "uint256"), (facts.hub, call.amount))
    return Encoded(facts.rlc, Wei(0), data)


def _encode_deposit_for(call: DepositFor, facts: HubFacts) -> Encoded:
    targets, amounts = zip(*call.stakes, strict=True)
    coin = call.amount * WEI_PER_NANO_RLC if facts.rlc is None else 0
    return Encoded(facts.hub, Wei(coin), _deposit_for(facts, (amounts, targets)).data)


def _encode_transfer(call: TransferRlc, facts: HubFacts) -> Encoded:
    if facts.rlc is None:
        return Encoded(call.to, Wei(call.amount * WEI_PER_NANO_RLC), b"")
    data = function("transfer", ("address", "uint256"), (call.to, call.amount))
    return Encoded(facts.rlc, Wei(0), data)


def _encode_app(call: CreateApp, facts: HubFacts) -> Encoded:
    types = ("address", "string", "string", "bytes", "bytes32", "bytes")
    values = (call.owner, call.name, "DOCKER", call.multiaddr, call.checksum, b"")
    return Encoded(facts.app_registry, Wei(0), function("createApp", types, values))


def _encode_dataset(call: CreateDataset, facts: HubFacts) -> Encoded:
    types = ("address", "string", "bytes", "bytes32")
    values = (call.owner, call.name, call.multiaddr, call.checksum)
    return Encoded(facts.dataset_registry, Wei(0), function("createDataset", types, values))


def _encode_pool(call: CreateWorkerpool, facts: HubFacts) -> Encoded:
    data = function("createWorkerpool", ("address", "string"), (call.owner, call.description))
    return Encoded(facts.workerpool_registry, Wei(0), data)


def _encode_policy(call: ChangePolicy, _: HubFacts) -> Encoded:
    values = (call.worker_stake_percent, call.scheduler_percent)
    return Encoded(call.workerpool, Wei(0), function("changePolicy", ("uint256",) * 2, values))


def _encode_match(call: MatchOrders, facts: HubFacts) -> Encoded:
    return _match(facts, _four_tuples(call))


def _four_tuples(call: MatchOrders) -> tuple[Any, ...]:
    return (
        _app_tuple(call.app),
        _dataset_tuple(call.dataset),
        _pool_tuple(call.workerpool),
        _request_tuple(call.request),
    )


def _app_tuple(signed: Signed[AppOrder]) -> tuple[Any, ...]:
    order = signed.order
    restrict = order.dataset_restrict, order.workerpool_restrict, order.requester_restrict
    head = order.app, order.price, order.volume, order.tag
    return (*head, *restrict, order.salt, signed.signature)


def _dataset_tuple(signed: Signed[DatasetOrder]) -> tuple[Any, ...]:
    order = signed.order
    restrict = order.app_restrict, order.workerpool_restrict, order.requester_restrict
    head = order.dataset, order.price, order.volume, order.tag
    return (*head, *restrict, order.salt, signed.signature)


def _pool_tuple(signed: Signed[WorkerpoolOrder]) -> tuple[Any, ...]:
    order = signed.order
    restrict = order.app_restrict, order.dataset_restrict, order.requester_restrict
    head = order.workerpool, order.price, order.volume, order.tag, order.category, order.trust
    return (*head, *restrict, order.salt, signed.signature)


def _request_tuple(signed: Signed[RequestOrder]) -> tuple[Any, ...]:
    order = signed.order
    return (
        order.app,
        order.app_max_price,
        order.dataset,
        order.dataset_max_price,
        order.workerpool,
        order.workerpool_max_price,
        order.requester,
        order.volume,
        order.tag,
        order.category,
        order.trust,
        order.beneficiary,
        order.callback,
        order.params,
        order.salt,
        signed.signature,
    )


_CLOSE: Final = 1
"""Of the operations on an order; 0 signs it on chain."""
_CLOSERS: Final[Mapping[type, tuple[str, str, Callable[[Any], tuple[Any, ...]]]]] = {
    AppOrder: ("manageAppOrder", _ASSET_ORDER, _app_tuple),
    DatasetOrder: ("manageDatasetOrder", _ASSET_ORDER, _dataset_tuple),
    WorkerpoolOrder: ("manageWorkerpoolOrder", _POOL_ORDER, _pool_tuple),
    RequestOrder: ("manageRequestOrder", _REQUEST_ORDER, _request_tuple),
}


def _encode_close(call: CloseOrder, facts: HubFacts) -> Encoded:
    name, order, values = _CLOSERS[type(call.order)]
    operation = values(Signed(call.order, b"")), _CLOSE, b""
    return _hub(name, f"({order},uint8,bytes)")(facts, (operation,))


_ENCODERS: Final[Mapping[type, Callable[[Any, HubFacts], Encoded]]] = {
    Initialize: _encode_initialize,
    Contribute: _encode_contribute,
    Reveal: lambda call, facts: _reveal(facts, (call.task_id, call.digest)),
    ContributeAndFinalize: _encode_both,
    Finalize: lambda call, facts: _finalize(
        facts, (call.task_id, call.results, call.callback_data)
    ),
    Reopen: lambda call, facts: _reopen(facts, (call.task_id,)),
    Claim: _encode_claim,
    Deposit: _encode_deposit,
    Withdraw: lambda call, facts: _withdraw(facts, (call.amount,)),
    WithdrawTo: lambda call, facts: _withdraw_to(facts, (call.amount, call.to)),
    AllowHub: _encode_allowance,
    DepositFor: _encode_deposit_for,
    CreateApp: _encode_app,
    CreateDataset: _encode_dataset,
    CreateWorkerpool: _encode_pool,
    ChangePolicy: _encode_policy,
    MatchOrders: _encode_match,
    SponsorMatch: lambda call, facts: _sponsor_match(facts, _four_tuples(call.orders)),
    CloseOrder: _encode_close,
    TransferRlc: _encode_transfer,
    TransferCoin: lambda call, _: Encoded(call.to, call.amount, b""),
}


def decode_receipt(raw: Mapping[str, Any], facts: HubFacts, price: Wei) -> Receipt:
    """Read the answer of ``eth_getTransactionReceipt``.

    Args:
        raw: JSON of the node, numbers and bytes in 0x-hexadecimal.
        facts: Whose events count.
        price: Gas price to assume where the node does not tell the effective one (wei).
    """
    paid = raw.get("effectiveGasPrice")
    return Receipt(
        tx_hash=TxHash(raw_bytes(raw["transactionHash"])),
        block=BlockNumber(quantity(raw["blockNumber"])),
        succeeded=quantity(raw["status"]) == 1,
        gas_used=Gas(quantity(raw["gasUsed"])),
        gas_price=price if paid is None else Wei(quantity(paid)),
        created=_created(raw["logs"], facts),
        deals=_deals(raw["logs"], facts),
    )


def _created(logs: Sequence[Mapping[str, Any]], facts: HubFacts) -> Address | None:
    registries = (facts.app_registry, facts.dataset_registry, facts.workerpool_registry)
    for log in logs:
        topics = [raw_bytes(topic) for topic in log["topics"]]
        minted = len(topics) == 4 and topics[0] == _TRANSFER and topics[1][12:] == ZERO_ADDRESS
        if minted and Address.parse(log["address"]) in registries:
            return Address(topics[3][12:])
    return None


def _deals(logs: Sequence[Mapping[str, Any]], facts: HubFacts) -> tuple[DealId, ...]:
    return tuple(
        DealId.parse(log["data"][:66])
        for log in logs
        if Address.parse(log["address"]) == facts.hub
        and log["topics"]
        and raw_bytes(log["topics"][0]) == _MATCHED
    )
