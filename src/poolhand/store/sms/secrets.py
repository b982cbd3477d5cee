"""Secrets in a database: put there, changed, asked after, and opened."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, TypeVar

from sqlalchemy import Connection, insert, select, update

from poolhand.domain.ids import Address, TaskId
from poolhand.domain.sms_secret import SecretKind, SecretPlace
from poolhand.store.sms.database import SecretsDatabase, note_in_audit
from poolhand.store.sms.errors import NoRoomForSecrets, NoSuchSecret, SecretThere
from poolhand.store.sms.schema import SECRETS

T = TypeVar("T")
MOST_REPLACED: Final = 100
"""Values that one secret replaced, of which digests are kept beside it."""


@dataclass(frozen=True, slots=True)
class KeptSecret:
    """A secret as it was put there.

    Attributes:
        value: What it is.
        signature: By which its owner put it there.
        replaced: Digests (sha256) of the values before it, as far as they are remembered.
    """

    value: bytes
    signature: bytes
    replaced: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Tell nothing of the value."""
        return f"<{type(self).__name__}>"


class SecretStore:
    """The secrets of one store: a service may have several, of which none knows another's.

    Args:
        database: Of the service.
        name: Of the store.
        chain_id: Bound to all that is sealed.
        most: Secrets that the database takes, of all stores.
    """

    def __init__(self, database: SecretsDatabase, name: str, chain_id: int, most: int) -> None:
        self._database, self.name = database, name
        self._chain_id, self._most = chain_id, most

    async def has(self, place: SecretPlace) -> bool:
        """Tell whether there is a secret."""
        return await self._database.read(
            lambda connection: connection.scalar(self._select(place, SECRETS.c.key_id)) is not None
        )

    async def add(self, place: SecretPlace, kept: KeptSecret, caller: str) -> None:
        """Put a secret where none is; it is durable, and in the audit log, before this returns.

        Raises:
            SecretThere: There is one, and stays.
            NoRoomForSecrets: As many are kept as may be.
            SecretsUnwritable: It cannot be kept.
        """

        def work(connection: Connection) -> None:
            if connection.scalar(self._select(place, SECRETS.c.key_id)) is not None:
                raise SecretThere(f"there is a secret already of {place}")
            if self._database.kept >= self._most:
                raise NoRoomForSecrets(
                    f"{self._most} secrets are kept here, and no more: ask the service's operator"
                )
            now = self._database.now()
            connection.execute(
                insert(SECRETS).values(
                    **self._where(place), **self._sealed(connection, place, kept),
                    added=now, changed=now,
                )
            )  # fmt: skip
            self._note(connection, now, "added", place, caller)
            self._database.count_one()

        await self._database.write(work)

    async def change(
        self,
        place: SecretPlace,
        make: Callable[[KeptSecret], KeptSecret],
        caller: str,
    ) -> None:
        """Put another secret in the place of one.

        Args:
            place: Whose.
            make: Given what is there, returns what is to be; what it raises changes nothing.
            caller: For the audit log.

        Raises:
            NoSuchSecret: There is none to change.
            SecretsUnwritable: It cannot be kept.
        """

        def work(connection: Connection) -> None:
            there = self._opened(connection, place)
            if there is None:
                raise NoSuchSecret(f"there is no secret to change of {place}")
            now, changed = self._database.now(), self._sealed(connection, place, make(there))
            where = (SECRETS.c[name] == value for name, value in self._where(place).items())
            connection.execute(update(SECRETS).where(*where).values(**changed, changed=now))
            self._note(connection, now, "changed", place, caller)

        await self._database.write(work)

    async def value(self, place: SecretPlace) -> KeptSecret | None:
        """Open a secret; None where there is none."""
        return await self._database.read(lambda connection: self._opened(connection, place))

    async def note_release(
        self, task_id: TaskId, service: str, worker: Address, caller: str
    ) -> None:
        """Note in the audit log that a service of a task is told its secrets, before it is."""

        def work(connection: Connection) -> None:
            what = (self.name, "session", "0x" + worker.hex(), f"{task_id} {service}")
            note_in_audit(connection, self._database.now(), "released", *what, caller=caller)

        await self._database.write(work)

    def _opened(self, connection: Connection, place: SecretPlace) -> KeptSecret | None:
        row = connection.execute(self._select(place, SECRETS.c.key_id, SECRETS.c.box)).first()
        if row is None:
            return None
        key = self._database.keys.named(connection, row.key_id)
        told = json.loads(key.open(row.box, *sealed_place(self._chain_id, self._where(place))))
        return KeptSecret(
            bytes.fromhex(told["value"]), bytes.fromhex(told["signature"]), tuple(told["replaced"])
        )

    def _sealed(
        self, connection: Connection, place: SecretPlace, kept: KeptSecret
    ) -> dict[str, str]:
        name, key = self._database.keys.newest(connection)
        told = {
            "value": kept.value.hex(),
            "signature": kept.signature.hex(),
            "replaced": kept.replaced[-MOST_REPLACED:],
        }
        clear = json.dumps(told).encode()
        bound = sealed_place(self._chain_id, self._where(place))
        return {"key_id": name, "box": key.seal(clear, *bound)}

    def _where(self, place: SecretPlace) -> dict[str, str]:
        return {
            "store": self.name,
            "kind": place.kind.value,
            "owner": "0x" + place.owner.hex(),
            "name": place.name,
        }

    def _select(self, place: SecretPlace, *columns):  # type: ignore[no-untyped-def]  # noqa: ANN002, ANN202
        where = (SECRETS.c[name] == value for name, value in self._where(place).items())
        return select(*columns).where(*where)

    def _note(
        self, connection: Connection, now: int, act: str, place: SecretPlace, caller: str
    ) -> None:
        note_in_audit(connection, now, act, *self._where(place).values(), caller=caller)


def sealed_place(chain_id: int, row: dict[str, str]) -> tuple[str | int, ...]:
    """Return what is bound to the box of a row of ``SECRETS``."""
    return ("secret", chain_id, row["store"], row["kind"], row["owner"], row["name"])


def value_digest(value: bytes) -> str:
    """Name a value among those that a secret replaced."""
    return sha256(value).hexdigest()


def place_of(kind: str, owner: str, name: str) -> SecretPlace:
    """Return the place that a row is about."""
    return SecretPlace(SecretKind(kind), Address.parse(owner), name)
