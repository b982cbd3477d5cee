"""Keys: wallets that sign typed messages and our own transactions, and their encrypted files."""

from __future__ import annotations

from poolhand.keys.errors import (
    KeystoreUnreadable,
    NotAKey,
    OrdersTaken,
    WalletExists,
    WalletInUse,
    WalletNotFound,
    WrongPassword,
)
from poolhand.keys.keystore import (
    DEFAULT_FOLDER,
    StoredWallet,
    create_wallet,
    find_wallet,
    import_wallet,
    list_wallets,
    open_wallet,
)
from poolhand.keys.lock import WalletLock
from poolhand.keys.moving import FileExists, change_password, copy_keystore, export_key
from poolhand.keys.wallet import Wallet

__all__ = [
    "DEFAULT_FOLDER",
    "FileExists",
    "KeystoreUnreadable",
    "NotAKey",
    "OrdersTaken",
    "StoredWallet",
    "Wallet",
    "WalletExists",
    "WalletInUse",
    "WalletLock",
    "WalletNotFound",
    "WrongPassword",
    "change_password",
    "copy_keystore",
    "create_wallet",
    "export_key",
    "find_wallet",
    "import_wallet",
    "list_wallets",
    "open_wallet",
]
