"""Sessions of confidential tasks: each service is told its secrets once, when it has proved itself.

They live in memory alone: a service that is started again knows none, so that nobody is told twice
what one was told before; the worker asks for another session then. What is secret is looked up only
when it is told.
"""

from __future__ import annotations

import json
import string
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from poolhand.domain.errors import Refused, Unavailable
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.tee.evidence import Evidence, QuotePolicy
from poolhand.domain.tee.framework import EvidenceKind
from poolhand.domain.tee.measurement import ExpectedMeasurement
from poolhand.domain.tee.refusal import AttestationRefused, CollateralMissing, RefusalReason
from poolhand.domain.tee.sealing import KEY_BYTES, NotSealedForUs, report_data, seal
from poolhand.domain.tee.session import Service, environments
from poolhand.domain.tee.session_errors import SessionRefused
from poolhand.domain.units import UnixSeconds
from poolhand.ports.attestation import QuoteVerifier
from poolhand.ports.clock import Clock, Entropy
from poolhand.sms.gathering import SecretGathering
from poolhand.sms.tasks_on_chain import ConfidentialTask, TasksOnChain

SESSION_SECONDS: Final = 3_600.0
"""For which a session may be used."""
NONCE_SECONDS: Final = 120.0
"""For which a nonce may be used, once."""
MOST_TEE_SESSIONS: Final = 10_000
"""At a time; the oldest make room."""
MOST_NONCES: Final = 16
"""Of one session at a time; the oldest make room."""
_LETTERS: Final = string.ascii_letters + string.digits
_NOBODY: Final = QuotePolicy(expected=(ExpectedMeasurement(EvidenceKind.TDX, bytes(48)),))
_SET_CLOCK: Final = {
    "acts": "operator of the secret management service",
    "next_step": "compare this machine's clock with the time, and see that --pccs-url answers",
}
_OF_TIME: Final[Mapping[RefusalReason, Mapping[str, str]]] = {
    RefusalReason.COLLATERAL_STALE: _SET_CLOCK,
    RefusalReason.COLLATERAL_NOT_YET_VALID: _SET_CLOCK,
}
"""Refusals that this service may be the cause of, whoever asks."""
log = structlog.get_logger()


class ProvisionRefused(Refused):
    """A program has not proved what it is, or asks again: nobody is told which."""

    http_status = 401

    def __init__(self) -> None:
        super().__init__(
            "nothing is told to this program: it has not proved in time what it is, for a service "
            "of a session that was told nothing yet"
        )


@dataclass(slots=True)
class TeeSession:
    """A session of one worker's task.

    Attributes:
        task, index, worker: Whose.
        expected: What each of its services must prove to be.
        until: When it ends (seconds of the steady clock).
        told: Services that were told their secrets, or are being told.
        nonces: That are out, with the end of each.
    """

    task: ConfidentialTask
    index: int
    worker: Address
    expected: Mapping[Service, QuotePolicy]
    until: float
    told: set[Service] = field(default_factory=set)
    nonces: OrderedDict[str, float] = field(default_factory=OrderedDict)


@dataclass(frozen=True, slots=True)
class ServiceProof:
    """What a program shows: as it came, unfit parts empty."""

    evidence: Evidence
    public_key: bytes
    nonce: str


