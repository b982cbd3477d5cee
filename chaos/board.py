"""The matrix as a table that fills up, or a line per cell where nobody watches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from chaos.matrix import HAPPY, Cell, Fault, Victim
from chaos.trial import Found
from poolhand.domain.replicate.events import Flow
from poolhand.domain.replicate.status import Status

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
        """Rows are statuses, columns are victims with a letter for each fault; fits 80 columns."""
        done = f"{len(self._found)} of {len(self._cells)} cells"
        table = Table(title=f"{done} · K kill -9, T SIGTERM, P partition", title_justify="left")
        table.add_column("status", no_wrap=True)
        widths = {victim: self._width(victim) for victim in Victim}
        for victim, width in widths.items():
            letters = " ".join(LETTER[fault].ljust(width) for fault in Fault)
            table.add_column(f"{victim}\n{letters}", no_wrap=True)
        for flow, statuses in HAPPY.items():
            rows = {status: self._row(flow, status, widths) for status in statuses}
            if any(any(row) for row in rows.values()):
                table.add_row(Text(flow, "bold"))
            for status, row in rows.items():
                if any(row):
                    table.add_row(f"  {status}", *row)
            table.add_section()
        return table

    def _width(self, victim: Victim) -> int:
        """Return how many moments a fault of a victim has at most."""
        places = Counter((c.flow, c.status, c.fault) for c in self._cells if c.victim is victim)
        return max(places.values(), default=1)

    def _row(self, flow: Flow, status: Status, widths: Mapping[Victim, int]) -> list[Text]:
        own = [c for c in self._cells if (c.flow, c.status) == (flow, status)]
        return [
            Text(" ").join(self._marks(own, victim, fault, width) for fault in Fault)
            if any(c.victim is victim for c in own)
            else Text()
            for victim, width in widths.items()
        ]

    def _marks(self, own: list[Cell], victim: Victim, fault: Fault, width: int) -> Text:
        cells = sorted(
            (c for c in own if (c.victim, c.fault) == (victim, fault)), key=lambda c: c.moment
        )
        found = [self._found.get(cell) for cell in cells]
        marks = Text().join(FACES[each.mark] if each else WAITING for each in found)
        marks.pad_right(width - len(cells))
        return marks
