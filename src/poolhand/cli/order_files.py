"""Signed orders in files, as the iExec SDK writes them, and orders that are named by their hash."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from poolhand.domain.errors import Malformed, Refused
from poolhand.domain.ids import OrderHash
from poolhand.domain.json_text import parse_json
from poolhand.domain.orders.model import (
    AppOrder,
    DatasetOrder,
    OrderT,
    RequestOrder,
    Signed,
    WorkerpoolOrder,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_HASH: Final = re.compile(r"0[xX][0-9a-fA-F]+")


class BadOrderFile(Refused):
    """The file holds no signed order."""


def order_or_hash(text: str) -> Signed[Any] | OrderHash:
    """Read a signed order from a file, or the hash of one.

    Raises:
        BadOrderFile: Not there, or no order.
        BadHex: No hash.
    """
    return OrderHash.parse(text) if _HASH.fullmatch(text) else any_order(Path(text))


def read_order(kind: type[OrderT], path: str) -> Signed[OrderT] | None:
    """Read a signed order of one kind; an empty path is none.

    Raises:
        BadOrderFile: Not there, or no such order.
    """
    from poolhand.wire.order_json import decode_order

    if not path:
        return None
    try:
        return decode_order(kind, read_members(Path(path)))
    except Malformed as fault:
        raise BadOrderFile(f"{path} holds no signed {kind.__name__}: {fault}") from fault


def read_members(file: Path) -> dict[str, Any]:
    """Return the JSON object in a file; raises BadOrderFile."""
    try:
        members = parse_json(file.read_bytes().removeprefix(BOM_UTF8))
    except OSError as fault:
        raise BadOrderFile(f"cannot read the order in {file}: {fault.strerror}") from fault
    except ValueError as fault:
        raise BadOrderFile(f"the order in {file} is not JSON: {fault}") from fault
    if not isinstance(members, dict):
        raise BadOrderFile(f"{file} holds no order: expected one JSON object")
    return members


def kind_of(members: Mapping[str, Any]) -> type:
    """Tell an order's kind by its members; raises BadOrderFile."""
    from poolhand.domain.orders.eip712 import CHAIN_NAMES

    for kind in (RequestOrder, WorkerpoolOrder, DatasetOrder, AppOrder):
        if set(CHAIN_NAMES[kind]) <= members.keys():
            return kind
    raise BadOrderFile("this is none of the four orders: a member is missing")


def any_order(file: Path) -> Signed[Any]:
    """Read a signed order of whichever kind; raises BadOrderFile."""
    found = read_order(kind_of(read_members(file)), str(file))
    assert found is not None
    return found


def write_order(signed: Signed[Any], path: str) -> None:
    """Write an order to a new file.

    Raises:
        BadOrderFile: There is a file already, or it cannot be written.
    """
    import json

    from poolhand.wire.order_json import encode_order

    try:
        with Path(path).open("x", encoding="utf-8") as file:
            file.write(json.dumps(encode_order(signed), indent=2) + "\n")
    except OSError as fault:
        raise BadOrderFile(f"cannot write the order to {path}: {fault.strerror}") from fault
