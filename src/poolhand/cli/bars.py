"""One bar per replicate: how its time was spent, to the scale of the longest.

Only what one clock has measured is drawn; a stage whose time is not known is a single ``?``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

from poolhand.domain.replicate.status import FINAL, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from poolhand.wire.pool_api import ReplicateNews

CELLS: Final = 44
"""Characters of the longest bar."""

S = Status
_STAGES: Final = {
    "download": ("░", "blue", {S.RUNNING, S.APP_DOWNLOADING, S.APP_DOWNLOADED, S.DATA_DOWNLOADING}),
    "compute": ("█", "green", {S.DATA_DOWNLOADED, S.COMPUTING}),
    "chain": ("▒", "magenta", {S.CAN_CONTRIBUTE, S.CONTRIBUTING, S.REVEALING}),
    "upload": ("▓", "cyan", {S.RESULT_UPLOAD_REQUESTED, S.RESULT_UPLOADING}),
}
_WAIT: Final = ("·", "dim")


def bars(replicates: Iterable[ReplicateNews]) -> Text | None:
    """Draw the replicates; None when nothing has a length yet."""
    spent = {each.worker.short: _spent(each) for each in replicates}
    totals = {worker: sum(took or 0 for _, _, took in stages) for worker, stages in spent.items()}
    longest = max(totals.values(), default=0)
    if not longest:
        return None
    drawn = Text("  ")
    for name, (mark, style, _) in _STAGES.items():
        drawn.append(mark, style).append(f" {name}  ")
    drawn.append(_WAIT[0], _WAIT[1]).append(" wait   ? not known")
    for worker, stages in spent.items():
        drawn.append(f"\n  {worker:<12} ")
        _draw(drawn, stages, longest)
        drawn.append(f" {totals[worker]} s")
    return drawn


def _spent(each: ReplicateNews) -> list[tuple[str, str, int | None]]:
    """Return mark, style and seconds of each stage; what ended the replicate has no length."""
    lines = each.history[1:]  # CREATED ends by another clock
    lengths = [(line.status, line.seconds) for line in lines if line.status not in FINAL]
    if lengths and each.status not in FINAL:
        lengths.pop()  # the stage that is under way
    return [(*_mark(status), took) for status, took in lengths]


def _mark(status: str) -> tuple[str, str]:
    found = (stage[:2] for stage in _STAGES.values() if status in stage[2])
    return next(found, _WAIT)


def _draw(drawn: Text, stages: list[tuple[str, str, int | None]], longest: int) -> None:
    """Append a bar; rounding is carried over, so that equal times have equal lengths."""
    at, cells = 0, 0
    for mark, style, took in stages:
        if took is None:
            drawn.append("?", "yellow")
            continue
        at += took
        until = round(at * CELLS / longest)
        drawn.append(mark * (until - cells), style)
        cells = until
