"""Which chain, services and wallet a client has, by what it was told; the command line's, too.

Settings come from flags, environment and file; where none of them names a chain, from the devnet
that runs here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from poolhand.devnet.info import DevnetAccount, DevnetInfo, NoDevnet, devnet_home
from poolhand.domain.errors import Refused
from poolhand.domain.ids import Address
from poolhand.keys.named import PasswordMissing, read_password, the_wallet, told_password
from poolhand.settings.chain import ChainSettings
from poolhand.settings.chains import chain_settings
from poolhand.settings.load import Settings, load
from poolhand.settings.locks import DEFAULT_LOCKS
from poolhand.settings.requester import (
    DEFAULT_STATE,
    REQUESTER_OPTIONS,
    RequesterSettings,
    requester_settings,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from poolhand.keys.stored import StoredWallet
    from poolhand.keys.wallet import Wallet
    from poolhand.requester.requester import Requester

    Opener = Callable[[RequesterSettings], AbstractAsyncContextManager[Requester]]

DEVNET_IMAGES: Final = "devnet/"
"""How names of images in the devnet's registry begin, wherever it listens today."""
CHAIN_FLAGS: Final = ("chain", "rpc", "hub")
"""Flags that name a chain."""
OTHER_CHAIN: Final = "name another chain with --chain, or with --rpc and --hub"
"""What may be done instead of starting a devnet, by verbs that take a chain."""


class UnknownAccount(Refused):
    """The devnet has no account of this name."""


class TwoWallets(Refused):
    """An account of the devnet and a wallet were named at once."""

    def __init__(self, name: str) -> None:
        super().__init__(f"--as {name} and --wallet name two wallets: leave one of them out")


