"""What ``poolhand demo`` shows: tasks under way, and what came of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from poolhand.cli.picture import draw
from poolhand.cli.render import grid, pairs
from poolhand.cli.tables import Grid, Pairs
from poolhand.cli.terminal import Console
from poolhand.devnet.demo import DemoReport, demonstrate
from poolhand.devnet.info import DevnetInfo
from poolhand.domain.errors import Refused
from poolhand.domain.units import WEI_PER_COIN, WEI_PER_GWEI, NanoRlc, show_rlc
from poolhand.requester.watching import Progress

STATUS_COLOURS = {"COMPLETED": "green", "FAILED": "red"}


def watched(home: Path, console: Console) -> DemoReport:
    """Run both computations on the devnet of a folder, and show how they go."""
    return asyncio.run(_run(home, console))


async def _run(home: Path, console: Console) -> DemoReport:
    board = _Board()
    with Live(board.picture(), console=console, refresh_per_second=8) as live:

        def show(name: str, progress: Progress) -> None:
            board.tasks[name] = progress
            live.update(board.picture())

        def step(line: str) -> None:
            live.console.print(f"· {line}")

        return await demonstrate(DevnetInfo.read(home), home, step, show)


class _Board:
    """The live view: a row per task, a column per replicate."""

    def __init__(self) -> None:
        self.tasks: dict[str, Progress] = {}

    def picture(self) -> Grid:
        """Draw what is known now."""
        rows = []
        for name, progress in self.tasks.items():
            task = progress.tasks[0]
            replicates = task.news.replicates if task.news else ()
            lines = [f"{_short(str(each.worker))} {each.status}" for each in replicates]
            trust = "10" if len(lines) > 1 else "1"
            rows.append((name, trust, _coloured(str(task.status)), "\n".join(lines)))
        return grid(("task", "trust", "status", "replicates"), rows, "Tasks under way")


def _coloured(status: str) -> Text:
    return Text(status, style=STATUS_COLOURS.get(status, "yellow"))


def _short(address: str) -> str:
    return address[:8] + "…"


def print_report(report: DemoReport, console: Console, seconds: float) -> None:
    """Print what came of them (``seconds``: that it took in all)."""
    names = {each.address: name for name, each in report.info.accounts.items()}
    lower = {address.lower(): name for address, name in names.items()}
    for task in report.tasks:
        console.rule(Text.assemble((task.name, "bold"), f"  trust {task.members['trust']}"))
        console.print(_facts(task.members))
        console.print(_replicates(task.members, lower))
        console.print(_transactions(task.transactions, lower))
        _show_result(Path(task.members["result_folder"]), console)
    console.rule(Text("Money", style="bold"))
    console.print(_balances(report))
    sound, broken = Text("not one nRLC was made or lost"), Text("NOT CONSERVED", style="red")
    total = sound if report.conserved else broken
    console.print(Text.assemble(f"kitty {show_rlc(report.kitty)} RLC; ", total))
    console.print(f"all in {seconds:.0f} s, devnet included")


def _facts(members: Any) -> Pairs:
    timeline = members["timeline"]
    return pairs(
        (
            ("status", _coloured(members["status"])),
            ("flow", members["flow"]),
            ("task", members["task_id"]),
            ("deal", members["deal_id"]),
            ("consensus", members["consensus"]),
            ("digest", members["result_digest"]),
            ("from deal to end", f"{timeline['seconds']} s of chain time"),
        )
    )


def _replicates(members: Any, names: dict[str, str]) -> Grid:
    rows = [
        (names.get(each["worker"].lower(), "?"), each["worker"], _coloured(each["status"]))
        for each in members["replicates"]
    ]
    return grid(("replicate of", "address", "status"), rows, "Replicates")


def _transactions(transactions: Any, names: dict[str, str]) -> Grid:
    rows = []
    for each in transactions:
        paid = f"{each.gas * each.gas_price / WEI_PER_COIN:.6f}"
        price = f"{each.gas_price / WEI_PER_GWEI:.2f}"
        who = names.get(each.sender.lower(), _short(each.sender))
        rows.append((each.what, who, each.block, f"{each.gas:,}", price, paid))
    columns = ("transaction", "from", "block", "gas", "gwei", "paid (ETH)")
    return grid(columns, rows, "Transactions")


def _balances(report: DemoReport) -> Grid:
    rows = []
    for name, money in report.after.items():
        change = NanoRlc(money.total - report.before[name].total)
        colour = "green" if change > 0 else "red" if change < 0 else "dim"
        told = Text(f"{'+' if change > 0 else ''}{show_rlc(change)}", style=colour)
        held = (money.stake, money.locked, money.wallet)
        rows.append((name, *map(show_rlc, held), told))
    return grid(("account", "free stake", "locked", "wallet", "change"), rows, "RLC")


def _show_result(folder: Path, console: Console) -> None:
    texts = sorted(folder.glob("*.txt"))
    shown = [file for file in texts if file.name not in ("stdout.txt", "stderr.txt")]
    for file in shown:
        content = file.read_text(encoding="utf-8", errors="replace")
        console.print(Panel(Text(content.strip()), title="result", subtitle=file.name))
    for file in sorted(folder.glob("*.png")):
        told = f"{file} ({file.stat().st_size:,} bytes)"
        picture = _drawn(file, console) if console.color_system else Text()
        console.print(Panel(Group(picture, Text(told, style="dim")), title="result"))


def _drawn(file: Path, console: Console) -> Text:
    try:
        return draw(file, min(console.width - 4, 72))
    except Refused as fault:
        return Text(str(fault))
