"""``poolhand worker logs``: what the app of a task prints while it runs here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from poolhand.cli.saying import say
from poolhand.domain.units import MIB

if TYPE_CHECKING:
    from poolhand.cli.worker_page import Page
    from poolhand.domain.ids import TaskId


def show_output(page: Page, task_id: TaskId, *, follow: bool, tail: int, as_json: bool) -> None:
    """Print what an app prints, line by line, until it ends.

    Raises:
        NoToken, OrderRefused, WorkerSilent: It cannot be had; the message says why.
    """
    asked = f"tasks/{task_id}/output?follow={str(follow).lower()}&tail={tail}"
    for members in page.stream(asked):
        if as_json:
            print(json.dumps(members), flush=True)
        elif "text" in members:
            say(str(members["text"]), on_output=members.get("stream") != "stderr")
        else:
            say(use_told(members))


def use_told(members: Mapping[str, Any]) -> str:
    """Say what a container uses."""
    memory, spent = int(members.get("memory", 0)), float(members.get("cpu_seconds", 0))
    return (
        f"[{memory / MIB:.0f} MiB of memory, {spent:.1f} s of processor, "
        f"{int(members.get('processes', 0))} processes]"
    )
