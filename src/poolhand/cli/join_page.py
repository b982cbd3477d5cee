"""What ``poolhand join`` shows: an address to send money to, and a worker that is all set."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from poolhand.cli.verb import Answer

if TYPE_CHECKING:
    from poolhand.cli.command_run import CommandRun
    from poolhand.cli.worker_page import Page

ALL_SET: Final = "Your worker is all set."
NOT_LET_IN: Final = "Your worker runs, and its pool has not let it in yet; why is below."


def show_address(command: CommandRun, address: str) -> None:
    """Draw an address for a telephone, where a person looks at a terminal."""
    if command.as_json or not sys.stderr.isatty():
        return
    from poolhand.cli.qr_code import coloured_code
    from poolhand.cli.terminal import Console

    Console(stderr=True).print(coloured_code(address))


def all_set(page: Page, told: Mapping[str, Any]) -> Answer:
    """Answer that the worker runs, and how it stands.

    Args:
        page: The worker's.
        told: What was joined.
    """
    from rich.console import Group
    from rich.text import Text

    from poolhand.cli.worker_report import worker_report

    status = page.status()
    hint = (
        f"Its page: {page.url}. `poolhand worker status` shows this again, `worker stop` ends it."
    )
    is_set = bool(status["connected"])
    first = Text(ALL_SET, style="bold green") if is_set else Text(NOT_LET_IN, style="bold yellow")
    return Answer(
        {"all_set": is_set, **told, "page": page.url, "status": status},
        lambda: Group(first, worker_report(status), Text(hint)),
    )
