"""Who asks? The ``authorization`` header, checked here or by the hub, and used up at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from poolhand.domain.ids import Address, FixedBytes
from poolhand.domain.market.challenges import NONCE, Challenges, Proof, check_own, read_proof
from poolhand.domain.market.refusals import InvalidAuthorization
from poolhand.domain.units import UnixSeconds
from poolhand.ports.clock import Entropy
from poolhand.ports.market_chain import MarketChain, SignedHash

_LETTERS: Final = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"


class Authorization:
    """Gives challenges and takes proofs.

    Args:
        challenges: Those that are out.
        chain: Asked about signatures of contracts.
        entropy: For challenges that nobody can guess.
        now: Tells the time; by a clock that nobody sets, for all of it is in memory.
    """

    def __init__(
        self,
        challenges: Challenges,
        chain: MarketChain,
        entropy: Entropy,
        now: Callable[[], UnixSeconds],
    ) -> None:
        self._challenges, self._chain = challenges, chain
        self._entropy, self._now = entropy, now

    def challenge(self, address: Address) -> str:
        """Return the text that an address is to sign."""
        nonce = "".join(_LETTERS[byte % len(_LETTERS)] for byte in self._entropy.bytes(NONCE))
        return self._challenges.give(address, nonce, self._now())

    async def proved(self, header: str | None) -> Address:
        """Return who proved to ask; the challenge is used up.

        Raises:
            InvalidAuthorization: Nobody did, for whatever reason.
            ChainUnreachable: A contract's signature could not be checked.
        """
        proof = read_proof(header)
        self._challenges.check(proof, self._now())
        try:
            check_own(proof)
        except InvalidAuthorization:
            await self._ask_contract(proof)
        self._challenges.use(proof, self._now())
        return proof.address

    async def _ask_contract(self, proof: Proof) -> None:
        signed = SignedHash(proof.address, _digest(proof), proof.sign)
        if not await self._chain.vouches(signed, await self._chain.head()):
            raise InvalidAuthorization


def _digest(proof: Proof) -> FixedBytes:
    return FixedBytes(proof.digest)
