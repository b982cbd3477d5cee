"""A task told for a person: each replicate line by line, then what stands on chain.

Hashes have lines of their own, so that all fits 80 columns and nothing is cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from poolhand.cli.bars import bars
from poolhand.cli.render import coloured, day, hour, moment, pairs, result_place
from poolhand.cli.tables import indented
from poolhand.domain.replicate.status import FAILURES, FINAL, Status

if TYPE_CHECKING:
    from rich.console import RenderableType

    from poolhand.domain.ids import Address
    from poolhand.domain.onchain import HubEvent, TaskView
    from poolhand.requester.history import TaskHistory
    from poolhand.wire.pool_api import ChainMoment, Moment, PoolTransaction, ReplicateNews

INDENT = 6
GAS_NOT_KNOWN = "not known: the pool did not send it, or its database was restored since"


def task_report(found: TaskHistory, *, lively: bool = False) -> RenderableType:
    """Return everything known of one task.

    Args:
        found: The task.
        lively: Whether it is shown in a terminal; then bars are drawn too.
    """
    news = found.task.news
    parts: list[RenderableType] = [_head(found)]
    if found.task.nobody_left:
        from poolhand.requester.causes import nobody_left

        parts += ["", Text(nobody_left(found.task), style="yellow")]
    if news is None:
        parts.append(_silence(found))
    else:
        known = {event.tx_hash for event in found.events} if found.is_whole else None
        for each in news.replicates:
            parts += ["", *_replicate(each, known)]
        if lively and (drawn := bars(news.replicates)):
            parts += ["", drawn]
    parts += ["", *_chain(found)]
    if news and news.transactions:
        parts += ["", Text("what the pool paid", style="bold")]
        told = {event.tx_hash for event in found.events}
        for sent in news.transactions:
            parts += transactions_paid(sent, is_told=sent.tx in told)
    return Group(*parts)


def _readers(found: TaskHistory) -> tuple[tuple[str, str], ...]:
    """Say who can read the result, and what the app prints."""
    if found.deal is None:
        return ()
    to = found.encrypted_to
    result = f"{to} alone, encrypted" if to else "everybody: its link is on chain, not encrypted"
    output = f"{found.deal.requester}; everybody, if the pool publishes logs"
    return (("result for", result), ("output for", output))


def _confidential(found: TaskHistory) -> tuple[tuple[str, str], ...]:
    """Say in which enclave it is computed, as its pool tells; nothing of a usual task."""
    told = found.task.news and found.task.news.confidential
    if not told:
        return ()
    simulated = " SIMULATED: the pool takes enclaves that keep nothing secret" * told.simulated
    enclave = "not told yet" if told.enclave is None else str(told.enclave)
    return (("confidential", f"{told.framework}{simulated}"), ("enclave", enclave))


def _head(found: TaskHistory) -> RenderableType:
    task, view = found.task, found.task.view
    ids = (
        ("task", task.task_id),
        ("deal", found.deal_id),
        ("digest", view.digest if any(view.digest) else None),
        ("status", f"{task.status} (on chain: {view.status.name})"),
        ("meaning", task.meaning),
        *_confidential(found),
        ("result", result_place(view.results)),
        *_readers(found),
    )
    ends = (
        ("contribute until", _until(view, view.contribution_deadline)),
        ("reveal until", _until(view, view.reveal_deadline)),
        ("final deadline", _until(view, task.deadline)),
    )
    return Group(pairs(ids), pairs(ends))  # apart, so that whole ids fit 80 columns


def _until(view: TaskView, seconds: int | None) -> str | None:
    """Tell a deadline, and whether it is past by the chain's clock."""
    return moment(seconds, view.block_time) if seconds else None


def _silence(found: TaskHistory) -> RenderableType:
    told = f"Replicates are not shown: {found.silence}."
    return Group("", indented(told, 0, style="yellow"))


# --------------------------------------------------------------------------------- replicates


def _replicate(each: ReplicateNews, known: set[Any] | None) -> Iterator[RenderableType]:
    yield Text.assemble(("worker ", "bold"), str(each.worker), "  ", coloured(each.status))
    date = day(each.history[0].at) if each.history else ""
    yield Text(f"  {date:<10}   took    block  status", style="dim")
    for line in each.history:
        if day(line.at) != date:
            date = day(line.at)
            yield Text(f"  {date}", style="dim")
        yield from _line(line)
    if any(line.by_chain for line in each.history):
        yield Text("  UTC; * by the chain's clock, the others by the worker's", style="dim")
    yield from _end(each, known)


