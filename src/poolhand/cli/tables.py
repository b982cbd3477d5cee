"""Names with values, and rows under headings, at whatever width: no word is ever broken.

What does not fit beside its name stands below it; a table that is too wide for the terminal is told
row by row. A word that is longer than a line (an URL) is left whole for the terminal to wrap, so
that it can still be copied. Every cell is escaped, whoever wrote it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from poolhand.domain.text import shown

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType

_INDENT: Final = 4
"""Columns before a value that stands below its name."""


def cell(value: object) -> Text:
    """Return a value as it may be shown: escaped, its style kept."""
    if isinstance(value, Text):
        return Text(shown(value.plain, lines=True), style=value.style)
    return Text(shown(str(value), lines=True))


@dataclass(frozen=True, slots=True)
class Pairs:
    """Names and their values."""

    rows: tuple[tuple[str, Text], ...]
    title: str | None = None

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """Show each value beside its name if its words fit there, else below."""
        if self.title:
            yield Text(shown(self.title), style="italic")
        margin = max((cell_len(name) for name, _ in self.rows), default=0) + 2
        for name, value in self.rows:
            room = options.max_width - margin
            head = Text(name, style="bold")
            if _widest(value) <= room:
                head.pad_right(margin - cell_len(name))
                first, *rest = _wrapped(console, value, room) or [Text()]
                yield head + first
                yield from (_indented(line, margin) for line in rest)
            else:
                yield head
                lines = _wrapped(console, value, options.max_width - _INDENT)
                yield from (_indented(line, _INDENT) for line in lines)


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows under headings; row by row where the terminal is too narrow for whole words."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Text, ...], ...]
    title: str | None = None

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """Show a table if no word need be broken, else a list of pairs for each row."""
        del console
        if self.title:
            yield Text(shown(self.title), style="italic")
        least = [self._least(place) for place in range(len(self.columns))]
        if sum(least) + len(least) <= options.max_width or not self.rows:
            yield self._table()
            return
        for number, row in enumerate(self.rows):
            yield from ("",) if number else ()
            named = zip(self.columns, row, strict=False)
            yield Pairs(tuple((name, value) for name, value in named if value.plain))

    def _least(self, place: int) -> int:
        cells = [row[place] for row in self.rows if place < len(row)]
        return max([cell_len(self.columns[place]), *map(_widest, cells)])

    def _table(self) -> Table:
        table = Table(box=None, header_style="bold", show_header=any(self.columns))
        for place, column in enumerate(self.columns):
            cells = [row[place].plain for row in self.rows if place < len(row)]
            prose = any(" " in each.strip() for each in cells)
            table.add_column(column, no_wrap=not prose, min_width=self._least(place))
        for row in self.rows:
            table.add_row(*row)
        return table


@dataclass(frozen=True, slots=True)
class Indented:
    """A text some columns from the left, wrapped between words and never within one."""

    text: Text
    columns: int

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """Show it line by line."""
        for line in _wrapped(console, self.text, options.max_width - self.columns):
            yield _indented(line, self.columns)


def indented(text: object, columns: int, *, name: str = "", style: str = "") -> Indented:
    """Return a text from the left by some columns, escaped; with its name before it if given."""
    told = cell(text)
    told.stylize(style)
    return Indented(Text.assemble((f"{name}: ", "bold"), told) if name else told, columns)


def _widest(text: Text) -> int:
    """Return the columns of the longest word."""
    return max(map(cell_len, text.plain.split()), default=0)


def _wrapped(console: Console, text: Text, width: int) -> list[Text]:
    if _widest(text) > width:
        return _around(console, text, width)
    return list(text.wrap(console, max(1, width)))


def _around(console: Console, text: Text, width: int) -> list[Text]:
    """Wrap a text that has words longer than a line: each of these gets a line of its own."""
    lines: list[Text] = []
    for line in text.split("\n"):
        part: list[str] = []
        for word in [*line.plain.split(" "), None]:
            if word is None or cell_len(word) > width:
                rest = Text(" ".join(part), style=text.style)
                lines += list(rest.wrap(console, width)) if rest.plain.strip() else []
                lines += [Text(word, style=text.style)] if word else []
                part = []
            else:
                part.append(word)
    return lines


def _whole(line: Text) -> Text:
    line.no_wrap, line.overflow = True, "ignore"
    return line


def _indented(line: Text, columns: int) -> Text:
    line = Text(" " * columns) + line
    return _whole(line)
