"""A deal as HTML for notebooks: no script, no style of a page, every text escaped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final

from poolhand.domain.deal import Deal
from poolhand.domain.text import shown
from poolhand.domain.units import NanoRlc, show_rlc
from poolhand.requester.causes import causes
from poolhand.requester.watching import Outcome, Progress, TaskProgress

MOST_ERRORS_SHOWN: Final = 10
"""Tasks whose errors are told one by one."""
LONGEST_CELL: Final = 300
"""Characters of an error."""
MOST_POINTS: Final = 240
"""Points of a plot: then every second one is dropped."""
_WIDTH, _HEIGHT = 480, 120
_CELL: Final = "text-align:left;padding:0.2em 0.8em;vertical-align:top"


@dataclass(slots=True)
class ThroughputRecord:
    """How many tasks were completed at which moment.

    Attributes:
        points: Seconds since the first look, and tasks completed by then; 240 at most.
    """

    points: list[tuple[float, int]] = field(default_factory=list)
    _began: float | None = None

    def add(self, at: float, completed: int) -> None:
        """Tell what was seen at a moment (seconds of a steady clock)."""
        self._began = at if self._began is None else self._began
        point = (at - self._began, completed)
        if len(self.points) > 1 and self.points[-1][1] == self.points[-2][1] == completed:
            self.points[-1] = point  # nothing happened: the last one lasts
        else:
            self.points.append(point)
        if len(self.points) > MOST_POINTS:
            self.points = [*self.points[:-1:2], self.points[-1]]


def completed(progress: Progress) -> int:
    """Return how many tasks are completed."""
    return sum(task.outcome is Outcome.COMPLETED for task in progress.tasks)


def deal_html(deal: Deal, progress: Progress, record: ThroughputRecord | None = None) -> str:
    """Return a deal at one moment: tasks by status, progress, cost so far, pool, errors.

    Args:
        deal: Which.
        progress: How its tasks stand.
        record: Drawn as a plot once every task has ended; None: no plot.
    """
    done, of = completed(progress), len(progress.tasks)
    ended = sum(task.outcome is not None for task in progress.tasks)
    label = "Tasks that have ended"
    parts = [
        f"<p>Deal <code>{deal.deal_id}</code>: {done} of {of} task(s) completed</p>",
        f'<progress aria-label="{label}" max="{of}" value="{ended}"></progress>',
        _table(("status", "tasks"), _by_status(progress)),
        _table(("what", "how"), _facts(deal, progress)),
    ]
    errors = [task for task in progress.tasks if _has_failed(task)]
    if errors:
        parts.append(_table(("task", "what went wrong"), _errors(errors)))
    if record is not None and progress.ended and len(record.points) > 1:
        parts.append(throughput_svg(record.points))
    return f"<div>{''.join(parts)}</div>"


def trouble_html(deal: Deal, trouble: Exception) -> str:
    """Return a deal that cannot be looked at now, and why."""
    return f"<div><p>Deal <code>{deal.deal_id}</code></p><p>{_fit(str(trouble))}</p></div>"


def deal_line(deal: Deal, progress: Progress) -> str:
    """Return the same in one line, for a terminal."""
    told = ", ".join(f"{count} {status}" for status, count in _by_status(progress))
    return f"deal {deal.deal_id}: {told}; {_spent(deal, progress)}"


def throughput_svg(points: Sequence[tuple[float, int]]) -> str:
    """Draw tasks completed (up) against seconds (right); at least one point."""
    last, most = max(points[-1][0], 1e-9), max(points[-1][1], 1)
    steps = []
    before = 0
    for at, count in points:
        x = 40 + at / last * (_WIDTH - 50)
        steps += [(x, before), (x, count)]
        before = count
    line = " ".join(f"{x:.1f},{10 + (1 - y / most) * (_HEIGHT - 40):.1f}" for x, y in steps)
    rate = f"{most / last:.2f} tasks per second" if points[-1][1] else "no task completed"
    label = f"Tasks completed over {last:.0f} s: {points[-1][1]}, {rate}"
    base = _HEIGHT - 30
    return (
        f'<svg role="img" aria-label="{label}" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" style="max-width:100%;height:auto">'
        f'<g fill="none" stroke="currentColor">'
        f'<path d="M40 10V{base}H{_WIDTH - 10}" stroke-opacity="0.5"></path>'
        f'<polyline points="{line}" stroke-width="2"></polyline></g>'
        f'<g fill="currentColor" font-size="12" font-family="sans-serif">'
        f'<text x="36" y="16" text-anchor="end">{most}</text>'
        f'<text x="36" y="{base}" text-anchor="end">0</text>'
        f'<text x="40" y="{_HEIGHT - 12}">0 s</text>'
        f'<text x="{_WIDTH - 10}" y="{_HEIGHT - 12}" text-anchor="end">{last:.1f} s, {rate}</text>'
        "</g></svg>"
    )


def _by_status(progress: Progress) -> list[tuple[str, str]]:
    counts = Counter(str(task.status) for task in progress.tasks)
    return [(status, str(count)) for status, count in sorted(counts.items())]


def _facts(deal: Deal, progress: Progress) -> Iterator[tuple[str, str]]:
    yield "cost", _spent(deal, progress)
    yield "pool", str(deal.workerpool.address)
    yield "trust", str(deal.trust)


def _spent(deal: Deal, progress: Progress) -> str:
    paid = NanoRlc(deal.price * completed(progress))
    whole = NanoRlc(deal.price * len(progress.tasks))
    return f"{show_rlc(paid)} of {show_rlc(whole)} RLC paid for what is completed"


def _has_failed(task: TaskProgress) -> bool:
    return task.outcome in (Outcome.FAILED, Outcome.TIMED_OUT) or task.nobody_left


def _errors(errors: Sequence[TaskProgress]) -> Iterator[tuple[str, str]]:
    for task in errors[:MOST_ERRORS_SHOWN]:
        told = [f"{cause.sentence}. {cause.next_step}" for cause in causes(task)]
        why = "; ".join(told) or str(task.meaning or task.status)
        yield str(task.index), why
    if len(errors) > MOST_ERRORS_SHOWN:
        yield "…", f"{len(errors) - MOST_ERRORS_SHOWN} more"


def _table(columns: Sequence[str], rows: Iterator[tuple[str, str]] | list[tuple[str, str]]) -> str:
    head = "".join(f'<th scope="col" style="{_CELL}">{column}</th>' for column in columns)
    body = "".join(
        f"<tr>{''.join(f'<td style={_CELL!r}>{_fit(cell)}</td>' for cell in row)}</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _fit(text: str) -> str:
    return escape(shown(text, LONGEST_CELL))
