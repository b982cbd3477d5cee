"""Who sees to it that workers' enclaves are proved."""

from __future__ import annotations

from poolhand.ports.attestation import QuoteVerifier
from poolhand.ports.chain import HubFacts
from poolhand.ports.clock import Clock, Entropy
from poolhand.scheduler.composition.common import CommonParts
from poolhand.scheduler.composition.sessions import SessionParts
from poolhand.scheduler.tee_proofs import TeeProofs
from poolhand.settings.pool import PoolSettings


def tee_proofs(
    verifier: QuoteVerifier | None,
    settings: PoolSettings,
    common: CommonParts,
    sessions: SessionParts,
    facts: HubFacts,
    clock: Clock,
    entropy: Entropy,
) -> TeeProofs:
    """Make it, and let it hear of workers."""
    made = TeeProofs(
        verifier,
        settings.quotes,
        settings.workerpool,
        facts.chain_id,
        common.directory,
        sessions.mail.tell,
        clock,
        entropy,
        common.engine.boundary,
    )
    sessions.workers.claimed.connect(made.claimed)
    sessions.workers.proved.connect(made.take)
    sessions.workers.gone.connect(made.forget)
    return made