class OpenSessions:
    """Opens sessions, and tells their services secrets.

    Args:
        chain: Finds tasks.
        gathering: Finds their secrets.
        verifier: Of quotes.
        clock: For ends of sessions, and the moment at which quotes are judged.
        entropy: For names and nonces.
        released: Told of each release: which task's service, and for whom; awaited before it goes.
    """

    def __init__(
        self,
        chain: TasksOnChain,
        gathering: SecretGathering,
        verifier: QuoteVerifier,
        clock: Clock,
        entropy: Entropy,
        released: Callable[[TaskId, Service, Address, str], Awaitable[None]],
    ) -> None:
        self._chain, self._gathering, self._verifier = chain, gathering, verifier
        self._clock, self._entropy, self._released = clock, entropy, released
        self._sessions: OrderedDict[str, TeeSession] = OrderedDict()
        self._of_task: dict[tuple[TaskId, Address], str] = {}

    def open(
        self,
        task: ConfidentialTask,
        index: int,
        worker: Address,
        expected: Mapping[Service, QuotePolicy],
    ) -> str:
        """Open a session and return its id; an earlier one of the worker's task counts no more."""
        key = (task.task_id, worker)
        self._drop(self._of_task.get(key, ""))
        random = self._entropy.bytes(10)
        name = (
            "".join(_LETTERS[each % len(_LETTERS)] for each in random) + "0000" + str(task.task_id)
        )
        until = self._clock.steady() + SESSION_SECONDS
        self._sessions[name] = TeeSession(task, index, worker, expected, until)
        self._of_task[key] = name
        while len(self._sessions) > MOST_TEE_SESSIONS:
            self._drop(next(iter(self._sessions)))
        return name

    def nonce(self, name: str) -> str:
        """Return a nonce; of a session that is none it is one that nothing takes."""
        made = self._entropy.bytes(32).hex()
        session = self._sessions.get(name)
        if session is not None:
            session.nonces[made] = self._clock.steady() + NONCE_SECONDS
            while len(session.nonces) > MOST_NONCES:
                session.nonces.popitem(last=False)
        return made

    async def provision(self, name: str, service: str, proof: ServiceProof, caller: str) -> bytes:
        """Return a service's environment, sealed to the key that its quote names.

        Whatever is wrong, one quote is verified and the same is answered.

        Raises:
            ProvisionRefused: It is not told.
            ChainUnreachable, SecretsUnwritable: Not now; a nonce is used up.
        """
        session, now = self._sessions.get(name), self._clock.steady()
        wanted = _service(service)
        has_nonce = session is not None and session.nonces.pop(proof.nonce, 0.0) > now
        policy = session.expected.get(wanted, _NOBODY) if session and wanted else _NOBODY
        about = report_data(name, service, proof.public_key, proof.nonce)
        is_proved = await self._is_proved(proof, policy, about)
        fits = session is not None and wanted in session.expected and self._is_open(session)
        if not (is_proved and has_nonce and fits) or session is None or wanted is None:
            raise ProvisionRefused
        if wanted in session.told or self._sessions.get(name) is not session:
            raise ProvisionRefused
        session.told.add(wanted)  # before anything is waited for: nobody is told twice
        try:
            plain = await self._environment(session, wanted)
            await self._released(session.task.task_id, wanted, session.worker, caller)
        except Unavailable:
            session.told.discard(wanted)  # nothing was told: it may ask again
            raise
        try:
            return seal(proof.public_key, plain, about, self._entropy.bytes(KEY_BYTES))
        except NotSealedForUs as fault:
            raise ProvisionRefused from fault

    def _is_open(self, session: TeeSession) -> bool:
        """Look at the time when a quote was verified: what it is judged by may have been asked."""
        return session.until > self._clock.steady()

    async def _is_proved(self, proof: ServiceProof, policy: QuotePolicy, about: bytes) -> bool:
        moment = UnixSeconds(self._clock.now())
        try:
            attested = await self._verifier.verify(proof.evidence, policy, about, moment)
        except AttestationRefused as fault:
            log.warning("quote_refused", reason=str(fault.reason), **_OF_TIME.get(fault.reason, {}))
            return False
        except CollateralMissing as fault:  # told as any refusal: nobody learns what is at hand
            log.warning(
                "quote_not_judged",
                cause=str(fault),
                acts="operator of the secret management service",
                next_step="have it trust that root, or give it what its quotes are judged by",
            )
            return False
        if attested.is_simulated:
            log.warning("simulated_tee_service_proved", tee="simulated")
        return True

    async def _environment(self, session: TeeSession, service: Service) -> bytes:
        try:
            task = await self._chain.active(session.task.task_id)
            request = await self._gathering.request_of(task, session.index, session.worker)
            return json.dumps(dict(environments(request)[service])).encode()
        except (SessionRefused, LookupError) as fault:
            raise ProvisionRefused from fault

    def _drop(self, name: str) -> None:
        session = self._sessions.pop(name, None)
        if session is not None:
            key = (session.task.task_id, session.worker)
            if self._of_task.get(key) == name:
                del self._of_task[key]


def _service(text: str) -> Service | None:
    try:
        return Service(text)
    except ValueError:
        return None
