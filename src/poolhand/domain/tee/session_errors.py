"""Why a secret management service gives no session: its codes, and a sentence for each.

Source: services-api.md 4.4; a worker reports ``TEE_SESSION_GENERATION_`` and the code.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from poolhand.domain.errors import Refused

SESSION_CAUSE_PREFIX: Final = "TEE_SESSION_GENERATION_"
"""What stands before the code where a worker tells its pool."""


class SessionError(StrEnum):
    """A code of the service's answer."""

    INVALID_AUTHORIZATION = "INVALID_AUTHORIZATION"
    EXECUTION_NOT_AUTHORIZED_EMPTY_PARAMS_UNAUTHORIZED = (
        "EXECUTION_NOT_AUTHORIZED_EMPTY_PARAMS_UNAUTHORIZED"
    )
    EXECUTION_NOT_AUTHORIZED_NO_MATCH_ONCHAIN_TYPE = (
        "EXECUTION_NOT_AUTHORIZED_NO_MATCH_ONCHAIN_TYPE"
    )
    EXECUTION_NOT_AUTHORIZED_GET_CHAIN_TASK_FAILED = (
        "EXECUTION_NOT_AUTHORIZED_GET_CHAIN_TASK_FAILED"
    )
    EXECUTION_NOT_AUTHORIZED_TASK_NOT_ACTIVE = "EXECUTION_NOT_AUTHORIZED_TASK_NOT_ACTIVE"
    EXECUTION_NOT_AUTHORIZED_GET_CHAIN_DEAL_FAILED = (
        "EXECUTION_NOT_AUTHORIZED_GET_CHAIN_DEAL_FAILED"
    )
    EXECUTION_NOT_AUTHORIZED_INVALID_SIGNATURE = "EXECUTION_NOT_AUTHORIZED_INVALID_SIGNATURE"
    GET_SIGNATURE_TOKENS_FAILED_EMPTY_WORKER_ADDRESS = (
        "GET_SIGNATURE_TOKENS_FAILED_EMPTY_WORKER_ADDRESS"
    )
    GET_SIGNATURE_TOKENS_FAILED_EMPTY_PUBLIC_ENCLAVE_CHALLENGE = (
        "GET_SIGNATURE_TOKENS_FAILED_EMPTY_PUBLIC_ENCLAVE_CHALLENGE"
    )
    GET_SIGNATURE_TOKENS_FAILED_EMPTY_TEE_CHALLENGE = (
        "GET_SIGNATURE_TOKENS_FAILED_EMPTY_TEE_CHALLENGE"
    )
    GET_SIGNATURE_TOKENS_FAILED_EMPTY_TEE_CREDENTIALS = (
        "GET_SIGNATURE_TOKENS_FAILED_EMPTY_TEE_CREDENTIALS"
    )
    PRE_COMPUTE_GET_DATASET_SECRET_FAILED = "PRE_COMPUTE_GET_DATASET_SECRET_FAILED"  # noqa: S105 - a code
    APP_COMPUTE_NO_ENCLAVE_CONFIG = "APP_COMPUTE_NO_ENCLAVE_CONFIG"
    APP_COMPUTE_INVALID_ENCLAVE_CONFIG = "APP_COMPUTE_INVALID_ENCLAVE_CONFIG"
    POST_COMPUTE_GET_ENCRYPTION_TOKENS_FAILED_EMPTY_BENEFICIARY_KEY = (
        "POST_COMPUTE_GET_ENCRYPTION_TOKENS_FAILED_EMPTY_BENEFICIARY_KEY"
    )
    POST_COMPUTE_GET_STORAGE_TOKENS_FAILED = "POST_COMPUTE_GET_STORAGE_TOKENS_FAILED"
    SECURE_SESSION_STORAGE_CALL_FAILED = "SECURE_SESSION_STORAGE_CALL_FAILED"
    SECURE_SESSION_GENERATION_FAILED = "SECURE_SESSION_GENERATION_FAILED"
    SECURE_SESSION_NO_TEE_FRAMEWORK = "SECURE_SESSION_NO_TEE_FRAMEWORK"
    GET_TASK_DESCRIPTION_FAILED = "GET_TASK_DESCRIPTION_FAILED"
    NO_SESSION_REQUEST = "NO_SESSION_REQUEST"
    NO_TASK_DESCRIPTION = "NO_TASK_DESCRIPTION"
    UNKNOWN_ISSUE = "UNKNOWN_ISSUE"

    @property
    def sentence(self) -> str:
        """What happened, and who must act how."""
        return _SENTENCES[self]

    @property
    def is_unauthorized(self) -> bool:
        """Whether the service answers 401; it answers every other one with 500."""
        return self is E.INVALID_AUTHORIZATION or self.startswith("EXECUTION_NOT_AUTHORIZED_")


