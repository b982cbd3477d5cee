"""Are chain, pool and the rest of the network there, who they should be, and of the same time?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from poolhand.domain.doctor.findings import Check, Finding, failed, passed, unknown, warned
from poolhand.domain.ids import Address
from poolhand.domain.messages import MAX_SKEW
from poolhand.domain.units import (
    BlockNumber,
    Seconds,
    UnixSeconds,
    show_duration,
)

CHAIN_STALLS_AFTER: Final = Seconds(120)
"""Time without a new block after which a chain counts as standing still: the slowest that iExec
runs on has one every 5 s."""
ONLY_INVITED: Final = "this pool lets in only workers whom its owner has named"
ASK_OWNER: Final = "have its owner {} name your worker's wallet before you deposit anything"
LOOPBACK_HOSTS: Final = ("localhost", "127.0.0.1", "::1")


def no_such_pool(pool: Address, chain_id: int) -> str:
    """Say that a workerpool is not on the chain."""
    return f"no workerpool {pool} on chain {chain_id}: check POOL_ADDRESS and the chain"


def judge_node(
    block: BlockNumber, block_time: UnixSeconds, now: UnixSeconds, chain_id: int
) -> Finding:
    """Judge whether an endpoint that answers for the right hub is at the head of its chain.

    Args:
        block: Its newest.
        block_time: Of it.
        now: By the pool's clock where that is known, else by ours.
        chain_id: Of the chain.
    """
    age = now - block_time
    if age > CHAIN_STALLS_AFTER:
        return failed(
            Check.NODE,
            f"the newest block that it knows, {block}, is {show_duration(age)} old",
            "wait until the node is at the head of its chain, or name another with --rpc",
        )
    return passed(Check.NODE, f"chain {chain_id}, block {block}")


@dataclass(frozen=True, slots=True)
class PublicHub:
    """The hub of iExec's on a public chain that is known by name."""

    chain: str
    hub: Address


def judge_hub(chain_id: int, hub: Address, public: PublicHub | None, *, is_near: bool) -> Finding:
    """Judge whose hub it is by which a worker stakes and is paid: files of a pool may name it.

    Args:
        chain_id: Of the chain.
        hub: That this worker is set to.
        public: iExec's on the chain of that id; None: no such chain is known.
        is_near: Whether all nodes are on this computer or its network, as a devnet's are.
    """
    check = Check.HUB
    if public is not None and public.hub != hub:
        return failed(
            check,
            f"this worker is set to hub {hub}, and iExec's on {public.chain} is {public.hub}",
            f"deposit nothing there, its money is not iExec's; name the chain with --chain "
            f"{public.chain}, and no hub, and see whether the pool is on it",
        )
    if public is not None:
        return passed(check, f"{hub}, iExec's on {public.chain}")
    if is_near:
        return passed(check, f"{hub}, on a chain whose nodes are of this network")
    return warned(
        check,
        f"chain {chain_id} is none that Poolhand knows, and that hub {hub} is iExec's and its RLC "
        "worth anything, only whoever named it says",
        "send nothing there that you would miss, unless you trust who wrote that setting, such as "
        "the owner of the pool whose files have it",
    )


def judge_clock(ours: UnixSeconds, pool: UnixSeconds | None, block: UnixSeconds | None) -> Finding:
    """Judge this machine's clock by the pool's, else by the chain's newest block.

    Args:
        ours: Time here.
        pool: Time there; None where it did not answer.
        block: Of the newest block; None where the chain did not answer.
    """
    check, fix = Check.CLOCK, "set it by NTP, for instance with `timedatectl set-ntp true`"
    if pool is not None:
        ahead = ours - pool
        if abs(ahead) <= MAX_SKEW:
            return passed(check, f"within {MAX_SKEW} seconds of the pool's")
        return failed(check, _off(ahead, "the pool's"), fix)
    if block is None:
        return unknown(check, "neither pool nor chain told the time", "")
    ahead = ours - block
    if ahead < -MAX_SKEW:
        return failed(check, _off(ahead, "the newest block's"), fix)
    if ahead > CHAIN_STALLS_AFTER:
        return unknown(
            check,
            f"{show_duration(ahead)} ahead of the newest block's: this clock, or the node, is off",
            f"see whether this machine's clock is right, and {fix}",
        )
    return passed(check, "as the chain's newest block has it")


def _off(ahead: int, whose: str) -> str:
    word = "ahead of" if ahead > 0 else "behind"
    return (
        f"this machine's clock is {show_duration(abs(ahead))} {word} {whose}, {MAX_SKEW} seconds "
        "are tolerated"
    )


