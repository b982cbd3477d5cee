"""Challenges that are good for one signature and a few minutes.

They cost the pool no memory, whoever asks how often: a nonce carries a code that only this process
can make. What was used is remembered until it is over.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from hashlib import sha256
from typing import Final

from poolhand.domain.errors import Refused
from poolhand.domain.messages import Nonce
from poolhand.domain.units import Seconds, UnixSeconds
from poolhand.ports.clock import Clock, Entropy

CHALLENGE_LIFE: Final = Seconds(300)
"""How long a challenge may be signed."""
MOST_SPENT: Final = 10_000
"""Challenges that are remembered as used until they are over; more are refused."""


class SignInRefused(Refused):
    """Nobody is let in by this signature."""

    http_status = 401


class OneTimeChallenges:
    """Makes nonces and uses them up; all of it is gone with the process.

    Args:
        clock: For everything.
        entropy: For what nobody may guess.
    """

    def __init__(self, clock: Clock, entropy: Entropy) -> None:
        self._clock, self._entropy = clock, entropy
        self._secret = entropy.bytes(32)
        self._spent: OrderedDict[Nonce, UnixSeconds] = OrderedDict()

    def make(self, about: bytes = b"") -> tuple[Nonce, UnixSeconds]:
        """Return a nonce and until when it may be signed; it is good for what it is ``about``."""
        expiry = UnixSeconds(self._clock.now() + CHALLENGE_LIFE)
        random = self._entropy.bytes(16)
        return Nonce(random + self._code(random, expiry, about)), expiry

    def spend(self, nonce: Nonce, expiry: UnixSeconds, about: bytes = b"") -> None:
        """Use a challenge up, whatever comes of it.

        Raises:
            SignInRefused: It is not one of these, is over, or was used.
        """
        now, random = self._clock.now(), bytes(nonce)[:16]
        while self._spent and next(iter(self._spent.values())) < now:
            self._spent.popitem(last=False)
        is_ours = hmac.compare_digest(bytes(nonce)[16:], self._code(random, expiry, about))
        if not is_ours or not now <= expiry or nonce in self._spent:
            raise SignInRefused(
                "this challenge is not one of this pool's, is over, or was used: ask for a new one"
            )
        if len(self._spent) >= MOST_SPENT:
            raise SignInRefused("too many challenges were used just now: try again in 5 minutes")
        self._spent[nonce] = expiry

    def _code(self, random: bytes, expiry: UnixSeconds, about: bytes) -> bytes:
        told = random + expiry.to_bytes(8, "big") + about
        return hmac.new(self._secret, told, sha256).digest()[:16]
