"""What the contracts' views answer: structs in ABI order, spec/onchain.md §4 and §5.6."""

from __future__ import annotations

from typing import Any

from eth_abi.abi import decode, encode
from eth_hash.auto import keccak

from memory_node.calldata import Undecodable, read_asset, selector
from poolhand.chain.fake.assets import predict
from poolhand.chain.fake.state import State
from poolhand.domain.deal import Deal
from poolhand.domain.ids import ZERO_ADDRESS, Address, DealId, OrderHash, TaskId
from poolhand.ports.chain import HubFacts

RESOURCE = "(address,address,uint256)"
DEAL = (
    f"({RESOURCE},{RESOURCE},{RESOURCE},uint256,uint256,bytes32,address,address,address,string,"
    "uint256,uint256,uint256,uint256,uint256,address)"
)
TASK = (
    "(uint8,bytes32,uint256,uint256,uint256,uint256,uint256,bytes32,uint256,uint256,address[],"
    "bytes32,bytes,uint256,bytes)"
)
ZERO = str(ZERO_ADDRESS)


class Reverted(Exception):
    """A view that refuses."""


def view(facts: HubFacts, state: State, to: Address, data: bytes) -> bytes:
    """Answer a read; empty where there is no code.

    Raises:
        Undecodable: No view.
        Reverted: The view refuses.
    """
    head, body = data[:4], data[4:]
    if to == facts.hub:
        return _hub(facts, state, head, body)
    if to == facts.rlc and head == selector("balanceOf(address)"):
        return _word(state.rlc_of(_address(body)))
    registries = (facts.app_registry, facts.dataset_registry, facts.workerpool_registry)
    if to in registries:
        return _registry(state, registries.index(to), head, body)
    if to in state.groups and head == selector("keyHasPurpose(bytes32,uint256)"):
        key, purpose = decode(["bytes32", "uint256"], body)
        return _word(purpose == 4 and state.has_member(to, Address(key[12:])))
    asset = state.apps.get(to) or state.datasets.get(to) or state.pools.get(to)
    if asset is None:
        return b""
    return _asset(asset, head)


def _hub(facts: HubFacts, state: State, head: bytes, body: bytes) -> bytes:
    fixed = {
        "fc0c546a": facts.rlc,
        "45b637a9": facts.app_registry,
        "b1b11d2c": facts.dataset_registry,
        "90a0f546": facts.workerpool_registry,
    }
    name = head.hex()
    if name in fixed:
        return encode(["address"], [str(fixed[name] or ZERO_ADDRESS)])
    if name == "e63ec07d":
        return _word(facts.callback_gas)
    if name == "c140996f":
        return _word(len(state.categories))
    if name not in _VIEWS:
        raise Undecodable(name)
    return _VIEWS[name](state, body)


def _account(state: State, body: bytes) -> bytes:
    owner = _address(body)
    return encode(["uint256", "uint256"], [state.stake_of(owner), state.locked_of(owner)])


def _category(state: State, body: bytes) -> bytes:
    (index,) = decode(["uint256"], body)
    found = state.categories.get(index)
    if found is None:
        raise Reverted
    return encode(["(string,string,uint256)"], [(found.name, "about", found.time_ref)])


def _contribution(state: State, body: bytes) -> bytes:
    task, worker = decode(["bytes32", "address"], body)
    found = state.contribution(TaskId(task), Address.parse(worker))
    if found is None:
        return bytes(160)
    return encode(
        ["(uint8,bytes32,bytes32,address,uint256)"],
        [(int(found.status), found.result_hash, found.seal, ZERO, found.log_weight)],
    )


def _task(state: State, body: bytes) -> bytes:
    name = TaskId(body)
    known = state.tasks.get(name)
    task = state.view(name)
    deal_id = bytes(known.deal_id) if known else bytes(32)
    deal = state.deals[known.deal_id] if known else None
    index = next((i for i, each in deal.tasks() if each == name), 0) if deal else 0
    contributors = [str(each) for each in task.contributors]
    members = (
        int(task.status),
        deal_id,
        index,
        task.time_ref,
        task.contribution_deadline,
        task.reveal_deadline,
        task.final_deadline,
        bytes(task.consensus),
        task.reveal_counter,
        task.winner_counter,
        contributors,
        bytes(task.digest),
        task.results,
        0,
        b"",
    )
    return encode([TASK], [members])


