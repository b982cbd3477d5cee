"""Members for programs and tables for people, of what several verbs show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text

from poolhand.cli.tables import Grid, Pairs, cell
from poolhand.domain.json_text import parse_json
from poolhand.domain.units import NanoRlc, show_coin, show_duration, show_moment, show_rlc

if TYPE_CHECKING:
    from poolhand.domain.deal import Deal
    from poolhand.domain.ids import TxHash
    from poolhand.domain.onchain import HubEvent, Receipt
    from poolhand.requester.history import TaskHistory
    from poolhand.requester.watching import Progress, TaskProgress
    from poolhand.wire.pool_api import (
        ChainMoment,
        Moment,
        PoolTransaction,
        ReplicateNews,
        TaskMoment,
    )

COLOURS = {
    "COMPLETED": "green",
    "FAILED": "red",
    "TIMED_OUT": "red",
    "WORKER_LOST": "yellow",
    "OUT_OF_GAS": "yellow",
}


def pairs(rows: Iterable[tuple[str, Any]], title: str | None = None) -> Pairs:
    """Return names and values; None values are left out."""
    return Pairs(tuple((name, cell(value)) for name, value in rows if value is not None), title)


def grid(columns: Iterable[str], rows: Iterable[Iterable[Any]], title: str | None = None) -> Grid:
    """Return rows under headings; values are shown whole."""
    return Grid(tuple(columns), tuple(tuple(map(cell, row)) for row in rows), title)


def coloured(status: str) -> Text:
    """Return a status in its colour."""
    return Text(status, style=COLOURS.get(status, ""))


def moment(seconds: int, now: int | None = None) -> str:
    """Write Unix seconds for a person (UTC), and how far they are from ``now`` if that is told."""
    at = show_moment(seconds)
    return at if now is None else f"{at} ({ago(now - seconds)})"


def ago(seconds: int) -> str:
    """Write a distance in time: ``in 5 minutes`` for what is to come, ``2 hours ago``, ``now``."""
    if seconds == 0:
        return "now"
    return f"in {show_duration(-seconds)}" if seconds < 0 else f"{show_duration(seconds)} ago"


def day(seconds: int) -> str:
    """Write the date of Unix seconds (UTC); empty for what is no date."""
    return _date(seconds, "%Y-%m-%d")


def hour(seconds: int) -> str:
    """Write the time of day of Unix seconds (UTC); what is no date stays a number."""
    return _date(seconds, "%H:%M:%S") or str(seconds)


def _date(seconds: int, form: str) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime(form)
    except (ValueError, OverflowError, OSError):  # a pool may tell anything
        return ""


def rlc(amount: int) -> str:
    """Write an amount with its unit."""
    return f"{show_rlc(NanoRlc(amount))} RLC"


def coin(amount: Any) -> str:
    """Write an amount of the chain's coin with its unit."""
    return f"{show_coin(amount)} ETH"


def receipt_members(receipt: Receipt | None) -> dict[str, Any] | None:
    """Return a transaction's members (price in wei per gas)."""
    if receipt is None:
        return None
    return {
        "tx": str(receipt.tx_hash),
        "block": receipt.block,
        "gas": receipt.gas_used,
        "gas_price_wei": receipt.gas_price,
    }


def receipt_row(receipt: Receipt | None) -> str | None:
    """Return a transaction for a person: its hash, and below it what it cost."""
    if receipt is None:
        return None
    return f"{receipt.tx_hash}\nblock {receipt.block}, {receipt.gas_used} gas"


def deal_members(deal: Deal) -> dict[str, Any]:
    """Return a deal's members (amounts in nRLC, times in Unix seconds)."""
    return {
        "deal_id": str(deal.deal_id),
        "app": str(deal.app.address),
        "dataset": str(deal.dataset.address) if deal.has_dataset else None,
        "workerpool": str(deal.workerpool.address),
        "workerpool_owner": str(deal.workerpool.owner),
        "requester": str(deal.requester),
        "sponsor": str(deal.sponsor),
        "beneficiary": str(deal.beneficiary),
        "callback": str(deal.callback) if deal.has_callback else None,
        "params": deal.params,
        "trust": deal.trust,
        "category": deal.category,
        "tag": list(deal.tag.names),
        "price_nrlc": deal.price,
        "cost_nrlc": deal.price * deal.bot_size,
        "worker_stake_nrlc": deal.worker_stake,
        "start_time": deal.start_time,
        "bot_first": deal.bot_first,
        "bot_size": deal.bot_size,
        "task_ids": [str(task_id) for _, task_id in deal.tasks()],
    }


