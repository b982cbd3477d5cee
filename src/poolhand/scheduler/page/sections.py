"""The parts of the owner's page, each made of what ``/v1/owner/…`` and ``/v1/tasks`` tell. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from poolhand.domain.exclusion import ExclusionKind
from poolhand.domain.ids import Address
from poolhand.transport.page.html import badge, facts, figure, moment, short, table, text
from poolhand.transport.page.plot import plot
from poolhand.transport.page.words import (
    EARNED_NOT_READ,
    GLUE,
    NOT_KNOWN,
    amount,
    coin,
    earned,
    span,
)
from poolhand.wire.pool_api import HiddenTask, TaskNews
from poolhand.wire.pool_dashboard import EarnedTold, PoolDashboard
from poolhand.wire.pool_owner import ExcludedWorkers, OwnedWorker, OwnedWorkers

OWNER_SECTIONS: Final = (
    "head",
    "alerts",
    "figures",
    "queue",
    "workers",
    "excluded",
    "tasks",
    "earnings",
    "facts",
)
"""In the order in which they stand on the page."""
_TYPED: Final = re.compile("`([^`]+)`")
_WORKER_HEADS: Final = (
    "Worker", "State", "Version", "Sandbox", "Enclaves", "Holds", "Slots", "Speed", "Success",
    "Stake", "From", "Orders",
)  # fmt: skip
_EARNED: Final = (
    ("Earned today", "today"),
    ("Earned in 7 days", "week"),
    ("Earned in all", "all"),
)
_DAYS_SHOWN: Final = 14
_OVER: Final = {"COMPLETED": "good", "FAILED": "bad"}


def title(told: PoolDashboard) -> str:
    """Return the page's title: how the pool is."""
    count = len(told.alerts)
    state = f"{count} alert{'' if count == 1 else 's'}" if count else _state(told)[0]
    return f"{state} · Poolhand pool"


def _state(told: PoolDashboard) -> tuple[str, str]:
    if told.health.chain is not None:
        return "chain away", "bad"
    if told.draining:
        return "drains", "warn"
    return ("sells", "good") if told.health.sells else ("sells nothing", "warn")


def head(told: PoolDashboard) -> str:
    """Write whose page it is, and how the pool is in a word."""
    state, kind = _state(told)
    block = NOT_KNOWN if told.health.block is None else f"block {told.health.block}"
    why = told.health.sells_nothing_because
    because = f"<p>It sells nothing: {text(why)}</p>" if why else ""
    return (
        f"<h1>Your pool {badge(state, kind)}</h1>"
        f'<p class="lead">{text(told.url)}, {block}</p>{because}'
    )


def alerts(told: PoolDashboard) -> str:
    """Write what the owner must see at once; nothing where all is well."""
    cards = "".join(
        f'<div class="card {each.weight}"><p>{badge(each.name, each.weight)} '
        f"<strong>{text(each.sentence)}</strong></p><p>{_typed(each.change)}</p></div>"
        for each in told.alerts
    )
    return f"<h2>Alerts</h2>{cards}" if cards else ""


def _typed(words: str) -> str:
    """Write a text, of which what is to be typed stands between backquotes."""
    return _TYPED.sub(r"<code>\1</code>", text(words))


def figures(told: PoolDashboard) -> str:
    """Write workers, load and money."""
    summary, gas, deposit = told.summary, told.health.gas, told.health.deposit
    rate = summary.success_rate
    rows = [figure(name, *_earned(told, member)) for name, member in _EARNED]
    rows += [
        figure("Workers", str(told.health.workers), f"{told.excluded} drained or banned"),
        figure(
            "Slots at work",
            f"{_number(summary.busy)} of {_number(summary.slots)}",
            _open(told.health.open_tasks),
        ),
        figure(
            "Tasks completed",
            _number(summary.completed),
            "none settled yet" if rate is None else f"{rate:.1%} of those that settled",
        ),
        figure("Free deposit", amount(deposit.free), f"{amount(deposit.locked)} locked"),
        figure("Gas left", *_gas(told)),
        figure("Gas spent", coin(gas.spent), f"in {span(told.uptime)}"),
    ]
    return f'<dl class="figures">{"".join(rows)}</dl>'


