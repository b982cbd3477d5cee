"""What the chain says of a confidential task, and whether its pool's owner lets somebody act."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from poolhand.domain.deal import Deal
from poolhand.domain.errors import EndsProgram, Refused
from poolhand.domain.hashes import eip191_hash
from poolhand.domain.hashes import task_id as name_task
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.onchain import ChainTaskStatus, TaskView
from poolhand.domain.signatures import BadSignature, recover
from poolhand.domain.tee.framework import TeeFramework, framework_of
from poolhand.domain.tee.session_errors import E, SessionRefused
from poolhand.ports.chain import Hub


@dataclass(frozen=True, slots=True)
class ConfidentialTask:
    """A task that is computed in an enclave, active as the chain stands now.

    Attributes:
        task_id, deal: What it is.
        owner: Of its workerpool.
    """

    task_id: TaskId
    deal: Deal
    owner: Address


class TasksOnChain:
    """Finds confidential tasks.

    Args:
        hub: The chain.
        framework: Whose tasks are served.
    """

    def __init__(self, hub: Hub, framework: TeeFramework) -> None:
        self._hub, self.framework = hub, framework

    async def active(self, task_id: TaskId) -> ConfidentialTask:
        """Return a task that takes contributions, in an enclave of this framework.

        Raises:
            SessionRefused: There is none; its error says why.
            ChainUnreachable: Nobody can tell.
        """
        deal_id = await self._hub.task_deal(task_id)
        view = (await self._hub.tasks({task_id: ()})).get(task_id)
        if deal_id is None or view is None:
            raise SessionRefused(E.EXECUTION_NOT_AUTHORIZED_GET_CHAIN_TASK_FAILED)
        deal = await self._hub.deal(deal_id)
        if deal is None:
            raise SessionRefused(E.EXECUTION_NOT_AUTHORIZED_GET_CHAIN_DEAL_FAILED)
        if self._asked(deal) is not self.framework:
            raise SessionRefused(E.EXECUTION_NOT_AUTHORIZED_NO_MATCH_ONCHAIN_TYPE)
        if not _is_active(view):
            raise SessionRefused(E.EXECUTION_NOT_AUTHORIZED_TASK_NOT_ACTIVE)
        pool = await self._hub.workerpool(deal.workerpool.address)
        if pool is None:
            raise SessionRefused(E.EXECUTION_NOT_AUTHORIZED_GET_CHAIN_DEAL_FAILED)
        return ConfidentialTask(task_id, deal, pool.owner)

    @staticmethod
    def _asked(deal: Deal) -> TeeFramework | None:
        try:
            return framework_of(deal.tag)
        except EndsProgram:
            raise
        except Refused:
            return None


def _is_active(view: TaskView) -> bool:
    return view.status is ChainTaskStatus.ACTIVE and view.block_time < view.contribution_deadline


def is_of_deal(task_id: TaskId, deal: Deal, index: int) -> bool:
    """Whether a deal's task of that absolute number is the one that is named."""
    in_deal = deal.bot_first <= index < deal.bot_first + deal.bot_size
    return in_deal and hmac.compare_digest(name_task(deal.deal_id, index), task_id)


def is_signed_by(signer: Address, message32: bytes, signature: str) -> bool:
    """Whether an account signed 32 bytes (EIP-191); the signature is hexadecimal, as it came."""
    try:
        raw = bytes.fromhex(signature.removeprefix("0x"))
        found: bytes = recover(eip191_hash(message32), raw)
    except (ValueError, BadSignature):
        return False
    return hmac.compare_digest(found, signer)
