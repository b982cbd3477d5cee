"""Keystore version 3: how a password seals a key.

The cryptography is pycryptodome's; here is only the format. ``eth_keyfile``, which
reads it as well, loads the curve of validators' keys with it: a second of processor time for
every command and program that opens a wallet (docs/adr/0084). Tests hold both to the same files.

scrypt is not OpenSSL's, which refuses what ethers writes (n 262144 with r 1).

Source: Web3 Secret Storage Definition.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

from Crypto.Cipher import AES
from Crypto.Protocol.KDF import scrypt
from eth_hash.auto import keccak

CIPHER: Final = "aes-128-ctr"
"""The only one that anybody writes; with another the key would come out wrong, without a word."""
_PRF: Final = "hmac-sha256"


class NotSealed(ValueError):
    """The content is no sealed key; the message says why."""


def seal_key(key: bytes, password: bytes, cost: int) -> dict[str, Any]:
    """Return the content of a keystore file, without an address.

    Args:
        key: 32 bytes.
        password: As it is to be typed, encoded.
        cost: n of scrypt (r 8, p 1), a power of 2.
    """
    salt, iv = secrets.token_bytes(32), secrets.token_bytes(16)
    parameters = {"dklen": 32, "n": cost, "p": 1, "r": 8, "salt": salt.hex()}
    derived = _by_scrypt(password, parameters)
    sealed = _aes(derived, iv).encrypt(key)
    return {
        "crypto": {
            "cipher": CIPHER,
            "cipherparams": {"iv": iv.hex()},
            "ciphertext": sealed.hex(),
            "kdf": "scrypt",
            "kdfparams": parameters,
            "mac": _mac(derived, sealed).hex(),
        },
        "id": str(uuid4()),
        "version": 3,
    }


def open_sealed(content: Mapping[str, Any], password: bytes) -> bytes | None:
    """Return the key of a keystore file, None where the password is another.

    Names of members count in any case, for ethers once wrote ``Crypto``. What a file may ask of
    memory and time is for the caller to bound.

    Raises:
        NotSealed: Something is missing, or has not its form.
    """
    crypto = _part(content, "crypto")
    parameters = _part(crypto, "kdfparams")
    sealed, mac = _hex(crypto, "ciphertext"), _hex(crypto, "mac")
    iv = _hex(_part(crypto, "cipherparams"), "iv")
    match _member(crypto, "kdf"):
        case "scrypt":
            derived = _by_scrypt(password, parameters)
        case "pbkdf2":
            derived = _by_pbkdf2(password, parameters)
        case other:
            raise NotSealed(f"its key derivation is {str(other)[:20]!r}, not scrypt or pbkdf2")
    if not hmac.compare_digest(_mac(derived, sealed), mac):
        return None
    return bytes(_aes(derived, iv).decrypt(sealed))


def _by_scrypt(password: bytes, parameters: Mapping[str, Any]) -> bytes:
    n, r, p, length = (_number(parameters, name) for name in ("n", "r", "p", "dklen"))
    salt = _hex(parameters, "salt")
    try:
        return bytes(scrypt(password, salt, length, n, r, p))  # type: ignore[arg-type]
    except (ValueError, OverflowError) as fault:
        raise NotSealed(f"scrypt refuses its parameters ({fault})") from fault


def _by_pbkdf2(password: bytes, parameters: Mapping[str, Any]) -> bytes:
    rounds, length = _number(parameters, "c"), _number(parameters, "dklen")
    if (prf := _member(parameters, "prf")) != _PRF:
        raise NotSealed(f"its PBKDF2 is by {str(prf)[:20]!r}, not {_PRF}")
    return hashlib.pbkdf2_hmac("sha256", password, _hex(parameters, "salt"), rounds, length)


def _aes(derived: bytes, iv: bytes) -> Any:
    return AES.new(derived[:16], AES.MODE_CTR, nonce=b"", initial_value=iv)


def _mac(derived: bytes, sealed: bytes) -> bytes:
    return bytes(keccak(derived[16:32] + sealed))


def find_member(here: Mapping[str, Any], wanted: str) -> Any:
    """Return the first member of this name in any case, None where there is none.

    Whoever looks at a file before it is opened must find what opening it finds.
    """
    return next((value for name, value in here.items() if name.lower() == wanted), None)


def _member(here: Mapping[str, Any], wanted: str) -> Any:
    if (found := find_member(here, wanted)) is None:
        raise NotSealed(f"it has no {wanted}")
    return found


def _part(here: Mapping[str, Any], wanted: str) -> Mapping[str, Any]:
    if not isinstance(found := _member(here, wanted), Mapping):
        raise NotSealed(f"its {wanted} is no object")
    return found


def _number(here: Mapping[str, Any], wanted: str) -> int:
    found = _member(here, wanted)
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise NotSealed(f"its {wanted} is no whole number above 0")
    return found


def _hex(here: Mapping[str, Any], wanted: str) -> bytes:
    found = _member(here, wanted)
    try:
        return bytes.fromhex(found.removeprefix("0x").removeprefix("0X"))
    except (AttributeError, ValueError):
        raise NotSealed(f"its {wanted} is no hexadecimal number") from None
