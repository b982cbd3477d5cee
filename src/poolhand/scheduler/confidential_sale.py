"""Whether a pool takes confidential tasks: it needs a secret management service for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from poolhand.domain.errors import EndsProgram, Refused, Unavailable
from poolhand.domain.tag import Tag
from poolhand.domain.tee.framework import NoOneFramework, TeeFramework, framework_of
from poolhand.ports.tee import SecretTerms, TeeChallenges

TERMS_KEPT: Final = 60.0
"""Seconds for which what the service has said of itself holds."""
log = structlog.get_logger()


class ConfidentialSale:
    """Says why a task would not be taken for its tag.

    Args:
        service: Keeps the secrets; None where there is none.
        steady: Seconds since whenever, never turned back.
        accepts_simulated: Whether the pool's owner accepts, by name, enclaves that keep nothing
            secret.
    """

    def __init__(
        self,
        service: TeeChallenges | None,
        steady: Callable[[], float],
        *,
        accepts_simulated: bool,
    ) -> None:
        self._service, self._steady = service, steady
        self._accepts_simulated = accepts_simulated
        self._known: tuple[float, SecretTerms] | None = None

    async def refusal(self, tag: Tag) -> str | None:
        """Say why tasks of a tag are not taken; None where they are.

        Raises:
            Unavailable: The secret management service does not answer, so nobody can tell.
        """
        try:
            framework = framework_of(tag)
        except NoOneFramework as fault:
            return str(fault)
        if framework is None:
            return None
        if self._service is None:
            return "this pool has no secret management service: ask without the tag"
        try:
            terms = await self._terms(self._service)
        except EndsProgram:
            raise
        except Refused as fault:
            return f"this pool's secret management service serves no confidential tasks: {fault}"
        return self._unfit(framework, terms)

    def _unfit(self, framework: TeeFramework, terms: SecretTerms) -> str | None:
        """Compare what is asked for with what the service says of itself."""
        if terms.framework is not framework:
            return (
                f"the tag asks for {framework}, and this pool's secret management service is for "
                f"{terms.framework}: ask with tee,{terms.framework}"
            )
        if terms.is_simulated and not self._accepts_simulated:
            return (
                "this pool's secret management service takes simulated enclaves, which the pool "
                "does not: its owner accepts them with --simulated-tee, or changes the service"
            )
        return None

    async def obstacle(self, tag: Tag) -> str | None:
        """Say why a bought task is not begun; one of which nobody can tell now waits instead."""
        try:
            return await self.refusal(tag)
        except EndsProgram:
            raise
        except Unavailable as fault:
            log.warning("secret_service_away", cause=str(fault), next_step="tasks wait for it")
            return None

    async def _terms(self, service: TeeChallenges) -> SecretTerms:
        now = self._steady()
        if self._known is None or now >= self._known[0] + TERMS_KEPT:
            self._known = now, await service.terms()
        return self._known[1]
