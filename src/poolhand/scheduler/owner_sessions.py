"""Who is the pool's owner? Whoever signs a challenge with the wallet that the chain says owns it.

What a session may do, the token in the wallet's lock may as well: whoever runs the pool needs no
wallet.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import structlog

from poolhand.domain.eip712 import Domain
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import Address
from poolhand.domain.messages import Nonce, OwnerSignIn
from poolhand.domain.signatures import BadSignature, recover
from poolhand.domain.units import Seconds, UnixSeconds
from poolhand.ports.clock import Clock, Entropy
from poolhand.scheduler.one_time import OneTimeChallenges, SignInRefused

SESSION_LIFE: Final = Seconds(12 * 3600)
"""How long a session lasts."""
MOST_SESSIONS: Final = 16
"""Sessions at a time; the oldest makes room."""
SOLD: Final = 10
"""Seconds after which the pool may have been sold: whoever signs in is looked up anew."""
OWNER_READ: Final = 60
"""Seconds after which the chain is asked again who the owner is."""
LONGEST_OWNER_READ: Final = 5.0
"""Seconds that a slow chain is waited for."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Session:
    owner: Address
    ends: UnixSeconds


class OwnerSessions:
    """Gives challenges, reads proofs, and knows the sessions; all of it is gone with the process.

    While the chain does not answer, whoever was the owner last is.

    Args:
        domain: Of the pool's signatures.
        url: Of the pool, as it is signed.
        owner: Who owned the workerpool at the start.
        read_owner: Asks the chain; raises ChainUnreachable.
        clock: For everything.
        entropy: For what nobody may guess.
    """

    def __init__(
        self,
        domain: Domain,
        url: str,
        owner: Address,
        read_owner: Callable[[], Awaitable[Address]],
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._domain, self._url, self._clock, self._entropy = domain, url, clock, entropy
        self.owner, self._read_owner = owner, read_owner
        self._challenges = OneTimeChallenges(clock, entropy)
        self._read_at, self._reading = clock.steady(), asyncio.Lock()
        self._sessions: OrderedDict[bytes, _Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    async def challenge(self) -> OwnerSignIn:
        """Return what the owner is to sign; whoever bought the pool is named soon."""
        await self._look(OWNER_READ)
        return self._message(*self._challenges.make())

    async def sign_in(self, nonce: Nonce, expiry: UnixSeconds, signature: bytes) -> str:
        """Return the token of a new session.

        Raises:
            SignInRefused: The challenge is not good, or somebody else signed it.
        """
        self._challenges.spend(nonce, expiry)
        try:
            signer = recover(self._message(nonce, expiry).digest, signature)
        except BadSignature as fault:
            raise SignInRefused(f"the signature is none: {fault}") from None
        await self._look(SOLD)
        if signer != self.owner:
            raise SignInRefused(
                f"signed by {signer}, but the workerpool belongs to {self.owner}: sign with that "
                "wallet"
            )
        log.info("owner_signed_in", owner=str(signer))
        return self.open()

    def open(self) -> str:
        """Return the token of a new session of whoever is known to be the owner."""
        token = self._entropy.bytes(32).hex()
        ends = UnixSeconds(self._clock.steady() + SESSION_LIFE)
        self._sessions[_key(token)] = _Session(self.owner, ends)
        while len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return token

    async def holds(self, token: str) -> bool:
        """Whether a token is that of a session; of one whose owner has sold the pool it is not."""
        session = self._sessions.get(_key(token))
        if session is None:
            return False
        await self._look(OWNER_READ)
        if self._clock.steady() >= session.ends or session.owner != self.owner:
            self.close(token)
            return False
        return True

    def close(self, token: str) -> None:
        """End a session; repeatable."""
        self._sessions.pop(_key(token), None)

    async def _look(self, age: int) -> None:
        """Ask the chain who the owner is, where it was asked so many seconds ago or longer.

        Others wait for the answer: who has sold the pool must not slip through meanwhile.
        """
        async with self._reading:
            if self._clock.steady() < self._read_at + age:
                return
            self._read_at = self._clock.steady()
            try:
                async with asyncio.timeout(LONGEST_OWNER_READ):
                    self.owner = await self._read_owner()
            except (ChainUnreachable, TimeoutError) as fault:
                log.debug("owner_not_read", cause=str(fault))

    def _message(self, nonce: Nonce, expiry: UnixSeconds) -> OwnerSignIn:
        return OwnerSignIn(self._domain, self.owner, self._url, nonce, expiry)


def _key(token: str) -> bytes:
    """Return by what a session is found: not by the token itself, whose bytes could be timed."""
    return sha256(token.encode(errors="replace")).digest()
