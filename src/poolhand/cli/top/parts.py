"""What stands on the screen, made of what ``GET /v1/live`` tells. Pure.

Texts of others are escaped here, once: what stands on the screen commands no terminal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from rich.text import Text

from poolhand.cli.render import COLOURS, hour, moment
from poolhand.domain.text import shown
from poolhand.transport.page.bars import bars
from poolhand.transport.page.words import GLUE, NOT_KNOWN, amount
from poolhand.worker.live_words import (
    MOST_LINE_SHOWN,
    NO_TASK_HELD,
    NOTHING_PRINTED,
    ToldStatus,
    at_work,
    computing,
    gas_left,
    hosts_told,
    newer,
    payout_told,
    says,
    state,
    tee_lines,
    used,
)

TopLine: TypeAlias = tuple[str, str]
"""What is told, and the style of it."""
STYLES: Final = {"good": "bold green", "warn": "bold yellow", "bad": "bold red", "": ""}
COLUMNS: Final = ("task", "status", "step", "next", "since", "locked", "free by")
CAUSE: Final = 400
"""Characters of one sentence."""


def head(told: ToldStatus) -> Text:
    """Tell which worker it is, how it is, and how far the chain is."""
    word, kind = state(told)
    stalled = told["chain"]["stalled_since"]
    found = _lines([(f"{shown(str(told['name']), 60)}  ", "bold"), (word, STYLES[kind])])
    found.append(f"  {at_work(told)}")
    if stalled:
        found.append(f", nothing new since {moment(stalled)}", STYLES["bad"])
    return found


def figures(told: ToldStatus) -> tuple[tuple[str, Text], ...]:
    """Tell earnings, stake, gas and score, each with its name; short, for six stand in a row."""
    found, stake = told["earnings"], told["stake"]
    left = gas_left(told["gas_days"], told["gas"]["balance_wei"])
    score = NOT_KNOWN if told["score"] is None else str(told["score"])
    rows = [
        *(
            (name, *_earned(found and found[member]), "")
            for name, member in (("Today", "today"), ("7 days", "week"), ("In all", "all"))
        ),
        (
            "Free stake",
            amount(stake["free_nrlc"]),
            f"{amount(stake['locked_nrlc'])} locked",
            "",
        ),
        ("Gas", left.value, left.brief, STYLES["bad"] if left.is_few else ""),
        ("Score", score, "on chain", ""),
    ]
    return tuple(
        (name, _lines([(value, style or "bold"), (f"\n{more}", "dim")]))
        for name, value, more, style in rows
    )


def _earned(row: ToldStatus | None) -> tuple[str, str]:
    if row is None:
        return NOT_KNOWN, "being read"
    lost = f"\nlost {amount(row['lost_nrlc'])}" if row["lost_nrlc"] else ""
    return amount(row["earned_nrlc"]), f"{row['won']} paid{lost}"


def days(told: ToldStatus) -> tuple[list[float], str]:
    """Return what was earned on each of the last days (nRLC), oldest first, and what that shows."""
    found = told["earnings"]
    if found is None:
        return [], "the chain is being read"
    plot = bars(
        [
            {"day": each["day"], "earned": each["earned_nrlc"], "lost": each["lost_nrlc"]}
            for each in found["days"]
        ],
        found["date"],
    )
    if plot is None:
        return [], "nothing was earned or lost in the last 30 days"
    first, last = plot.bars[0].day, plot.bars[-1].day
    told_ = f"earned by day, {first} to {last}; highest day {amount(plot.highest)}"
    reading = "" if found["whole"] else "; earlier blocks are being read"
    return [float(each.earned) for each in plot.bars], told_ + reading


def idle(told: ToldStatus) -> Text:
    """Tell why nothing new is taken, and what would change it; before it, what else is news.

    That is a newer version, the owner's last word, which hosts apps reach where some may be
    reached, what is paid out where somebody is, and which enclaves are proved. Empty where there is
    none of it.
    """
    newest = told.get("owner_messages", ())[:1]  # a worker of an older version tells none
    words = [f"the pool's owner says: {each['text']}" for each in newest]
    hosts = [f"apps reach {found}" for found in (hosts_told(told),) if found]
    paid = [f"paid out {found}" for found in (payout_told(told, moment),) if found]
    enclaves = [f"enclave {each}" for each in tee_lines(told, moment)]
    news = [each for each in (newer(told), *words, *hosts, *enclaves, *paid) if each]
    found: list[TopLine] = [("\n".join(shown(each, CAUSE) for each in news), "")] if news else []
    for each in told["idle_causes"]:
        found.append((("\n" if found else "") + shown(str(each["sentence"]), CAUSE), "bold"))
        change = f"\n  {each['acts']}: {each['change']}"
        found.append((shown(change, CAUSE, lines=True), ""))
    return _lines(found)


def tasks(told: ToldStatus) -> dict[str, tuple[Text, ...]]:
    """Return the rows of the table by task, as COLUMNS names their cells."""
    return {each["task_id"]: _task(each, told["progress"][each["task_id"]]) for each in _held(told)}


def _held(told: ToldStatus) -> Iterable[Mapping[str, Any]]:
    replicates: Iterable[Mapping[str, Any]] = told["replicates"]
    return replicates


def _task(each: Mapping[str, Any], progress: Mapping[str, Any]) -> tuple[Text, ...]:
    done, steps = progress["done"], progress["steps"]
    locked, unlocks = each["stake_locked_nrlc"], each["unlocks_at"]
    cells: tuple[TopLine, ...] = (
        (f"{each['task_id'][:10]}…", ""),
        (each["status"], COLOURS.get(each["status"], "")),
        (f"{'█' * done}{'░' * (steps - done)} {done}/{steps}", ""),
        (progress["next_step"] or NOT_KNOWN, ""),
        (hour(each["history"][-1]["at"]), ""),
        (amount(locked) if locked else NOT_KNOWN, ""),
        (hour(unlocks) if locked and unlocks else NOT_KNOWN, ""),
    )
    return tuple(_lines([cell]) for cell in cells)


def detail(told: ToldStatus, task_id: str | None) -> Text:
    """Tell more of one task: what its status means, its trouble, and what its app prints."""
    each = next((each for each in _held(told) if each["task_id"] == task_id), None)
    if each is None:
        return _lines([(NO_TASK_HELD, "dim")])
    found: list[TopLine] = [(f"{each['task_id']}\n{shown(str(each['meaning']), CAUSE)}", "")]
    if each["trouble"]:
        found.append((f"\n{shown(str(each['trouble']), CAUSE)}", STYLES["bad"]))
    found.extend(
        (f"\nGPU {gpu['number']}: {gpu['maker']} {gpu['model']}", "")
        for gpu in told.get("gpus", ())
        if gpu["task_id"] == task_id
    )
    if each["reveal_by"]:
        found.append((f"\nreveal by {moment(each['reveal_by'])}", ""))
    if since := computing(told["progress"][each["task_id"]], moment):
        found.append((f"\n{since}", ""))
    return _lines([*found, *_output(told["output"].get(each["task_id"]))])


def _output(output: Mapping[str, Any] | None) -> list[TopLine]:
    if output is None:
        return []
    lines = [shown(str(each["text"]), MOST_LINE_SHOWN) for each in output["lines"]]
    printed = "\n".join(lines) or NOTHING_PRINTED
    said = shown(says(output), CAUSE)
    progress: list[TopLine] = [(f"\n{said}", "bold")] if said else []
    return [*progress, (f"\n{used(output)}", "dim"), (f"\n{printed}", "")]


def _lines(parts: Iterable[TopLine]) -> Text:
    """Put texts together; a terminal breaks lines where it must."""
    found = Text()
    for told, style in parts:
        found.append(told.replace(GLUE, " "), style)
    return found
