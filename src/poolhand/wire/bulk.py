"""Bulks of datasets: an IPFS file names slices, and each slice has the orders of one task's.

Source: iExec SDK 9.0.1, ``prepareDatasetBulk``; services-api.md 6.
"""

from __future__ import annotations

from typing import Any, Final

from poolhand.domain.content_id import MOST_PIECE, ContentId, UnfitContentId, is_file_of
from poolhand.domain.errors import Malformed
from poolhand.domain.json_text import parse_json
from poolhand.domain.orders.model import DatasetOrder, Signed
from poolhand.wire.order_json import decode_order

MOST_BULK_FILE: Final = MOST_PIECE
"""Bytes of a bulk or a slice: what is one block, so that its address tells whether it is whole."""
MOST_OF_SLICE: Final = 100
"""Datasets of one task, as the SDK has it."""


def slice_address(bulk: ContentId, raw: bytes, task: int) -> ContentId:
    """Return where the slice of a task is.

    Args:
        bulk: The address of the bulk.
        raw: What was read there.
        task: Absolute index of the task.

    Raises:
        Malformed: It is another file, no list of addresses, or has no such slice.
    """
    slices = _list(bulk, raw)
    if not (0 <= task < len(slices) and isinstance(slices[task], str)):
        raise Malformed(f"the bulk {bulk} has no slice for task {task}")
    try:
        return ContentId.parse(slices[task])
    except UnfitContentId as fault:
        raise Malformed(f"slice {task} of the bulk {bulk}: {fault}") from fault


def read_slice(content: ContentId, raw: bytes) -> tuple[Signed[DatasetOrder], ...]:
    """Return the orders of a slice, in order; whether they fit the deal is not looked at.

    Raises:
        Malformed: It is another file, or no list of dataset orders.
    """
    orders = _list(content, raw)
    if len(orders) > MOST_OF_SLICE:
        raise Malformed(f"the slice {content} has more than {MOST_OF_SLICE} datasets")
    return tuple(decode_order(DatasetOrder, each) for each in orders)


def _list(content: ContentId, raw: bytes) -> list[Any]:
    if not is_file_of(content, raw):
        raise Malformed(f"what was given as {content} is something else, or too large for a bulk")
    try:
        found = parse_json(raw)
    except ValueError as fault:
        raise Malformed(f"{content} is no JSON: {fault}") from fault
    if not isinstance(found, list):
        raise Malformed(f"{content} is no list")
    return found
