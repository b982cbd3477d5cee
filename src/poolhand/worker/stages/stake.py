"""Is there stake enough for a contribution? Judged at the head of the chain alone."""

from __future__ import annotations

from contextlib import aclosing

import structlog

from poolhand.domain.deal import Account
from poolhand.domain.errors import BrokenPrecondition
from poolhand.domain.onchain import Head
from poolhand.domain.units import BlockNumber, NanoRlc, UnixSeconds, show_rlc
from poolhand.worker.toolbox import Toolbox

log = structlog.get_logger()


async def stake_shortage(toolbox: Toolbox, needed: NanoRlc, until: UnixSeconds) -> str | None:
    """Look at the worker's free stake until there is enough, or surely not.

    The rule is that of ``worker.horizon``: too little counts when two blocks show it, both at the
    head of the chain.

    Args:
        toolbox: Whose worker it is.
        needed: What the deal locks (nRLC).
        until: When contributing ends (block time): then nothing is to be decided any more.

    Returns:
        What must be deposited, as a sentence; None when there is enough, or at ``until``.
    """
    first: BlockNumber | None = None
    logged = ""
    async with aclosing(toolbox.watcher.heads()) as heads:  # type: ignore[type-var]
        async for _ in heads:
            head, account = await toolbox.until_answered(lambda: stake_at_head(toolbox))
            if account.stake >= needed or head.timestamp >= until:
                return None
            doubt = toolbox.horizon.doubt(head, toolbox.clock.now())
            if doubt is None and first is not None and head.number > first:
                return _sentence(account.stake, needed)
            if doubt is None and first is None:
                first = head.number
            cause = doubt or "another block must show it, too"
            if cause != logged:
                logged = cause
                log.info("stake_too_low_unproven", free=account.stake, needed=needed, cause=cause)
    raise BrokenPrecondition("the watcher of heads has ended")


async def stake_at_head(toolbox: Toolbox) -> tuple[Head, Account]:
    """Read the worker's account at the newest block; raises ChainUnreachable."""
    head = await toolbox.hub.head()
    accounts = await toolbox.hub.accounts([toolbox.worker], at=head)
    return head, accounts[toolbox.worker]


def _sentence(free: NanoRlc, needed: NanoRlc) -> str:
    missing = show_rlc(NanoRlc(needed - free))
    return (
        f"{show_rlc(free)} RLC are free, the deal locks {show_rlc(needed)} RLC: deposit "
        f"{missing} RLC (`poolhand worker deposit {missing}`)"
    )
