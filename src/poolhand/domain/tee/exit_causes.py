"""How the services before and after an app end, and what a person is told of it.

A service exits with 0, or with 1 and says causes; with 2 it could not say them, with 3 it was not
told its task.

Source: services-api.md 9.4; scheduler-protocol.md 3.3 and 6.6.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from poolhand.domain.replicate.status import Party
from poolhand.domain.tee.session import Service

EXIT_WITH_CAUSES, EXIT_UNREPORTED, EXIT_NO_TASK = 1, 2, 3
MOST_CAUSES: Final = 16
"""Causes of one service that are believed: it is a stranger's program as any other."""

_OPERATOR: Final = "the worker's operator reads its log"
_SERVICE: Final = "the operator of the secret management service reads its log"
_OWNER: Final = "the dataset's owner must see to it"
_REQUESTER: Final = "the requester must see to it"
_COMMON: Final[Mapping[str, str]] = {
    "IMAGE_MISSING": f"its image could not be had: {_OPERATOR}",
    "TASK_ID_MISSING": f"it was not told its task: {_SERVICE}",
    "EXIT_REPORTING_FAILED": f"it could not say why it failed: {_OPERATOR}",
    "TIMEOUT": "it took longer than the category allows: buy a larger category",
    "WORKER_ADDRESS_MISSING": f"it was not told its worker: {_SERVICE}",
    "TEE_CHALLENGE_PRIVATE_KEY_MISSING": f"it was given no key to sign with: {_SERVICE}",
    "INVALID_TEE_SIGNATURE": f"its signature is not that of the enclave: {_OPERATOR}",
    "FAILED_UNKNOWN_ISSUE": f"it failed and gave no reason: {_OPERATOR}",
}
_PRE: Final[Mapping[str, str]] = {
    "MISSING_ENCLAVE_CONFIGURATION": "the app's contract tells nothing of its enclave: its owner "
    "deploys it anew with an mrenclave",
    "INVALID_ENCLAVE_CONFIGURATION": "what the app's contract tells of its enclave does not read: "
    "its owner deploys it anew",
    "INVALID_ENCLAVE_HEAP_CONFIGURATION": "the app's enclave asks for more memory than the worker "
    "gives: its owner deploys it anew with less",
    "OUTPUT_PATH_MISSING": f"it was not told where data go: {_SERVICE}",
    "IS_DATASET_REQUIRED_MISSING": f"it was not told whether there is a dataset: {_SERVICE}",
    "DATASET_URL_MISSING": f"it was not told where the dataset is: {_SERVICE}",
    "DATASET_KEY_MISSING": "it was given no key for the dataset: the dataset's owner pushes it "
    "(poolhand dataset push-secret)",
    "DATASET_CHECKSUM_MISSING": f"it was not told the dataset's checksum: {_OWNER}",
    "DATASET_FILENAME_MISSING": f"it was not told the dataset's name: {_SERVICE}",
    "INPUT_FILES_NUMBER_MISSING": f"it was not told how many input files there are: {_SERVICE}",
    "AT_LEAST_ONE_INPUT_FILE_URL_MISSING": f"an input file has no address: {_REQUESTER}",
    "OUTPUT_FOLDER_NOT_FOUND": f"its folder for data is missing: {_OPERATOR}",
    "DATASET_DOWNLOAD_FAILED": "the dataset could not be downloaded: the dataset's owner puts it "
    "back where its contract says that it is",
    "INVALID_DATASET_CHECKSUM": "the dataset's file is not the one of its contract: the dataset's "
    "owner puts that one back, or deploys it anew",
    "DATASET_DECRYPTION_FAILED": "the dataset does not open with the key that its owner pushed: "
    "they encrypt it anew and deploy it, for neither can be changed",
    "SAVING_PLAIN_DATASET_FAILED": f"the opened dataset could not be kept in memory: {_OPERATOR}",
    "INPUT_FILE_DOWNLOAD_FAILED": "an input file could not be downloaded: the requester names one "
    "that can be had by everybody",
}
_POST: Final[Mapping[str, str]] = {
    "ENCRYPTION_PUBLIC_KEY_MISSING": "the result is to be encrypted and there is no key: the "
    "beneficiary hands one in (poolhand result keypair)",
    "MALFORMED_ENCRYPTION_PUBLIC_KEY": "the beneficiary's key for results does not read: hand in "
    "another (poolhand result keypair)",
    "ENCRYPTION_FAILED": f"the result could not be encrypted: {_OPERATOR}",
    "STORAGE_TOKEN_MISSING": f"there is no token for the result's storage: {_REQUESTER}",
    "COMPUTED_FILE_NOT_FOUND": "the app left no computed.json that reads: its owner corrects it",
    "RESULT_DIGEST_COMPUTATION_FAILED": "the app did not write what its computed.json names: its "
    "owner corrects it",
    "OUT_FOLDER_ZIP_FAILED": f"the result could not be packed: {_OPERATOR}",
    "TOO_LONG_RESULT_FILE_NAME": "a file of the result has a name of more than 31 characters: the "
    "app's owner shortens it",
    "RESULT_FILE_NOT_FOUND": f"the packed result is gone: {_OPERATOR}",
    "DROPBOX_UPLOAD_FAILED": f"Dropbox did not take the result: {_REQUESTER}",
    "IPFS_UPLOAD_FAILED": f"the result could not be stored: {_OPERATOR}",
    "SEND_COMPUTED_FILE_FAILED": f"the worker did not take the signed digest: {_OPERATOR}",
}
_WHAT: Final = {
    Service.PRE_COMPUTE: "the program that brings the data",
    Service.POST_COMPUTE: "the program that packs the result",
}


