"""What passes between a service that keeps secrets and a program that has proved what it is.

The program makes a key, and has it quoted: the quote's report data name the session, the service,
the key and a nonce. What it gets is sealed to that key (X25519, HKDF-SHA-256, AES-256-GCM, as in
HPKE's base mode), and bound to the same report data, so that whoever carries it between the two can
neither read it nor put it in another's place.

Source: RFC 9180 for the construction; TEE attestation, 64 bytes of report data.
"""

from __future__ import annotations

from hashlib import sha512
from typing import Any, Final

from Crypto.Cipher import AES
from Crypto.Hash import SHA256
from Crypto.Protocol.DH import (
    import_x25519_private_key,
    import_x25519_public_key,
    key_agreement,
)
from Crypto.Protocol.KDF import HKDF

from poolhand.domain.errors import PeerFault

KEY_BYTES: Final = 32
"""Of a private key, a public one, and what is random in a seal."""
_PURPOSE: Final = b"poolhand tee provision v1"
_MARK: Final = 16
"""Bytes by which the cipher tells what was changed."""
_USED_ONCE_NONCE: Final = bytes(12)
"""The cipher's nonce: every seal has a key of its own."""


class NotSealedForUs(PeerFault):
    """What came is sealed to another key, for another session, or damaged."""


def report_data(session: str, service: str, public_key: bytes, nonce: str) -> bytes:
    """Return the 64 bytes that a quote must carry for a session's service to be told its secrets.

    Args:
        session: Its id.
        service: As ``Service`` writes it.
        public_key: 32 bytes (X25519), made where the quote is.
        nonce: From the service that keeps the secrets, for one use.
    """
    parts = _PURPOSE, session.encode(), service.encode(), public_key, nonce.encode()
    return sha512(b"".join(len(each).to_bytes(4, "big") + each for each in parts)).digest()


def public_key_of(private: bytes) -> bytes:
    """Return the public key (32 bytes) of a private one (32 random bytes)."""
    return bytes(import_x25519_private_key(private).public_key().export_key(format="raw"))


def seal(public_key: bytes, plain: bytes, about: bytes, ephemeral: bytes) -> bytes:
    """Seal bytes to a key.

    Args:
        public_key: Of whoever may read them (32 bytes).
        plain: What is sealed.
        about: What it is bound to: report data.
        ephemeral: 32 random bytes, for this seal alone.

    Raises:
        NotSealedForUs: The public key is none.
    """
    sender = public_key_of(ephemeral)
    cipher = _cipher(ephemeral, public_key, sender + public_key + about, about)
    hidden, mark = cipher.encrypt_and_digest(plain)
    sealed: bytes = sender + mark + hidden
    return sealed


def open_sealed(private: bytes, sealed: bytes, about: bytes) -> bytes:
    """Open what was sealed to a key.

    Args:
        private: The key (32 bytes).
        sealed: From ``seal``.
        about: What it must be bound to.

    Raises:
        NotSealedForUs: It is not, or not to this key.
    """
    sender, mark = sealed[:KEY_BYTES], sealed[KEY_BYTES : KEY_BYTES + _MARK]
    cipher = _cipher(private, sender, sender + public_key_of(private) + about, about)
    try:
        plain: bytes = cipher.decrypt_and_verify(sealed[KEY_BYTES + _MARK :], mark)
    except ValueError as fault:
        raise NotSealedForUs("what came is not sealed for this program") from fault
    return plain


def _cipher(private: bytes, other: bytes, about: bytes, bound: bytes) -> Any:
    def derived(shared: bytes | bytearray | memoryview[int]) -> bytes:
        made = HKDF(bytes(shared), KEY_BYTES, b"", SHA256, context=_PURPOSE + about)
        assert isinstance(made, bytes)  # one key is asked for
        return made

    try:
        key = key_agreement(
            static_priv=import_x25519_private_key(private),
            static_pub=import_x25519_public_key(other),
            kdf=derived,
        )
    except ValueError as fault:  # of another length, or a point of small order
        raise NotSealedForUs("that is no X25519 key") from fault
    cipher = AES.new(key, AES.MODE_GCM, nonce=_USED_ONCE_NONCE)
    cipher.update(bound)
    return cipher
