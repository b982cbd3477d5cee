"""The result link: JSON text that goes on chain at the end of a task.

Source: iExec's worker 9.x (form), SDK 8 and 9 (reader).
"""

from __future__ import annotations

from typing import Final

from poolhand.domain.ids import Address, TaskId
from poolhand.domain.json_text import parse_json

LONGEST_LINK: Final = 4096
"""Bytes of a link that are read."""


def link_text(location: str, callback: Address) -> str:
    """Return the link to a result that lies at ``location``; of a callback task, to its contract.

    ``storage`` is "ipfs" wherever it lies: the iExec SDK downloads only that storage, and for it
    any absolute URL in ``location``, so that an unmodified SDK finds the archive.
    """
    if not callback.is_zero:
        return f'{{ "storage": "ethereum", "location": "{callback}" }}'
    return f'{{ "storage": "ipfs", "location": "{location}" }}'


def link_location(link: bytes) -> str:
    """Return where a link on chain says that the result is; empty where it says nothing."""
    if len(link) > LONGEST_LINK:
        return ""
    try:
        return str(parse_json(link.decode())["location"])
    except (ValueError, KeyError, TypeError):
        return ""


def location_at(results_url: str, task_id: TaskId) -> str:
    """Return under which URL a results service of ours gives out a task's result."""
    return f"{results_url.rstrip('/')}/v1/results/{task_id}"