@dataclass
class ClientContext:
    """What a client was told, and what follows from it.

    Attributes:
        flags: The settings as given, by name with underscores; empty or None where not.
    """

    flags: Mapping[str, Any]

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
        if self.flags.get("as_") and not any(self.flags.get(each) for each in CHAIN_FLAGS):
            return DevnetInfo.read(devnet_home())
        if self.found["chain"] or self.found["rpc"] or self.found["hub"]:
            return None
        try:
            return DevnetInfo.read(devnet_home())
        except NoDevnet as fault:
            raise NoDevnet(devnet_home(), OTHER_CHAIN) from fault

    @property
    def account(self) -> DevnetAccount | None:
        """The devnet's account that acts, unless a wallet was named.

        Raises:
            UnknownAccount: The devnet has no account of this name.
            TwoWallets: ``--as`` and ``--wallet`` were given.
        """
        name = self.flags.get("as_")
        if name and self.flags.get("wallet"):
            raise TwoWallets(name)
        if not name and self.found["wallet"]:
            return None
        devnet = DevnetInfo.read(devnet_home()) if name else self.devnet
        if devnet is None:
            return None
        name = name or "requester"
        if name not in devnet.accounts:
            known = ", ".join(devnet.accounts)
            raise UnknownAccount(f"the devnet has no account '{name}': choose one of {known}")
        return devnet.accounts[name]

    @property
    def account_if_any(self) -> DevnetAccount | None:
        """The same; None, too, where no chain is known and no account was named."""
        try:
            return self.account
        except NoDevnet:
            if self.flags.get("as_"):
                raise
            return None

    @property
    def stored(self) -> StoredWallet:
        """The wallet that acts, not opened; the only one of the keystore if none is named.

        No chain is needed, for which wallet it is does not depend on one.

        Raises:
            NoWalletNamed: None is named, and the keystore has none or several.
        """
        from poolhand.keys.stored import find_wallet  # noqa: PLC0415 - few verbs need it

        keystore, account = self.found["keystore"], self.account_if_any
        if account is not None:
            return find_wallet(account.keystore, keystore)
        return the_wallet(self.found["wallet"], keystore)

    @property
    def address(self) -> Address:
        """The address that acts on the chain; no password needed where the wallet's file tells it.

        Raises:
            NoDevnet: No chain is named and no devnet runs.
            NoWalletNamed: As ``stored``.
        """
        if self.devnet is not None and self.account is not None:
            return Address.parse(self.account.address)
        return self.stored.address or self._opened

    @cached_property
    def _opened(self) -> Address:
        """The address of a keystore file that does not tell it: its key does."""
        from poolhand.keys.keystore import open_wallet  # noqa: PLC0415 - slow to load

        stored = self.stored
        return open_wallet(stored.path, stored.path.parent, self.password()).address

    def sponsor(self, named: str | Path, password: str = "", password_file: str = "") -> Wallet:
        """Open the wallet of somebody who pays for purchases of the one that acts.

        Args:
            named: A keystore file, an address in the folder of wallets, or an account of the
                devnet by its name.
            password: Its password.
            password_file: The file that has it in its first line, where it is not told.

        Raises:
            WalletNotFound, KeystoreUnreadable, WrongPassword: It does not open.
            PasswordMissing, PasswordUnreadable: Nobody told its password.
        """
        from poolhand.keys.keystore import open_wallet  # noqa: PLC0415 - slow to load

        account = self.devnet.accounts.get(str(named)) if self.devnet is not None else None
        if account is not None:
            return open_wallet(
                account.keystore, self.found["keystore"], read_password(account.password_file)
            )
        stored = the_wallet(str(named), self.found["keystore"])
        told = password or (read_password(password_file) if password_file else "")
        told = told or self._asked(f"password of the sponsor's {stored.path.name}")
        return open_wallet(stored.path, stored.path.parent, told)

    def image(self, name: str) -> str:
        """Return an image's full name: ``devnet/…`` stands for the registry of the devnet.

        Raises:
            NoDevnet: It is meant and none runs, or another chain is named.
        """
        if not name.startswith(DEVNET_IMAGES):
            return name
        devnet = self.devnet or DevnetInfo.read(devnet_home())
        return f"{devnet.registry}/{name.removeprefix(DEVNET_IMAGES)}"

    @property
    def can_sign(self) -> bool:
        """Whether there is a wallet whose password is known without a question."""
        try:
            known = self.stored
        except Refused:
            return False
        told = self.found["password-file"] or self.found["password"] or self.account
        return bool(known and told)

    def password(self) -> str:
        """Return the wallet's password: from a file, the environment, the devnet or a question.

        An account that ``--as`` names has the password of the devnet, whatever the environment
        says of another wallet's.

        Raises:
            PasswordMissing, PasswordUnreadable: Nowhere to be had.
        """
        account = self.account_if_any
        by_name = account is not None and bool(self.flags.get("as_"))
        told = "" if by_name and not self.flags.get("password_file") else self._told_password()
        if told:
            return told
        if account is not None:
            return read_password(account.password_file)
        return self._asked(f"password of {self.stored.path.name}")

    def _told_password(self) -> str:
        return told_password(self.found, "password")

    def _asked(self, _about: str) -> str:
        """Ask a person, where there is one; raises PasswordMissing where not."""
        raise PasswordMissing

    def settings(self, *, signing: bool) -> RequesterSettings:
        """Return a requester's settings; with ``signing``, wallet and password too."""
        found, devnet = self.found, self.devnet
        state, locks = found["state"], found["locks"]
        if devnet is None:
            chain = chain_settings(found)
            services = _services_of(chain.rpc_urls)
        else:
            # A devnet made anew has the old one's chain id and addresses, not its transactions.
            state = devnet_home() / "requester" if state == DEFAULT_STATE else state
            locks = devnet_home() / "locks" if locks == DEFAULT_LOCKS else locks  # as its programs
            services = devnet
            chain = ChainSettings(
                (devnet.rpc_url,), Address.parse(devnet.hub), devnet.chain_id, poll_seconds=0.2
            )
        settings = requester_settings(found, chain)
        settings = replace(_with_services(settings, services), state=state, locks=locks)
        if not signing:
            return settings
        return replace(settings, wallet=str(self.stored.path), password=self.password())


def _services_of(rpc_urls: Sequence[str]) -> DevnetInfo | None:
    """Return the devnet that runs here, if it is this chain's."""
    try:
        devnet = DevnetInfo.read(devnet_home())
    except NoDevnet:
        return None
    return devnet if devnet.rpc_url in rpc_urls else None


def _with_services(settings: RequesterSettings, devnet: DevnetInfo | None) -> RequesterSettings:
    """Use a devnet's services where none are named; its market before its pool."""
    if devnet is None:
        return settings
    return replace(
        settings,
        pool_url=settings.pool_url or devnet.pool_url,
        market_url=settings.market_url or devnet.market_url,
        results_url=settings.results_url or devnet.results_url,
        sms_url=settings.sms_url or devnet.sms_url or None,
        pool_first=settings.pool_url is not None,
    )


def _text(value: Any) -> str | None:
    return (",".join(value) if isinstance(value, (list, tuple)) else str(value)) or None
