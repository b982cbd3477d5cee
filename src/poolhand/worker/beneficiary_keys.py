"""To whom results are encrypted: the beneficiary's key, asked for where results are brought."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from poolhand.domain.errors import Unavailable
from poolhand.domain.result_key import ResultKey
from poolhand.ports.files import ResultsClient
from poolhand.worker.brief import Brief, UnfitTask


class KeyAway(Unavailable):
    """The key of a result that is computed is not there at present."""


class BeneficiaryKeys:
    """Asks for keys.

    Args:
        results: The service that has them, once the pool has said where it is.
    """

    def __init__(self, results: Callable[[], Awaitable[ResultsClient]]) -> None:
        self._results = results

    async def of(self, brief: Brief) -> ResultKey | None:
        """Return the key that a deal's results are encrypted to; None where none is asked for.

        A confidential task's result is encrypted before the worker has it, to a key that its
        session tells.

        Raises:
            UnfitTask: The beneficiary has handed in none.
            Unavailable: The service does not answer.
        """
        if not brief.params.result_encryption or brief.deal.tag.needs_tee:
            return None
        key = await (await self._results()).key_of(brief.deal.beneficiary)
        if key is None:
            raise UnfitTask(
                f"the result is to be encrypted to {brief.deal.beneficiary}, who has handed in no "
                "key: `poolhand results push-key` does, before the task is bought"
            )
        return key

    async def check(self, brief: Brief) -> None:
        """Check before anything is begun that there is a key where one is needed.

        Raises:
            UnfitTask: There is none, it cannot be used, or nobody can be asked.
        """
        try:
            key = await self.of(brief)
        except Unavailable as fault:
            raise UnfitTask(f"the beneficiary's key cannot be asked for: {fault}") from fault
        if key is not None:
            await asyncio.to_thread(_check_fit, key)

    async def at_upload(self, brief: Brief) -> ResultKey | None:
        """Return the key as ``of`` does, for a result that is computed: one may come back.

        Raises:
            KeyAway: There is none now, though there was one when the task was taken.
            Unavailable: The service does not answer.
        """
        try:
            return await self.of(brief)
        except UnfitTask as fault:
            raise KeyAway(str(fault)) from fault


def _check_fit(key: ResultKey) -> None:
    """Check that results can be encrypted to a key; whoever keeps keys does not look into them."""
    from poolhand.keys.result_encryption import (  # noqa: PLC0415 - for few
        UnfitResultKey,
        read_public_key,
    )

    try:
        read_public_key(key.pem)
    except (ValueError, UnfitResultKey) as fault:
        raise UnfitTask(
            f"the result is to be encrypted to {key.owner}, whose key cannot be used ({fault}): "
            "`poolhand results push-key --change` hands in another"
        ) from fault
