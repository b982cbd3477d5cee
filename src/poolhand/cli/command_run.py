"""One run of one verb: its settings, its console, and a requester when it needs one."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from poolhand.cli.passwords import ask_password
from poolhand.cli.saying import say
from poolhand.client.context import ClientContext

if TYPE_CHECKING:
    from rich.console import Console

    from poolhand.client.context import Opener
    from poolhand.keys.errors import WalletInUse
    from poolhand.requester.requester import Requester
    from poolhand.requester.session import Session


PIPE_WIDTH: Final = 100_000
"""Columns of what is read by a program or a file: nothing is wrapped there."""


@dataclass
class CommandRun(ClientContext):
    """One run of one verb; ``flags`` are the common options as given.

    Attributes:
        as_json: Whether the answer is for a program.
        opener: Opens a requester; ``requester.main.open_requester`` when None.
        farewell: What to say when the person interrupts.
    """

    as_json: bool = False
    opener: Opener | None = None
    farewell: str = field(default="", init=False)

    @cached_property
    def console(self) -> Console:
        """Standard output, for people."""
        from poolhand.cli.terminal import Console

        if sys.stdout.isatty() or os.environ.get("COLUMNS"):
            return Console(highlight=False)
        return Console(highlight=False, width=PIPE_WIDTH)  # ids stay whole for grep

    def note(self, text: str) -> None:
        """Say something on standard error that is no part of the answer."""
        say(text)

    def new_password(self) -> str:
        """Return the password of a wallet that is yet to be made; raises as ``password``."""
        told = self._told_password()
        return told or ask_password("a new password for it", fresh=True)

    def _asked(self, about: str) -> str:
        return ask_password(about)

    @property
    def rpc_urls(self) -> tuple[str, ...]:
        """The nodes of the chain that is meant."""
        return self.settings(signing=False).chain.rpc_urls

    @asynccontextmanager
    async def requester(
        self, *, signing: bool = False, wallet: tuple[str, str] | None = None
    ) -> AsyncIterator[Requester]:
        """Open a requester; with ``signing``, one that can spend.

        Args:
            signing: With the wallet that acts, opened.
            wallet: With this one instead: its file and its password.
        """
        from poolhand import observe

        observe.configure(level="warning", sentences=True)
        settings = self.settings(signing=signing and wallet is None)
        if wallet is not None:
            settings = replace(settings, wallet=wallet[0], password=wallet[1])
        async with (self.opener or _opener())(settings) as requester:
            if settings.wallet is not None and settings.password is not None:
                requester.wallet.busy.connect(self._wait_told)
            yield requester

    @asynccontextmanager
    async def session(self, *, signing: bool = False) -> AsyncIterator[Session]:
        """Open a buyer's session; with ``signing``, one that can spend."""
        from poolhand.requester.session import Session

        async with self.requester(signing=signing) as requester:
            yield Session(requester)

    def _wait_told(self, fault: WalletInUse) -> None:
        from poolhand.requester.spending_wallet import LONGEST_WAIT_FOR_WALLET

        verb = f" (`poolhand {fault.verb}`)" if fault.verb else ""
        self.note(
            f"wallet {fault.address} is in use by process {fault.holder}{verb}: waiting for it, "
            f"{LONGEST_WAIT_FOR_WALLET:.0f} s at most"
        )


def _opener() -> Opener:
    from poolhand.requester.main import open_requester

    return open_requester
