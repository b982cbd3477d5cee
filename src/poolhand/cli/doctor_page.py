"""What the doctor found, for a person: a line for each check, then how to fix what is not well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from rich.cells import set_cell_size
from rich.console import Group
from rich.text import Text

from poolhand.cli.tables import cell
from poolhand.domain.doctor.findings import CheckOutcome, Examination, Finding
from poolhand.domain.text import shown

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType

_STYLES: Final = {
    CheckOutcome.PASS: "green",
    CheckOutcome.WARN: "yellow",
    CheckOutcome.UNKNOWN: "cyan",
    CheckOutcome.FAIL: "bold red",
}
_OUTCOME_WIDTH: Final = 8
"""Columns of the widest outcome, with the blanks behind it."""
_NAME_WIDTH: Final = 16
"""Columns of the longest name of a check, with the blanks behind it."""


class _Line:
    """One check on one line: what does not fit is cut, for its whole sentence stands below."""

    def __init__(self, finding: Finding) -> None:
        self._finding = finding

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        del console
        each = self._finding
        line = Text(str(each.outcome).ljust(_OUTCOME_WIDTH), style=_STYLES[each.outcome], end="")
        told, room = shown(each.found), options.max_width - _OUTCOME_WIDTH - _NAME_WIDTH
        if len(told) > room:
            told = set_cell_size(told, max(room - 1, 1)).rstrip() + "…"
        yield Text.assemble(line, (str(each.check).ljust(_NAME_WIDTH), "bold"), told)


def doctor_page(told: Examination) -> RenderableType:
    """Show an examination."""
    parts: list[RenderableType] = [_Line(each) for each in told.findings]
    ill = [each for each in told.findings if each.fix and each.outcome is not CheckOutcome.PASS]
    for each in sorted(ill, key=lambda each: each.outcome is not CheckOutcome.FAIL):
        parts += [Text(), Text(f"{each.check} ({each.outcome})", style=_STYLES[each.outcome])]
        parts += [cell(each.found), Text.assemble(("fix: ", "bold"), cell(each.fix))]
    return Group(*parts, Text(), _summary(told))


def _summary(told: Examination) -> Text:
    failures = sum(each.outcome is CheckOutcome.FAIL for each in told.findings)
    if failures:
        what = "check" if failures == 1 else "checks"
        return Text(f"{failures} {what} failed: a worker earns nothing here until that is fixed")
    return Text("nothing failed: `poolhand worker start` will work here", style="green")
