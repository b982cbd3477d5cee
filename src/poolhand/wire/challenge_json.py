"""Challenges as the iExec SDK signs them: EIP-712 typed data of one sentence.

Source: services-api.md 2.1 and 5.2, services-api-2.md C.
"""

from __future__ import annotations

from typing import Any, Final

from poolhand.domain.market.challenges import GATEWAY_VERSION

_TYPES: Final = {
    "EIP712Domain": [
        {"name": "name", "type": "string"},
        {"name": "version", "type": "string"},
        {"name": "chainId", "type": "uint256"},
    ],
    "Challenge": [{"name": "challenge", "type": "string"}],
}


def typed_challenge(name: str, chain_id: int | str, challenge: str) -> dict[str, Any]:
    """Return what a client signs to prove who it is to a service of that name."""
    return {
        "types": _TYPES,
        "domain": {"name": name, "version": GATEWAY_VERSION, "chainId": chain_id},
        "primaryType": "Challenge",
        "message": {"challenge": challenge},
    }
