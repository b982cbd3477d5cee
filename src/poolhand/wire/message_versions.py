"""Which version of the worker protocol gave each kind of message its form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from poolhand.wire.messages import (
    About,
    Conditions,
    Declined,
    FollowTask,
    OwnerMessage,
    SessionMessage,
    TaskOutput,
    WorkProgress,
)
from poolhand.wire.session_terms import (
    CONFIDENTIAL_OFFERS,
    FIRST_SESSION_VERSION,
    LIVE_OUTPUT,
    OWNER_MESSAGES,
    TEE_PROOFS,
)
from poolhand.wire.tee_messages import AskTeeProof, OfferConfidentialTask, TeeProof, TeeProofJudged

_SINCE: Final[Mapping[type[SessionMessage], int]] = {
    OwnerMessage: OWNER_MESSAGES,
    About: OWNER_MESSAGES,
    Conditions: 3,
    Declined: 3,
    FollowTask: LIVE_OUTPUT,
    TaskOutput: LIVE_OUTPUT,
    WorkProgress: LIVE_OUTPUT,
    OfferConfidentialTask: CONFIDENTIAL_OFFERS,
    AskTeeProof: TEE_PROOFS,
    TeeProofJudged: TEE_PROOFS,
    TeeProof: TEE_PROOFS,
}
"""Messages that the first version does not have, and that which brought them."""


def version_of(kind: type[SessionMessage]) -> int:
    """Return the version of the protocol that gave a kind of message its form."""
    return _SINCE.get(kind, FIRST_SESSION_VERSION)