@dataclass(frozen=True, slots=True)
class PoolClaims:
    """Which pool somebody is, or is to be."""

    chain_id: int
    hub: Address
    workerpool: Address
    owner: Address | None = None


def judge_pool(
    url: str, told: PoolClaims, wanted: PoolClaims, *, by_invitation: bool = False
) -> Finding:
    """Judge whether the pool that answers is the one that is meant, and lets anybody in.

    Args:
        url: Where it answers.
        told: What it says that it is.
        wanted: What it must be, its owner as the chain has it.
        by_invitation: Whether it lets in only workers whom its owner has named.
    """
    check = Check.POOL
    wrong = next(
        (
            (what, theirs, ours)
            for what, theirs, ours in (
                ("chain", told.chain_id, wanted.chain_id),
                ("hub", told.hub, wanted.hub),
                ("workerpool", told.workerpool, wanted.workerpool),
                ("owner", told.owner, wanted.owner),
            )
            if ours is not None and theirs != ours
        ),
        None,
    )
    if wrong is not None:
        what, theirs, ours = wrong
        whose = "the chain says" if what == "owner" else "this worker is set to"
        return failed(
            check,
            f"the pool at {url} says its {what} is {theirs}, {whose} {ours}",
            "correct --core-url, --pool-address or the chain; ask the pool's owner which is right",
        )
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        return warned(
            check,
            f"it answers for workerpool {told.workerpool} by plain http, which anybody on the "
            "way can read and change",
            "ask its owner for an https address; the owner's signature is asked for at the login",
        )
    if by_invitation:
        return warned(check, ONLY_INVITED, ASK_OWNER.format(told.owner))
    return passed(
        check,
        f"it answers for workerpool {told.workerpool}; its owner's signature is asked for at the "
        "login",
    )


def judge_registry(place: str, trouble: str) -> Finding:
    """Judge whether images can be had.

    Args:
        place: Of the registry.
        trouble: Why it does not answer; empty where it does.
    """
    if trouble:
        return warned(
            Check.REGISTRY,
            f"the image registry {place} does not answer ({trouble}), so that images of apps "
            "cannot be pulled from there",
            "let this machine reach it, or give the engine a proxy or a mirror of its own",
        )
    return passed(Check.REGISTRY, f"{place} answers")


def judge_proxy(names: Sequence[str], unreached: Sequence[str]) -> Finding:
    """Judge whether a proxy is needed, or is named.

    Args:
        names: Variables of the environment that name one.
        unreached: What out there does not answer.
    """
    direct = "chain nodes, data and results are reached without one"
    if names:
        return warned(
            Check.PROXY,
            f"{', '.join(names)}: the session with the pool goes through this proxy; {direct}",
            "let this machine reach the RPC endpoint and the results service directly, and give "
            "the engine its own proxy",
        )
    if unreached:
        return warned(
            Check.PROXY,
            f"no proxy is named, and there is no answer from {' and '.join(unreached)}",
            f"if this network lets nobody out but by a proxy, name it in HTTPS_PROXY for the pool "
            f"and in the engine's settings; {direct}",
        )
    return passed(Check.PROXY, "none is named, and none is needed")


def judge_port(port: int, taken: str, *, runs_here: bool) -> Finding:
    """Judge whether the status page has its port.

    Args:
        port: Of it; 0: any.
        taken: The message that says that it is taken; empty: it is free.
        runs_here: Whether this worker has it.
    """
    if runs_here:
        return passed(Check.PORT, f"this worker's page answers at port {port}")
    if taken:
        found, _, fix = taken.partition(": ")
        return failed(Check.PORT, found, fix)
    return passed(Check.PORT, f"port {port} is free" if port else "any free port")


def judge_settings(problems: Sequence[str], without_effect: Sequence[str]) -> Finding:
    """Judge settings, as far as they are of the whole worker.

    Args:
        problems: Messages about what is missing or unreadable.
        without_effect: Names that are set and do nothing.
    """
    if problems:
        found, _, fix = problems[0].partition(": ")
        return failed(Check.SETTINGS, found, fix or "see `poolhand worker start --help`")
    if without_effect:
        return warned(
            Check.SETTINGS,
            f"{', '.join(without_effect)}: set, and without effect here",
            "leave them out; --tee names the enclaves that this worker has",
        )
    return passed(Check.SETTINGS, "complete")
