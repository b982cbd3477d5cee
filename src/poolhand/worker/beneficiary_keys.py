"""To whom results are encrypted: the beneficiary's key, asked for where results are brought."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from poolhand.domain.errors import Unavailable
from poolhand.domain.result_key import ResultKey
from poolhand.ports.files import ResultsClient
from poolhand.worker.brief import Brief, UnfitTask


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
            UnfitTask: There is none, or nobody can be asked.
        """
        try:
            await self.of(brief)
        except Unavailable as fault:
            raise UnfitTask(f"the beneficiary's key cannot be asked for: {fault}") from fault
