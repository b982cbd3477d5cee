"""Messages about confidential tasks and about evidence of enclaves; see ``wire.messages``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from poolhand.domain.ids import Address, DealId, TaskId
from poolhand.domain.messages import Nonce
from poolhand.domain.replicate.machine import Flow
from poolhand.domain.tee.evidence import TcbStatus
from poolhand.domain.tee.framework import EvidenceKind, TeeFramework
from poolhand.wire.fields import FLAG_FIELD, blob, choice, fixed, integer, optional, plain
from poolhand.wire.session_terms import MAX_SENTENCE, PROOF_QUOTE

_SENTENCE = plain(MAX_SENTENCE)
_COUNT = integer()
_NONCE, _TASK, _SIGNATURE = fixed(Nonce), fixed(TaskId), blob(65, exact=True)


@dataclass(frozen=True, slots=True)
class OfferConfidentialTask:
    """As ``OfferTask``, of a confidential task: who its enclave is, and where its secrets are.

    The authorization is over the enclave's address, too.
    """

    task_id: Annotated[TaskId, _TASK]
    deal_id: Annotated[DealId, fixed(DealId)]
    index: Annotated[int, _COUNT]
    flow: Annotated[Flow, choice(Flow)]
    authorization: Annotated[bytes, _SIGNATURE]
    enclave: Annotated[Address, fixed(Address)]
    secrets_url: Annotated[str, _SENTENCE]


@dataclass(frozen=True, slots=True)
class AskTeeProof:
    """Show that the frameworks work of which the login told, since version 5.

    The report data of each quote is ``domain.tee.report_data.worker_report_data`` of ``nonce``.
    """

    nonce: Annotated[Nonce, _NONCE]


@dataclass(frozen=True, slots=True)
class TeeProofJudged:
    """What came of a ``TeeProof``, since version 5.

    Attributes:
        framework: Of which it was.
        refused: Why it proves nothing; None: it does, until the pool asks again.
        simulated: Whether a simulated root vouched for it.
        tcb_status: How the machine stands, as the pool found; None where it is refused.
    """

    framework: Annotated[TeeFramework, choice(TeeFramework)]
    refused: Annotated[str | None, optional(_SENTENCE)]
    simulated: Annotated[bool, FLAG_FIELD]
    tcb_status: Annotated[TcbStatus | None, optional(choice(TcbStatus))]


@dataclass(frozen=True, slots=True)
class TeeProof:
    """Evidence that a framework works here, since version 5.

    Attributes:
        framework: SCONE, Gramine or TDX.
        nonce: Of the ``AskTeeProof`` that it answers.
        kind: Of the quote.
        quote: As the processor's maker formats it.
        simulated: Whether a simulated root vouches for it; the pool believes its own roots.
    """

    framework: Annotated[TeeFramework, choice(TeeFramework)]
    nonce: Annotated[Nonce, _NONCE]
    kind: Annotated[EvidenceKind, choice(EvidenceKind)]
    quote: Annotated[bytes, blob(PROOF_QUOTE)]
    simulated: Annotated[bool, FLAG_FIELD]
