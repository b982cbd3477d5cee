"""Where a result may be: where the chain says, then where the settings or the pool say."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from poolhand.domain.errors import PeerFault, Refused, Unavailable
from poolhand.domain.ids import Address
from poolhand.domain.onchain import TaskView
from poolhand.domain.result_key import ResultKey
from poolhand.domain.result_link import link_location, location_at
from poolhand.domain.text import shown
from poolhand.keys.result_encryption import UnfitResultKey, read_public_key
from poolhand.requester.named_urls import UrlRule, is_web_address
from poolhand.requester.wish import Wish
from poolhand.transport.pool_client import PoolClient
from poolhand.transport.results_client import result_key_at


class NoResultsService(Refused):
    """Nobody said where results are."""


class NoKeyForResults(Refused):
    """A result is to be encrypted, and its beneficiary has handed in no key."""


@dataclass(frozen=True, slots=True)
class ResultPlaces:
    """Tells where to look for a result.

    Attributes:
        rule: Which addresses that others name may be visited.
        named: The results service of the settings.
        pool: Asked where its results are, where the settings do not say.
    """

    rule: UrlRule
    named: str | None
    pool: PoolClient | None

    async def locations(self, view: TaskView) -> list[str]:
        """Return where the result of a completed task may be, best first.

        Raises:
            NoResultsService: The chain names no place that may be visited, nor does anybody else.
        """
        told = self.named or await self._told_by_pool()
        linked, own = link_location(view.results), told and location_at(told, view.task_id)
        if is_web_address(linked) and await self.rule.allows(linked, (told,)):
            return list(dict.fromkeys(each for each in (linked, own) if each))
        if own:
            return [own]
        if linked:
            raise NoResultsService(
                f"the chain says that the result is at {shown(linked, 200)}, which is no public "
                "https address: if you trust it, name it with --results-url"
            )
        raise NoResultsService("where are the results? Give --results-url, or --pool-url")

    async def service(self) -> str | None:
        """Return the results service of the settings, or else of the pool; None: nobody says."""
        return self.named or await self._told_by_pool()

    async def demand_key(self, http: httpx.AsyncClient, wish: Wish, buyer: Address) -> None:
        """Check, before a wish is paid, that workers will find the key to encrypt to, if any.

        Raises:
            NoResultsService: Nobody says where it would be.
            NoKeyForResults: There is none, or none that can be used.
            ResultsDown: The results service does not answer.
        """
        if not wish.encrypted:
            return
        told, owner = self.named or await self._told_by_pool(), wish.beneficiary or buyer
        if not told:
            raise NoResultsService(
                "where results are encrypted, the results service is asked for the key before: "
                "give --results-url, or --pool-url"
            )
        key = await result_key_at(http, told, owner)
        if key is not None:
            _check_usable(key)
        else:
            raise NoKeyForResults(
                f"the result is to be encrypted to {owner}, who has handed in no key: run "
                f"`poolhand results push-key --results-url {told}` with that wallet"
            )

    async def _told_by_pool(self) -> str | None:
        """Return where the pool says that results are, if that may be visited."""
        if self.pool is None:
            return None
        try:
            told = (await self.pool.config()).results_url
        except (Unavailable, PeerFault, Refused):
            return None  # the chain may know
        return told if await self.rule.allows_beside(told, self.pool.url) else None


def _check_usable(key: ResultKey) -> None:
    """Check that workers can encrypt to a key; whoever keeps it has not looked into it."""
    try:
        read_public_key(key.pem)
    except (ValueError, UnfitResultKey) as fault:
        raise NoKeyForResults(
            f"the result is to be encrypted to {key.owner}, whose key cannot be used ({fault}): "
            "run `poolhand results push-key --change` with that wallet"
        ) from fault
