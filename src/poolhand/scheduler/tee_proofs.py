"""Workers show the pool that their enclaves work: nobody's word about itself decides.

Each gets a nonce after its login, and another every half hour. Its quote over that, verified, lets
it have tasks of one framework. A worker that does not answer loses them at the next round.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from poolhand.domain.errors import EndsProgram, Unavailable
from poolhand.domain.ids import Address
from poolhand.domain.messages import Nonce
from poolhand.domain.tee.evidence import Evidence, QuotePolicy
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.tee.proof import ProvedFramework
from poolhand.domain.tee.refusal import AttestationRefused, RefusalReason
from poolhand.domain.tee.report_data import worker_report_data
from poolhand.domain.units import Seconds, UnixSeconds
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.ports.attestation import QuoteVerifier
from poolhand.ports.clock import Clock, Entropy
from poolhand.scheduler.worker_directory import WorkerDirectory
from poolhand.transport.gate import Arrival
from poolhand.wire.fields import clip
from poolhand.wire.messages import WorkerBound
from poolhand.wire.session_terms import MAX_SENTENCE, TEE_PROOFS
from poolhand.wire.tee_messages import AskTeeProof, TeeProof, TeeProofJudged

PROOF_ROUND: Final = Seconds(1_800)
"""Between two questions to a worker; a proof lasts until the second one after it is due."""
_PROOF_LOOK_PAUSE: Final = Seconds(10)

log = structlog.get_logger()


@dataclass(slots=True)
class _ProofRound:
    """One question to one worker.

    Attributes:
        nonce: Asked; each framework answers it once.
        left: Frameworks that may still answer.
        held: What holds from this round.
        before: What holds from the round before, until this one ends.
    """

    nonce: Nonce
    claimed: frozenset[TeeFramework]
    left: set[TeeFramework]
    held: dict[TeeFramework, ProvedFramework] = field(default_factory=dict)
    before: dict[TeeFramework, ProvedFramework] = field(default_factory=dict)


class TeeProofs:
    """Asks, verifies, and tells the directory.

    Args:
        verifier: Of quotes; None: this pool asks nobody, and gives no confidential tasks.
        policy: What is asked of them.
        pool: The workerpool's contract; a quote for another pool serves none here.
        chain_id: Of the chain.
        directory: Told what holds.
        tell: Hands a message to a worker.
        clock, entropy: For times and nonces.
        boundary: Takes what one proof raises.
    """

    def __init__(
        self,
        verifier: QuoteVerifier | None,
        policy: QuotePolicy,
        pool: Address,
        chain_id: int,
        directory: WorkerDirectory,
        tell: Callable[[Address, WorkerBound], None],
        clock: Clock,
        entropy: Entropy,
        boundary: FaultBoundary,
    ) -> None:
        self._verifier, self._policy = verifier, policy
        self._pool, self._chain_id = pool, chain_id
        self._directory, self._tell = directory, tell
        self._clock, self._entropy, self._boundary = clock, entropy, boundary
        self._rounds: dict[Address, _ProofRound] = {}
        self._due: OrderedDict[Address, UnixSeconds] = OrderedDict()
        self._came: asyncio.Queue[tuple[Address, TeeProof]] = asyncio.Queue()

    def claimed(self, arrival: Arrival) -> None:
        """Ask a worker that says at its login that it has enclaves."""
        names = {each.value for each in TeeFramework}.intersection(arrival.capabilities.tee)
        self.forget(arrival.worker)
        if self._verifier is not None and names and arrival.version >= TEE_PROOFS:
            self._ask(arrival.worker, frozenset(map(TeeFramework, names)), {})

    def forget(self, worker: Address) -> None:
        """Drop what is known of a worker that is gone."""
        self._rounds.pop(worker, None)
        self._due.pop(worker, None)

    def take(self, worker: Address, proof: TeeProof) -> None:
        """Take evidence; what nobody asked for is passed over, so that it costs nothing."""
        asked = self._rounds.get(worker)
        if asked is None or proof.nonce != asked.nonce or proof.framework not in asked.left:
            log.warning("tee_proof_unasked", worker=str(worker), framework=proof.framework)
            return
        asked.left.discard(proof.framework)
        self._came.put_nowait((worker, proof))

    async def verify(self) -> None:
        """Verify what comes, one after the other, for ever."""
        while True:
            worker, proof = await self._came.get()
            with self._boundary.around("tee_proof", worker=str(worker)):
                await self._judge(worker, proof)
            self._came.task_done()

    async def settled(self) -> None:
        """Wait until all evidence that has come is judged."""
        await self._came.join()

    async def keep_asking(self) -> None:
        """Ask again whoever's round has ended, for ever."""
        while True:
            await self._clock.sleep(_PROOF_LOOK_PAUSE)
            self.pass_time()

    def pass_time(self) -> None:
        """End the rounds that are over."""
        now = self._clock.now()
        while self._due and next(iter(self._due.values())) <= now:
            worker, _ = self._due.popitem(last=False)
            ended = self._rounds[worker]
            if ended.before.keys() - ended.held.keys():
                log.warning("tee_proof_over", worker=str(worker))
            self._ask(worker, ended.claimed, ended.held)
            self._show(worker)

    def _ask(
        self,
        worker: Address,
        claimed: frozenset[TeeFramework],
        before: dict[TeeFramework, ProvedFramework],
    ) -> None:
        nonce = Nonce(self._entropy.bytes(32))
        self._rounds[worker] = _ProofRound(nonce, claimed, set(claimed), before=before)
        self._due[worker] = UnixSeconds(self._clock.now() + PROOF_ROUND)
        self._due.move_to_end(worker)
        self._tell(worker, AskTeeProof(nonce))

    async def _judge(self, worker: Address, proof: TeeProof) -> None:
        framework, asked = proof.framework, self._rounds.get(worker)
        if asked is None or asked.nonce != proof.nonce:
            return  # it went, or was asked anew
        try:
            found = await self._verified(worker, proof)
        except EndsProgram:
            raise
        except (AttestationRefused, Unavailable) as fault:
            log.warning(
                "tee_proof_refused", worker=str(worker), framework=framework, cause=str(fault)
            )
            sentence = clip(str(fault), MAX_SENTENCE)
            self._tell(worker, TeeProofJudged(framework, sentence, proof.simulated, None))
            return
        asked = self._rounds.get(worker)
        if asked is None or asked.nonce != proof.nonce:
            return  # it went, or came anew, while this was verified
        asked.held[framework] = found
        told = {"simulated": found.is_simulated, "tcb_status": found.tcb_status}
        log.info("tee_proved", worker=str(worker), framework=framework, **told)
        self._tell(worker, TeeProofJudged(framework, None, found.is_simulated, found.tcb_status))
        self._show(worker)

    async def _verified(self, worker: Address, proof: TeeProof) -> ProvedFramework:
        assert self._verifier is not None
        if proof.kind is not proof.framework.evidence:
            raise AttestationRefused(
                RefusalReason.WRONG_KIND, f"{proof.framework} is not proved by {proof.kind}"
            )
        data = worker_report_data(proof.nonce, worker, self._pool, self._chain_id)
        evidence = Evidence(proof.kind, proof.quote, proof.simulated)
        now = self._clock.now()
        found = await self._verifier.verify(evidence, self._policy, data, now)
        return ProvedFramework(proof.framework, found.tcb_status, found.is_simulated, now)

    def _show(self, worker: Address) -> None:
        asked = self._rounds[worker]
        holds = {**asked.before, **asked.held}
        self._directory.proves(worker, holds.values())
