"""A block's logs as a node writes them: spec/onchain.md §6."""

from __future__ import annotations

from typing import Any

from eth_hash.auto import keccak

from poolhand.chain.fake.blocks import FakeBlock, MinedCall
from poolhand.chain.fake.state import State
from poolhand.domain.ids import Address, TxHash
from poolhand.domain.movements import Movement
from poolhand.domain.movements import MovementKind as K
from poolhand.domain.onchain import (
    CreateApp,
    CreateDataset,
    CreateWorkerpool,
    EventKind,
    HubEvent,
)
from poolhand.domain.reward import KITTY
from poolhand.ports.chain import HubFacts

NOTICE = "0x692ad61076dceddd0f1a861f737553dd61fc8501cf4190d29c4e90af6607f765"
MATCHED = "0xd811b592ed0899225773e8933d8df64bd0b62761a9d7aad4ed5b22735f4610a4"
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
OTHERS = {
    EventKind.TASK_INITIALIZE: "0x252992fb0468d68d6a5784ec03214f0d0a362083f2d7ebd157af43b017a22e06",
    EventKind.TASK_CONTRIBUTE: "0x3fdb8d7797562d49a81078dbf7fa1771958ea452f8b13d1148383bd9506aecfb",
    EventKind.TASK_CONSENSUS: "0xf6d49bf3e05d33a4bc497d3c793fb5756388bb96b947cf51bb60aaecb0e022e3",
    EventKind.TASK_REVEAL: "0x4b1763d473ac8fa80b4432ba90047e1b92444d8fabc55e6a002d9b1a316d7959",
    EventKind.TASK_REOPEN: "0x3afe0f24796ce653c6ab1f3e7aba5ce564eece5e82aee724aff28253e829f07b",
    EventKind.TASK_FINALIZE: "0x78ce8a8bc0fcb704e8ba3b3dbb36aa88002df8038128b4af2f27ef65db665044",
    EventKind.TASK_CLAIMED: "0xcbc308b5f91040d2659a5201858344b0b583cd2f9e18e8470c2fa052c5b21ff8",
}
MONEY = {
    K.LOCK: "0x625fed9875dada8643f2418b838ae0bc78d9a148a18eee4ee1979ff0f3f5d427",
    K.UNLOCK: "0x6381d9813cabeb57471b5a7e05078e64845ccdb563146a6911d536f24ce960f1",
    K.REWARD: "0xc2aca55aa696938c7e95842e8939ca0fbb2120a3eeb8948cdcee2b70da566672",
    K.SEIZURE: "0x1bccc549c38561cd5b57f0db11ceb8dde1b0b6ee05ab5e155b51c7c5ba64becb",
}
OF_RESULT = (EventKind.TASK_CONTRIBUTE, EventKind.TASK_CONSENSUS)


def word(value: bytes) -> str:
    return "0x" + bytes(value).rjust(32, b"\0").hex()


def logs_of(facts: HubFacts, block: FakeBlock, names: dict[TxHash, str]) -> list[dict[str, Any]]:
    """Return the logs of a block; ``names`` gives the hashes of transactions on the wire."""
    found: list[dict[str, Any]] = []
    for mined in block.mined:
        if mined.refusal is not None:
            continue
        own = [event for event in block.events if event.tx_hash == mined.sent.tx_hash]
        for address, topics, data in _entries(facts, block, mined, own):
            found.append(
                {
                    "address": str(address).lower(),
                    "topics": topics,
                    "data": data,
                    "blockNumber": hex(block.head.number),
                    "blockHash": str(block.head.block_hash),
                    "transactionHash": names[mined.sent.tx_hash],
                    "logIndex": hex(len(found)),
                    "removed": False,
                }
            )
    return found


def _entries(facts: HubFacts, block: FakeBlock, mined: MinedCall, events: list[HubEvent]):
    if isinstance(mined.sent.call, CreateApp | CreateDataset | CreateWorkerpool):
        yield _registered(facts, mined)
    for owner, movement in block.moved:
        if movement.tx_hash == mined.sent.tx_hash:
            yield from _moved(facts.hub, owner, movement)
    for event in events:
        yield facts.hub, *_written(block.state, event)
        if event.kind is EventKind.SCHEDULER_NOTICE:
            yield facts.hub, [MATCHED], word(event.deal_id) + "00" * 160


def _registered(facts: HubFacts, mined: MinedCall) -> tuple[Address, list[str], str]:
    registry = {
        CreateApp: facts.app_registry,
        CreateDataset: facts.dataset_registry,
        CreateWorkerpool: facts.workerpool_registry,
    }[type(mined.sent.call)]
    owner = word(mined.sent.call.owner)
    return registry, [TRANSFER, word(b""), owner, word(mined.receipt.created)], "0x"


def _moved(hub: Address, owner: Address, each: Movement):
    """Free stake moves by a transfer, which what it was for follows; the kitty has none."""
    amount, zero = word(each.amount.to_bytes(32, "big")), word(b"")
    ways = {K.LOCK: (word(owner), word(hub)), K.WITHDRAWAL: (word(owner), zero)}
    ways |= dict.fromkeys((K.UNLOCK, K.REWARD), (word(hub), word(owner)))
    ways |= {K.DEPOSIT: (zero, word(owner))}
    if each.kind in ways and owner != KITTY:
        yield hub, [TRANSFER, *ways[each.kind]], amount
    if each.kind in MONEY:
        ref = word(each.task_id)[2:] if each.task_id else ""
        yield hub, [MONEY[each.kind]], word(owner) + amount[2:] + ref


def _written(state: State, event: HubEvent) -> tuple[list[str], str]:
    if event.kind is EventKind.SCHEDULER_NOTICE:
        return [NOTICE, word(event.worker)], word(event.deal_id)
    topics = [OTHERS[event.kind], word(event.task_id)]
    if event.kind is EventKind.TASK_INITIALIZE:
        topics.append(word(state.deals[state.tasks[event.task_id].deal_id].workerpool.address))
    elif event.worker is not None:
        topics.append(word(event.worker))
    data = word(event.result_hash) if event.kind in OF_RESULT else word(keccak(b"digest"))
    return topics, data


def fits(log: dict[str, Any], asked: dict[str, Any]) -> bool:
    """Whether a log is what a filter asks for."""
    named = asked.get("address", log["address"])
    if log["address"] not in [
        each.lower() for each in (named if isinstance(named, list) else [named])
    ]:
        return False
    for at, wanted in enumerate(asked.get("topics") or []):
        told = log["topics"][at] if at < len(log["topics"]) else None
        if wanted is not None and told not in (wanted if isinstance(wanted, list) else [wanted]):
            return False
    return True