def deal_table(deal: Deal) -> Pairs:
    """Return a deal for a person."""
    return pairs(
        (
            ("deal", deal.deal_id),
            ("app", deal.app.address),
            ("dataset", deal.dataset.address if deal.has_dataset else None),
            ("workerpool", deal.workerpool.address),
            ("requester", deal.requester),
            ("paid by", None if deal.sponsor == deal.requester else deal.sponsor),
            ("params", deal.params),
            ("trust", deal.trust),
            ("category", deal.category),
            ("tag", ", ".join(deal.tag.names) or None),
            ("price of a task", rlc(deal.price)),
            ("cost", f"{rlc(deal.price * deal.bot_size)} for {deal.bot_size} task(s)"),
            ("matched", moment(deal.start_time)),
        )
    )


def _moment_members(each: Moment) -> dict[str, Any]:
    return {
        "status": each.status,
        "at": each.at,
        "clock": "chain" if each.by_chain else "worker",
        "seconds": each.seconds,
        "detail": each.detail or "",
        "tx": str(each.tx) if each.tx else None,
        "block": each.block,
    }


def _stage_members(each: TaskMoment) -> dict[str, Any]:
    """Return a line of a task's own history; it has the members of a replicate's."""
    from poolhand.wire.pool_api import Moment

    return _moment_members(Moment(status=each.status, at=each.at))


def _replicate_members(each: ReplicateNews) -> dict[str, Any]:
    from poolhand.wire.pool_causes import telling

    row, cause = telling(each)
    return {
        "worker": str(each.worker),
        "status": each.status,
        "live": each.live,
        "cause": cause or None,
        "acts": row.acts,
        "next_step": row.next_step,
        "won_by": _won_members(each.won_by),
        "history": [_moment_members(line) for line in each.history],
    }


def _won_members(each: ChainMoment | None) -> dict[str, Any] | None:
    return None if each is None else _members_of(each.event, each.tx, each)


def _event_members(each: HubEvent) -> dict[str, Any]:
    return _members_of(each.kind, each.tx_hash, each)


def _members_of(event: str, tx: TxHash, each: ChainMoment | HubEvent) -> dict[str, Any]:
    """Return the members of something that happened on chain, whoever tells it."""
    return {
        "event": event,
        "tx": str(tx),
        "block": each.block,
        "worker": str(each.worker) if each.worker else None,
        "result_hash": str(each.result_hash) if each.result_hash else None,
    }


def _transaction_members(each: PoolTransaction) -> dict[str, Any]:
    return {
        "call": each.call,
        "tx": str(each.tx),
        "block": each.block,
        "gas": each.gas,
        "gas_price_wei": each.gas_price,
    }


def history_members(found: TaskHistory) -> dict[str, Any]:
    """Return a task's members with its events on chain."""
    return {
        **task_members(found.task),
        "deal_id": str(found.deal_id) if found.deal_id else None,
        "index": found.index,
        "chain": [_event_members(each) for each in found.events],
        "chain_is_whole": found.is_whole,
        "silence": found.silence or None,
        "encrypted_to": str(found.encrypted_to) if found.encrypted_to else None,
        "output_read_by": str(found.deal.requester) if found.deal else None,
    }


def task_members(task: TaskProgress) -> dict[str, Any]:
    """Return a task's members: the chain's view, and the pool's where it speaks."""
    view, news = task.view, task.news
    return {
        "task_id": str(task.task_id),
        "deal_id": str(news.deal_id) if news else None,
        "index": task.index,
        "status": task.status,
        "outcome": task.outcome,
        "meaning": task.meaning,
        "nobody_left": task.nobody_left,
        "chain_status": view.status.name,
        "flow": news.flow if news else None,
        "contribution_deadline": view.contribution_deadline,
        "reveal_deadline": view.reveal_deadline,
        "final_deadline": view.final_deadline or task.deadline,
        "contributors": [str(each) for each in view.contributors],
        "consensus": str(view.consensus) if any(view.consensus) else None,
        "result_digest": str(view.digest) if any(view.digest) else None,
        "link": link_members(view.results),
        "history": [_stage_members(line) for line in news.history] if news else [],
        "replicates": [_replicate_members(each) for each in news.replicates] if news else [],
        "transactions": [_transaction_members(each) for each in news.transactions] if news else [],
    }


def link_members(results: bytes) -> Mapping[str, Any] | None:
    """Return the result link on chain as an object."""
    if not results:
        return None
    text = results.decode(errors="replace")
    try:
        members = parse_json(text)
    except ValueError:
        members = None
    return members if isinstance(members, dict) else {"storage": "none", "location": text}


def result_place(results: bytes) -> str | None:
    """Return where a result is, as the chain names it; None where it names nothing."""
    link = link_members(results)
    return None if link is None else str(link.get("location") or results.decode(errors="replace"))


def replicates_table(progress: Progress) -> Grid:
    """Return tasks and their replicates, one line each."""
    rows: list[tuple[Any, ...]] = []
    for task in progress.tasks:
        rows.append((task.index, task.task_id.short, coloured(task.status), task.meaning or ""))
        rows += [
            ("", f"  {each.worker.short}", coloured(each.status), "" if each.live else "silent")
            for each in (task.news.replicates if task.news else ())
        ]
    return grid(("#", "task / worker", "status", ""), rows)