def _deal(state: State, body: bytes) -> bytes:
    found = state.deals.get(DealId(body))
    none = (ZERO, ZERO, 0)
    if found is None:
        zeros = (0, 0, bytes(32), ZERO, ZERO, ZERO, "", 0, 0, 0, 0, 0, ZERO)
        return encode([DEAL], [(none, none, none, *zeros)])
    return encode([DEAL], [_deal_members(found)])


def _deal_members(deal: Deal) -> tuple:
    resources = [
        (str(each.address), str(each.owner), each.price)
        for each in (deal.app, deal.dataset, deal.workerpool)
    ]
    return (
        *resources,
        int(deal.trust),
        deal.category,
        bytes(deal.tag),
        str(deal.requester),
        str(deal.beneficiary),
        str(deal.callback),
        deal.params,
        deal.start_time,
        deal.bot_first,
        deal.bot_size,
        deal.worker_stake,
        deal.scheduler_percent,
        str(deal.sponsor),
    )


def _is_signed(state: State, body: bytes) -> bytes:
    account, digest, sign = decode(["address", "bytes32", "bytes"], body)
    if len(sign) not in (64, 65) and Address.parse(account) not in state.signers:
        raise Reverted
    return _word(state.takes(Address.parse(account), digest, sign))


_VIEWS = {
    selector("verifyPresignatureOrSignature(address,bytes32,bytes)").hex(): _is_signed,
    "6b55f4a5": _account,
    "1bf6e00d": lambda state, body: _word(state.locked_of(_address(body))),
    "db230b52": lambda state, body: _word(state.scores.get(_address(body), 0)),
    "4b2bec8c": lambda state, body: _word(state.consumed.get(OrderHash(body), 0)),
    "4f5f44ec": _category,
    "e741363b": _contribution,
    "adccf0d5": _task,
    "b74861b2": _deal,
}


def _registry(state: State, which: int, head: bytes, body: bytes) -> bytes:
    if head == selector("isRegistered(address)"):
        assets = (state.apps, state.datasets, state.pools)[which]
        return _word(_address(body) in assets)
    if head in (selector("balanceOf(address)"), selector("tokenOfOwnerByIndex(address,uint256)")):
        assets = (state.apps, state.datasets, state.pools)[which]
        owned = [name for name, each in assets.items() if each.owner == _address(body)]
        if len(body) == 32:
            return _word(len(owned))
        return encode(["address"], [str(owned[int.from_bytes(body[32:64], "big")])])
    return encode(["address"], [str(predict(read_asset(head, body)))])


def _asset(asset: Any, head: bytes) -> bytes:
    members = {
        "owner()": ("address", lambda: str(asset.owner)),
        "m_appName()": ("string", lambda: asset.name),
        "m_appType()": ("string", lambda: "DOCKER"),
        "m_appMultiaddr()": ("bytes", lambda: asset.multiaddr),
        "m_appChecksum()": ("bytes32", lambda: asset.checksum),
        "m_appMREnclave()": ("bytes", lambda: b""),
        "m_datasetName()": ("string", lambda: asset.name),
        "m_datasetMultiaddr()": ("bytes", lambda: asset.multiaddr),
        "m_datasetChecksum()": ("bytes32", lambda: asset.checksum),
        "m_workerpoolDescription()": ("string", lambda: asset.description),
        "m_workerStakeRatioPolicy()": ("uint256", lambda: asset.worker_stake_percent),
        "m_schedulerRewardRatioPolicy()": ("uint256", lambda: asset.scheduler_percent),
    }
    for signature, (kind, value) in members.items():
        if selector(signature) == head:
            return encode([kind], [value()])
    raise Undecodable(head.hex())


def _word(number: int) -> bytes:
    return int(number).to_bytes(32, "big")


def _address(body: bytes) -> Address:
    return Address(body[12:32])


def error_data(text: str) -> bytes:
    """Write a revert's reason."""
    return keccak(b"Error(string)")[:4] + encode(["string"], [text]) if text else b""
