"""Both sides of the handshake, as objects that take decoded messages and give the next ones.

::

    scheduler -> Hello      who the pool is, a nonce
    worker    -> Login      its wallet signs url, nonce and its own challenge (WorkerLogin)
    scheduler -> Welcome    the pool owner signs worker, nonce and challenge (PoolProof)
              or Reject

Neither side signs anything that the other composed. Blame: what the peer did wrong is a
``PeerFault``, what our operator set wrong is ``Refused``, calls in a wrong order are a ``Bug``.
Rules P-1 to P-19 of ``docs/protocol/worker-protocol.md``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from poolhand.domain.eip712 import Domain
from poolhand.domain.errors import BrokenPrecondition, Malformed, PeerFault, Refused
from poolhand.domain.ids import Address
from poolhand.domain.messages import (
    LOGIN_LIFETIME,
    MAX_SKEW,
    Nonce,
    PoolProof,
    WorkerLogin,
    pool_domain,
)
from poolhand.domain.signatures import BadSignature, recover
from poolhand.domain.units import Seconds, UnixSeconds
from poolhand.wire.fields import cost, head
from poolhand.wire.messages import Capabilities, Held, Hello, Login, Reject, SessionMessage, Welcome
from poolhand.wire.session import HEARTBEAT, WORKER_LEASE
from poolhand.wire.session_terms import FIRST_SESSION_VERSION, MAX_SENTENCE, MOST_HELD, SPOKEN

STANDING_BY: Final = "standing-by"
OUTDATED: Final = "worker-outdated"
"""Code of ``Reject`` where another process of the pool leads: a worker finds that one."""
_PLACE: Final = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*)(?::(?P<port>[0-9]+))?")
_USUAL_PORTS: Final = {"http": "80", "https": "443"}


class BadUrl(Refused):
    """The pool's URL is not one a worker can dial."""


class LoginRefused(Refused):
    """No session for this worker; ``retry_after`` seconds, None when only a person can help."""

    retry_after: Seconds | None = None


class WalletConnected(LoginRefused):
    """Another running worker process holds a session with the same wallet."""

    retry_after = WORKER_LEASE

    def __init__(self, worker: Address) -> None:
        super().__init__(
            f"wallet {worker} is connected from another worker process: stop that one, "
            "or give this one a wallet of its own"
        )


class WorkerNotAllowed(LoginRefused):
    """The pool's allow-list does not name the worker."""


class WorkerBanned(LoginRefused):
    """The pool's owner has banned the worker; a reason in wide characters is cut to what fits."""

    def __init__(self, worker: Address, reason: str) -> None:
        words = f"this pool's owner has banned wallet {worker}: "
        next_step = ". Ask the owner to let it in again"
        room = MAX_SENTENCE - cost(words) - cost(next_step)
        super().__init__(words + head(reason or "no reason is told", room) + next_step)


class VersionRefused(LoginRefused):
    """The two sides share no version of the protocol."""


class WorkerOutdated(LoginRefused):
    """The pool asks for a newer worker program."""

    def __init__(self, found: str, least: str) -> None:
        super().__init__(
            f"this worker is version {found}, the pool takes {least} and newer: "
            f"install poolhand {least} or newer and start the worker again"
        )


class WorkerBarred(LoginRefused):
    """The worker broke the protocol and stays outside for a while."""

    def __init__(self, cause: str, seconds: Seconds) -> None:
        super().__init__(
            f"this worker broke the protocol ({cause}) and is let in again in {seconds} seconds: "
            "if it is unmodified, update it and report the fault"
        )
        self.retry_after = seconds


class LoginExpired(PeerFault):
    """The login or proof is stale, or lives longer than is allowed."""


class WrongPool(Refused):
    """Who answered is another pool than the worker is set up for."""


class ClockSkewed(Refused):
    """Worker and pool disagree about the time."""


class Rejected(Refused):
    """The pool answered ``Reject``."""

    def __init__(self, reject: Reject) -> None:
        super().__init__(f"the pool refused the login ({reject.code}): {reject.message}")
        self.reject = reject


