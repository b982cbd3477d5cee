"""Result archives that one key alone opens, in the form in which iExec's enclaves leave them.

An outer zip holds ``aes-key.rsa``, an AES key of 32 bytes under the beneficiary's RSA key (PKCS#1
v1.5, as SDKs 8 and 9 read it), and ``iexec_out.zip.aes``, 16 bytes and then the archive under that
key (AES-256-CBC). Ours has ``computed.json`` as well, with the digest on chain: without the key
nobody could tell whether it is the result, and with it whoever opens it can.

Source: services-api.md 8.2; ``result-utils.js`` of SDK 9.0.0.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from pathlib import Path
from secrets import token_bytes
from typing import IO, Any, BinaryIO, Final

from Crypto.Cipher import AES, PKCS1_v1_5
from Crypto.PublicKey import RSA
from Crypto.Util.Padding import pad, unpad

from poolhand.domain.computed import COMPUTED_FILE
from poolhand.domain.encrypted_result import ENCRYPTED_ARCHIVE, ENCRYPTED_KEY
from poolhand.domain.errors import Refused
from poolhand.domain.ids import ResultDigest, TaskId
from poolhand.observe.private import sync_folder

KEY_BITS: Final = 4096
"""Of a pair that is made here; SDKs make the same."""
LEAST_BITS, MOST_BITS = 2048, 4096
MOST_ENCRYPTED: Final = 1_000_000_000
"""Bytes of an archive that SDKs open."""
_MOST_ENCRYPTED_KEY: Final = 1_000
ENCRYPTED_AT_ONCE: Final = 1024**2
_BLOCK: Final = 16


class UnfitResultKey(Refused):
    """A key is no RSA key to which results can be encrypted."""


class ResultNotOpened(Refused):
    """An archive does not open with this key, or is not encrypted as results are."""


class ResultTooLargeToEncrypt(Refused):
    """An archive is larger than what beneficiaries' programs open."""


def make_keypair(bits: int = KEY_BITS) -> tuple[bytes, bytes]:
    """Return a private key (PKCS#8) and its public key (SPKI), both PEM; takes seconds."""
    private = RSA.generate(bits)
    return private.export_key(pkcs=8) + b"\n", private.public_key().export_key() + b"\n"


def read_public_key(pem: bytes) -> RSA.RsaKey:
    """Read a public key.

    Raises:
        UnfitResultKey: It is none, a private one, or of another size than 2048 to 4096 bits.
    """
    try:
        found = RSA.import_key(pem)
    except (ValueError, IndexError, TypeError) as fault:
        raise UnfitResultKey("the key for results is no RSA key in PEM") from fault
    if found.has_private():
        raise UnfitResultKey("that is a private key: hand in the public one, and make a new pair")
    if not LEAST_BITS <= found.size_in_bits() <= MOST_BITS:
        raise UnfitResultKey(f"a key for results has {LEAST_BITS} to {MOST_BITS} bits")
    return found


def encrypt_result(
    archive: Path, target: Path, pem: bytes, task_id: TaskId, digest: ResultDigest
) -> None:
    """Encrypt a result archive into ``target``, whole or not at all, also through a power cut.

    Raises:
        UnfitResultKey: The public key is none.
        ResultTooLargeToEncrypt: The archive is too large.
        OSError: The disk refuses.
    """
    public = read_public_key(pem)
    if archive.stat().st_size > MOST_ENCRYPTED - 2 * _BLOCK:
        raise ResultTooLargeToEncrypt(
            f"the result has {archive.stat().st_size} bytes, and an encrypted one may have "
            f"{MOST_ENCRYPTED}: let the app write less, or ask for no encryption"
        )
    key, first = token_bytes(32), token_bytes(_BLOCK)
    computed = {"task-id": str(task_id), "result-digest": str(digest)}
    draft = target.with_name(target.name + ".part")
    try:
        with draft.open("wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=False) as outer:
                outer.writestr(COMPUTED_FILE, json.dumps(computed))
                outer.writestr(ENCRYPTED_KEY, PKCS1_v1_5.new(public).encrypt(key))
                with outer.open(ENCRYPTED_ARCHIVE, "w") as into, archive.open("rb") as clear:
                    into.write(first)
                    _encrypt(AES.new(key, AES.MODE_CBC, first), clear, into)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
        sync_folder(target.parent)
    finally:
        draft.unlink(missing_ok=True)


def _encrypt(cipher: Any, clear: BinaryIO, into: IO[bytes]) -> None:
    while len(piece := clear.read(ENCRYPTED_AT_ONCE)) == ENCRYPTED_AT_ONCE:
        into.write(cipher.encrypt(piece))
    into.write(cipher.encrypt(pad(piece, _BLOCK)))


def decrypt_result(archive: Path, target: Path, private_pem: bytes) -> None:
    """Decrypt an encrypted result archive into ``target``, whole or not at all.

    Raises:
        UnfitResultKey: The private key is none.
        ResultNotOpened: The archive is not encrypted as results are, or to another key.
        OSError: The disk refuses.
    """
    try:
        private = RSA.import_key(private_pem)
    except (ValueError, IndexError, TypeError) as fault:
        raise UnfitResultKey("the key is no RSA key in PEM") from fault
    if not private.has_private():
        raise UnfitResultKey("that is the public key: results open with the private one")
    draft = target.with_name(target.name + ".part")
    try:
        with zipfile.ZipFile(archive) as outer:
            key = _opened_key(outer, private)
            with outer.open(ENCRYPTED_ARCHIVE) as hidden, draft.open("xb") as into:
                _decrypt(key, hidden, into)
        draft.replace(target)
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError, EOFError, NotImplementedError,
            RuntimeError) as fault:  # fmt: skip
        raise ResultNotOpened(
            f"{archive.name} does not open: it is not encrypted, not to this key, or damaged"
        ) from fault
    finally:
        draft.unlink(missing_ok=True)


def _opened_key(outer: zipfile.ZipFile, private: RSA.RsaKey) -> bytes:
    with outer.open(ENCRYPTED_KEY) as file:
        hidden = file.read(_MOST_ENCRYPTED_KEY)
    key = PKCS1_v1_5.new(private).decrypt(hidden, b"", expected_pt_len=32)
    if len(key) != 32:
        raise ValueError("another key")
    return key


def _decrypt(key: bytes, hidden: IO[bytes], into: BinaryIO) -> None:
    cipher = AES.new(key, AES.MODE_CBC, hidden.read(_BLOCK))
    left, piece = MOST_ENCRYPTED, hidden.read(ENCRYPTED_AT_ONCE)
    while piece:
        left -= len(piece)
        if left < 0:
            raise ValueError("too large")
        after = hidden.read(ENCRYPTED_AT_ONCE)
        clear = cipher.decrypt(piece)
        into.write(clear if after else unpad(clear, _BLOCK))
        piece = after
