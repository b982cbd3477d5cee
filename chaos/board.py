"""The matrix as a table that fills up, or a line per cell where nobody watches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from chaos.matrix import HAPPY, SHORT, Cell, Fault, Victim
from chaos.trial import Found

FACES = {"good": Text("✓", "green"), "wrong": Text("✗", "bold red"), "skipped": Text("–", "yellow")}
WAITING = Text("·", "dim")
LETTER = {Fault.KILL: "K", Fault.TERM: "T", Fault.PARTITION: "P"}


class Board:
    """Shows what has been found; a context manager."""

    def __init__(self, cells: Iterable[Cell], console: Console) -> None:
        self._cells, self._console = tuple(cells), console
        self._found: dict[Cell, Found] = {}
        self._live = Live(console=console, refresh_per_second=2)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.update(self.table(), refresh=True)
            self._live.stop()
        else:
            self._console.print(self.table())

    def add(self, found: Found) -> None:
        self._found[found.cell] = found
        if self._console.is_terminal:
            self._live.update(self.table())
        else:
            count = f"{len(self._found)}/{len(self._cells)}"
            print(f"{count} {found.mark:7} {found.seconds:5.1f} s  {found.cell.name}", flush=True)
        for line in found.wrong:
            self._console.print(f"  {found.cell.name}: {line}", style="red", markup=False)

    def table(self) -> Table:
        """Rows are statuses, columns are victims with a letter for each fault."""
        done = f"{len(self._found)} of {len(self._cells)} cells"
        table = Table(title=f"{done} · K kill -9, T SIGTERM, P partition", title_justify="left")
        table.add_column("flow")
        table.add_column("status", no_wrap=True)
        for victim in Victim:
            table.add_column(f"{victim}\n" + "  ".join(LETTER[fault] for fault in Fault))
        marks = self._marks()
        for flow, statuses in HAPPY.items():
            for status in statuses:
                own = [marks[flow, victim, status] for victim in Victim]
                if any(own):
                    table.add_row(SHORT[flow], status, *(Text("").join(each) for each in own))
            table.add_section()
        return table

    def _marks(self) -> defaultdict[tuple[object, ...], list[Text]]:
        marks: defaultdict[tuple[object, ...], list[Text]] = defaultdict(list)
        for fault in Fault:
            for cell in sorted(
                (c for c in self._cells if c.fault is fault), key=lambda c: c.moment
            ):
                found = self._found.get(cell)
                place = marks[cell.flow, cell.victim, cell.status]
                place.append(FACES[found.mark] if found else WAITING)
            for place in marks.values():
                place.append(Text(" "))
        return marks
