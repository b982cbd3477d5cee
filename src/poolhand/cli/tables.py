"""Names with values, and rows under headings, at whatever width: no word is ever broken.

What does not fit beside its name stands below it; a table that is too wide for the terminal is told
row by row. A word that is longer than a line (an URL) is left whole for the terminal to wrap, so
that it can still be copied. Every cell is escaped, whoever wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
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
_WORD: Final = re.compile(r"\s*(?P<itself>(?:`[^`\n]{1,200}`|\S)+)")
"""A word, with the blanks before it; what stands in backticks is one, for it is to be copied."""
_PADDING: Final = 2
"""Blank columns around each column of a table."""


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
                first, *rest = _wrapped(value, room) or [Text()]
                yield _whole(head + first)
                yield from (_indented(line, margin) for line in rest)
            else:
                yield head
                lines = _wrapped(value, options.max_width - _INDENT)
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
        room = options.max_width - _PADDING * len(self.columns)
        least = [self._widest(place, self._need(place)) for place in range(len(self.columns))]
        if sum(least) <= room or not self.rows:
            yield self._table(self._widths(least, room))
            return
        for number, row in enumerate(self.rows):
            yield from ("",) if number else ()
            named = zip(self.columns, row, strict=False)
            yield Pairs(tuple((name, value) for name, value in named if value.plain))

    def _is_prose(self, place: int) -> bool:
        return any(" " in value.plain.strip() for value in self._cells(place))

    def _cells(self, place: int) -> list[Text]:
        return [row[place] for row in self.rows if place < len(row)]

    def _need(self, place: int) -> Callable[[Text], int]:
        """Return what tells the least columns of a cell: prose is wrapped, else it is one line."""
        return _widest if self._is_prose(place) else _longest

    def _widest(self, place: int, measure: Callable[[Text], int]) -> int:
        return max([cell_len(self.columns[place]), *map(measure, self._cells(place))])

    def _widths(self, least: list[int], room: int) -> list[int]:
        """Give what room is left, column by column, to the one that is wrapped most."""
        whole = [self._widest(place, _longest) for place in range(len(least))]
        widths = list(least)
        for _ in range(room - sum(least)):
            place = max(range(len(widths)), key=lambda each: whole[each] / max(1, widths[each]))
            if whole[place] <= widths[place]:
                break
            widths[place] += 1
        return widths

    def _table(self, widths: list[int]) -> Table:
        table = Table(box=None, header_style="bold", show_header=any(self.columns))
        for place, column in enumerate(self.columns):
            table.add_column(column, no_wrap=True, overflow="ignore", width=widths[place])
        for row in self.rows:
            pairs = zip(row, widths, strict=False)
            table.add_row(*(Text("\n").join(_wrapped(each, width)) for each, width in pairs))
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
        for line in _wrapped(self.text, options.max_width - self.columns):
            yield _indented(line, self.columns)


def indented(text: object, columns: int, *, name: str = "", style: str = "") -> Indented:
    """Return a text from the left by some columns, escaped; with its name before it if given."""
    told = cell(text)
    told.stylize(style)
    return Indented(Text.assemble((f"{name}: ", "bold"), told) if name else told, columns)


def _widest(text: Text) -> int:
    """Return the columns of the longest word, with the blanks before a line's first."""
    lines = [line for line in text.plain.split("\n") if line.strip()]
    first = [cell_len(line) - cell_len(line.lstrip()) + _words(line)[0] for line in lines]
    return max([*first, *(word for line in lines for word in _words(line))], default=0)


def _words(line: str) -> list[int]:
    return [cell_len(word["itself"]) for word in _WORD.finditer(line)]


def _longest(text: Text) -> int:
    """Return the columns of the longest line."""
    return max(map(cell_len, text.plain.split("\n")))


def _wrapped(text: Text, width: int) -> list[Text]:
    """Wrap between words; a word that is longer than a line gets one of its own, whole."""
    return [part for line in text.split("\n") for part in _parts(line, width)]


def _parts(line: Text, width: int) -> Iterator[Text]:
    plain, start, cuts = line.plain, 0, []
    for word in _WORD.finditer(plain):
        if word.start() > start and cell_len(plain[start : word.end()]) > width:
            start = word.start("itself")
            cuts.append(start)
    for part in line.divide(cuts):
        part.rstrip()
        yield part


def _whole(line: Text) -> Text:
    line.no_wrap, line.overflow = True, "ignore"
    return line


def _indented(line: Text, columns: int) -> Text:
    line = Text(" " * columns) + line
    return _whole(line)
