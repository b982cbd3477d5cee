"""``poolhand signer``: the key of a worker that runs in another container, or as another user."""

from __future__ import annotations

import os
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from poolhand.cli.choosing import with_wallet_file
from poolhand.cli.plain import Noun
from poolhand.cli.programs import Ready, add_program
from poolhand.domain.errors import Malformed
from poolhand.settings.load import Settings
from poolhand.settings.signer import SIGNER_OPTIONS, SignerSettings, signer_settings

if TYPE_CHECKING:
    from poolhand.keys.wallet import Wallet
    from poolhand.wire.signer_api import UnlockWallet

app = Noun(
    no_args_is_help=True,
    help="Keep a worker's key in another container, or as another user.",
)


@app.callback()
def about_signers() -> None:
    """Keep a worker's key in another container, or as another user."""


def _start(found: Settings, ready: Ready) -> Coroutine[Any, Any, None]:
    """Open the wallet, before anybody can connect."""
    from poolhand.cli.signer_program import opened
    from poolhand.cli.signing import unlocking
    from poolhand.keys.confinement import hide
    from poolhand.keys.own_signer import SignerRefused
    from poolhand.wire.signer_api import NotSigned

    hide()
    settings = signer_settings(found)
    asked = unlocking(found, settings)
    wallet = opened(asked)
    if isinstance(wallet, NotSigned):
        raise SignerRefused(wallet)
    return _serve(settings, wallet, asked, ready)


async def _serve(
    settings: SignerSettings, wallet: Wallet, asked: UnlockWallet, ready: Ready
) -> None:
    """Wait for the worker, and sign for it until it is gone."""
    import structlog

    from poolhand.cli.signer_program import SIGNER_MISUSED, work
    from poolhand.keys.signer_socket import SignerDoor

    with SignerDoor.opened(settings.socket, settings.peer, wallet.address) as door:
        ready(f"unix://{settings.socket}")
        line = await door.taken()
    structlog.get_logger().info("worker_connected", wallet=wallet.address, user=settings.peer)
    code = 0
    try:
        work(line, wallet, asked)
    except Malformed:
        code = SIGNER_MISUSED
    except OSError:  # the worker is gone
        pass
    os._exit(code)  # what Python ends by needs files, and this program has given them up


add_program(
    app,
    "serve",
    SIGNER_OPTIONS,
    _start,
    """Sign for one worker that runs apart, until it is gone; then end.

    The worker connects to the socket by `poolhand worker start --signer PATH`. It is let in if it
    runs as the user whose number --peer tells, once; then the socket is taken away. What it may
    have signed follows from the settings here, which have the names of those of `worker start`:
    logins at this pool, uploads, and its own transactions within --gas-price-cap and
    --most-deposit; stake is withdrawn to --payout-address alone.

    Start it again whenever it ends (with a worker that ends, too): a supervisor or Docker does so.

    Example: poolhand signer serve --chain arbitrum --wallet ~/worker.json \\
    --core-url https://pool.example --socket ~/poolhand.sock --peer 1001 \\
    --pool-address 0x4f1c3a7b9d2e8f60514233241506f7e8d9cabbcd

    Exit codes: 0 the worker is gone, or stopped; 2 a setting, the wallet's password or the socket
    is wrong; 3 what connected does not speak as a worker.
    """,
    with_wallet_file,
)