def _earned(told: PoolDashboard, member: str) -> tuple[str, str]:
    if told.earnings is None:
        return EARNED_NOT_READ
    found: EarnedTold = getattr(told.earnings, member)
    return earned(found.won, found.earned, found.lost)


def _gas(told: PoolDashboard) -> tuple[str, str]:
    balance = coin(told.health.gas.balance)
    if told.gas_days is None:
        return balance, "too little was spent to say how long it lasts"
    return f"{told.gas_days:,g} days", f"{balance}, at the pace since the start"


def _open(count: int | None) -> str:
    return f"{_number(count)} task{'' if count == 1 else 's'} open"


def _number(count: int | None) -> str:
    return NOT_KNOWN if count is None else f"{count:,}"


def queue(told: PoolDashboard) -> str:
    """Write how many tasks have which status, and what waits."""
    rows = [(badge(name, _OVER.get(name, "")), f"{count:,}") for name, count in told.tasks.items()]
    found = table(("Status", "Tasks"), rows, 1) if rows else '<p class="empty">No task yet.</p>'
    waits = (
        f"The task that nobody is at has waited {span(told.waits)}."
        if told.waits is not None
        else "Somebody is at every open task."
    )
    sent = (
        f"{told.transactions} transactions under way, the oldest for {span(told.transaction)}."
        if told.transaction is not None
        else "No transaction is under way."
    )
    return f'<h2>Queue</h2>{found}<p class="faint">{waits} {sent}</p>'


def _gpus(count: int) -> str:
    return f"<br>{count} GPU{'' if count == 1 else 's'}" if count else ""


def _enclaves(worker: OwnedWorker) -> str:
    """Write which frameworks of confidential tasks a worker has proved, how its machine stands."""
    rows = [
        f"{text(each.framework)} {badge('simulated', 'warn') if each.simulated else ''}<br>"
        f'<span class="faint">{text(each.tcb_status)}, {moment(each.at)}</span>'
        for each in worker.tee_proofs
    ]
    return "<br>".join(rows) or "none"


def workers(told: OwnedWorkers) -> str:
    """Write a page of the connected workers, each with what can be decided of it."""
    rows = [
        (
            f"{text(each.name)}<br>{short(each.worker)}",
            _standing(each),
            text(each.version),
            text(each.sandbox) or NOT_KNOWN,
            _enclaves(each),
            str(each.replicates),
            f"{each.slots}{_gpus(each.gpus)}",
            NOT_KNOWN if each.mean_seconds is None else f"{each.mean_seconds:,g}{GLUE}s",
            _success(each),
            amount(each.stake),
            text(each.source) if each.source else "private",
            _orders(each),
        )
        for each in told.workers
    ]
    found = table(_WORKER_HEADS, rows) if rows else '<p class="empty">No worker is connected.</p>'
    return (
        f"<h2>Workers</h2>{found}{_pager('workers', told.after, len(rows), told.connected)}"
        '<p class="faint">Speed is what a task takes on average by the worker’s own clock, success '
        "its share of replicates without its fault.</p>"
    )


def _standing(each: OwnedWorker) -> str:
    if each.exclusion is not None:
        why = f"<br>{text(each.exclusion.reason)}" if each.exclusion.reason else ""
        return f"{badge('drained', 'warn')}{why}"
    if each.paused:
        return f"{badge('paused', 'warn')}<br>{text(each.reason or '')}"
    return badge("at work", "good") if each.replicates else badge("free")


def _success(each: OwnedWorker) -> str:
    judged = each.settled + each.failed
    return f"{each.settled / judged:.0%} of{GLUE}{judged}" if judged else NOT_KNOWN


def _orders(each: OwnedWorker) -> str:
    kept = each.exclusion is not None
    verbs = [("readmit", "Readmit")] if kept else [("drain", "Drain")]
    verbs.append(("ban", "Ban"))
    verbs += [("message", "Message")] if each.can_be_told else []
    return _buttons(each.worker, each.name, verbs)


def _buttons(worker: Address, name: str, verbs: Iterable[tuple[str, str]]) -> str:
    return '<span class="orders">' + "".join(
        f'<button type="button" id="{verb}-{worker}" data-act="{verb}" data-worker="{worker}" '
        f'data-name="{text(name)}" aria-label="{word} worker {text(name)}">{word}</button>'
        for verb, word in verbs
    ) + "</span>"  # fmt: skip


