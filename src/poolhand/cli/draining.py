"""``poolhand pool drain`` and ``resume``: orders to the pool that runs on this machine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from poolhand.cli.held_wallet import HolderSilent, page_of
from poolhand.cli.interrupts import noted_interrupts
from poolhand.cli.render import ago
from poolhand.cli.worker_page import WorkerSilent
from poolhand.domain.errors import Refused
from poolhand.domain.task.stuck import Rescue
from poolhand.domain.units import Seconds, show_moment
from poolhand.keys.errors import WalletInUse
from poolhand.keys.lock import WalletLock
from poolhand.wire.json_models import read_model
from poolhand.wire.pool_drain import DrainStanding

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from poolhand.cli.command_run import CommandRun
    from poolhand.cli.worker_page import Page
    from poolhand.domain.ids import Address

POOL_PROGRAM: Final = "pool serve"
"""What is typed to start a pool."""
PAUSE_BETWEEN_POOL_LOOKS: Final = 0.5
"""Seconds between two looks at a pool that drains."""
MOST_STUCK_TASKS: Final = 5
"""Stuck tasks that are named to a person."""
LONGEST_DRAIN_ANSWER: Final = 30.0
"""For a pool to write down what is asked of it."""


class NoPoolRuns(Refused):
    """No program of this machine holds the wallet, so that nobody can be ordered anything."""

    def __init__(self, address: Address, elsewhere: str = "") -> None:
        super().__init__(
            f"no pool of wallet {address} runs here: give this on the pool's machine, as the user "
            "that runs `poolhand pool serve`, with its wallet (--wallet) and its --locks "
            f"($POOLHAND_LOCKS){elsewhere}"
        )


class HolderIsNoPool(Refused):
    """Another program than a pool holds the wallet: what is meant for a pool is not asked of it."""

    def __init__(self, held: WalletInUse) -> None:
        super().__init__(
            f"wallet {held.address} is that of `poolhand {held.verb}` (process {held.holder}), "
            "which is no pool: name the wallet of the pool's owner (--wallet)"
        )


class PoolResumed(Refused):
    """Somebody had the pool resume while it was draining."""

    def __init__(self) -> None:
        super().__init__("the pool was resumed meanwhile, and sells again")


def running_pool(command: CommandRun, elsewhere: str = "") -> WalletInUse:
    """Return what the lock tells of the pool that holds the wallet.

    Args:
        command: Names the wallet.
        elsewhere: What may be done from another machine, as the end of a sentence.

    Raises:
        NoPoolRuns, HolderIsNoPool: None does.
    """
    address = command.address
    try:
        with WalletLock(command.settings(signing=False).locks, address):
            raise NoPoolRuns(address, elsewhere)
    except WalletInUse as held:
        if held.verb not in ("", POOL_PROGRAM):
            raise HolderIsNoPool(held) from None
        return held


def order_drain(held: WalletInUse, *, drains: bool, cancels: bool = False) -> DrainStanding:
    """Have a pool drain, or resume; returns how it stands once that is durable.

    Raises:
        WalletInUse: What holds the wallet takes no orders.
        HolderSilent: It does not answer.
        OrderRefused, PageFault, OrderUnavailable: As the pool says.
    """
    body = {"drains": drains, "cancels": cancels}
    try:
        return _read(page_of(held).order("drain", body, LONGEST_DRAIN_ANSWER))
    except WorkerSilent as fault:
        raise HolderSilent.of(held, "ask again") from fault


def until_done(held: WalletInUse, tell: Callable[[str], None]) -> DrainStanding:
    """Look until nothing is open any more; tells whenever what is left changes.

    Raises:
        PoolResumed: It was taken back.
        HolderSilent: The pool was stopped before it was done, or does not answer.
    """
    page, told = page_of(held), None
    with noted_interrupts() as check:
        while True:
            standing = _look(page, held)
            if not standing.draining:
                raise PoolResumed
            if standing.done:
                return standing
            if (now := _what_matters(standing)) != told:
                told = now
                tell("\n".join([left_words(standing), *stuck_lines(standing)]))
            check()
            time.sleep(PAUSE_BETWEEN_POOL_LOOKS)


def _look(page: Page, held: WalletInUse) -> DrainStanding:
    try:
        return _read(page.read("drain"))
    except WorkerSilent as fault:
        raise HolderSilent.of(held, "ask again") from fault


def _read(members: dict[str, Any]) -> DrainStanding:
    return read_model(DrainStanding, members, "the pool")


def _what_matters(standing: DrainStanding) -> DrainStanding:
    """Return a standing without the time that passes in it."""
    stuck = [each.model_copy(update={"remaining": Seconds(0)}) for each in standing.stuck]
    return standing.model_copy(update={"stuck": tuple(stuck)})


def stuck_lines(standing: DrainStanding) -> list[str]:
    """Name the tasks that nobody can go on with, each with what can be done."""
    lines = [
        f"task {each.task_id} of deal {each.deal_id} is stuck: {each.why}; it stays open until "
        f"{show_moment(each.until)} ({ago(-each.remaining)}); {each.advice}"
        for each in standing.stuck[:MOST_STUCK_TASKS]
    ]
    more = len(standing.stuck) - len(lines)
    if more:
        lines.append(f"and {more} more; `--json` names them all")
    if lines and len(standing.stuck) == standing.open_tasks and _is_hopeless(standing):
        lines.append(
            "none of the open tasks can be saved. Where the pool is stopped before, its stake for "
            "them is as lost, but the requesters' payment and the workers' stake stay locked until "
            "somebody claims: the pool when it is started again, or anybody with `poolhand deal "
            "claim DEAL`"
        )
    return lines


def _is_hopeless(standing: DrainStanding) -> bool:
    return all(each.rescue is Rescue.NOBODY for each in standing.stuck)


def left_words(standing: DrainStanding) -> str:
    """Say what is left to be done."""
    tasks = f"{standing.open_tasks} task(s) open"
    if standing.stuck:
        tasks += f", {len(standing.stuck)} of them stuck"
    elif standing.open_tasks:
        tasks += " (each until it is paid, or its deadline is over)"
    left = [tasks, f"{standing.shown} order(s) still in markets"]
    if standing.cancels:
        left.append(f"{standing.valid} order(s) to be cancelled on chain")
    return ", ".join(left)


def drain_report(standing: DrainStanding) -> RenderableType:
    """Say how a pool stands that was told to drain."""
    if not standing.draining:
        return "the pool sells again"
    if not standing.done:
        left = f"the pool drains, and sells nothing new: {left_words(standing)}"
        return "\n".join([left, *stuck_lines(standing)])
    valid = (
        f"; {standing.valid} order(s) are still valid on chain for whoever has them: have them "
        "cancelled with --cancel-orders before the pool is stopped for good"
        if standing.valid
        else ""
    )
    return (
        f"done: nothing is open and nothing is for sale, the pool may be stopped{valid}; "
        "`poolhand pool resume` has it sell again"
    )
