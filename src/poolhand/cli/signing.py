"""Starting the signer of a worker: it finds out the password, and this program never knows it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from poolhand.cli.exits import INTERRUPTED
from poolhand.cli.hiding import PIPE, password_pipe
from poolhand.domain.errors import Refused
from poolhand.settings.load import Rank, Settings
from poolhand.settings.wallets import password_file

if TYPE_CHECKING:
    from poolhand.keys.own_signer import OwnSigner
    from poolhand.settings.signer import SignerSettings
    from poolhand.settings.worker import WorkerSettings
    from poolhand.wire.signer_api import UnlockWallet


class PasswordInSettings(Refused):
    """The password stands in the file with the settings, which a worker reads as well."""

    def __init__(self, file: str) -> None:
        super().__init__(
            f"the wallet's password stands in {file}, which the worker itself reads: put it alone "
            "into a file of its own and name that with password-file"
        )


def start_signer(
    found: Settings, settings: WorkerSettings, meanwhile: Callable[[], None]
) -> OwnSigner:
    """Start a worker's signer, and wait until it has opened the wallet.

    Args:
        found: Tells where the password is.
        settings: The worker's, from which the signer's policy follows.
        meanwhile: Called while the signer works, unless it asks: an import that Ctrl-C interrupts
            may let Python end by the signal, and not with our exit code.

    Raises:
        PasswordInSettings: As it says.
        SignerRefused: What hinders it from opening the wallet.
        SignerGone: It has ended.
        Abort: Ctrl-C at its question.
    """
    from poolhand.keys.own_signer import OwnSigner, SignerRefused

    if found["wallet-password"] and found.rank("wallet-password") is Rank.FILE:
        raise PasswordInSettings(found.origin("wallet-password"))
    asked = unlocking(found, settings)
    is_told = asked.password or asked.password_pipe is not None or asked.password_file
    handed = _handed_on()
    try:
        return OwnSigner.start(asked, handed, meanwhile if is_told else _nothing)
    except SignerRefused as fault:
        if fault.exit_code == INTERRUPTED:
            raise typer.Abort from None
        raise
    except KeyboardInterrupt:  # it reached both; that of the signer has put the terminal right
        raise typer.Abort from None
    finally:
        for each in handed:
            os.close(each)


def unlocking(found: Settings, settings: WorkerSettings | SignerSettings) -> UnlockWallet:
    """Return which wallet a signer opens, how it finds the password, and what it may sign."""
    from poolhand.wire.handshake import normal_url
    from poolhand.wire.signer_api import UnlockWallet

    file = password_file(found, "wallet-password")
    text = "" if file else str(found["wallet-password"])
    pipe = password_pipe(text, os.environ)
    chain = settings.chain
    return UnlockWallet(
        wallet=str(settings.wallet),
        password=text if text and pipe is None else None,
        password_pipe=pipe,
        password_file=file,
        hub=chain.hub,
        workerpool=settings.pool,
        pool_url=normal_url(settings.pool_url),
        native=chain.native,
        gas_price_cap=chain.gas_price_cap,
        most_deposit=settings.most_deposit,
        chain_id=chain.chain_id,
        payout=settings.payout_address,
    )


def _nothing() -> None:
    """Wait for the person who is asked."""


def _handed_on() -> tuple[int, ...]:
    """Return the pipe with a password that this program was started with, once."""
    pipe = os.environ.pop(PIPE, "")
    return (int(pipe),) if pipe.isdecimal() else ()
