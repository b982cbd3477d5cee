"""Encrypted wallet files: Ethereum keystore version 3, in the folder the iExec SDK uses.

Source: Web3 Secret Storage Definition; SDK `wallet create` (names and scrypt parameters).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from poolhand.domain.ids import Address
from poolhand.keys.encryption import NotSealed, open_sealed, seal_key
from poolhand.keys.errors import (
    KeystoreUnreadable,
    NotAKey,
    WalletExists,
    WrongPassword,
)
from poolhand.keys.reading import (
    check_cost,
    check_form,
    claimed_address,
    new_password_bytes,
    password_bytes,
    read_keystore,
)
from poolhand.keys.stored import StoredWallet, list_wallets, locate
from poolhand.keys.wallet import Wallet, encrypted
from poolhand.observe.private import write_private
from poolhand.settings.home import at_home

KEYSTORE_SCRYPT_COST: Final = 131_072
"""n of scrypt (r 8, p 1): about half a second and 128 MiB."""


def create_wallet(folder: Path, password: str, *, cost: int = KEYSTORE_SCRYPT_COST) -> StoredWallet:
    """Write a fresh wallet into ``folder`` (made when missing), readable by its owner alone.

    Args:
        folder: Where, ``~`` allowed; ``DEFAULT_KEYSTORE`` is the SDK's.
        password: Normalised (NFKC) and encoded in UTF-8, as ethers does.
        cost: n of scrypt, a power of 2; less than the default is for tests.
    """
    return _store(Wallet.random(), folder, password, cost)


def import_wallet(
    folder: Path, key_hex: str, password: str, *, cost: int = KEYSTORE_SCRYPT_COST
) -> StoredWallet:
    """Write the wallet of a private key (64 hexadecimal digits).

    Raises:
        NotAKey: The text is no key; the message does not repeat it.
        WalletExists: The folder holds that address already.
    """
    return _store(Wallet.parse(key_hex), folder, password, cost)


def open_wallet(which: str | Path | Address, folder: Path, password: str) -> Wallet:
    """Decrypt a wallet, by path or by address.

    Args:
        which: A keystore file, or the address of one in ``folder`` (the newest, if several).
        folder: Where addresses are looked up.
        password: As given at creation; tried as it is, then in Unicode's normal forms.

    Raises:
        WalletNotFound: No such file, and no wallet of that address.
        KeystoreUnreadable: The file is no version 3 keystore, or costs too much to open.
        NoSuchHome: The path begins with ``~`` of nobody.
        WrongPassword: It does not decrypt.
    """
    path = locate(which, at_home(folder))
    content = read_keystore(path)
    check_form(path, content)
    check_cost(path, content)
    try:
        wallet = Wallet.from_key(_key(path, content, password))
    except NotAKey:
        raise KeystoreUnreadable(path, "what it holds is no key") from None
    if claimed_address(content) not in (None, wallet.address):
        raise KeystoreUnreadable(path, "its address is not that of its key")
    return wallet


def _key(path: Path, content: dict[str, Any], password: str) -> bytes:
    """Decrypt the key; raises WrongPassword or KeystoreUnreadable."""
    try:
        for typed in password_bytes(password):
            if (key := open_sealed(content, typed)) is not None:
                return key
    except NotSealed as fault:
        raise KeystoreUnreadable(path, str(fault)) from fault
    raise WrongPassword(path)


def _store(wallet: Wallet, folder: Path, password: str, cost: int) -> StoredWallet:
    root = at_home(folder)
    for found in list_wallets(root):
        if found.address == wallet.address:
            raise WalletExists(wallet.address, found.path)
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = root / _file_name(wallet.address, datetime.now(UTC))
    write_private(path, sealed(wallet, password, cost), lasting=True)
    return StoredWallet(wallet.address, path)


def sealed(wallet: Wallet, password: str, cost: int = KEYSTORE_SCRYPT_COST) -> str:
    """Return the content of a wallet's keystore file.

    Args:
        wallet: Whose key.
        password: Normalised (NFKC) and encoded in UTF-8, as ethers does.
        cost: n of scrypt.
    """
    content = encrypted(wallet, lambda key: seal_key(key, new_password_bytes(password), cost))
    return json.dumps({**content, "address": wallet.address.hex()})


def _file_name(address: Address, now: datetime) -> str:
    moment = now.isoformat(timespec="milliseconds").removesuffix("+00:00")
    stamp = moment.replace(":", "-").replace(".", "-")
    return f"UTC--{stamp}.000000000Z--{str(address)[2:]}"
