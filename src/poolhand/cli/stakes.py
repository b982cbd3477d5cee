"""What an account has locked, as members and as a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from poolhand.cli.lists import skipped_lines, skipped_members
from poolhand.cli.render import moment, pairs, rlc
from poolhand.cli.tables import indented

if TYPE_CHECKING:
    from rich.console import RenderableType

    from poolhand.requester.stakes import Stake, Stakes


def stakes_members(found: Stakes) -> dict[str, Any]:
    """Return an account's locked stake by task (amounts in nRLC, times in Unix seconds)."""
    return {
        "address": str(found.owner),
        "locked_nrlc": found.account.locked,
        "other_nrlc": found.other,
        "searched": {"first_block": found.first, "last_block": found.last},
        "stakes": [_members(each) for each in found.stakes],
        "skipped": skipped_members(found.skipped),
    }


def _members(stake: Stake) -> dict[str, Any]:
    return {
        "role": stake.role,
        "task_id": str(stake.task_id),
        "deal_id": str(stake.deal_id),
        "index": stake.index,
        "block": stake.block,
        "amount_nrlc": stake.amount,
        "chain_status": stake.status.name,
        "unlocks_by": stake.deadline,
        "claimable": stake.is_due,
        "why": stake.why,
        "sooner": stake.sooner,
        "on_claim": stake.after,
    }


def stakes_report(found: Stakes) -> RenderableType:
    """Return the same for a person."""
    parts: list[RenderableType] = [
        pairs((("address", found.owner), ("locked", rlc(found.account.locked))))
    ]
    for stake in found.stakes:
        parts += ["", *_shown(stake)]
    if found.other:
        parts += ["", Text.assemble(("other: ", "bold"), rlc(found.other)), _unexplained(found)]
    return Group(*parts, *skipped_lines(found.skipped))


def _shown(stake: Stake) -> Iterator[RenderableType]:
    yield Text.assemble((rlc(stake.amount), "bold"), f" as {stake.role}: {stake.why}")
    yield _under(f"task {stake.task_id}")
    if stake.block is not None:
        yield _under(f"bought in block {stake.block}")
    since = "claimable since" if stake.is_due else "unlocks at the latest"
    yield _under(f"{since} {moment(stake.deadline)}: a claim then {stake.after}")
    yield _under(_how(stake) if stake.is_due else f"or sooner: {stake.sooner}")


def _how(stake: Stake) -> str:
    if stake.role == "pool owner":
        return "its scheduler claims it by itself; anybody may"
    return "claim it: poolhand account claim"


def _under(text: str) -> RenderableType:
    return indented(text, 4)


def _unexplained(found: Stakes) -> RenderableType:
    return _under(
        f"not by a deal in blocks {found.first} to {found.last}: search further back with --blocks"
    )