def normal_url(url: str) -> str:
    """Return a pool's URL in the one form that is signed, however it was typed.

    Lower-case host, ``localhost`` as 127.0.0.1, no port that goes without saying, no final slash.

    Raises:
        BadUrl: Not http or https with a host, or with query, fragment or credentials.
    """
    try:
        parts = urlsplit(url.strip())
        plain = parts.hostname and not (parts.query or parts.fragment or "@" in parts.netloc)
    except ValueError as fault:
        raise BadUrl(f"'{url}' is not a URL") from fault
    if parts.scheme not in ("http", "https") or not plain:
        raise BadUrl(f"'{url}' is not a pool's URL: write http(s)://host[:port]")
    place = _PLACE.fullmatch(parts.netloc.lower())
    host, port = place.group("host", "port") if place else (parts.netloc.lower(), None)
    host = "127.0.0.1" if host == "localhost" else host
    netloc: str = host if port in (None, _USUAL_PORTS[parts.scheme]) else f"{host}:{port}"
    return urlunsplit((parts.scheme, netloc, parts.path.rstrip("/"), "", ""))


def socket_url(url: str) -> str:
    """Return where the worker dials: the pool's URL as ws(s) with ``/worker`` behind."""
    return normal_url(url).replace("http", "ws", 1) + "/worker"


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """What both sides know about the pool before they speak; the worker reads it on chain.

    ``versions`` are those of the protocol that this side speaks.
    """

    chain_id: int
    hub: Address
    workerpool: Address
    url: str
    versions: tuple[int, ...] = SPOKEN

    @property
    def domain(self) -> Domain:
        """The domain of the signatures."""
        return pool_domain(self.chain_id, self.workerpool)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the scheduler grants: where results go, and how long silence may last (seconds)."""

    results_url: str
    lease: Seconds = WORKER_LEASE
    heartbeat: Seconds = HEARTBEAT


class ServerHandshake:
    """The scheduler's side of one connection; its nonce serves one login, good or bad."""

    def __init__(self, facts: PoolFacts, nonce: Nonce) -> None:
        self._facts, self._nonce = facts, nonce
        self._spent = False
        self._proof: PoolProof | None = None

    def hello(self, now: UnixSeconds) -> Hello:
        """Return the first message."""
        facts = self._facts
        url, versions = normal_url(facts.url), facts.versions
        return Hello(versions, facts.chain_id, facts.hub, facts.workerpool, url, self._nonce, now)

    def login(self, message: SessionMessage, now: UnixSeconds) -> tuple[Login, PoolProof]:
        """Check the worker's answer; the nonce is used up whatever comes of it.

        Returns:
            The login, proven, and the proof for the pool owner's key to sign.

        Raises:
            Malformed: Something else than a login, or a second one.
            VersionRefused: Not a version that was offered.
            LoginExpired: Expired, or valid for longer than a login may be.
            BadSignature: Not the worker's signature of this nonce and URL.
        """
        spent, self._spent = self._spent, True
        if spent or not isinstance(message, Login):
            raise Malformed("one login was due")
        offered = self._facts.versions
        if message.version not in offered:
            raise VersionRefused(f"version {message.version} was not offered, {offered} were")
        _check_expiry("login", message.expiry, now)
        signed = WorkerLogin(
            domain=self._facts.domain,
            worker=message.worker,
            url=normal_url(self._facts.url),
            nonce=self._nonce,
            challenge=message.challenge,
            expiry=message.expiry,
        )
        if recover(signed.digest, message.signature) != message.worker:
            raise BadSignature(
                f"the login is not signed by {message.worker} for this nonce, pool and URL"
            )
        expiry = UnixSeconds(now + LOGIN_LIFETIME)
        self._proof = PoolProof(
            self._facts.domain, message.worker, self._nonce, message.challenge, expiry
        )
        return message, self._proof

    def welcome(self, signature: bytes, terms: Terms) -> Welcome:
        """Return the last message, with the owner's signature of the proof.

        Raises:
            BrokenPrecondition: No login has been accepted.
        """
        if self._proof is None:
            raise BrokenPrecondition("welcome before a login was accepted")
        return Welcome(
            lease_seconds=terms.lease,
            heartbeat_seconds=terms.heartbeat,
            results_url=terms.results_url,
            expiry=self._proof.expiry,
            signature=signature,
        )


