"""Why replicates failed, who must act and how: said where a buyer looks, equal causes once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from poolhand.cli.tables import indented

if TYPE_CHECKING:
    from rich.console import RenderableType

    from poolhand.requester.watching import Progress


def causes_report(progress: Progress) -> Iterator[RenderableType]:
    """Yield the causes of every task's failures, for a person."""
    from poolhand.requester.causes import causes

    for task in progress.tasks:
        for each in causes(task):
            yield indented(each.sentence, 0, name=f"task {task.index}")
            yield indented(f"{each.acts}: {each.next_step}", 4, name="next")
