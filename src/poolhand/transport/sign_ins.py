"""Who asks? Clients of iExec's services sign a challenge of the service; it may be used again.

Source: services-api.md 5.2, services-api-2.md C.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any, Final

from poolhand.domain.errors import Refused
from poolhand.domain.ids import Address
from poolhand.domain.market.challenges import Challenges, check_own, read_proof
from poolhand.domain.market.refusals import InvalidAuthorization
from poolhand.domain.units import Seconds, UnixSeconds
from poolhand.ports.clock import Entropy
from poolhand.wire.challenge_json import typed_challenge

LIFE: Final = Seconds(3600)
"""How long a challenge may be signed, and its signature used."""
MOST_SIGN_INS: Final = 10_000
"""Challenges that are out at a time; the oldest make room."""


class NotSignedIn(Refused):
    """The header is missing, old, or not signed by the key of its address."""

    http_status = 401

    def __init__(self) -> None:
        super().__init__(
            "it is not proved who asks: sign a new challenge of this service with the wallet's "
            "own key, and send <digest>_<signature>_<address> within the hour"
        )


class OtherChain(Refused):
    """The client is on another chain than this service."""

    def __init__(self, chain_id: int) -> None:
        super().__init__(f"this service is of chain {chain_id}: name that chain, or another URL")


class SignIns:
    """Gives challenges and reads proofs; accounts that are contracts cannot sign here.

    Args:
        name: Of the service, as its clients know it.
        chain_id: Of its chain.
        entropy: For challenges that nobody can guess.
        now: Tells the time; by a clock that nobody sets, for all of it is in memory.
    """

    def __init__(
        self, name: str, chain_id: int, entropy: Entropy, now: Callable[[], UnixSeconds]
    ) -> None:
        self._name, self._chain_id, self._entropy, self._now = name, chain_id, entropy, now
        self._challenges = Challenges(chain_id, LIFE, MOST_SIGN_INS, name, wording="")

    def challenge(self, address: Address, chain_id: int | None) -> dict[str, Any]:
        """Return what an address is to sign; raises OtherChain."""
        if chain_id not in (None, self._chain_id):
            raise OtherChain(self._chain_id)
        nonce = b64encode(self._entropy.bytes(32)).decode()
        told = self._challenges.give(address, nonce, self._now())
        return typed_challenge(self._name, self._chain_id, told)

    def proved(self, header: str | None) -> Address:
        """Return who proved to ask; raises NotSignedIn."""
        try:
            proof = read_proof(header)
            self._challenges.check(proof, self._now())
            check_own(proof)
        except InvalidAuthorization:
            raise NotSignedIn from None
        return proof.address
