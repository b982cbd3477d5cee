"""How secrets are sealed: AES-256-GCM under a data key, which is sealed under a master key.

What is sealed opens in its own place alone: chain, store, kind, owner and name are bound to it as
associated data, so that a row copied over another does not open.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from hashlib import sha256
from secrets import token_bytes
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from poolhand.store.sms.errors import SealBroken

KEY_SIZE: Final = 32
"""Bytes of master and data keys."""
_NONCE: Final = 12


class SealingKey:
    """One AES-256-GCM key; it is shown nowhere.

    Args:
        raw: Its 32 bytes.
    """

    def __init__(self, raw: bytes) -> None:
        if len(raw) != KEY_SIZE:
            raise ValueError(f"a key has {KEY_SIZE} bytes")
        self._raw, self._cipher = raw, AESGCM(raw)

    def __repr__(self) -> str:
        """Tell nothing."""
        return f"<{type(self).__name__}>"

    def seal(self, clear: bytes, *place: str | int) -> str:
        """Return text that opens with this key and for this place alone."""
        nonce = token_bytes(_NONCE)
        return b64encode(nonce + self._cipher.encrypt(nonce, clear, _bound(place))).decode()

    def open(self, box: str, *place: str | int) -> bytes:
        """Return what was sealed for a place.

        Raises:
            SealBroken: It was not, or not with this key.
        """
        try:
            raw = b64decode(box, validate=True)
            return self._cipher.decrypt(raw[:_NONCE], raw[_NONCE:], _bound(place))
        except (ValueError, InvalidTag) as fault:
            raise SealBroken(" ".join(map(str, place))) from fault


def _bound(place: tuple[str | int, ...]) -> bytes:
    return json.dumps(place, separators=(",", ":")).encode()


class MasterKey(SealingKey):
    """The key under which data keys are sealed; it lies elsewhere than they do."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw)
        self.name: Final = sha256(b"poolhand sms master key" + raw).hexdigest()[:16]
        """Tells this key from others, and nothing of it."""

    def derived(self, purpose: str) -> SealingKey:
        """Return a key for another purpose."""
        return SealingKey(sha256(b"poolhand sms " + purpose.encode() + b"\0" + self._raw).digest())

    def wrap(self, key_id: str, data_key: bytes) -> str:
        """Seal a data key."""
        return self.seal(data_key, "data key", key_id)

    def unwrap(self, key_id: str, box: str) -> SealingKey:
        """Open a data key; raises SealBroken."""
        return SealingKey(self.open(box, "data key", key_id))

    def rewrap(self, key_id: str, box: str, other: MasterKey) -> str:
        """Return a data key sealed under another master key; raises SealBroken."""
        return other.wrap(key_id, self.open(box, "data key", key_id))


def new_key() -> bytes:
    """Return a key that nobody has."""
    return token_bytes(KEY_SIZE)
