"""What the services of a confidential task are told: its session, and each one's environment.

A task has up to three services: one that brings its data (only where there are any), its app, and
one that packs and signs its result. Each gets its own environment and none of another's: the key of
the enclave's challenge never reaches the app.

Source: services-api.md 9.1 and 9.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

from poolhand.domain.deal import Dataset, Deal
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.multiaddr import decode
from poolhand.domain.params import DealParams, input_name
from poolhand.domain.tee.session_errors import SessionError, SessionRefused

SERVICE_IN, SERVICE_OUT = "/iexec_in", "/iexec_out"
"""Folders that the services share: what the app reads, and what it writes."""
DROPBOX: Final = "dropbox"
"""The one storage for which the requester's token is needed: a worker brings results elsewhere."""
MOST_REQUESTER_SECRETS: Final = 100
"""That one request may ask for."""
MOST_SERVICE_ENVIRONMENT: Final = 512 * 1024
"""Bytes of names and values that one service is told: Linux starts no program with much more."""


class Service(StrEnum):
    """One of a session's services, as everybody calls it."""

    PRE_COMPUTE = "pre-compute"
    APP = "app"
    POST_COMPUTE = "post-compute"


Environment: TypeAlias = Mapping[str, str]
"""Variables of one service; some are secrets, so that all of it is treated as one."""


@dataclass(frozen=True, slots=True)
class BulkDataset:
    """One dataset of a bulk; ``url``, ``checksum`` and ``key`` are empty where its order is unfit.

    Attributes:
        address: Of the dataset; its file has this name.
        url: Where its file is.
        checksum: Of its file (0x and 64 digits).
        key: With which it was encrypted (base64).
    """

    address: Address
    url: str = ""
    checksum: str = ""
    key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class TaskSecrets:
    """What is secret of one task; its ``repr`` shows none of it.

    Attributes:
        challenge_key: Private key of the enclave's challenge (0x and 64 digits).
        dataset_key: Of the deal's dataset (base64); None: there is no such secret.
        app: Its developer's secret, if there is one.
        requester: The requester's secrets, by their number in the request (1 and up).
        result_key: The beneficiary's public key, as it was handed in; None: there is none.
        storage_token: For the storage that the request names; empty: there is none.
    """

    challenge_key: str = field(repr=False)
    dataset_key: str | None = field(default=None, repr=False)
    app: str | None = field(default=None, repr=False)
    requester: Mapping[int, str] = field(default_factory=dict, repr=False)
    result_key: str | None = field(default=None, repr=False)
    storage_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """One task of one worker, with what a session is made of.

    Attributes:
        task_id, index: Of the task; ``index`` is absolute.
        deal, dataset, params: Of its deal; ``dataset`` is None where none was bought.
        worker: That computes it.
        secrets: Of the task.
        storage_proxy: Where results go, unless the request says so.
        bulk: The datasets of its slice; empty where there are none, or where it does not read.
    """

    task_id: TaskId
    index: int
    deal: Deal
    dataset: Dataset | None
    params: DealParams
    worker: Address
    secrets: TaskSecrets
    storage_proxy: str = ""
    bulk: tuple[BulkDataset, ...] = ()

    @property
    def services(self) -> tuple[Service, ...]:
        """Return what the task is made of, in order."""
        return services_of(self.deal, self.params)


def services_of(deal: Deal, params: DealParams) -> tuple[Service, ...]:
    """Return the services of a task, in the order in which they run.

    What brings data runs only where there are any: a dataset, input files, or a bulk.
    """
    has_data = deal.has_dataset or bool(params.input_files) or bool(params.bulk_cid)
    return tuple(Service) if has_data else (Service.APP, Service.POST_COMPUTE)


def environments(request: SessionRequest) -> Mapping[Service, Environment]:
    """Return what each service of a task is told.

    Raises:
        SessionRefused: A secret is missing without which the task makes no sense: its dataset's
            key, the beneficiary's where the result is to be encrypted, a token for its storage.
            Or a service would be told more than a program can be given.
    """
    make = {
        Service.PRE_COMPUTE: _pre_compute,
        Service.APP: _app,
        Service.POST_COMPUTE: _post_compute,
    }
    made = {service: make[service](request) for service in request.services}
    if any(_size(each) > MOST_SERVICE_ENVIRONMENT for each in made.values()):
        raise SessionRefused(SessionError.SECURE_SESSION_GENERATION_FAILED)
    return made


def _size(environment: Environment) -> int:
    return sum(len(name) + len(value.encode()) for name, value in environment.items())


def requester_secret_names(params: DealParams) -> Mapping[int, str]:
    """Return the names of the requester's secrets that a request asks for, by their numbers.

    Raises:
        SessionRefused: It asks for more than ``MOST_REQUESTER_SECRETS``.
    """
    told = params.secrets.items()
    found = {int(key): name for key, name in told if _is_number(key) and int(key) > 0}
    if len(found) > MOST_REQUESTER_SECRETS:
        raise SessionRefused(SessionError.SECURE_SESSION_GENERATION_FAILED)
    return found


def _is_number(key: str) -> bool:
    return key.isascii() and key.isdigit() and len(key) <= 4


def file_name(dataset: Address) -> str:
    """Return the name of a dataset's file in ``/iexec_in``: its address, lower case."""
    return "0x" + dataset.hex()