def _line(line: Moment) -> Iterator[RenderableType]:
    mark = "*" if line.by_chain else " "
    took, block = seconds(line.seconds), "" if line.block is None else str(line.block)
    yield Text.assemble(f"  {hour(line.at)} {mark} {took:>6}  {block:>7}  ", coloured(line.status))
    if line.tx:
        yield _under(f"tx {line.tx}")
    if line.detail:
        yield _under(line.detail)


def _end(each: ReplicateNews, known: set[Any] | None) -> Iterator[RenderableType]:
    """Say why a replicate is where it is, who must act and how, and what decided its end."""
    if each.status is Status.COMPLETED:
        return
    from poolhand.wire.pool_causes import telling

    row, cause = telling(each)
    ended = each.status in FINAL or each.status in FAILURES
    yield _said("why" if ended else "now", row.meaning if cause else f"{row.meaning}: {row.cause}")
    yield _said("next", f"{row.acts}: {row.next_step}")
    if not each.live and each.status not in FINAL:
        yield _said("silent", "the worker's connection is down")
    if each.won_by is not None:
        yield from _decided(each, each.won_by, known)


def _decided(
    each: ReplicateNews, by: ChainMoment, known: set[Any] | None
) -> Iterator[RenderableType]:
    """Name the event that ended a replicate, unless the chain does not have it."""
    if known is not None and by.tx not in known:
        yield _said("decided", f"the pool names tx {by.tx}, which this chain does not have")
        return
    lost = each.status is Status.ABORTED_ON_CONSENSUS_REACHED
    yield _said("won by" if lost and by.worker else "decided", f"{by.event} in block {by.block}")
    if by.worker is not None and by.worker != each.worker:
        yield _under(f"worker {by.worker}")
    if not each.history or each.history[-1].tx != by.tx:
        yield _under(f"tx {by.tx}")
    if by.result_hash is not None and lost:
        yield _under(f"result {by.result_hash}")


def _said(name: str, text: str) -> RenderableType:
    return indented(text, 2, name=name)


def _under(text: str) -> RenderableType:
    return indented(text, INDENT)


def seconds(count: int | None) -> str:
    """Write a duration shortly; empty when it is not known."""
    if count is None:
        return ""
    if count < 600:
        return f"{count} s"
    return f"{count // 60} min" if count < 36_000 else f"{count // 3600} h"


def logs_report(found: Mapping[Address, tuple[str, str]]) -> RenderableType:
    """Return what an app printed on each worker; its lines are kept, all else is escaped."""
    parts: list[RenderableType] = []
    for worker, printed in found.items():
        for name, text in zip(("stdout", "stderr"), printed, strict=True):
            if text:
                parts += [Text(f"{name} of worker {worker}", style="bold"), indented(text, 2), ""]
    return Group(*parts) if parts else "no worker has told what the app printed"


# --------------------------------------------------------------------------------- the chain


def _chain(found: TaskHistory) -> Iterator[RenderableType]:
    yield Text("on chain", style="bold")
    if not found.events:
        yield _said("nothing", _why_nothing(found))
        return
    if not found.is_whole:
        yield _said("cut", "what is older was not searched")
    for group in _by_transaction(found.events):
        for place, event in enumerate(group):
            block = "" if place else str(event.block)
            yield Text(f"  {block:>7}  {event.kind:<15} {event.worker or ''}".rstrip())
        yield indented(f"tx {group[0].tx_hash}", 11, style="dim")


def _why_nothing(found: TaskHistory) -> str:
    if found.is_whole:
        return "the task was not put on chain yet"
    return "its events are older than the blocks that were searched"


def _by_transaction(events: tuple[HubEvent, ...]) -> Iterator[list[HubEvent]]:
    group: list[HubEvent] = []
    for event in events:
        if group and event.tx_hash != group[0].tx_hash:
            yield group
            group = []
        group.append(event)
    if group:
        yield group


def transactions_paid(sent: PoolTransaction, *, is_told: bool = False) -> Iterator[RenderableType]:
    """Show what a transaction cost; its hash only where the chain's story has not told it."""
    block = "pending" if sent.block is None else str(sent.block)
    gas = GAS_NOT_KNOWN if sent.gas is None else f"{sent.gas} gas"
    price = "" if sent.gas_price is None else f"at {sent.gas_price / 10**9:.3g} gwei"
    yield Text(f"  {block:>7}  {sent.call:<15} {gas} {price}".rstrip())
    if not is_told:
        yield indented(f"tx {sent.tx}", 11, style="dim")
