"""A worker shows its pool that its enclaves work."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from poolhand.domain.errors import EndsProgram, PoolhandError
from poolhand.domain.ids import Address
from poolhand.domain.messages import Nonce
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.tee.report_data import worker_report_data
from poolhand.ports.attestation import Quoter
from poolhand.wire.session_terms import PROOF_QUOTE
from poolhand.wire.tee_messages import AskTeeProof, TeeProof, TeeProofJudged
from poolhand.worker.reports import PoolLink

log = structlog.get_logger()


class OwnTeeProofs:
    """Answers the pool's questions, one round after the other.

    Args:
        quoters: Of each framework that works here.
        link: To the pool.
        worker, pool, chain_id: To which each quote is bound.
        tasks: Owns whatever runs.
    """

    def __init__(
        self,
        quoters: Mapping[TeeFramework, Quoter],
        link: PoolLink,
        worker: Address,
        pool: Address,
        chain_id: int,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._quoters, self._link, self._tasks = quoters, link, tasks
        self._worker, self._pool, self._chain_id = worker, pool, chain_id
        self._round: asyncio.Task[None] | None = None
        self.judged: dict[TeeFramework, TeeProofJudged] = {}

    def hear(self, message: AskTeeProof | TeeProofJudged) -> None:
        """Take what the pool says of enclaves."""
        if isinstance(message, AskTeeProof):
            if self._round is not None:
                self._round.cancel()
            self._round = self._tasks.create_task(self._answer(message.nonce))
            return
        self.judged[message.framework] = message
        told = {"framework": message.framework, "simulated": message.simulated}
        if message.refused is None:
            log.info("tee_proof_accepted", **told)
        else:
            log.warning("tee_proof_refused", cause=message.refused, **told)

    async def _answer(self, nonce: Nonce) -> None:
        data = worker_report_data(nonce, self._worker, self._pool, self._chain_id)
        for framework, quoter in self._quoters.items():
            try:
                found = await quoter.quote(data)
            except EndsProgram:
                raise
            except PoolhandError as fault:
                log.warning("tee_quote_failed", framework=framework, cause=str(fault))
                continue
            if len(found.quote) > PROOF_QUOTE:
                size = len(found.quote)
                log.warning("tee_quote_failed", framework=framework, cause=f"it has {size} bytes")
                continue
            simulated = found.is_simulated
            self._link.send(TeeProof(framework, nonce, found.kind, found.quote, simulated))