def _signing(request: SessionRequest) -> dict[str, str]:
    return {
        "IEXEC_TASK_ID": str(request.task_id),
        "SIGN_WORKER_ADDRESS": str(request.worker),
        "SIGN_TEE_CHALLENGE_PRIVATE_KEY": request.secrets.challenge_key,
    }


def _pre_compute(request: SessionRequest) -> Environment:
    deal, params = request.deal, request.params
    told = _signing(request) | {
        "IEXEC_PRE_COMPUTE_OUT": SERVICE_IN,
        "IS_DATASET_REQUIRED": _flag(deal.has_dataset),
        "IEXEC_DEAL_ID": str(deal.deal_id),
        "IEXEC_TASK_INDEX": str(request.index),
        "IEXEC_INPUT_FILES_NUMBER": str(len(params.input_files)),
    }
    if params.input_files:
        told["IEXEC_INPUT_FILES_FOLDER"] = SERVICE_IN
    for number, url in enumerate(params.input_files, 1):
        told[f"IEXEC_INPUT_FILE_URL_{number}"] = url
    if deal.has_dataset:
        told |= _dataset(request)
    if params.bulk_cid:
        told["IEXEC_BULK_SLICE_SIZE"] = str(len(request.bulk))
    for number, each in enumerate(request.bulk, 1):
        told |= {
            f"IEXEC_DATASET_{number}_URL": each.url,
            f"IEXEC_DATASET_{number}_CHECKSUM": each.checksum,
            f"IEXEC_DATASET_{number}_KEY": each.key,
            f"IEXEC_DATASET_{number}_FILENAME": file_name(each.address),
        }
    return told


def _dataset(request: SessionRequest) -> dict[str, str]:
    dataset, key = request.dataset, request.secrets.dataset_key
    if dataset is None or not key:
        raise SessionRefused(SessionError.PRE_COMPUTE_GET_DATASET_SECRET_FAILED)
    return {
        "IEXEC_DATASET_KEY": key,
        "IEXEC_DATASET_URL": decode(dataset.multiaddr),
        "IEXEC_DATASET_CHECKSUM": "0x" + dataset.checksum.hex(),
        "IEXEC_DATASET_FILENAME": file_name(dataset.address),
    }


def _app(request: SessionRequest) -> Environment:
    deal, params, secrets = request.deal, request.params, request.secrets
    dataset = file_name(deal.dataset.address)
    told = {
        "IEXEC_TASK_ID": str(request.task_id),
        "IEXEC_DEAL_ID": str(deal.deal_id),
        "IEXEC_TASK_INDEX": str(request.index),
        "IEXEC_IN": SERVICE_IN,
        "IEXEC_OUT": SERVICE_OUT,
        "IEXEC_BOT_SIZE": str(deal.bot_size),
        "IEXEC_BOT_FIRST_INDEX": str(deal.bot_first),
        "IEXEC_BOT_TASK_INDEX": str(request.index),
        "IEXEC_DATASET_ADDRESS": dataset,
        "IEXEC_DATASET_FILENAME": dataset,
        "IEXEC_INPUT_FILES_NUMBER": str(len(params.input_files)),
    }
    if params.input_files:
        told["IEXEC_INPUT_FILES_FOLDER"] = SERVICE_IN
    for number, url in enumerate(params.input_files, 1):
        told[f"IEXEC_INPUT_FILE_NAME_{number}"] = input_name(url)
    if params.bulk_cid:
        told["IEXEC_BULK_SLICE_SIZE"] = str(len(request.bulk))
    for number, each in enumerate(request.bulk, 1):
        told[f"IEXEC_DATASET_{number}_FILENAME"] = file_name(each.address)
    if secrets.app is not None:
        told["IEXEC_APP_DEVELOPER_SECRET"] = told["IEXEC_APP_DEVELOPER_SECRET_1"] = secrets.app
    for number in requester_secret_names(params):
        if number in secrets.requester:
            told[f"IEXEC_REQUESTER_SECRET_{number}"] = secrets.requester[number]
    return told


def _post_compute(request: SessionRequest) -> Environment:
    params, secrets = request.params, request.secrets
    if params.result_encryption and not secrets.result_key:
        raise SessionRefused(
            SessionError.POST_COMPUTE_GET_ENCRYPTION_TOKENS_FAILED_EMPTY_BENEFICIARY_KEY
        )
    key = (secrets.result_key or "") if params.result_encryption else ""
    return _signing(request) | {
        "RESULT_ENCRYPTION": _flag(params.result_encryption),
        "RESULT_ENCRYPTION_PUBLIC_KEY": key,
        **_storage(request),
    }


def _storage(request: SessionRequest) -> dict[str, str]:
    """Say where the result goes; a callback contract is brought it by the worker alone."""
    provider = token = proxy = ""
    if not request.deal.has_callback:
        provider = request.params.storage_provider or ""
        token = request.secrets.storage_token
        proxy = request.params.storage_proxy or request.storage_proxy
        if provider == DROPBOX and not token:
            raise SessionRefused(SessionError.POST_COMPUTE_GET_STORAGE_TOKENS_FAILED)
    return {
        "RESULT_STORAGE_CALLBACK": _flag(request.deal.has_callback),
        "RESULT_STORAGE_PROVIDER": provider,
        "RESULT_STORAGE_PROXY": proxy,
        "RESULT_STORAGE_TOKEN": token,
    }


def _flag(is_so: bool) -> str:
    return "true" if is_so else "false"
