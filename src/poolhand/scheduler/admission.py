"""Who may log in at all."""

from __future__ import annotations

from dataclasses import dataclass

from poolhand.domain.ids import Address
from poolhand.domain.version import is_older
from poolhand.wire.handshake import WorkerNotAllowed, WorkerOutdated
from poolhand.wire.messages import Login


@dataclass(frozen=True, slots=True)
class Admission:
    """What the pool's owner asks of workers.

    Attributes:
        allowed: Wallets that may log in; empty for everybody.
        least_version: Of the worker program; empty for any.
    """

    allowed: frozenset[Address] = frozenset()
    least_version: str = ""

    def check(self, login: Login) -> None:
        """Let a worker pass.

        Raises:
            WorkerNotAllowed: Its wallet is not on the pool's list.
            WorkerOutdated: Its program is too old.
        """
        if self.allowed and login.worker not in self.allowed:
            raise WorkerNotAllowed(
                f"wallet {login.worker} is not on this pool's list: ask the pool's owner to add it"
            )
        version = login.capabilities.version
        if self.least_version and is_older(version, self.least_version):
            raise WorkerOutdated(version, self.least_version)