class ClientHandshake:
    """The worker's side of one connection; ``version`` is that of the session, after the hello."""

    def __init__(self, facts: PoolFacts, worker: Address, challenge: Nonce) -> None:
        self._facts, self._worker, self._challenge = facts, worker, challenge
        self._login: WorkerLogin | None = None
        self._version = FIRST_SESSION_VERSION

    def hello(self, message: SessionMessage, now: UnixSeconds) -> WorkerLogin:
        """Check who answered; return the login for the worker's key to sign.

        Every member of it is the worker's own, but for the nonce.

        Raises:
            Rejected: The pool turned the connection down.
            Malformed: Something else than a hello.
            VersionRefused, WrongPool, ClockSkewed: The operator must act; the message says how.
        """
        if isinstance(message, Reject):
            raise Rejected(message)
        if not isinstance(message, Hello) or self._login is not None:
            raise Malformed("one hello was due")
        spoken = self._facts.versions
        common = set(message.versions).intersection(spoken)
        if not common:
            raise VersionRefused(
                f"the pool speaks versions {message.versions}, this worker {spoken}: update one"
            )
        self._version = max(common)
        self._check_pool(message)
        if abs(message.time - now) > MAX_SKEW:
            raise ClockSkewed(
                f"the pool's clock is {message.time - now} seconds ahead of this machine's, "
                f"{MAX_SKEW} are tolerated: set both by NTP"
            )
        self._login = WorkerLogin(
            domain=self._facts.domain,
            worker=self._worker,
            url=normal_url(self._facts.url),
            nonce=message.nonce,
            challenge=self._challenge,
            expiry=UnixSeconds(now + LOGIN_LIFETIME),
        )
        return self._login

    def login(
        self,
        signature: bytes,
        capabilities: Capabilities,
        replicates: Sequence[Held],
    ) -> Login:
        """Return the second message; of ``replicates`` the last ``MOST_HELD`` are told.

        Raises:
            BrokenPrecondition: No hello has been accepted.
        """
        signed = self._signed()
        return Login(
            version=self._version,
            worker=self._worker,
            capabilities=capabilities,
            expiry=signed.expiry,
            challenge=self._challenge,
            signature=signature,
            replicates=tuple(replicates)[-MOST_HELD:],
        )

    @property
    def version(self) -> int:
        """The version of the protocol that was agreed on."""
        return self._version

    def welcome(self, message: SessionMessage, owner: Address, now: UnixSeconds) -> Welcome:
        """Check the pool's proof against the owner's address read on chain.

        Raises:
            Rejected: The pool turned the login down.
            Malformed: Something else than a welcome.
            LoginExpired, BadSignature: Whoever answered does not hold the pool owner's key.
        """
        signed = self._signed()
        if isinstance(message, Reject):
            raise Rejected(message)
        if not isinstance(message, Welcome):
            raise Malformed("a welcome or a reject was due")
        _check_expiry("pool's proof", message.expiry, now)
        proof = PoolProof(
            signed.domain, self._worker, signed.nonce, self._challenge, message.expiry
        )
        signer = recover(proof.digest, message.signature)
        if signer != owner:
            raise BadSignature(f"pool's proof is signed by {signer}, the pool belongs to {owner}")
        return message

    def _signed(self) -> WorkerLogin:
        if self._login is None:
            raise BrokenPrecondition("no hello was accepted yet")
        return self._login

    def _check_pool(self, hello: Hello) -> None:
        facts, url = self._facts, normal_url(self._facts.url)
        for what, theirs, ours in (
            ("chain", hello.chain_id, facts.chain_id),
            ("hub", str(hello.hub), str(facts.hub)),
            ("workerpool", str(hello.workerpool), str(facts.workerpool)),
            ("URL", hello.url, url),
        ):
            if theirs != ours:
                raise WrongPool(
                    f"the pool says its {what} is {theirs}, this worker is set to {ours}: "
                    "correct the worker's settings, or the pool's"
                )


def _check_expiry(what: str, expiry: UnixSeconds, now: UnixSeconds) -> None:
    """Check that a signed message is valid now and not for long."""
    if not now <= expiry <= now + LOGIN_LIFETIME + MAX_SKEW:
        raise LoginExpired(f"the {what} is valid until {expiry}, it is {now}")
