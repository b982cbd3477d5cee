"""What the hub's views return, read into domain types.

Strings are taken as bytes: nothing on chain promises that they are UTF-8, and no deal may stop a
reader. Records that are all zero are unknown.

Source: PoCo 6.x structs (ABI order).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final, TypeVar

from eth_abi.abi import decode as abi_decode
from eth_hash.auto import keccak

from poolhand.domain.category import Category
from poolhand.domain.deal import Account, Deal, Resource
from poolhand.domain.ids import (
    Address,
    DealId,
    FixedBytes,
    ResultDigest,
    ResultHash,
    ResultSeal,
    TaskId,
)
from poolhand.domain.onchain import (
    ChainTaskStatus,
    ContributionStatus,
    ContributionView,
    Head,
    TaskView,
)
from poolhand.domain.tag import Tag
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc, Seconds, UnixSeconds

T = TypeVar("T")
_RESOURCE: Final = "(address,address,uint256)"
_DEAL: Final = (
    f"({_RESOURCE},{_RESOURCE},{_RESOURCE},uint256,uint256,bytes32,address,address,address,bytes,"
    "uint256,uint256,uint256,uint256,uint256,address)"
)
_TASK: Final = (
    "(uint8,bytes32,uint256,uint256,uint256,uint256,uint256,bytes32,uint256,uint256,address[],"
    "bytes32,bytes,uint256,bytes)"
)
_CATEGORY: Final = "(bytes,bytes,uint256)"


@cache
def selector(signature: str) -> bytes:
    """Return the 4 bytes that name a function."""
    return keccak(signature.encode())[:4]


def calldata(signature: str, *words: FixedBytes | int) -> str:
    """Write a call whose arguments are all ids, addresses or numbers."""
    parts = [
        word.to_bytes(32, "big") if isinstance(word, int) else word.rjust(32, b"\0")
        for word in words
    ]
    return "0x" + (selector(signature) + b"".join(parts)).hex()


def raw_bytes(raw: Any) -> bytes:
    """Read hexadecimal, 0x in front or not; raises AttributeError or ValueError."""
    return bytes.fromhex(raw.removeprefix("0x"))


def optional(read: Callable[[Any], T]) -> Callable[[Any], T | None]:
    """Read what an address without code answers, too: nothing."""
    return lambda raw: None if raw == "0x" else read(raw)


def word(raw: Any) -> int:
    """Read a number."""
    data = raw_bytes(raw)
    if len(data) != 32:
        raise ValueError(f"{len(data)} bytes are not a number")
    return int.from_bytes(data, "big")


def quantity(raw: Any) -> int:
    """Read a number outside of ABI data: in 0x-hexadecimal, or as the number that some write."""
    if isinstance(raw, int) and not isinstance(raw, bool) and raw >= 0:
        return raw
    return int(raw, 16)


def address(raw: Any) -> Address:
    """Read an address."""
    return Address(raw_bytes(raw)[12:])


def bytes32(raw: Any) -> bytes:
    """Read 32 bytes."""
    return bytes(FixedBytes(raw_bytes(raw)))


def text(raw: Any) -> str:
    """Read a string, whatever bytes its author put there."""
    return _utf8(blob(raw))


def blob(raw: Any) -> bytes:
    """Read ``bytes`` (or a string, undecoded)."""
    (found,) = abi_decode(["bytes"], raw_bytes(raw))
    return bytes(found)


def account(raw: Any) -> Account:
    """Read an Account."""
    stake, locked = abi_decode(["uint256", "uint256"], raw_bytes(raw))
    return Account(NanoRlc(stake), NanoRlc(locked))


def category(raw: Any, index: int) -> Category:
    """Read a Category."""
    ((name, _, time_ref),) = abi_decode([_CATEGORY], raw_bytes(raw))
    return Category(index, _utf8(name), Seconds(time_ref))


def contribution(raw: Any) -> ContributionView:
    """Read a Contribution: five words."""
    data = raw_bytes(raw)
    if len(data) != 160:
        raise ValueError(f"{len(data)} bytes are not a contribution")
    return ContributionView(
        ContributionStatus(int.from_bytes(data[:32], "big")),
        ResultHash(data[32:64]),
        ResultSeal(data[64:96]),
        int.from_bytes(data[128:], "big"),
    )


def task_deal(raw: Any) -> DealId | None:
    """Read a Task's deal, None before ``initialize``."""
    found = DealId(raw_bytes(raw)[64:96])
    return found if any(found) else None


def task(raw: Any, name: TaskId, head: Head) -> TaskView:
    """Read a Task as it stood at ``head``."""
    (found,) = abi_decode([_TASK], raw_bytes(raw))
    (status, _, _, time_ref, contribution_end, reveal_end, final_end) = found[:7]
    consensus, reveals, winners, contributors, digest, results = found[7:13]
    return TaskView(
        task_id=name,
        block=head.number,
        block_time=head.timestamp,
        status=ChainTaskStatus(status),
        time_ref=Seconds(time_ref),
        contribution_deadline=UnixSeconds(contribution_end),
        reveal_deadline=UnixSeconds(reveal_end),
        final_deadline=UnixSeconds(final_end),
        consensus=ResultHash(consensus),
        reveal_counter=reveals,
        winner_counter=winners,
        contributors=tuple(map(Address.parse, contributors)),
        digest=ResultDigest(digest),
        results=results,
    )


def deal(raw: Any, name: DealId) -> Deal | None:
    """Read a Deal, None when it was never matched."""
    (found,) = abi_decode([_DEAL], raw_bytes(raw))
    app, dataset, pool = (
        Resource(Address.parse(p), Address.parse(o), NanoRlc(n)) for p, o, n in found[:3]
    )
    trust, index, tag, requester, beneficiary, callback, params = found[3:10]
    start, bot_first, bot_size, stake, ratio, sponsor = found[10:]
    if not start:
        return None
    return Deal(
        name,
        app,
        dataset,
        pool,
        trust=Trust(trust),
        category=index,
        tag=Tag(tag),
        requester=Address.parse(requester),
        beneficiary=Address.parse(beneficiary),
        callback=Address.parse(callback),
        params=_utf8(params),
        start_time=UnixSeconds(start),
        bot_first=bot_first,
        bot_size=bot_size,
        worker_stake=NanoRlc(stake),
        scheduler_percent=ratio,
        sponsor=Address.parse(sponsor),
    )


def _utf8(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")
