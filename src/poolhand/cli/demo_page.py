"""What ``poolhand demo`` shows: tasks under way, and what came of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from poolhand.cli.picture import draw
from poolhand.cli.terminal import Console
from poolhand.devnet.demo import DemoReport, demonstrate
from poolhand.devnet.info import DevnetInfo
from poolhand.domain.errors import Refused
from poolhand.domain.units import WEI_PER_COIN, WEI_PER_GWEI, NanoRlc, show_rlc
from poolhand.requester.watching import Progress

MARKS = {"COMPLETED": "green", "FAILED": "red"}


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

    def picture(self) -> Table:
        """Draw what is known now."""
        table = Table("task", "trust", "status", "replicates", title="Tasks under way")
        for name, progress in self.tasks.items():
            task = progress.tasks[0]
            replicates = task.news.replicates if task.news else ()
            lines = [Text(f"{_short(str(r.worker))} {r.status}") for r in replicates]
            trust = "10" if len(lines) > 1 else "1"
            table.add_row(name, trust, _coloured(str(task.status)), Group(*lines))
        return table


def _coloured(status: str) -> str:
    colour = MARKS.get(status, "yellow")
    return f"[{colour}]{status}[/{colour}]"


def _short(address: str) -> str:
    return address[:8] + "…"


def print_report(report: DemoReport, console: Console, seconds: float) -> None:
    """Print what came of them (``seconds``: that it took in all)."""
    names = {each.address: name for name, each in report.info.accounts.items()}
    lower = {address.lower(): name for address, name in names.items()}
    for task in report.tasks:
        console.rule(f"[bold]{task.name}[/bold]  trust {task.members['trust']}")
        console.print(_facts(task.members))
        console.print(_replicates(task.members, lower))
        console.print(_transactions(task.transactions, lower))
        _show_result(Path(task.members["result_folder"]), console)
    console.rule("[bold]Money[/bold]")
    console.print(_balances(report))
    total = "not one nRLC was made or lost" if report.conserved else "[red]NOT CONSERVED[/red]"
    console.print(f"kitty {show_rlc(report.kitty)} RLC; {total}")
    console.print(f"all in {seconds:.0f} s, devnet included")


def _facts(members: Any) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    timeline = members["timeline"]
    rows = {
        "status": _coloured(members["status"]),
        "flow": members["flow"],
        "task": members["task_id"],
        "deal": members["deal_id"],
        "consensus": members["consensus"],
        "digest": members["result_digest"],
        "from deal to end": f"{timeline['seconds']} s of chain time",
    }
    for what, value in rows.items():
        table.add_row(f"[dim]{what}[/dim]", str(value))
    return table


def _replicates(members: Any, names: dict[str, str]) -> Table:
    table = Table("replicate of", "address", "status", title="Replicates")
    for each in members["replicates"]:
        name = names.get(each["worker"].lower(), "?")
        table.add_row(name, each["worker"], _coloured(each["status"]))
    return table


def _transactions(transactions: Any, names: dict[str, str]) -> Table:
    table = Table("transaction", "from", "block", "gas", "gwei", "paid (ETH)", title="Transactions")
    for each in transactions:
        paid = f"{each.gas * each.gas_price / WEI_PER_COIN:.6f}"
        price = f"{each.gas_price / WEI_PER_GWEI:.2f}"
        who = names.get(each.sender.lower(), _short(each.sender))
        table.add_row(each.what, who, str(each.block), f"{each.gas:,}", price, paid)
    return table


def _balances(report: DemoReport) -> Table:
    table = Table("account", "free stake", "locked", "wallet", "change", title="RLC")
    for name, money in report.after.items():
        change = NanoRlc(money.total - report.before[name].total)
        colour = "green" if change > 0 else "red" if change < 0 else "dim"
        table.add_row(
            name,
            show_rlc(money.stake),
            show_rlc(money.locked),
            show_rlc(money.wallet),
            f"[{colour}]{'+' if change > 0 else ''}{show_rlc(change)}[/{colour}]",
        )
    return table


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
