"""``poolhand statuses``: what a status means, why it came, who must act and how."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from poolhand.cli.command_run import CommandRun
from poolhand.cli.plain import Noun
from poolhand.cli.verb import Answer, verb
from poolhand.domain.errors import Refused
from poolhand.domain.replicate.status import EDGES, STATUSES, Row, Status

app = Noun()

StatusArgument = Annotated[
    str, typer.Argument(metavar="[NAME]", help="One status; all if left out.")
]


class UnknownStatus(Refused):
    """No status has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"'{name}' is not a status: list them with `poolhand statuses`")


@verb(app, "statuses", example="poolhand statuses CONTRIBUTED", local=True)
def statuses(command: CommandRun, name: StatusArgument = "") -> Answer:
    """Explain every status of a replicate, or one."""
    from poolhand.cli.render import grid, pairs

    del command
    if not name:
        rows = ((row.status, row.meaning, row.acts, row.next_step) for row in STATUSES.values())
        columns = ("status", "meaning", "who acts next", "next step")
        return Answer([_members(row) for row in STATUSES.values()], lambda: grid(columns, rows))
    if name.upper() not in STATUSES:
        raise UnknownStatus(name)
    row = STATUSES[Status(name.upper())]
    members = _members(row)
    shown = {**members, "next": ", ".join(members["next"]) or "nothing: it is final"}
    return Answer(members, lambda: pairs((key.replace("_", " "), v) for key, v in shown.items()))


def _members(row: Row) -> dict[str, Any]:
    return {
        "status": row.status,
        "meaning": row.meaning,
        "cause": row.cause,
        "entered_by": row.by,
        "acts": row.acts,
        "next_step": row.next_step,
        "next": sorted(EDGES[row.status]),
    }
