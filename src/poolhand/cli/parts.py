"""Arguments that several verbs take, read into domain types."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from poolhand.domain.ids import Address, DealId, FixedBytes, TaskId
from poolhand.domain.units import parse_rlc


class Sha256(FixedBytes):
    """A sha256 of a file."""

    what = "a sha256"


def checksum(text: str) -> Sha256:
    """Read a sha256 in hexadecimal, with or without ``0x`` or ``sha256:``."""
    return Sha256.parse("0x" + text.removeprefix("sha256:").removeprefix("0x"))


def optional_address(text: str) -> Any:
    """Read an address, an empty text as None."""
    return Address.parse(text) if text else None


AddressArgument = Annotated[Address, typer.Argument(parser=Address.parse, metavar="ADDRESS")]
DealArgument = Annotated[DealId, typer.Argument(parser=DealId.parse, metavar="DEAL_ID")]
TaskArgument = Annotated[TaskId, typer.Argument(parser=TaskId.parse, metavar="TASK_ID")]
AmountArgument = Annotated[
    int, typer.Argument(parser=parse_rlc, metavar="AMOUNT", help="In RLC, or 'N nRLC'.")
]
