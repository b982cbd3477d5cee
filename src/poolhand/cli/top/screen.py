"""The screen of ``poolhand worker top``: what is told, laid out, and the keys that give orders."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar, Final

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Sparkline, Static

from poolhand.cli.top import parts
from poolhand.cli.top.feed import LiveFollower
from poolhand.cli.worker_page import Page
from poolhand.domain.errors import PoolhandError
from poolhand.domain.text import shown
from poolhand.worker.live_words import ORDERS_DONE

FIGURES: Final = 6
REASON: Final = "paused on its screen"


class TopScreen(App[None]):
    """Shows one worker, live.

    Args:
        find: Finds its page. Raises what ``cli.finding.find_page`` does.
    """

    TITLE = "Poolhand worker"
    ENABLE_COMMAND_PALETTE = False
    CSS_PATH = "top.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "order('pause')", "Pause"),
        Binding("r", "order('resume')", "Resume"),
        Binding("f", "finish", "Finish, then stop"),
        Binding("q,ctrl+c", "quit", "Leave", key_display="q", priority=True),
    ]

    def __init__(self, find: Callable[[], Page]) -> None:
        super().__init__()
        self._find = find
        self._told: dict[str, Any] | None = None
        self._follower: LiveFollower | None = None

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        yield Static("the worker is asked …", id="head")
        yield Static(id="silent")
        with Horizontal(id="figures"):
            for number in range(FIGURES):
                yield Static(id=f"figure-{number}", classes="figure")
        yield Sparkline([], id="days")
        yield Static(id="days-told")
        yield Static(id="idle")
        yield DataTable(id="tasks", cursor_type="row", zebra_stripes=True)
        with VerticalScroll(id="task"):
            yield Static(id="detail")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to follow the worker."""
        table = self.query_one(DataTable)
        for name in parts.COLUMNS:
            table.add_column(name, key=name)
        loop, context = asyncio.get_running_loop(), contextvars.copy_context()

        def here(act: Callable[[Any], None]) -> Callable[[Any], None]:
            """Do it in the screen's loop; one that has ended does nothing any more."""

            def do(told: Any) -> None:
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(act, told, context=context)

            return do

        self._follower = LiveFollower(self._find, here(self.show), here(self.say_silent))
        self._follower.start()

    def on_unmount(self) -> None:
        """Follow no longer."""
        if self._follower is not None:
            self._follower.end()

    def show(self, told: dict[str, Any]) -> None:
        """Show what is told now."""
        if not self.is_running:
            return
        self._told = told
        self._put("#silent", Text())
        self._put("#head", parts.head(told))
        for number, (name, value) in enumerate(parts.figures(told)):
            place = self.query_one(f"#figure-{number}", Static)
            place.border_title = name
            place.update(value)
        data, words = parts.days(told)
        days = self.query_one(Sparkline)
        days.data, days.display = data, bool(data)
        self._put("#days-told", Text(words, style="dim"))
        self._put("#idle", parts.idle(told))
        self._show_tasks(parts.tasks(told))
        self._show_detail()

    def say_silent(self, fault: PoolhandError) -> None:
        """Say why nothing is told; what was told last stays."""
        if self.is_running:
            self._put("#silent", Text(shown(str(fault), lines=True), style="bold red"))

    def _put(self, where: str, told: Text) -> None:
        place = self.query_one(where, Static)
        place.update(told)
        place.display = bool(told.plain)

    def _show_tasks(self, rows: dict[str, tuple[Text, ...]]) -> None:
        """Change what changed: the row that is chosen stays so."""
        table, chosen = self.query_one(DataTable), self._chosen()
        for key in [key for key in table.rows if key.value not in rows]:
            table.remove_row(key)
        there = {key.value for key in table.rows}
        for task_id, cells in rows.items():
            if task_id not in there:
                table.add_row(*cells, key=task_id)
                continue
            for name, cell in zip(parts.COLUMNS, cells, strict=True):
                if table.get_cell(task_id, name) != cell:
                    table.update_cell(task_id, name, cell, update_width=True)
        table.display = bool(rows)
        if chosen in rows:
            table.move_cursor(row=table.get_row_index(chosen))

    def on_data_table_row_highlighted(self, _: DataTable.RowHighlighted) -> None:
        """Show another task."""
        self._show_detail()

    def _show_detail(self) -> None:
        if self._told is not None:
            self.query_one("#detail", Static).update(parts.detail(self._told, self._chosen()))

    def _chosen(self) -> str | None:
        """Return the task that the cursor is on."""
        table = self.query_one(DataTable)
        if not table.row_count:
            return None
        return table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value

    def action_finish(self) -> None:
        """Have the worker finish what it holds, and stop, once that is confirmed."""

        def confirmed(answer: bool | None) -> None:
            if answer:
                self.action_order("drain")

        self.push_screen(FinishAsked(), confirmed)

    def action_order(self, verb: str) -> None:
        """Give the worker an order, and say what has become of it."""
        self.run_worker(self._order(verb), exclusive=False)

    async def _order(self, verb: str) -> None:
        body = {"reason": REASON} if verb == "pause" else None
        try:
            await asyncio.to_thread(lambda: self._find().order(verb, body))
        except PoolhandError as fault:
            self.notify(shown(str(fault)), severity="error", markup=False)
        else:
            self.notify(ORDERS_DONE[verb], markup=False)


class FinishAsked(ModalScreen[bool]):
    """Asks whether the worker is to stop."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape", "answer(False)", "No"),
    ]

    def compose(self) -> ComposeResult:
        """Lay the question out."""
        question = "Finish what it holds, take nothing new, then stop the worker?  y: yes   n: no"
        yield Static(question, id="question")

    def action_answer(self, answer: bool) -> None:
        """Take the answer."""
        self.dismiss(answer)
