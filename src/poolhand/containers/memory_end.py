"""Whether a container was ended for want of memory, also where its engine heard of that too late.

Docker marks a container as such when it ends, if the kernel's word has come by then; what comes
later it notes among its events and nowhere else.

Source: moby 20.10, ``libcontainerd/remote`` (events of containerd) and ``daemon/monitor.go``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from aiodocker import Docker

from poolhand.containers.run_clock import moment_of

KILLED: Final = 137
"""Exit code of who was ended by SIGKILL, as the kernel does it."""
LATE: Final = 1
"""Seconds by which the kernel's word may be late."""


async def ended_for_memory(docker: Docker, account: Mapping[str, Any]) -> bool:
    """Tell of a container that has ended whether the kernel did it for want of memory.

    An engine that does not tell its events is not asked twice: its mark alone counts.

    Args:
        docker: The engine.
        account: What it says of the container (``inspect``).
    """
    state = account["State"]
    if state["OOMKilled"] or state["ExitCode"] != KILLED:
        return bool(state["OOMKilled"])
    began, ended = moment_of(state["StartedAt"]), moment_of(state["FinishedAt"])
    if began is None or ended is None:
        return False
    asked = {
        "since": str(math.floor(began)),
        "until": str(math.ceil(ended) + LATE),  # the answer ends then
        "filters": json.dumps({"container": [account["Id"]], "event": ["oom"]}),
    }
    url = f"{docker.docker_host}/{docker.api_version}/events"
    async with docker.session.get(url, params=asked) as answer:
        return answer.status == 200 and bool((await answer.text()).strip())
