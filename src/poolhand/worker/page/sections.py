"""The parts of a worker's page, each made of what ``GET /v1/live`` tells. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Final

from poolhand.domain.text import shown
from poolhand.domain.units import show_moment
from poolhand.transport.page.html import (
    badge,
    facts,
    figure,
    moment,
    short,
    table,
    text,
)
from poolhand.transport.page.plot import plot
from poolhand.transport.page.words import NOT_KNOWN, amount, coin
from poolhand.worker.live_words import (
    MOST_LINE_SHOWN,
    NO_TASK_HELD,
    NOTHING_PRINTED,
    SIMULATED_SAID,
    ToldStatus,
    at_work,
    computing,
    earned,
    gas_left,
    gas_worth_told,
    hosts_told,
    newer,
    passed_over,
    payout_told,
    says,
    state,
    tee_told,
    used,
)

DAYS_SHOWN: Final = 14
TASKS_SHOWN: Final = 10


def title(told: ToldStatus) -> str:
    """Return the page's title: what it does now."""
    return f"{state(told)[0]} · {shown(str(told['name']), 60)} · Poolhand worker"


def sections(told: ToldStatus) -> dict[str, str]:
    """Return every part by its id."""
    return {name: make(told) for name, make in PAGE_SECTIONS.items()}


def _head(told: ToldStatus) -> str:
    word, kind = state(told)
    stalled = told["chain"]["stalled_since"]
    late = f" {badge('nothing new since', 'bad')} {moment(stalled)}" if stalled else ""
    found = newer(told)
    upgrade = f"<p>{badge('newer version', 'warn')} {text(found)}</p>" if found else ""
    return (
        f"<h1>{text(told['name'])} {badge(word, kind)}</h1>"
        f'<p class="lead">{at_work(told)}{late}</p>{upgrade}'
    )


def _figures(told: ToldStatus) -> str:
    earnings, stake, gas = told["earnings"], told["stake"], told["gas"]
    rows = [
        figure(name, *earned(earnings and earnings[member]))
        for name, member in (
            ("Earned today", "today"),
            ("Earned in 7 days", "week"),
            ("Earned in all", "all"),
        )
    ]
    locked = f"{amount(stake['locked_nrlc'])} locked"
    rows.append(figure("Free stake", amount(stake["free_nrlc"]), locked))
    rows.append(figure("Gas left", *_gas(told["gas_days"], gas)))
    score = NOT_KNOWN if told["score"] is None else str(told["score"])
    rows.append(figure("Score", score, "on chain; it grows with right results"))
    return f'<dl class="figures">{"".join(rows)}</dl>'


def _gas(days: float | None, gas: ToldStatus) -> tuple[str, str]:
    left = gas_left(days, gas["balance_wei"])
    few = " " + badge("soon empty", "bad") if left.is_few else ""
    return f"{left.value}{few}", left.more


def _idle(told: ToldStatus) -> str:
    causes = told["idle_causes"]
    if not causes:
        return ""
    cards = "".join(
        f'<div class="card"><p><strong>{text(each["sentence"])}</strong></p>'
        f"<p>What would change it: {text(each['change'])}</p>"
        f'<p class="faint">who acts: {text(each["acts"])}</p></div>'
        for each in causes
    )
    return f'<h2 id="idle-title">Why it takes nothing new</h2>{cards}'


def _owner_messages(told: ToldStatus) -> str:
    if not told["owner_messages"]:
        return ""
    cards = "".join(
        f'<div class="card"><p>{text(each["text"])}</p>'
        f'<p class="faint">{moment(each["at"])}</p></div>'
        for each in told["owner_messages"]
    )
    return f"<h2>The pool’s owner says</h2>{cards}"


def _tasks(told: ToldStatus) -> str:
    cards = "".join(_task(each, told) for each in told["replicates"])
    none = f'<p class="empty">{NO_TASK_HELD}</p>'
    return f'<h2 id="tasks-title">Tasks</h2>{cards or none}'


