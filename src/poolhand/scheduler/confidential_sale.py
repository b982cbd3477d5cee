"""Whether a pool takes confidential tasks: it needs a secret management service for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from poolhand.domain.errors import EndsProgram, Refused, Unavailable
from poolhand.domain.orders.model import Salt
from poolhand.domain.orders.simulated_tee import RANDOM_OF_MARKED, marked_salt
from poolhand.domain.tag import Tag
from poolhand.domain.tee.framework import NoOneFramework, TeeFramework, framework_of
from poolhand.observe.outage_log import OutageLog
from poolhand.ports.clock import Entropy
from poolhand.ports.tee import SecretTerms, TeeChallenges

TERMS_KEPT: Final = 60.0
"""Seconds for which what the service has said of itself holds, or that it says nothing."""
LONGEST_TERMS_LOOK: Final = 3.0
"""Seconds in which it answers whoever only looks what could be sold."""
SERVICE_LET_ALONE: Final = 10.0
"""Seconds for which it is let alone by them when it did not."""
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
        self._refused: tuple[float, str] | None = None
        self._ask_after = 0.0
        self._away = OutageLog(
            "confidential_sale_stopped",
            "confidential_sale_resumed",
            clock=steady,
            acts="operator of the secret management service",
            next_step="bring it back: the pool shows its confidential orders again by itself",
        )

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

    async def framework(self) -> TeeFramework | None:
        """Return the framework whose tasks are taken; None: none are, or nobody can tell now."""
        if self._service is None or self._steady() < self._ask_after:
            return None
        try:
            async with asyncio.timeout(LONGEST_TERMS_LOOK):
                terms = await self._terms(self._service)
        except EndsProgram:
            raise
        except (Refused, Unavailable, TimeoutError) as fault:
            self._ask_after = self._steady() + SERVICE_LET_ALONE
            self._away.tell(fault)
            return None
        self._away.over()
        return None if self._unfit(terms.framework, terms) else terms.framework

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

    def salt(self, tag: Tag, entropy: Entropy) -> Salt:
        """Return the salt of an order with a tag; it says where its enclaves are simulated."""
        if tag.needs_tee and self.is_simulated:
            return marked_salt(entropy.bytes(RANDOM_OF_MARKED))
        return Salt(entropy.bytes(32))

    @property
    def is_simulated(self) -> bool:
        """Whether the enclaves are, as the service was asked last; so, where nobody knows."""
        return self._known is None or self._known[1].is_simulated

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
        if self._known is not None and now < self._known[0] + TERMS_KEPT:
            return self._known[1]
        if self._refused is not None and now < self._refused[0] + TERMS_KEPT:
            raise Refused(self._refused[1])
        try:
            self._known = now, await service.terms()
        except EndsProgram:
            raise
        except Refused as fault:
            self._refused = now, str(fault)
            raise
        return self._known[1]
