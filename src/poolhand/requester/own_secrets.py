"""Secrets of a requester: pushed, asked after, and looked for before anything is paid."""

from __future__ import annotations

import httpx

from poolhand.domain.errors import PeerFault, Refused, Unavailable
from poolhand.domain.ids import Address
from poolhand.domain.sms_secret import (
    MOST_SECRET,
    PushedSecret,
    SecretKind,
    SecretPlace,
    check_requester_name,
)
from poolhand.keys.wallet import Wallet
from poolhand.requester.named_urls import UrlRule
from poolhand.requester.wish import Wish
from poolhand.transport.pool_client import PoolClient
from poolhand.transport.secrets_client import SecretsClient


class NoSecretsService(Refused):
    """Nobody says where secrets are kept."""


class SecretMissing(Refused):
    """A task would fail for lack of a secret."""


class SimulatedSecretsService(Refused):
    """A secret would be told to simulated enclaves, and nobody has accepted that by name."""


class UnfitSecret(Refused):
    """What was given is no secret."""


class OwnSecrets:
    """Reaches the secret management service of the settings, or the one that the pool names.

    Args:
        rule: Which addresses that others name may be visited.
        http: Client to ask with.
        named: The service of the settings.
        pool: Asked where it is, where the settings do not say.
    """

    def __init__(
        self, rule: UrlRule, http: httpx.AsyncClient, named: str | None, pool: PoolClient | None
    ) -> None:
        self._rule, self._http, self._named, self._pool = rule, http, named, pool

    async def has(self, place: SecretPlace) -> bool:
        """Tell whether there is a secret; raises NoSecretsService, SecretsDown."""
        return await (await self._client()).has(place)

    async def push(
        self,
        place: SecretPlace,
        value: str,
        wallet: Wallet,
        *,
        change: bool = False,
        accepts_simulated: bool = False,
    ) -> str:
        """Put a secret into its place, signed by a wallet; returns where that was.

        Args:
            place: Where.
            value: What.
            wallet: Signs.
            change: In place of the one that is there.
            accepts_simulated: Whether simulated enclaves may be told it, which keep nothing secret.

        Raises:
            SimulatedSecretsService: They would be; nothing was sent.
            UnfitSecret, BadSecretName: It is none, refused before anything is sent.
            NoSecretsService, SecretNotTaken, SecretsDown: It is not there now.
        """
        raw = value.encode()
        if not raw or len(raw) > MOST_SECRET:
            raise UnfitSecret(f"a secret has 1 to {MOST_SECRET} bytes, and this has {len(raw)}")
        if place.kind is SecretKind.REQUESTER:
            check_requester_name(place.name)
        client = await self._client()
        if not accepts_simulated and await client.is_simulated():
            raise SimulatedSecretsService(
                f"the secret management service at {client.url} tells secrets to simulated "
                "enclaves, which keep nothing secret: push it to another service, or accept that "
                "by name (--accept-simulated-tee) if it is none that matters"
            )
        await client.push(place, raw, wallet.sign_secret(PushedSecret(place, raw)), change=change)
        return client.url

    async def demand(self, wish: Wish, requester: Address) -> None:
        """Check, before a wish is paid, that a confidential task finds its secrets.

        Args:
            wish: Whose dataset has a key, and whose app may ask for secrets.
            requester: Whose these are.

        Raises:
            SecretMissing: It is not there.
            NoSecretsService, SecretsDown: Nobody can tell.
        """
        if not wish.tag.needs_tee:
            return
        for _, name in wish.secrets:
            if not await self.has(SecretPlace(SecretKind.REQUESTER, requester, name)):
                raise SecretMissing(
                    f"there is no secret {name} of {requester} with the secret management service: "
                    f"push it (`poolhand secret push {name}`)"
                )
        if wish.dataset.is_zero:
            return
        if not await self.has(SecretPlace(SecretKind.WEB3, wish.dataset)):
            raise SecretMissing(
                f"the key of dataset {wish.dataset} is not with the secret management service, so "
                "no task could read it: its owner pushes it (`poolhand dataset push-secret`)"
            )

    async def _client(self) -> SecretsClient:
        told = self._named or await self._told_by_pool()
        if not told:
            raise NoSecretsService("where are secrets kept? Give --sms-url, or --pool-url")
        return SecretsClient(self._http, told)

    async def _told_by_pool(self) -> str | None:
        if self._pool is None:
            return None
        try:
            told = (await self._pool.config()).sms_url
        except (Unavailable, PeerFault, Refused):
            return None
        return told if await self._rule.allows_beside(told, self._pool.url) else None


def dataset_place(dataset: Address) -> SecretPlace:
    """Return where a dataset's key lies."""
    return SecretPlace(SecretKind.WEB3, dataset)
