"""Calldata to calls. Selectors and members: PoCo 6.x ABI, spec/onchain.md §5."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eth_abi.abi import decode
from eth_hash.auto import keccak

from poolhand.domain.ids import Address, DealId, ResultDigest, ResultHash, ResultSeal, TaskId
from poolhand.domain.onchain import (
    AllowHub,
    Call,
    ChangePolicy,
    Claim,
    Contribute,
    ContributeAndFinalize,
    CreateApp,
    CreateDataset,
    CreateWorkerpool,
    Deposit,
    DepositFor,
    Finalize,
    Initialize,
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
    Salt,
    Signed,
    SponsorMatch,
    WorkerpoolOrder,
)
from poolhand.domain.tag import Tag
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc, Wei
from poolhand.ports.chain import HubFacts

AO = "(address,uint256,uint256,bytes32,address,address,address,bytes32,bytes)"
WO = "(address,uint256,uint256,bytes32,uint256,uint256,address,address,address,bytes32,bytes)"
RO = (
    "(address,uint256,address,uint256,address,uint256,address,uint256,bytes32,uint256,uint256,"
    "address,address,string,bytes32,bytes)"
)
APP = ["address", "string", "string", "bytes", "bytes32", "bytes"]
DATASET = ["address", "string", "bytes", "bytes32"]
POOL = ["address", "string"]


class Undecodable(Exception):
    """No function of the contracts."""


def selector(signature: str) -> bytes:
    return keccak(signature.encode())[:4]


def read_call(to: Address, value: int, data: bytes, facts: HubFacts) -> Call:
    """Read a transaction; raises Undecodable."""
    if not data:
        return TransferCoin(to, Wei(value))
    head, body = data[:4], data[4:]
    if to == facts.hub and head in _HUB:
        types, build = _HUB[head]
        return build(*decode(types, body))
    if to == facts.rlc:
        return _token(head, body, facts)
    if to in (facts.app_registry, facts.dataset_registry, facts.workerpool_registry):
        return read_asset(head, body)
    if head == bytes.fromhex("f199413c"):
        stake, share = decode(["uint256", "uint256"], body)
        return ChangePolicy(to, stake, share)
    raise Undecodable(f"{head.hex()} at {to}")


def read_asset(head: bytes, body: bytes) -> Any:
    """Read ``createX`` or ``predictX`` of a registry."""
    name = _ASSETS.get(head)
    if name == "App":
        owner, title, kind, place, checksum, enclave = decode(APP, body)
        assert (kind, enclave) == ("DOCKER", b"")
        return CreateApp(Address.parse(owner), title, place, checksum)
    if name == "Dataset":
        owner, title, place, checksum = decode(DATASET, body)
        return CreateDataset(Address.parse(owner), title, place, checksum)
    if name == "Workerpool":
        owner, title = decode(POOL, body)
        return CreateWorkerpool(Address.parse(owner), title)
    raise Undecodable(head.hex())


_ASSETS = {
    selector(f"{verb}{name}({','.join(types)})"): name
    for verb in ("create", "predict")
    for name, types in (("App", APP), ("Dataset", DATASET), ("Workerpool", POOL))
}


def _token(head: bytes, body: bytes, facts: HubFacts) -> Call:
    if head == bytes.fromhex("cae9ca51"):
        spender, amount, _ = decode(["address", "uint256", "bytes"], body)
        assert Address.parse(spender) == facts.hub
        return Deposit(NanoRlc(amount))
    if head == bytes.fromhex("a9059cbb"):
        target, amount = decode(["address", "uint256"], body)
        return TransferRlc(Address.parse(target), NanoRlc(amount))
    if head == bytes.fromhex("095ea7b3"):
        spender, amount = decode(["address", "uint256"], body)
        assert Address.parse(spender) == facts.hub
        return AllowHub(NanoRlc(amount))
    raise Undecodable(head.hex())


def _stakes(amounts: Any, targets: Any) -> DepositFor:
    pairs = zip(targets, amounts, strict=True)
    return DepositFor(tuple((Address.parse(to), NanoRlc(each)) for to, each in pairs))


def _contribute(task: bytes, hashed: bytes, seal: bytes, enclave: str, es: bytes, auth: bytes):
    spelled = TaskId(task), ResultHash(hashed), ResultSeal(seal)
    return Contribute(*spelled, auth, Address.parse(enclave), es)


def _both(task, digest, results, callback, enclave, es, auth):
    return ContributeAndFinalize(
        TaskId(task), ResultDigest(digest), results, callback, auth, Address.parse(enclave), es
    )


def _match(app: Any, dataset: Any, pool: Any, request: Any) -> MatchOrders:
    return MatchOrders(
        Signed(AppOrder(*_asset_order(app)), app[8]),
        Signed(DatasetOrder(*_asset_order(dataset)), dataset[8]),
        Signed(_pool_order(pool), pool[10]),
        Signed(_request_order(request), request[15]),
    )


def _close(order: Any, operation: Any) -> CloseOrder:
    assert operation[1] == 1, "only closing is known here"
    return CloseOrder(order)


def _asset_order(raw: Any) -> tuple:
    asset, price, volume, tag, one, two, three, salt, _ = raw
    limits = (Address.parse(each) for each in (one, two, three))
    return Address.parse(asset), NanoRlc(price), volume, Tag(tag), *limits, Salt(salt)


def _pool_order(raw: Any) -> WorkerpoolOrder:
    pool, price, volume, tag, category, trust, one, two, three, salt, _ = raw
    limits = (Address.parse(each) for each in (one, two, three))
    terms = NanoRlc(price), volume, Tag(tag), category, Trust(trust)
    return WorkerpoolOrder(Address.parse(pool), *terms, *limits, Salt(salt))


def _request_order(raw: Any) -> RequestOrder:
    app, app_price, dataset, dataset_price, pool, pool_price, requester, volume, *rest = raw
    tag, category, trust, beneficiary, callback, params, salt, _ = rest
    return RequestOrder(
        Address.parse(app),
        NanoRlc(app_price),
        Address.parse(dataset),
        NanoRlc(dataset_price),
        Address.parse(pool),
        NanoRlc(pool_price),
        Address.parse(requester),
        volume,
        Tag(tag),
        category,
        Trust(trust),
        Address.parse(beneficiary),
        Address.parse(callback),
        params,
        Salt(salt),
    )


def _tasks(deals: Any, indexes: Any) -> Initialize:
    return Initialize(tuple((DealId(d), i) for d, i in zip(deals, indexes, strict=True)))


_HUB: dict[bytes, tuple[list[str], Callable[..., Call]]] = {
    bytes.fromhex(head): (types, build)
    for head, types, build in (
        (
            "34623484",
            ["bytes32", "bytes32", "bytes32", "address", "bytes", "bytes"],
            _contribute,
        ),
        ("fc334e8c", ["bytes32", "bytes32"], lambda t, d: Reveal(TaskId(t), ResultDigest(d))),
        (
            "5facd761",
            ["bytes32", "bytes32", "bytes", "bytes", "address", "bytes", "bytes"],
            _both,
        ),
        ("5b36c66b", ["bytes32", "uint256"], lambda d, i: Initialize(((DealId(d), i),))),
        ("b504681d", ["bytes32[]", "uint256[]"], _tasks),
        ("8fc375e5", ["bytes32", "bytes", "bytes"], lambda t, r, c: Finalize(TaskId(t), r, c)),
        ("f6c68e10", ["bytes32"], lambda t: Reopen(TaskId(t))),
        ("156194d4", [AO, AO, WO, RO], _match),
        ("2f391533", [AO, AO, WO, RO], lambda *four: SponsorMatch(_match(*four))),
        ("bd66528a", ["bytes32"], lambda t: Claim((TaskId(t),))),
        ("fa055d7e", ["bytes32[]"], lambda ts: Claim(tuple(map(TaskId, ts)))),
        (
            "b2b07e66",
            [f"({AO},uint8,bytes)"],
            lambda op: _close(AppOrder(*_asset_order(op[0])), op),
        ),
        (
            "4b747106",
            [f"({AO},uint8,bytes)"],
            lambda op: _close(DatasetOrder(*_asset_order(op[0])), op),
        ),
        ("7e34a077", [f"({WO},uint8,bytes)"], lambda op: _close(_pool_order(op[0]), op)),
        ("8dd971d5", [f"({RO},uint8,bytes)"], lambda op: _close(_request_order(op[0]), op)),
        ("2e1a7d4d", ["uint256"], lambda amount: Withdraw(NanoRlc(amount))),
        (
            "c86283c8",
            ["uint256", "address"],
            lambda amount, to: WithdrawTo(Address.parse(to), NanoRlc(amount)),
        ),
        ("3354f8a5", ["uint256[]", "address[]"], _stakes),
    )
}
