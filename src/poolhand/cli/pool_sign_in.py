"""Asking a pool for what is its owner's: by the wallet's lock where it runs, else by a signature.

What is signed names the pool's address as it was typed, so that a pool which is somebody else's can
do nothing with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from poolhand.cli.draining import running_pool
from poolhand.cli.held_wallet import page_of
from poolhand.cli.worker_page import Page
from poolhand.domain.errors import Refused
from poolhand.domain.messages import Nonce, OwnerSignIn, pool_domain
from poolhand.wire.handshake import normal_url
from poolhand.wire.json_models import read_model
from poolhand.wire.owner_sign_in import OwnerSession, SignInChallenge

if TYPE_CHECKING:
    from poolhand.cli.command_run import CommandRun

OWNERS_PAGE: Final = "/owner"
"""Where the owner's page is."""
FROM_ELSEWHERE: Final = "; from another machine name it with --pool-url: then the wallet signs in"


class AnotherPoolAnswers(Refused):
    """The pool is known under another address than the one that was typed."""

    def __init__(self, asked: str, told: str) -> None:
        super().__init__(
            f"the pool at {asked} says that its address is {told}: name that with --pool-url, for "
            "what is signed names it"
        )


class NotTheWalletsPool(Refused):
    """The workerpool is not the wallet's."""

    def __init__(self, owner: object, wallet: object) -> None:
        super().__init__(f"the workerpool belongs to {owner}, the wallet is {wallet}: name its own")


def owner_page(command: CommandRun) -> Page:
    """Return where the owner's orders are taken, with the token that they need.

    By a signature where a pool is named (``--pool-url``), else of the pool that runs here.

    Raises:
        NoPoolRuns, WalletInUse: No pool of the wallet runs here.
        AnotherPoolAnswers, NotTheWalletsPool, PageFault, WorkerSilent: It does not let it in.
    """
    url = command.found["pool-url"]
    if not url:
        return page_of(running_pool(command, FROM_ELSEWHERE))
    return Page(normal_url(url), _signed_in(command, normal_url(url)).token)


def owner_session(command: CommandRun) -> tuple[str, OwnerSession]:
    """Return the pool's address, and a session for a browser; raises as ``owner_page``."""
    url = command.found["pool-url"]
    if url:
        return normal_url(url), _signed_in(command, normal_url(url))
    page = page_of(running_pool(command, FROM_ELSEWHERE))
    return page.url, _session(page.order("owner/session", {}))


def _signed_in(command: CommandRun, url: str) -> OwnerSession:
    from poolhand.keys.keystore import open_wallet

    page = Page(url, "")
    told = read_model(SignInChallenge, page.read("owner/sign-in"), "the pool")
    if told.url != url:
        raise AnotherPoolAnswers(url, told.url)
    stored = command.stored
    if stored.address not in (None, told.owner):  # before a password is asked for
        raise NotTheWalletsPool(told.owner, stored.address)
    wallet = open_wallet(stored.path, stored.path.parent, command.password())
    if wallet.address != told.owner:
        raise NotTheWalletsPool(told.owner, wallet.address)
    domain = pool_domain(told.chain_id, told.workerpool)
    message = OwnerSignIn(domain, wallet.address, url, Nonce.parse(told.nonce), told.expiry)
    signature = f"0x{wallet.sign_message(message).hex()}"
    proof = {"nonce": told.nonce, "expiry": told.expiry, "signature": signature}
    return _session(page.hand_in("owner/sign-in", proof))


def _session(told: dict[str, Any]) -> OwnerSession:
    return read_model(OwnerSession, told, "the pool")
