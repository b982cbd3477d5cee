"""Lines by their numbers: the newest of them, bounded; and how far somebody has read them.

Whoever prints numbers its lines from 0. A window keeps the last ones, whoever reads is never told
one twice, and what it was not told is counted: so a connection may break anywhere, and a flood
costs memory for no more than the window.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LineRun(Generic[T]):
    """Lines with consecutive numbers, the first of them ``first``."""

    first: int
    lines: tuple[T, ...]

    @property
    def end(self) -> int:
        """The number behind the last one."""
        return self.first + len(self.lines)

    def since(self, number: int) -> LineRun[T]:
        """Return those from a number on; the number lies before the end."""
        skipped = max(number - self.first, 0)
        return LineRun(self.first + skipped, self.lines[skipped:])


def joined(runs: Iterable[LineRun[T]]) -> LineRun[T] | None:
    """Return runs as one, up to the first line that is missing between them; None of none."""
    first, lines = None, list[T]()
    for run in runs:
        if first is None:
            first = run.first
        elif run.first != first + len(lines):
            break
        lines += run.lines
    return None if first is None else LineRun(first, tuple(lines))


class LineWindow(Generic[T]):
    """The last lines of an output.

    Args:
        most_lines: That are kept.
        most_size: Of all that are kept together, as ``size`` measures; one line is kept whatever
            its size.
        size: Of one line.
        next_number: Of the first that comes.
    """

    def __init__(
        self, most_lines: int, most_size: int, size: Callable[[T], int], next_number: int = 0
    ) -> None:
        self._most_lines, self._most_size, self._size = most_lines, most_size, size
        self._kept: deque[tuple[int, T]] = deque()
        self._held = 0
        self.next = next_number

    @property
    def first(self) -> int:
        """The number of the oldest line that is kept; ``next`` where none is."""
        return self._kept[0][0] if self._kept else self.next

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, number: int, line: T) -> bool:
        """Take a line; False where it came before. Numbers that are passed over are missing."""
        if number < self.next:
            return False
        self._kept.append((number, line))
        self._held += self._size(line)
        self.next = number + 1
        while len(self._kept) > 1 and (
            len(self._kept) > self._most_lines or self._held > self._most_size
        ):
            self._held -= self._size(self._kept.popleft()[1])
        return True

    def take(self, after: int, most_lines: int, most_size: int) -> LineRun[T]:
        """Return the lines from number ``after`` on that are kept, as many as fit.

        They end before a number that is missing. One is returned whatever its size. Where the
        first that is kept comes later, the run begins there.
        """
        at = bisect_left(self._kept, after, key=lambda each: each[0])
        if at == len(self._kept):
            return LineRun(max(after, self.next), ())
        first, taken, size = self._kept[at][0], list[T](), 0
        while at < len(self._kept) and len(taken) < most_lines:
            number, line = self._kept[at]
            size += self._size(line)
            if number != first + len(taken) or (taken and size > most_size):
                break
            taken.append(line)
            at += 1
        return LineRun(first, tuple(taken))


class LineCursor:
    """How far an output was read.

    Attributes:
        next: The number of the next line; lines before it are not told again.
    """

    def __init__(self, next_number: int = 0) -> None:
        self.next = next_number

    def take(self, run: LineRun[T]) -> tuple[int, LineRun[T]]:
        """Return how many lines are missing before a run, and what of it is new."""
        if run.end <= self.next:
            return 0, LineRun(self.next, ())
        begin = max(run.first, self.next)
        left_out, self.next = begin - self.next, run.end
        return left_out, LineRun(begin, run.lines[begin - run.first :])