def _task(each: ToldStatus, told: ToldStatus) -> str:
    name = each["task_id"]
    progress, output = told["progress"][name], told["output"].get(name)
    over = not progress["next_step"]
    kind = "" if not over else ("good" if each["status"] == "COMPLETED" else "bad")
    done, steps = progress["done"], progress["steps"]
    now = "" if over else f", now: {progress['next_step']}"
    since = computing(progress, moment)
    trouble = f"<p>{badge('trouble', 'bad')} {text(each['trouble'])}</p>" if each["trouble"] else ""
    return (
        f'<article class="card"><div class="head"><h3>{short(name)}</h3>'
        f"{badge(each['status'], kind)}</div>"
        f'<p class="faint">step {done} of {steps}{now}{since and f", {since}"}</p>'
        f'<progress max="{steps}" value="{done}" aria-label="Steps of task {text(name[:10])}">'
        f"{done} of {steps}</progress><p>{text(each['meaning'])}</p>{trouble}"
        f"{_stake(each)}{_output(name, output)}</article>"
    )


def _stake(each: ToldStatus) -> str:
    if not each["stake_locked_nrlc"]:
        return ""
    free = f"free by {moment(each['unlocks_at'])} at the latest" if each["unlocks_at"] else ""
    owed = f"; reveal by {moment(each['reveal_by'])}" if each["reveal_by"] else ""
    return f"<p>{amount(each['stake_locked_nrlc'])} of stake locked, {free}{owed}</p>"


def _output(name: str, output: ToldStatus | None) -> str:
    if output is None:
        return ""
    lines = "\n".join(shown(each["text"], MOST_LINE_SHOWN) for each in output["lines"])
    printed = (
        f'<pre tabindex="0" id="out-{name}" aria-label="Printed last">{escape(lines)}</pre>'
        if lines
        else f'<p class="faint">{NOTHING_PRINTED}</p>'
    )
    said = says(output)
    progress = f"<p>{text(said)}</p>" if said else ""
    return f'{progress}<p class="faint">{used(output)}</p>{printed}'


def _earnings(told: ToldStatus) -> str:
    found = told["earnings"]
    if found is None:
        return '<h2>Earnings</h2><p class="empty">The chain is being read.</p>'
    since = f"blocks {found['first_block']} to {found['last_block']}"
    reading = "" if found["whole"] else "; earlier ones are being read"
    days = [(each["day"], str(each["won"]), *_amounts(each)) for each in found["days"][:DAYS_SHOWN]]
    tasks = [
        (short(each["task_id"]), moment(each["at"]), *_amounts(each))
        for each in found["tasks"][:TASKS_SHOWN]
    ]
    bars = [
        {"day": each["day"], "earned": each["earned_nrlc"], "lost": each["lost_nrlc"]}
        for each in found["days"]
    ]
    heads = ("Earned", "Lost", "Gas")
    by_day = table(("Day", "Tasks paid", *heads), days, 4) if days else ""
    by_task = table(("Task", "When", *heads), tasks, 3) if tasks else ""
    none = "" if days else '<p class="empty">Nothing was earned, lost or spent yet.</p>'
    return (
        f"<h2>Earnings</h2>{plot(bars, found['date'])}{none}"
        f"{_titled('By day', by_day)}{_titled('By task', by_task)}"
        f'<p class="faint">From the hub’s events, {since}{reading}. Days are UTC. All of it, as '
        "CSV: <code>poolhand earnings --csv</code></p>"
    )


def _titled(name: str, found: str) -> str:
    return f"<h3>{name}</h3>{found}" if found else ""


def _amounts(each: ToldStatus) -> tuple[str, str, str]:
    return amount(each["earned_nrlc"]), amount(each["lost_nrlc"]), coin(each["gas_wei"])


def _locks(told: ToldStatus) -> str:
    rows = [
        (short(each["task_id"]), moment(each["unlocks_at"]), amount(each["locked_nrlc"]))
        for each in told["locks"]["tasks"]
    ]
    other = told["locks"]["other_nrlc"]
    if other:
        rows.append(
            (
                "of no task that is held here",
                "see <code>poolhand account show</code>",
                amount(other),
            )
        )
    found = table(("Task", "Free at the latest", "Locked"), rows, 1) if rows else ""
    return f"<h2>Locked stake</h2>{found or '<p class=empty>No stake is locked.</p>'}"


def _settings(told: ToldStatus) -> str:
    found = told["settings"]
    rows = "".join(map(_setting, found["settings"]))
    problem = found["problem"]
    unread = f'<p class="note trouble">{text(problem)}</p>' if problem else ""
    hours = f"{found['hours_a_week']:g} h a week"
    return (
        f'<h2>Settings</h2>{unread}<p class="faint">Changed at once and over restarts; an empty '
        f"value takes a change back. With these it works {hours}.</p>"
        f'<div class="settings">{rows}</div>'
    )


