"""The result link: JSON text that goes on chain at the end of a task.

Source: iExec's worker 9.x (form), SDK 8 and 9 (reader).
"""

from __future__ import annotations

from poolhand.domain.ids import Address, TaskId


def result_link(results_url: str, task_id: TaskId, callback: Address) -> str:
    """Return where a task's result is; for a callback task, the contract that got it.

    ``storage`` is "ipfs" although nothing lies there: the iExec SDK downloads only that storage,
    and for it any absolute URL in ``location``, so that an unmodified SDK finds the archive.
    """
    if not callback.is_zero:
        return f'{{ "storage": "ethereum", "location": "{callback}" }}'
    return f'{{ "storage": "ipfs", "location": "{results_url}/v1/results/{task_id}" }}'