def _causes(service: Service, own: Mapping[str, str]) -> dict[str, str]:
    prefix = service.replace("-", "_").upper()
    return {
        f"{prefix}_{name}": f"{_WHAT[service]}: {why}" for name, why in {**_COMMON, **own}.items()
    }


SERVICE_CAUSES: Final[Mapping[Service, Mapping[str, str]]] = {
    Service.PRE_COMPUTE: _causes(Service.PRE_COMPUTE, _PRE),
    Service.POST_COMPUTE: _causes(Service.POST_COMPUTE, _POST),
}
"""Every cause with its sentence, by who says it."""


def told_cause(service: Service, exit_code: int | None, said: tuple[str, ...] = ()) -> str:
    """Return the cause for which a service failed.

    Args:
        service: Before or after the app.
        exit_code: With which it ended; None: it never began.
        said: What it said itself, which counts for exit code 1 alone.
    """
    prefix = service.replace("-", "_").upper()
    known = [each for each in said[:MOST_CAUSES] if each in SERVICE_CAUSES[service]]
    if exit_code == EXIT_WITH_CAUSES and known:
        return known[0]
    names = {EXIT_UNREPORTED: "EXIT_REPORTING_FAILED", EXIT_NO_TASK: "TASK_ID_MISSING"}
    return f"{prefix}_{names.get(exit_code or 0, 'FAILED_UNKNOWN_ISSUE')}"


def sentence(cause: str) -> str:
    """Return a cause with its sentence; one that nobody knows stands alone."""
    known = {name: why for each in SERVICE_CAUSES.values() for name, why in each.items()}
    return f"{cause}: {known[cause]}" if cause in known else cause


_PARTIES: Final = (
    (_OPERATOR, Party.OPERATOR),
    (_SERVICE, Party.SECRETS_OPERATOR),
    ("the dataset's owner ", Party.DATASET_OWNER),
    ("they encrypt it anew", Party.DATASET_OWNER),
    ("its owner ", Party.APP_OWNER),
    ("the app's owner ", Party.APP_OWNER),
    ("the requester ", Party.REQUESTER),
    ("the beneficiary ", Party.REQUESTER),
    ("hand in another ", Party.REQUESTER),
    ("buy a larger category", Party.REQUESTER),
)
"""Who acts, by how what they do begins; a beneficiary's key is the requester's to ask for."""


def remedy_of(told: str) -> tuple[Party, str] | None:
    """Return who must act for a cause that was told with its sentence, and how.

    Args:
        told: By a worker, as ``sentence`` has it.

    Returns: None where it is no cause of a service.
    """
    name = told.partition(": ")[0]
    if not any(name in causes for causes in SERVICE_CAUSES.values()):
        return None
    step = sentence(name).rpartition(": ")[2]
    return next((party, step) for begins, party in _PARTIES if step.startswith(begins))
