"""The key that results are encrypted to, as a beneficiary hands it in.

It is signed, so that nobody who keeps it for others can put another in its place.

Source: iExec's secret management service (SDK 8 and 9, ``pushWeb2Secret``), services-api.md 4.2.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Final

from poolhand.domain.ids import Address
from poolhand.domain.signatures import BadSignature, recover
from poolhand.domain.sms_secret import (
    MOST_SECRET,
    SecretKind,
    SecretPlace,
    pushed_secret_hash,
)

RESULT_KEY_NAME: Final = "iexec-result-encryption-public-key"
"""Under which SDKs hand it in."""
MOST_RESULT_KEY: Final = MOST_SECRET
"""Bytes of the text in which it is handed in."""


class ResultKeyText(str):
    """The base64 text of a public key in PEM, as it is signed and handed in."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ResultKey:
    """What a beneficiary handed in: ``value`` is the base64 text of a public key in PEM."""

    owner: Address
    value: str
    signature: bytes

    def check(self) -> None:
        """Check that its owner has signed it.

        Raises:
            BadSignature: Somebody else has, or nobody.
        """
        signer = recover(pushed_hash(self.owner, self.value), self.signature)
        if signer != self.owner:
            raise BadSignature(f"the key is signed by {signer}, not by {self.owner}")

    @property
    def pem(self) -> bytes:
        """The public key in PEM; raises ValueError where the value is none in base64."""
        try:
            return b64decode(self.value, validate=True)
        except binascii.Error as fault:
            raise ValueError("it is not base64") from fault


def key_value(pem: bytes) -> ResultKeyText:
    """Return the text in which a public key (PEM) is handed in."""
    return ResultKeyText(b64encode(pem).decode("ascii"))


def pushed_hash(owner: Address, value: str) -> bytes:
    """Return what ``owner`` signs (EIP-191) to hand in a key."""
    place = SecretPlace(SecretKind.WEB2, owner, RESULT_KEY_NAME)
    return pushed_secret_hash(place, value.encode())
