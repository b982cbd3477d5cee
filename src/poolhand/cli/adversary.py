"""``poolhand devnet adversary``: one *simulated adversary*, a worker that misbehaves on purpose."""

from __future__ import annotations

import os
from typing import Final

import typer

from poolhand.cli.programs import Ready, add_program
from poolhand.devnet.adversaries.kinds import ADVERSARIES, Kind
from poolhand.settings.load import Option, Settings
from poolhand.settings.worker import WORKER_OPTIONS, worker_settings

ADVERSARY_KIND: Final = Option(
    "kind", "POOLHAND_ADVERSARY", Kind, None, f"how it misbehaves: {', '.join(Kind)}"
)


async def _start(settings: Settings, ready: Ready) -> None:
    import structlog

    from poolhand.devnet.adversaries.parts import misbehaving_parts
    from poolhand.observe.processors import usable_cpus
    from poolhand.worker.main import run

    row = ADVERSARIES[settings["kind"]]
    structlog.get_logger().warning(
        "simulated_adversary",
        name=settings["name"],
        kind=row.kind,
        does=row.does,
        must_follow=row.follows,
    )
    cpus = usable_cpus()
    await run(worker_settings(settings, os.environ, cpus), ready, misbehaving_parts(row.kind))


def add_adversary(app: typer.Typer) -> None:
    """Add the command to a group."""
    add_program(
        app,
        "adversary",
        (ADVERSARY_KIND, *WORKER_OPTIONS),
        _start,
        """Work for a pool, but misbehave: a simulated adversary, for networks of your own.

        Settings are those of `poolhand worker start`, with its own wallet. It stakes real RLC of
        that wallet, and on most kinds it loses it.

        Example: poolhand devnet adversary --kind wrong-hash --name liar-1

        Exit codes: 0 stopped, 2 a setting is wrong, 4 engine, chain or pool out of reach.
        """,
    )
