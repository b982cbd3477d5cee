"""A worker shows its pool that its enclaves work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from poolhand.domain.errors import EndsProgram, PoolhandError
from poolhand.domain.ids import Address
from poolhand.domain.messages import Nonce
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.tee.report_data import worker_report_data
from poolhand.domain.units import UnixSeconds
from poolhand.ports.attestation import Quoter
from poolhand.wire.session_terms import PROOF_QUOTE
from poolhand.wire.tee_messages import AskTeeProof, TeeProof, TeeProofJudged
from poolhand.worker.reports import PoolLink

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _ProofSaid:
    """What came of a framework's last proof, and when (by this computer's clock)."""

    at: UnixSeconds
    refused: str | None
    simulated: bool
    tcb_status: str | None


class OwnTeeProofs:
    """Answers the pool's questions, one round after the other.

    Args:
        quoters: Of each framework that works here.
        link: To the pool.
        worker, pool, chain_id: To which each quote is bound.
        now: Tells the time.
        tasks: Owns whatever runs.
        simulated: Whether a simulated machine quotes.
    """

    def __init__(
        self,
        quoters: Mapping[TeeFramework, Quoter],
        link: PoolLink,
        worker: Address,
        pool: Address,
        chain_id: int,
        now: Callable[[], UnixSeconds],
        tasks: asyncio.TaskGroup,
        *,
        simulated: bool,
    ) -> None:
        self._quoters, self._link, self._tasks = quoters, link, tasks
        self._worker, self._pool, self._chain_id = worker, pool, chain_id
        self._now, self._simulated = now, simulated
        self._round: asyncio.Task[None] | None = None
        self._judged: dict[TeeFramework, _ProofSaid] = {}

    def forget(self) -> None:
        """Drop what the pool has found: with each new session it asks anew."""
        self._judged.clear()

    def show(self) -> list[dict[str, Any]]:
        """Show each framework, and whether it is proved at the pool (see ``worker.status``)."""
        return [self._show(each, self._judged.get(each)) for each in self._quoters]

    def _show(self, framework: TeeFramework, judged: _ProofSaid | None) -> dict[str, Any]:
        known = judged or _ProofSaid(self._now(), None, self._simulated, None)
        return {
            "framework": framework,
            "proved": judged is not None and judged.refused is None,
            "simulated": self._simulated or known.simulated,
            "tcb_status": known.tcb_status,
            "at": None if judged is None else judged.at,
            "problem": known.refused,
        }

    def hear(self, message: AskTeeProof | TeeProofJudged) -> None:
        """Take what the pool says of enclaves."""
        if isinstance(message, AskTeeProof):
            if self._round is not None:
                self._round.cancel()
            self._round = self._tasks.create_task(self._answer(message.nonce))
            return
        told = {"framework": message.framework, "simulated": message.simulated}
        if message.framework in self._quoters:
            self._note(message.framework, message.refused, message.simulated, message.tcb_status)
        if message.refused is None:
            log.info("tee_proof_accepted", **told)
        else:
            log.warning("tee_proof_refused", cause=message.refused, **told)

    def _note(
        self,
        framework: TeeFramework,
        refused: str | None,
        simulated: bool,
        tcb_status: str | None = None,
    ) -> None:
        self._judged[framework] = _ProofSaid(self._now(), refused, simulated, tcb_status)

    async def _answer(self, nonce: Nonce) -> None:
        data = worker_report_data(nonce, self._worker, self._pool, self._chain_id)
        for framework, quoter in self._quoters.items():
            try:
                found = await quoter.quote(data)
            except EndsProgram:
                raise
            except PoolhandError as fault:
                log.warning("tee_quote_failed", framework=framework, cause=str(fault))
                self._note(framework, str(fault), self._simulated)
                continue
            if len(found.quote) > PROOF_QUOTE:
                cause = f"its quote has {len(found.quote)} bytes, over {PROOF_QUOTE}"
                log.warning("tee_quote_failed", framework=framework, cause=cause)
                self._note(framework, cause, found.is_simulated)
                continue
            simulated = found.is_simulated
            self._link.send(TeeProof(framework, nonce, found.kind, found.quote, simulated))