E = SessionError
_CHAIN: Final = "the service could not read the {} on chain: its operator sees to its node"
_OURS: Final = "the service lacks {} for the task: its operator reads its log"
_SENTENCES: Final = {
    E.INVALID_AUTHORIZATION: "the worker did not sign its authorization: its operator checks that "
    "it works with the wallet that the pool offered the task to",
    E.EXECUTION_NOT_AUTHORIZED_EMPTY_PARAMS_UNAUTHORIZED: "the authorization was not given whole: "
    "the pool must offer the task anew",
    E.EXECUTION_NOT_AUTHORIZED_NO_MATCH_ONCHAIN_TYPE: "the deal on chain asks for no enclave: the "
    "pool must not ask for a session",
    E.EXECUTION_NOT_AUTHORIZED_GET_CHAIN_TASK_FAILED: _CHAIN.format("task"),
    E.EXECUTION_NOT_AUTHORIZED_TASK_NOT_ACTIVE: "the task takes no contributions on chain: it is "
    "not initialized yet, or over",
    E.EXECUTION_NOT_AUTHORIZED_GET_CHAIN_DEAL_FAILED: _CHAIN.format("deal"),
    E.EXECUTION_NOT_AUTHORIZED_INVALID_SIGNATURE: "the owner of the workerpool did not sign the "
    "authorization: the pool must offer the task anew",
    E.GET_SIGNATURE_TOKENS_FAILED_EMPTY_WORKER_ADDRESS: _OURS.format("the worker's address"),
    E.GET_SIGNATURE_TOKENS_FAILED_EMPTY_PUBLIC_ENCLAVE_CHALLENGE: _OURS.format(
        "the enclave's challenge"
    ),
    E.GET_SIGNATURE_TOKENS_FAILED_EMPTY_TEE_CHALLENGE: _OURS.format("a key of the enclave"),
    E.GET_SIGNATURE_TOKENS_FAILED_EMPTY_TEE_CREDENTIALS: _OURS.format("a key of the enclave"),
    E.PRE_COMPUTE_GET_DATASET_SECRET_FAILED: "the dataset's key is not with the service: its owner "
    "pushes it (poolhand dataset push-secret)",
    E.APP_COMPUTE_NO_ENCLAVE_CONFIG: "the app's contract tells nothing of its enclave: its owner "
    "deploys it anew with an mrenclave",
    E.APP_COMPUTE_INVALID_ENCLAVE_CONFIG: "what the app's contract tells of its enclave does not "
    "read: its owner deploys it anew",
    E.POST_COMPUTE_GET_ENCRYPTION_TOKENS_FAILED_EMPTY_BENEFICIARY_KEY: "the result is to be "
    "encrypted and its beneficiary has handed in no key (poolhand result keypair)",
    E.POST_COMPUTE_GET_STORAGE_TOKENS_FAILED: "the result is to be stored where the requester has "
    "handed in no token for: push it, or ask for another storage",
    E.SECURE_SESSION_STORAGE_CALL_FAILED: "the service could not store the session: its operator "
    "reads its log",
    E.SECURE_SESSION_GENERATION_FAILED: "the service could not make the session: the request asks "
    "for more secrets than a program can be told, or the service's log says why",
    E.SECURE_SESSION_NO_TEE_FRAMEWORK: "the service has no such TEE framework: ask for another tag",
    E.GET_TASK_DESCRIPTION_FAILED: _CHAIN.format("description of the task"),
    E.NO_SESSION_REQUEST: "the service was asked for nothing: its operator reads its log",
    E.NO_TASK_DESCRIPTION: _CHAIN.format("description of the task"),
    E.UNKNOWN_ISSUE: "the service gave no session and no reason: its operator reads its log",
}


class SessionRefused(Refused):
    """There is no session for a task; ``error`` says why."""

    def __init__(self, error: SessionError) -> None:
        super().__init__(f"{error}: {error.sentence}")
        self.error = error
