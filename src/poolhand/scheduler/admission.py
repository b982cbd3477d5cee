"""Who may log in at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from poolhand.domain.exclusion import Exclusion, ExclusionKind
from poolhand.domain.ids import Address
from poolhand.domain.version import is_older
from poolhand.wire.handshake import WorkerBanned, WorkerNotAllowed, WorkerOutdated
from poolhand.wire.messages import Login


def _no_exclusion(_: Address) -> Exclusion | None:
    return None


@dataclass(frozen=True, slots=True)
class Admission:
    """What the pool's owner asks of workers.

    Attributes:
        allowed: Wallets that may log in; empty for everybody.
        least_version: Of the worker program; empty for any.
        excluded: What the owner decided of a worker; None: nothing.
    """

    allowed: frozenset[Address] = frozenset()
    least_version: str = ""
    excluded: Callable[[Address], Exclusion | None] = _no_exclusion

    def check(self, login: Login) -> None:
        """Let a worker pass.

        Raises:
            WorkerBanned: The owner has banned it.
            WorkerNotAllowed: Its wallet is not on the pool's list.
            WorkerOutdated: Its program is too old.
        """
        found = self.excluded(login.worker)
        if found is not None and found.kind is ExclusionKind.BAN:
            raise WorkerBanned(login.worker, found.reason)
        if self.allowed and login.worker not in self.allowed:
            raise WorkerNotAllowed(
                f"wallet {login.worker} is not on this pool's list: ask the pool's owner to add it"
            )
        version = login.capabilities.version
        if self.least_version and is_older(version, self.least_version):
            raise WorkerOutdated(version, self.least_version)