def _setting(each: ToldStatus) -> str:
    name = text(each["name"])
    value = "" if each["is_hidden"] else text(each["value"])
    hint = ' placeholder="set, and shown to nobody"' if each["is_hidden"] else ""
    return (
        f'<form class="card setting" data-setting="{name}"><label for="set-{name}">{name}</label>'
        f'<div class="row"><input id="set-{name}" name="value" value="{value}"{hint} '
        f'aria-describedby="about-{name}" autocomplete="off" spellcheck="false">'
        f'<button type="submit">Set</button></div><p class="faint" id="about-{name}">'
        f"{text(each['meaning'])} ({text(each['origin'])})</p></form>"
    )


def _facts(told: ToldStatus) -> str:
    rows = [
        ("Wallet", f'<span class="id">{text(told["worker"])}</span>'),
        ("Workerpool", f'<span class="id">{text(told["workerpool"])}</span>'),
        ("Session", "connected" if told["connected"] else f"none: {text(told['problem'])}"),
        ("Offers", f"{told['offers']['accepted']} accepted of {told['offers']['seen']} seen"),
        ("Sandbox", _sandbox(told["sandbox"])),
        *_gpus(told["gpus"]),
        *_enclaves(told["tee"]),
        *_hosts(hosts_told(told)),
        *_payout(told),
        *_gas_worth(told),
        ("Folder", text(told["folder"])),
        ("Version", text(told["version"])),
    ]
    return f"<h2>The worker</h2>{facts(rows)}"


def _gpus(found: Sequence[ToldStatus]) -> tuple[tuple[str, str], ...]:
    """Write each GPU that tasks are given, and what has it."""
    if not found:
        return ()
    rows = (
        f"{each['number']}: {text(each['maker'])} {text(each['model'])}, "
        + (f"given to {short(each['task_id'])}" if each["task_id"] else "free")
        + f'<br><span class="faint">{text(each["name"])}</span>'
        for each in found
    )
    return (("GPUs", "<br>".join(rows)),)


def _enclaves(found: Sequence[ToldStatus]) -> tuple[tuple[str, str], ...]:
    """Write for each framework of confidential tasks whether it is proved; nothing without any."""
    rows = []
    for each in found:
        word, kind, more = tee_told(each)
        since = "" if each["at"] is None else f" {moment(each['at'])}"
        simulated = f"{badge(SIMULATED_SAID, 'warn')}<br>" if each["simulated"] else ""
        rows.append(
            f"{text(each['framework'])} {badge(word, kind)}{since}<br>{simulated}"
            f'<span class="faint">{text(more)}</span>'
        )
    return (("Enclaves", "<br>".join(rows)),) if rows else ()


def _hosts(found: str) -> tuple[tuple[str, str], ...]:
    """Write which hosts apps reach; nothing where none is allowed."""
    return (("Hosts that apps reach", text(found)),) if found else ()


def _payout(told: ToldStatus) -> tuple[tuple[str, str], ...]:
    """Write what is paid out to whom; nothing where earnings stay stake."""
    found = told.get("payout")
    if not found:
        return ()
    trouble = f" {badge('not paid', 'bad')}" if found["problem"] else ""
    return (("Paid out", text(payout_told(told, show_moment)) + trouble),)


def _gas_worth(told: ToldStatus) -> tuple[tuple[str, str], ...]:
    """Write at what price gas is counted against rewards."""
    found = gas_worth_told(told, show_moment)
    return (("Gas against rewards", text(found)),) if found else ()


def _sandbox(found: ToldStatus | None) -> str:
    if found is None:
        return "the container engine has not answered yet"
    left = passed_over(found)
    more = f'<br><span class="faint">Not taken: {text(left)}</span>' if left else ""
    return f"{badge(str(found['level']), '')} {text(found['promise'])}{more}"


PAGE_SECTIONS: Final[Mapping[str, Callable[[ToldStatus], str]]] = {
    "head": _head,
    "figures": _figures,
    "owner_messages": _owner_messages,
    "idle": _idle,
    "tasks": _tasks,
    "earnings": _earnings,
    "locks": _locks,
    "settings": _settings,
    "facts": _facts,
}
"""In the order in which they stand on the page."""
