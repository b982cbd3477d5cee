"""``poolhand worker deposit``: the running worker, which holds its wallet, turns RLC into stake."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import typer

from poolhand.cli.exits import INTERRUPTED
from poolhand.cli.render import pairs, rlc
from poolhand.cli.saying import say
from poolhand.cli.worker_page import OrderUnavailable, Page
from poolhand.domain.units import NanoRlc, show_rlc

if TYPE_CHECKING:
    from rich.console import RenderableType

LONGEST_DEPOSIT: Final = 180.0
"""Seconds for a deposit to be mined."""


def deposit(page: Page, amount: NanoRlc, name: str) -> dict[str, Any]:
    """Let a worker deposit, and wait until that is mined.

    Args:
        page: The worker's.
        amount: To turn into stake.
        name: Of an order that is repeated; empty for a new one.

    Raises:
        NoToken, WorkerSilent: Nothing was asked of the worker.
        OrderRefused, OrderRaced, PageFault: Nothing was deposited; the worker says why.
        OrderUnavailable: Whether it was deposited is unknown; the message says how to find out.
    """
    name = name or secrets.token_hex(8)
    again = f"`poolhand worker deposit {show_rlc(amount)} --again {name}`"
    try:
        told = page.order("deposit", {"nrlc": amount, "name": name}, LONGEST_DEPOSIT)
    except OrderUnavailable as fault:
        raise OrderUnavailable(
            fault.code, f"{fault}. Whether it was deposited is unknown: {again} deposits it once"
        ) from fault
    except KeyboardInterrupt:
        say(f"the worker goes on depositing; {again} waits for it")
        raise typer.Exit(INTERRUPTED) from None
    return {"deposited_nrlc": amount, **told}


def deposit_report(told: Mapping[str, Any]) -> RenderableType:
    """Show a deposit and the stake as it is now."""
    sent = told["transaction"]
    return pairs(
        [
            ("deposited", rlc(told["deposited_nrlc"])),
            ("free stake", rlc(told["stake_nrlc"])),
            ("locked stake", rlc(told["locked_nrlc"])),
            ("transaction", f"{sent['tx']} (block {sent['block']}, {sent['gas']} gas)"),
        ]
    )
