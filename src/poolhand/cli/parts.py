"""Arguments that several verbs take, read into domain types."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from poolhand.domain.ids import Address, DealId, FixedBytes, TaskId
from poolhand.domain.units import NanoRlc, parse_rlc


class Sha256(FixedBytes):
    """A sha256 of a file."""

    what = "a sha256"


def checksum(text: str) -> Sha256:
    """Read a sha256 in hexadecimal, with or without ``0x`` or ``sha256:``."""
    return Sha256.parse("0x" + text.removeprefix("sha256:").removeprefix("0x"))


def optional_address(text: str) -> Any:
    """Read an address, an empty text as None."""
    return Address.parse(text) if text else None


def amount_of(words: list[str]) -> NanoRlc:
    """Read an amount of RLC that was typed in one word or two.

    Raises:
        BadAmount: It is none.
    """
    return parse_rlc(" ".join(words))


AddressArgument = Annotated[Address, typer.Argument(parser=Address.parse, metavar="ADDRESS")]
SimulatedServiceFlag = Annotated[
    bool,
    typer.Option(
        "--accept-simulated-tee",
        help="Let simulated enclaves be told it, which keep nothing secret.",
    ),
]
DealArgument = Annotated[DealId, typer.Argument(parser=DealId.parse, metavar="DEAL_ID")]
TaskArgument = Annotated[TaskId, typer.Argument(parser=TaskId.parse, metavar="TASK_ID")]
KeyFileOption = Annotated[
    str,
    typer.Option(metavar="FILE", help="Its first line is the private key; '-': standard input."),
]
AmountArgument = Annotated[
    list[str],
    typer.Argument(metavar="AMOUNT", help="In RLC: 1.5, '1.5 RLC', 300000000nRLC."),
]
"""Several words, so that ``1.5 RLC`` needs no quotes; ``amount_of`` reads them."""
