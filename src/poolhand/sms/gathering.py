"""What is secret of one task, put together for its session."""

from __future__ import annotations

from poolhand.domain.ids import Address
from poolhand.domain.params import DealParams, UnfitParams
from poolhand.domain.result_key import RESULT_KEY_NAME
from poolhand.domain.sms_secret import (
    PROXY_URL_NAME,
    STORAGE_TOKEN_NAME,
    WORKER_TOKEN_NAME,
    SecretKind,
    SecretPlace,
)
from poolhand.domain.tee.session import (
    DROPBOX,
    SessionRequest,
    TaskSecrets,
    requester_secret_names,
)
from poolhand.domain.tee.session_errors import SessionError, SessionRefused
from poolhand.ports.chain import Hub
from poolhand.sms.bulk_datasets import BulkDatasets
from poolhand.sms.challenges import TaskChallenges
from poolhand.sms.tasks_on_chain import ConfidentialTask
from poolhand.store.sms.secrets import SecretStore


class SecretGathering:
    """Looks up a task's secrets.

    Args:
        hub: Tells of datasets.
        store: Of one framework.
        challenges: Have the keys of its enclaves.
        bulks: Tell which datasets of a bulk a task may have.
    """

    def __init__(
        self, hub: Hub, store: SecretStore, challenges: TaskChallenges, bulks: BulkDatasets
    ) -> None:
        self._hub, self._store, self._challenges = hub, store, challenges
        self._bulks = bulks

    async def request_of(
        self, task: ConfidentialTask, index: int, worker: Address
    ) -> SessionRequest:
        """Return what a task's services are told, for one worker.

        Raises:
            SessionRefused: It cannot be read, or nobody asked for its challenge.
            ContentAway: Its bulk cannot be read now.
        """
        deal = task.deal
        try:
            params = DealParams.parse(deal.params)
        except UnfitParams as fault:
            raise SessionRefused(SessionError.GET_TASK_DESCRIPTION_FAILED) from fault
        key = await self._challenges.key_of(task.task_id)
        if key is None:
            raise SessionRefused(SessionError.GET_SIGNATURE_TOKENS_FAILED_EMPTY_TEE_CHALLENGE)
        names = requester_secret_names(params).items()
        asked = {
            number: await self._text(SecretKind.REQUESTER, deal.requester, name)
            for number, name in names
        }
        dataset = await self._hub.dataset(deal.dataset.address) if deal.has_dataset else None
        token, whose = (
            (STORAGE_TOKEN_NAME, deal.requester)
            if params.storage_provider == DROPBOX
            else (WORKER_TOKEN_NAME, worker)
        )
        kept = TaskSecrets(
            challenge_key="0x" + key.hex(),
            dataset_key=await self._text(SecretKind.WEB3, deal.dataset.address),
            app=await self._text(SecretKind.APP, deal.app.address),
            requester={number: value for number, value in asked.items() if value is not None},
            result_key=await self._text(SecretKind.WEB2, deal.beneficiary, RESULT_KEY_NAME),
            storage_token=await self._text(SecretKind.WEB2, whose, token) or "",
        )
        proxy = await self._text(SecretKind.WEB2, task.owner, PROXY_URL_NAME) or ""
        cid = params.bulk_cid
        bulk = await self._bulks.of(deal, cid, index) if cid else ()
        return SessionRequest(task.task_id, index, deal, dataset, params, worker, kept, proxy, bulk)

    async def _text(self, kind: SecretKind, owner: Address, name: str = "") -> str | None:
        found = await self._store.value(SecretPlace(kind, owner, name))
        return None if found is None else found.value.decode()
