"""Who reads what a task prints? Its requester, by a signature; then a token of a limited life.

A requester's wallet signs a challenge of this pool once, and the program or page that asked carries
the token on: a stream that breaks off goes on without a further question to the wallet.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from poolhand.domain.eip712 import Domain
from poolhand.domain.ids import Address
from poolhand.domain.messages import Nonce, ReaderSignIn
from poolhand.domain.signatures import BadSignature, recover
from poolhand.domain.units import Seconds, UnixSeconds
from poolhand.ports.clock import Clock, Entropy
from poolhand.scheduler.one_time import OneTimeChallenges, SignInRefused

READER_LIFE: Final = Seconds(3600)
"""How long a token is good."""
MOST_READER_SESSIONS: Final = 4_096
"""Tokens at a time of everybody together; the oldest make room."""
MOST_PER_REQUESTER: Final = 8
"""Tokens at a time of one requester: its oldest makes room, nobody else's."""


@dataclass(frozen=True, slots=True)
class _SignedReader:
    requester: Address
    ends: UnixSeconds


class ReaderSessions:
    """Gives challenges, reads proofs, and knows the tokens; all of it is gone with the process.

    Args:
        domain: Of the pool's signatures.
        url: Of the pool, as it is signed.
        clock: For everything.
        entropy: For what nobody may guess.
    """

    def __init__(self, domain: Domain, url: str, clock: Clock, entropy: Entropy) -> None:
        self._domain, self._url, self._clock, self._entropy = domain, url, clock, entropy
        self._challenges = OneTimeChallenges(clock, entropy)
        self._readers: OrderedDict[bytes, _SignedReader] = OrderedDict()
        self._of: dict[Address, OrderedDict[bytes, None]] = {}

    def __len__(self) -> int:
        return len(self._readers)

    def challenge(self, requester: Address) -> ReaderSignIn:
        """Return what a requester is to sign."""
        return self._message(requester, *self._challenges.make(bytes(requester)))

    def sign_in(
        self, requester: Address, nonce: Nonce, expiry: UnixSeconds, signature: bytes
    ) -> str:
        """Return a token.

        Raises:
            SignInRefused: The challenge is not good, or somebody else signed it.
        """
        self._challenges.spend(nonce, expiry, bytes(requester))
        try:
            signer = recover(self._message(requester, nonce, expiry).digest, signature)
        except BadSignature as fault:
            raise SignInRefused(f"the signature is none: {fault}") from None
        if signer != requester:
            raise SignInRefused(f"signed by {signer}, but {requester} was to sign")
        return self._open(requester)

    def _open(self, requester: Address) -> str:
        token = self._entropy.bytes(32).hex()
        key, ends = _key(token), UnixSeconds(self._clock.steady() + READER_LIFE)
        self._readers[key] = _SignedReader(requester, ends)
        own = self._of.setdefault(requester, OrderedDict())
        own[key] = None
        if len(own) > MOST_PER_REQUESTER:
            self._drop(next(iter(own)))
        if len(self._readers) > MOST_READER_SESSIONS:
            self._drop(next(iter(self._readers)))
        return token

    def requester(self, token: str) -> Address | None:
        """Return whose token this is; None: nobody's, or it is over."""
        key = _key(token)
        found = self._readers.get(key)
        if found is not None and self._clock.steady() >= found.ends:
            self._drop(key)
            return None
        return found.requester if found is not None else None

    def _drop(self, key: bytes) -> None:
        gone = self._readers.pop(key)
        own = self._of[gone.requester]
        del own[key]
        if not own:
            del self._of[gone.requester]

    def _message(self, requester: Address, nonce: Nonce, expiry: UnixSeconds) -> ReaderSignIn:
        return ReaderSignIn(self._domain, requester, self._url, nonce, expiry)


def _key(token: str) -> bytes:
    """Return by what a token is found: not by itself, whose bytes could be timed."""
    return sha256(token.encode(errors="replace")).digest()
