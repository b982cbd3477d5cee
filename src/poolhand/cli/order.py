"""``poolhand order``: signed orders in files, as the iExec SDK writes them."""

from __future__ import annotations

from codecs import BOM_UTF8
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolhand.cli.command_run import CommandRun
from poolhand.cli.verb import Answer, noun, verb
from poolhand.domain.errors import Malformed, Refused
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
    from poolhand.requester.checking import OrderState

app = noun("Look at signed orders and check them against the chain.")

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="One signed order, JSON.")]


class BadOrderFile(Refused):
    """The file holds no signed order."""


@verb(app, "show", example="poolhand order show app-order.json", local=True)
def show(command: CommandRun, file: FileArgument) -> Answer:
    """Show what a signed order says."""
    from poolhand.cli.render import pairs
    from poolhand.wire.order_json import encode_order

    del command
    members = {"kind": _kind(_read(file)).__name__, **encode_order(_any(file))}
    return Answer(members, lambda: pairs(members.items()))


@verb(app, "check", example="poolhand order check app-order.json")
async def check(command: CommandRun, file: FileArgument) -> Answer:
    """Check an order against the chain: its hash, who signed it, what is left of it."""
    from poolhand.cli.render import pairs

    signed = _any(file)
    async with command.requester() as requester:
        state: OrderState = await requester.order_state(signed)
    members: dict[str, Any] = {
        "hash": str(state.order_hash),
        "owner": str(state.owner) if state.owner else None,
        "signed_by_owner": state.signed_by_owner,
        "volume": signed.order.volume,
        "left": state.left,
        "usable": state.usable,
    }
    return Answer(members, lambda: pairs((k.replace("_", " "), v) for k, v in members.items()))


def read_order(kind: type[OrderT], path: str) -> Signed[OrderT] | None:
    """Read a signed order of one kind; an empty path is none.

    Raises:
        BadOrderFile: Not there, or no such order.
    """
    from poolhand.wire.order_json import decode_order

    if not path:
        return None
    try:
        return decode_order(kind, _read(Path(path)))
    except Malformed as fault:
        raise BadOrderFile(f"{path} holds no signed {kind.__name__}: {fault}") from fault


def _read(file: Path) -> dict[str, Any]:
    try:
        members = parse_json(file.read_bytes().removeprefix(BOM_UTF8))
    except OSError as fault:
        raise BadOrderFile(f"cannot read the order in {file}: {fault.strerror}") from fault
    except ValueError as fault:
        raise BadOrderFile(f"the order in {file} is not JSON: {fault}") from fault
    if not isinstance(members, dict):
        raise BadOrderFile(f"{file} holds no order: expected one JSON object")
    return members


def _kind(members: dict[str, Any]) -> type:
    """Tell an order's kind by its members."""
    from poolhand.domain.orders.eip712 import CHAIN_NAMES

    for kind in (RequestOrder, WorkerpoolOrder, DatasetOrder, AppOrder):
        if set(CHAIN_NAMES[kind]) <= members.keys():
            return kind
    raise BadOrderFile("this is none of the four orders: a member is missing")


def _any(file: Path) -> Signed[Any]:
    found = read_order(_kind(_read(file)), str(file))
    assert found is not None
    return found
