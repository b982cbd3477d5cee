"""Secrets of a secret management service (SMS): where one lies, and what is signed to put it there.

Source: iExec's SMS as SDKs 8 and 9 use it, services-api.md 4.1 to 4.3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from eth_hash.auto import keccak

from poolhand.domain.errors import Refused
from poolhand.domain.hashes import eip191_hash
from poolhand.domain.ids import Address

MOST_SECRET: Final = 4_096
"""Bytes of a secret, in UTF-8."""
MOST_SECRET_NAME: Final = 256
"""Characters of a name under which an account keeps a secret of its own (web2)."""
APP_SECRET_INDEX: Final = "1"  # noqa: S105 - a name
"""The one secret that an app's developer has, by its name in what is signed."""
STORAGE_TOKEN_NAME: Final = "iexec-result-dropbox-token"  # noqa: S105 - a name
"""Under which a requester keeps what lets an enclave store results at Dropbox."""
WORKER_TOKEN_NAME: Final = "iexec-result-iexec-ipfs-token"  # noqa: S105 - a name
"""Under which a worker keeps what lets an enclave hand in its result."""
PROXY_URL_NAME: Final = "iexec-result-iexec-result-proxy-url"
"""Under which a pool's owner keeps where enclaves hand results in."""
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_DOMAIN: Final = keccak(b"IEXEC_SMS_DOMAIN")


class BadSecretName(Refused):
    """A requester's secret cannot be called so."""


class SecretKind(StrEnum):
    """What a secret belongs to."""

    WEB3 = "web3"
    """A dataset: the key that decrypts it."""
    WEB2 = "web2"
    """An account, under a name: keys for results, tokens."""
    APP = "app"
    """An app: what its developer gives to every run."""
    REQUESTER = "requester"
    """A requester, under a name: what it gives to its own runs."""
    CHALLENGE = "challenge"
    """A task, under its id: the key of its enclave's challenge; made here, set by nobody."""

    @property
    def is_of_contract(self) -> bool:
        """Whether a contract has it, whose owner on chain may put it there."""
        return self in (SecretKind.WEB3, SecretKind.APP)

    @property
    def may_change(self) -> bool:
        """Whether another may take its place."""
        return self is SecretKind.WEB2


@dataclass(frozen=True, slots=True)
class SecretPlace:
    """Where a secret lies.

    Attributes:
        kind: What it belongs to.
        owner: The account, or the contract of the dataset or app.
        name: Of an account's and a requester's secret; else empty.
    """

    kind: SecretKind
    owner: Address
    name: str = ""

    def __str__(self) -> str:
        """Name it for a person."""
        what = {SecretKind.WEB3: "dataset", SecretKind.APP: "app"}.get(self.kind)
        return f"{what} {self.owner}" if what else f"secret {self.name!r} of {self.owner}"


def check_requester_name(name: str) -> None:
    """Check how a requester's secret is called.

    Raises:
        BadSecretName: It is not 1 to 64 letters, digits, hyphens and underscores.
    """
    if not _KEY.fullmatch(name):
        raise BadSecretName(
            "a requester's secret is called by 1 to 64 letters, digits, hyphens and underscores"
        )


def secret_challenge(place: SecretPlace, value: bytes) -> bytes:
    """Return the 32 bytes that are personal-signed (EIP-191) to put a secret into its place."""
    name = {SecretKind.WEB3: b"", SecretKind.APP: APP_SECRET_INDEX.encode()}.get(place.kind)
    name = place.name.encode() if name is None else name
    named = keccak(name) if place.kind is not SecretKind.WEB3 else b""
    return keccak(_DOMAIN + place.owner + named + keccak(value))


@dataclass(frozen=True, slots=True)
class PushedSecret:
    """A secret as it is put into its place; ``value`` is told in no message."""

    place: SecretPlace
    value: bytes = field(repr=False)


def pushed_secret_hash(place: SecretPlace, value: bytes) -> bytes:
    """Return the digest whose signer may put the secret there."""
    return eip191_hash(secret_challenge(place, value))
