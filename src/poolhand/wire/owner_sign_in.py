"""How a workerpool's owner proves to its pool who it is: a challenge, a signature, a session.

The owner's wallet signs ``OwnerSignIn``, an EIP-712 struct. Only nonce and expiry are the pool's
choice; who signs fills in all else by itself, or sees it in its wallet.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

from pydantic import ConfigDict, Field

from poolhand.domain.eip712 import Domain
from poolhand.domain.messages import OwnerSignIn
from poolhand.domain.units import Seconds, UnixSeconds
from poolhand.wire.join_api import ChainId
from poolhand.wire.json_models import JsonAddress, Told, Words

_DOMAIN: Final = [
    {"name": "name", "type": "string"},
    {"name": "version", "type": "string"},
    {"name": "chainId", "type": "uint256"},
    {"name": "verifyingContract", "type": "address"},
]
Expiry: TypeAlias = Annotated[UnixSeconds, Field(ge=0, le=2**53)]
_STRUCT: Final = [{"name": name, "type": kind} for kind, name in OwnerSignIn.TYPE.members]


class SignInChallenge(Told):
    """``GET /v1/owner/sign-in``: what the owner is to sign before ``expiry`` (Unix seconds).

    ``typed_data`` is what a browser's wallet is given (``eth_signTypedData_v4``).
    """

    owner: JsonAddress
    workerpool: JsonAddress
    chain_id: ChainId
    url: Words
    nonce: Words
    expiry: Expiry
    typed_data: dict[str, Any]


class SignInProof(Told):
    """``POST /v1/owner/sign-in``: the challenge's own members, signed (r ‖ s ‖ v)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    nonce: Annotated[str, Field(pattern=r"^0x[0-9a-f]{64}$")]
    expiry: Expiry
    signature: Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{130}$")]


class OwnerSession(Told):
    """What the owner's further requests carry (``Authorization: Bearer``), and for how long."""

    token: Words
    expires_in: Seconds


def typed_sign_in(message: OwnerSignIn) -> dict[str, Any]:
    """Return what a wallet in a browser is given to sign."""
    domain: Domain = message.domain
    return {
        "types": {"EIP712Domain": _DOMAIN, "OwnerSignIn": _STRUCT},
        "domain": {
            "name": domain.name,
            "version": domain.version,
            "chainId": domain.chain_id,
            "verifyingContract": str(domain.contract),
        },
        "primaryType": "OwnerSignIn",
        "message": {
            "owner": str(message.owner),
            "url": message.url,
            "nonce": f"0x{bytes(message.nonce).hex()}",
            "expiry": message.expiry,
        },
    }
