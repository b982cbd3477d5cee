"""Who may set which secret, and what is told about it.

The signature is checked before it is looked whether there is such a secret, so that a stranger
learns nothing that the question by itself (HEAD) would not tell.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from poolhand.domain.ids import Address
from poolhand.domain.market.rates import RequestRates
from poolhand.domain.result_key import RESULT_KEY_NAME, ResultKey
from poolhand.domain.signatures import BadSignature, recover
from poolhand.domain.sms_secret import SecretKind, SecretPlace, pushed_secret_hash
from poolhand.ports.chain import Hub
from poolhand.sms.errors import NotAllowedToSet, OldResultKey, TooManyChanges
from poolhand.store.sms.secrets import MOST_REPLACED, KeptSecret, SecretStore, value_digest

SECRETS_REMEMBERED: Final = 100_000
"""Secrets of which it is remembered that they are there: none ever goes."""
_NOBODY: Final = Address(bytes(20))


class SecretKeeper:
    """Keeps the secrets of one store.

    Args:
        hub: Tells who owns datasets and apps.
        store: Where secrets lie.
        changes: Counts what each address sets.
        now: Seconds, from whenever.
    """

    def __init__(
        self, hub: Hub, store: SecretStore, changes: RequestRates, now: Callable[[], float]
    ) -> None:
        self._hub, self.store = hub, store
        self._changes, self._now = changes, now
        self._there: OrderedDict[SecretPlace, None] = OrderedDict()

    async def has(self, place: SecretPlace) -> bool:
        """Tell whether there is a secret."""
        if place in self._there:
            return True
        found = await self.store.has(place)
        if found:
            self._remember(place)
        return found

    async def add(self, place: SecretPlace, value: bytes, signature: str, caller: str) -> None:
        """Put a secret where none is.

        Args:
            place: Where.
            value: The secret, UTF-8.
            signature: Of its challenge, hexadecimal, as it was sent.
            caller: For the audit log.

        Raises:
            NotAllowedToSet: Whoever may set it has not signed.
            SecretThere: There is one already.
            TooManyChanges, NoRoomForSecrets, SecretsUnwritable, ChainUnreachable: Not now.
        """
        raw = await self._allowed(place, value, signature)
        await self.store.add(place, KeptSecret(value, raw), caller)
        self._remember(place)

    async def change(self, place: SecretPlace, value: bytes, signature: str, caller: str) -> None:
        """Put another secret in the place of one; raises as ``add``, and NoSuchSecret."""
        raw = await self._allowed(place, value, signature)

        def make(there: KeptSecret) -> KeptSecret:
            if hmac.compare_digest(there.value, value):
                return replace(there, signature=raw)
            replaced = (*there.replaced, value_digest(there.value))
            if place.name == RESULT_KEY_NAME:
                _check_replaced(value, replaced)
            return KeptSecret(value, raw, replaced)

        await self.store.change(place, make, caller)

    async def result_key(self, owner: Address) -> ResultKey | None:
        """Return the key that results for an account are encrypted to, as it signed it."""
        found = await self.store.value(SecretPlace(SecretKind.WEB2, owner, RESULT_KEY_NAME))
        if found is None:
            return None
        return ResultKey(owner, found.value.decode(), found.signature)

    async def _allowed(self, place: SecretPlace, value: bytes, signature: str) -> bytes:
        """Check who signed; returns the signature. The refusals are one and the same."""
        signer, raw = _signer(place, value, signature)
        owner = await self._owner(place) if signer is not None else None
        is_theirs = hmac.compare_digest(signer or _NOBODY, owner or bytes(20))
        if not is_theirs or signer is None or owner is None:
            raise NotAllowedToSet
        if not self._changes.admits(str(owner), self._now()):
            raise TooManyChanges(f"{owner} sets secrets too often: wait a while, then try again")
        return raw

    async def _owner(self, place: SecretPlace) -> Address | None:
        if place.kind is SecretKind.WEB3:
            dataset = await self._hub.dataset(place.owner)
            return dataset.owner if dataset else None
        if place.kind is SecretKind.APP:
            app = await self._hub.app(place.owner)
            return app.owner if app else None
        return place.owner

    def _remember(self, place: SecretPlace) -> None:
        self._there[place] = None
        while len(self._there) > SECRETS_REMEMBERED:
            self._there.popitem(last=False)


def _signer(place: SecretPlace, value: bytes, signature: str) -> tuple[Address | None, bytes]:
    try:
        raw = bytes.fromhex(signature.removeprefix("0x"))
        return recover(pushed_secret_hash(place, value), raw), raw
    except (ValueError, BadSignature):
        return None, b""


def _check_replaced(value: bytes, replaced: tuple[str, ...]) -> None:
    if value_digest(value) in replaced:
        raise OldResultKey(
            "this key was changed for another before, and anybody could hand it in again: make a "
            "new pair (`poolhand results keypair`)"
        )
    if len(replaced) > MOST_REPLACED:
        raise OldResultKey(f"a key is changed {MOST_REPLACED} times at most: use another wallet")