def _pager(what: str, after: Any, shown: int, count: int) -> str:
    """Write where a list goes on, and back to its beginning."""
    more = f'data-after="{after}"' if after is not None else "disabled"
    return (
        f'<p class="pager"><span>{shown} of {count:,} shown</span>'
        f'<button type="button" id="{what}-first" data-page="{what}">First</button>'
        f'<button type="button" id="{what}-next" data-page="{what}" {more}>Next</button></p>'
    )


def excluded(told: ExcludedWorkers) -> str:
    """Write a page of the workers that are kept from work; nothing where none is."""
    if not told.excluded:
        return ""
    rows = [
        (
            short(each.worker),
            badge("banned", "bad") if each.kind is ExclusionKind.BAN else badge("drained", "warn"),
            moment(each.since),
            text(each.reason) or NOT_KNOWN,
            "yes" if each.connected else "no",
            _buttons(each.worker, str(each.worker)[:10], [("readmit", "Readmit")]),
        )
        for each in told.workers
    ]
    heads = ("Worker", "Is", "Since", "Reason", "Connected", "Orders")
    pager = _pager("excluded", told.after, len(rows), told.excluded)
    return f"<h2>Drained and banned</h2>{table(heads, rows)}{pager}"


def tasks(told: Iterable[TaskNews | HiddenTask], count: int, most: int) -> str:
    """Write a page of tasks, the newest first."""
    listed = list(told)
    rows = [_task(each) for each in listed]
    heads = ("Task", "Status", "Since", "Workers", "Trust", "What happens")
    found = table(heads, rows) if rows else '<p class="empty">No task yet.</p>'
    after = listed[-1].task_id if len(listed) == most else None
    return f"<h2>Tasks</h2>{found}{_pager('tasks', after, len(rows), count)}"


def _task(each: TaskNews | HiddenTask) -> tuple[str, ...]:
    if isinstance(each, HiddenTask):
        return short(each.task_id), badge("hidden", "bad"), *[NOT_KNOWN] * 3, text(each.trouble)
    trouble = f"{badge('trouble', 'bad')} {text(each.trouble)}" if each.trouble else ""
    since = moment(each.history[-1].at) if each.history else NOT_KNOWN
    return (
        short(each.task_id),
        badge(each.status, _OVER.get(each.status, "")),
        since,
        str(sum(replicate.live for replicate in each.replicates)),
        str(each.trust),
        trouble or text(each.meaning),
    )


def earnings(told: PoolDashboard) -> str:
    """Write what the owner's account earned, by day."""
    found = told.earnings
    if found is None:
        return '<h2>Earnings</h2><p class="empty">The chain is being read.</p>'
    rows = [
        (each.day, f"{each.won:,}", amount(each.earned), amount(each.lost), coin(each.gas))
        for each in found.days[:_DAYS_SHOWN]
    ]
    drawn = plot([each.model_dump() for each in found.days], found.date)
    heads = ("Day", "Tasks paid", "Earned", "Lost", "Gas")
    by_day = table(heads, rows, 4) if rows else '<p class="empty">Nothing moved yet.</p>'
    reading = "" if found.whole else "; earlier ones are being read"
    return (
        f"<h2>Earnings</h2>{drawn}{by_day}"
        f'<p class="faint">Rewards of the owner’s account, stake lost with tasks that failed, and '
        f"gas, from the hub’s events in blocks {found.first_block} to {found.last_block}{reading}. "
        f"Days are UTC. All of it, as CSV: <code>poolhand earnings {text(told.owner)} --csv"
        "</code></p>"
    )


def pool_facts(told: PoolDashboard) -> str:
    """Write what does not change."""
    prices = told.summary
    rows: Mapping[str, str] = {
        "Workerpool": f'<span class="id">{text(told.workerpool)}</span>',
        "Owner": f'<span class="id">{text(told.owner)}</span>',
        "Version": text(told.version),
        "Runs for": span(told.uptime),
        "Keeps of a task’s price": NOT_KNOWN
        if prices.scheduler_percent is None
        else f"{prices.scheduler_percent} %",
        "Free on the disk": NOT_KNOWN if told.disk is None else f"{told.disk / 2**30:,.1f} GiB",
    }
    return f"<h2>The pool</h2>{facts(rows.items())}"
