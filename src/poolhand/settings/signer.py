"""What the operator of a signer decides that runs apart from its worker."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from poolhand.domain.ids import Address
from poolhand.domain.units import NanoRlc
from poolhand.settings.chain import ChainSettings
from poolhand.settings.chains import chain_options, chain_settings
from poolhand.settings.home import at_home
from poolhand.settings.load import Option, Settings, whole
from poolhand.settings.payout import payout_address
from poolhand.settings.wallets import wallet_path
from poolhand.settings.worker import SIGNER_SOCKET, WORKER_OPTIONS


@dataclass(frozen=True, slots=True)
class SignerSettings:
    """One signer, for one worker.

    Attributes:
        chain: Where the hub is; nothing there is asked.
        pool: The workerpool's contract.
        pool_url: Where its scheduler is reached.
        wallet: Keystore file.
        most_deposit: RLC that the worker turns into stake in all, at most (nRLC).
        payout_address: To which stake may be withdrawn; None: to none.
        socket: Where the worker connects.
        peer: Number of the user as whom it does.
    """

    chain: ChainSettings
    pool: Address
    pool_url: str
    wallet: Path
    most_deposit: NanoRlc
    payout_address: Address | None
    socket: Path
    peer: int


_OF_WORKER: Final = frozenset(
    (
        *("core-url", "pool-address", "wallet", "keystore", "password-file", "wallet-password"),
        *("most-deposit", "payout-address"),
        *(option.key for option in chain_options()),
    )
)
"""What it shares with its worker, so that one environment file suits both."""
SIGNER_OPTIONS: Final[tuple[Option, ...]] = (
    Option("socket", SIGNER_SOCKET.variable, str, None,
           "Unix socket to wait at, in a folder that the worker can enter and not write to"),
    Option("peer", "POOLHAND_SIGNER_PEER", whole(0), None,
           "number of the user as whom the worker runs (`id -u`): nobody else is served"),
    *(option for option in WORKER_OPTIONS if option.key in _OF_WORKER),
)  # fmt: skip
"""Every setting of a signer that runs apart."""


def signer_settings(found: Settings) -> SignerSettings:
    """Return the typed settings; raises BadSetting where something does not fit together."""
    return SignerSettings(
        chain=chain_settings(found),
        pool=found["pool-address"],
        pool_url=found["core-url"],
        wallet=wallet_path(found),
        most_deposit=found["most-deposit"],
        payout_address=payout_address(found),
        socket=at_home(found["socket"]),
        peer=found["peer"],
    )
