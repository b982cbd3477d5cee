"""What a verb works at: its settings, its console, and a requester when it needs one.

Settings come from flags, environment and file; where none of them names a chain, from the devnet
that runs here.
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from poolhand.devnet.info import DevnetAccount, DevnetInfo, devnet_home
from poolhand.domain.errors import Refused
from poolhand.domain.ids import Address
from poolhand.settings.load import Settings, load
from poolhand.settings.locks import DEFAULT_LOCKS
from poolhand.settings.requester import DEFAULT_STATE, REQUESTER_OPTIONS

if TYPE_CHECKING:
    from rich.console import Console

    from poolhand.keys import StoredWallet
    from poolhand.requester.requester import Requester
    from poolhand.settings.requester import RequesterSettings

    Opener = Callable[[RequesterSettings], AbstractAsyncContextManager[Requester]]


PIPE_WIDTH: Final = 240
"""Columns of what is read by a program or a file."""


class UnknownAccount(Refused):
    """The devnet has no account of this name."""


class PasswordMissing(Refused):
    """A wallet has to be opened and nobody told its password."""

    def __init__(self) -> None:
        super().__init__(
            "the wallet's password is missing: give --password-file, set "
            "POOLHAND_WALLET_PASSWORD, or run this in a terminal"
        )


class PasswordUnreadable(Refused):
    """The password file cannot be read."""


class NoWalletNamed(Refused):
    """A wallet is needed and none was named."""

    def __init__(self) -> None:
        super().__init__(
            "no wallet: name one with --wallet (a file, or an address in the keystore), or "
            "create one with `poolhand wallet create`"
        )


@dataclass
class Desk:
    """One run of one verb.

    Attributes:
        flags: The common options as given, empty where not.
        as_json: Whether the answer is for a program.
        opener: Opens a requester; ``requester.main.open_requester`` when None.
        farewell: What to say when the person interrupts.
    """

    flags: Mapping[str, Any]
    as_json: bool = False
    opener: Opener | None = None
    farewell: str = field(default="", init=False)

    @cached_property
    def console(self) -> Console:
        """Standard output, for people."""
        from rich.console import Console

        if sys.stdout.isatty() or os.environ.get("COLUMNS"):
            return Console(highlight=False)
        return Console(highlight=False, width=PIPE_WIDTH)  # ids stay whole for grep

    def note(self, text: str) -> None:
        """Say something on standard error that is no part of the answer."""
        print(text, file=sys.stderr)

    @cached_property
    def found(self) -> Settings:
        """The settings in force, with their origins."""
        flags = {key.replace("_", "-"): _text(value) for key, value in self.flags.items()}
        file = flags.pop("config", None) or os.environ.get("POOLHAND_CONFIG")
        return load(REQUESTER_OPTIONS, flags, os.environ, Path(file) if file else None)

    @cached_property
    def devnet(self) -> DevnetInfo | None:
        """The devnet that runs here; None where the settings name a chain of their own.

        Raises:
            NoDevnet: No chain is named and no devnet runs.
        """
        named = self.found["chain"] or self.found["rpc"] or self.found["hub"]
        return None if named else DevnetInfo.read(devnet_home())

    @property
    def account(self) -> DevnetAccount | None:
        """The devnet's account that acts, unless a wallet was named; raises UnknownAccount."""
        if self.found["wallet"] or self.devnet is None:
            return None
        name = self.flags.get("as_") or "requester"
        if name not in self.devnet.accounts:
            known = ", ".join(self.devnet.accounts)
            raise UnknownAccount(f"the devnet has no account '{name}': choose one of {known}")
        return self.devnet.accounts[name]

    @property
    def stored(self) -> StoredWallet:
        """The wallet that acts, not opened; the only one of the keystore if none is named.

        Raises:
            NoWalletNamed: None is named, and the keystore has none or several.
        """
        from poolhand.keys import find_wallet, list_wallets

        keystore = self.found["keystore"]
        if self.found["wallet"]:
            return find_wallet(self.found["wallet"], keystore)
        account = self.account
        if account is not None:
            return find_wallet(account.keystore, keystore)
        wallets = list_wallets(keystore)
        if len(wallets) != 1:
            raise NoWalletNamed
        return wallets[0]

    @property
    def address(self) -> Address:
        """The address that acts; no password needed."""
        return self.stored.address

    @property
    def can_sign(self) -> bool:
        """Whether there is a wallet whose password is known without a question."""
        try:
            known = self.stored.address
        except Refused:
            return False
        told = self.found["password-file"] or self.found["password"] or self.account
        return bool(known and told)

    def password(self, *, fresh: bool = False) -> str:
        """Return the wallet's password: from a file, the environment, the devnet or a question.

        Args:
            fresh: It is a new one, to be typed twice.

        Raises:
            PasswordMissing, PasswordUnreadable: Nowhere to be had.
        """
        if self.found["password-file"]:
            return read_password(Path(self.found["password-file"]))
        if self.found["password"]:
            return str(self.found["password"])
        account = None if fresh else self.account
        if account is not None:
            return read_password(Path(account.password_file))
        if not sys.stdin.isatty():
            raise PasswordMissing
        return _ask(fresh=fresh)

    def settings(self, *, signing: bool) -> RequesterSettings:
        """Return a requester's settings; with ``signing``, wallet and password too."""
        from poolhand.settings.chain import ChainSettings
        from poolhand.settings.chains import chain_settings
        from poolhand.settings.requester import RequesterSettings

        found, devnet = self.found, self.devnet
        state, locks = found["state"], found["locks"]
        if devnet is None:
            chain, pool_url, results_url = chain_settings(found), "", ""
        else:
            # A devnet made anew has the old one's chain id and addresses, not its transactions.
            state = devnet_home() / "requester" if state == DEFAULT_STATE else state
            locks = devnet_home() / "locks" if locks == DEFAULT_LOCKS else locks  # as its programs
            pool_url, results_url = devnet.pool_url, devnet.results_url
            chain = ChainSettings(
                (devnet.rpc_url,), Address.parse(devnet.hub), devnet.chain_id, poll_seconds=0.2
            )
        settings = RequesterSettings(
            chain=chain,
            keystore=found["keystore"],
            pool_url=found["pool-url"] or pool_url or None,
            results_url=found["results-url"] or results_url or None,
            state=state,
            locks=locks,
        )
        if not signing:
            return settings
        return replace(settings, wallet=str(self.stored.path), password=self.password())

    @asynccontextmanager
    async def requester(self, *, signing: bool = False) -> AsyncIterator[Requester]:
        """Open a requester; with ``signing``, one that can spend."""
        from poolhand import observe

        observe.configure(level="warning")
        settings = self.settings(signing=signing)
        async with (self.opener or _opener())(settings) as requester:
            yield requester


def _opener() -> Opener:
    from poolhand.requester.main import open_requester

    return open_requester


def _text(value: Any) -> str | None:
    return (",".join(value) if isinstance(value, (list, tuple)) else str(value)) or None


def read_password(path: Path) -> str:
    """Return the first line of a file; raises PasswordUnreadable."""
    try:
        return path.expanduser().read_text(encoding="utf-8").partition("\n")[0]
    except (OSError, UnicodeDecodeError) as fault:
        raise PasswordUnreadable(f"cannot read the password file {path}: {fault}") from fault


def _ask(*, fresh: bool) -> str:
    password = getpass.getpass("password of the wallet: ")
    if fresh and getpass.getpass("the same again: ") != password:
        raise PasswordUnreadable("the two passwords differ: try again")
    return password
