"""``poolhand worker journal``: repair what a broken disk left of a worker's journal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from poolhand.cli.plain import JsonFlag, Noun
from poolhand.cli.saying import say
from poolhand.domain.errors import Refused

journal = Noun(
    no_args_is_help=True,
    help="Repair a worker's journal.",
)


class NoJournal(Refused):
    """The named journal is not there."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"there is no journal {path}: give the path that the error message named")


def add_journal(app: typer.Typer) -> None:
    """Add the verbs for journals to those of a worker."""
    app.add_typer(journal, name="journal")


@journal.callback()
def about_journals() -> None:
    """Repair what a broken disk left of a journal."""


@journal.command("repair")
def repair_journal(
    path: Annotated[Path, typer.Argument(help="The journal, as the error message names it.")],
    as_json: JsonFlag = False,
) -> None:
    """Keep every good line of a damaged journal; the original is saved beside it.

    Example: poolhand worker journal repair ~/.poolhand/workers/worker/journal

    Exit codes: 0 repaired (or nothing was wrong), 2 no such file, or a worker has it open.
    """
    from poolhand.store.repair import repair

    if not path.is_file():
        raise NoJournal(path)
    report = repair(path)
    told = {
        "path": str(report.path),
        "saved": str(report.saved),
        "kept": report.kept,
        "dropped": list(report.dropped),
    }
    if as_json:
        print(json.dumps(told))
        return
    lost = ", ".join(map(str, report.dropped)) or "none"
    say(
        f"kept {report.kept} lines, dropped lines: {lost}; the original is {report.saved}",
        on_output=True,
    )
