"""Who asks? A challenge is signed once, by its address, within its time, and is then gone.

An address has one challenge at a time and gets the same again until it is used. Those of everybody
together are bounded: the oldest go first. The pool and the results service give challenges of the
same form, under names of their own; theirs may be used again until they are old.

Source: market API 7, services-api.md 2.1, 5.2 and services-api-2.md A.1, C.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from eth_hash.auto import keccak

from poolhand.domain.eip712 import StructType
from poolhand.domain.ids import Address
from poolhand.domain.market.refusals import InvalidAuthorization
from poolhand.domain.signatures import BadSignature, recover
from poolhand.domain.units import Seconds, UnixSeconds

GATEWAY_NAME: Final = "iExec Gateway"
GATEWAY_VERSION: Final = "1"
GATEWAY_SENTENCE: Final = "Sign this message to log into iExec Gateway: "
NONCE: Final = 32
"""Characters of a challenge that cannot be guessed."""
MOST_SIGN: Final = 4096
"""Bytes: an owner that is a contract chooses the form of its own."""

_DOMAIN: Final = StructType(
    "EIP712Domain", (("string", "name"), ("string", "version"), ("uint256", "chainId"))
)
_CHALLENGE: Final = StructType("Challenge", (("string", "challenge"),))
_HEADER: Final = re.compile(
    r"(?P<digest>0x[0-9a-fA-F]{64})_(?P<sign>0x(?:[0-9a-fA-F]{2})+)_(?P<address>0x[0-9a-fA-F]{40})"
)


@dataclass(frozen=True, slots=True)
class Proof:
    """An ``authorization`` header, read: who claims to have signed which digest."""

    digest: bytes
    sign: bytes
    address: Address


def read_proof(header: str | None) -> Proof:
    """Read ``<digest>_<signature>_<address>``.

    Raises:
        InvalidAuthorization: It is missing or has another form, or names nobody.
    """
    most = 2 * MOST_SIGN + 200
    found = _HEADER.fullmatch(header) if header and len(header) <= most else None
    if found is None:
        raise InvalidAuthorization
    address = Address.parse(found["address"])
    if address.is_zero:
        raise InvalidAuthorization
    return Proof(bytes.fromhex(found["digest"][2:]), bytes.fromhex(found["sign"][2:]), address)


def challenge_digest(chain_id: int, challenge: str, name: str = GATEWAY_NAME) -> bytes:
    """Return the EIP-712 digest of a service's challenge (a domain without contract)."""
    separator = _DOMAIN.hash((name, GATEWAY_VERSION, chain_id))
    return keccak(b"\x19\x01" + separator + _CHALLENGE.hash((challenge,)))


def check_own(proof: Proof) -> None:
    """Check that a proof is signed by the key of its address.

    Raises:
        InvalidAuthorization: It is not; its address may be that of a contract.
    """
    try:
        signer = recover(proof.digest, proof.sign)
    except BadSignature:
        raise InvalidAuthorization from None
    if signer != proof.address:
        raise InvalidAuthorization


@dataclass(frozen=True, slots=True)
class MarketLogin:
    """An address proves to a market who asks, once.

    The text is the market's, the domain and the struct are ours: whatever it says, the signature is
    no order's and no transaction's.
    """

    chain_id: int
    challenge: str

    @property
    def digest(self) -> bytes:
        """The 32 bytes to sign."""
        return challenge_digest(self.chain_id, self.challenge)


def proof_header(proof: Proof) -> str:
    """Return the ``authorization`` header: ``read_proof`` reads it back."""
    return f"0x{proof.digest.hex()}_0x{proof.sign.hex()}_{proof.address}"


@dataclass(frozen=True, slots=True)
class _Given:
    challenge: str
    digest: bytes
    until: UnixSeconds


class Challenges:
    """The challenges that are out.

    Args:
        chain_id: Of the chain.
        life: Of a challenge.
        most: How many are kept.
        name: Of the service.
        wording: Begins the text that is signed.
    """

    def __init__(
        self,
        chain_id: int,
        life: Seconds,
        most: int,
        name: str = GATEWAY_NAME,
        wording: str = GATEWAY_SENTENCE,
    ) -> None:
        self._chain_id, self._life, self._most = chain_id, life, most
        self._name, self._wording = name, wording
        self._given: OrderedDict[Address, _Given] = OrderedDict()

    def __len__(self) -> int:
        return len(self._given)

    def give(self, address: Address, nonce: str, now: UnixSeconds) -> str:
        """Return the text that an address is to sign: the one it has, or a new one of ``nonce``."""
        known = self._given.get(address)
        if known is not None and now < known.until:
            return known.challenge
        challenge = self._wording + nonce
        digest = challenge_digest(self._chain_id, challenge, self._name)
        self._given.pop(address, None)
        self._given[address] = _Given(challenge, digest, UnixSeconds(now + self._life))
        while len(self._given) > self._most:
            self._given.popitem(last=False)
        return challenge

    def check(self, proof: Proof, now: UnixSeconds) -> None:
        """Check that a proof is of a challenge that is out, and in time; it stays out.

        Raises:
            InvalidAuthorization: It is not.
        """
        known = self._given.get(proof.address)
        if known is None or known.digest != proof.digest or now >= known.until:
            raise InvalidAuthorization

    def use(self, proof: Proof, now: UnixSeconds) -> None:
        """Take a challenge back once its signature has been checked; nobody can use it again.

        Raises:
            InvalidAuthorization: Somebody was quicker.
        """
        self.check(proof, now)
        del self._given[proof.address]
