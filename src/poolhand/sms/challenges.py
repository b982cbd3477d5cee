"""Keys of enclaves' challenges: one pair for each task; its last service gets the private half."""

from __future__ import annotations

import secrets

from poolhand.domain.ids import ZERO_ADDRESS, Address, TaskId
from poolhand.domain.sms_secret import SecretKind, SecretPlace
from poolhand.keys.wallet import Wallet
from poolhand.store.sms.errors import SecretThere
from poolhand.store.sms.secrets import KeptSecret, SecretStore


class TaskChallenges:
    """Makes and keeps them, encrypted as every secret.

    Args:
        store: Where they lie.
    """

    def __init__(self, store: SecretStore) -> None:
        self._store = store

    async def address_of(self, task_id: TaskId, caller: str) -> Address:
        """Return a task's challenge; the first time it is made, later the same.

        Raises:
            NoRoomForSecrets, SecretsUnwritable: It cannot be kept.
        """
        key = await self.key_of(task_id)
        if key is None:
            made = secrets.token_bytes(32)
            try:
                await self._store.add(_place(task_id), KeptSecret(made, b""), caller)
                key = made
            except SecretThere:  # asked for twice at once: the first one's counts
                key = await self.key_of(task_id)
        assert key is not None
        return Wallet.from_key(key).address

    async def key_of(self, task_id: TaskId) -> bytes | None:
        """Return the private key (32 bytes); None where nobody asked for a challenge."""
        found = await self._store.value(_place(task_id))
        return None if found is None else found.value


def _place(task_id: TaskId) -> SecretPlace:
    return SecretPlace(SecretKind.CHALLENGE, ZERO_ADDRESS, str(task_id))
