"""Whose a database is: of one pool on one chain, which is written down the first time it leads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from poolhand.domain.errors import EndsProgram, Refused
from poolhand.ports.journal import Journal
from poolhand.wire.pool_api import PoolConfig

IDENTITY_STREAM: Final = "pool/identity"
"""The journal's stream of one event."""


class AnotherPoolsDatabase(EndsProgram, Refused):
    """The database holds the tasks of another pool, or of another chain."""

    def __init__(self, known: Mapping[str, Any]) -> None:
        super().__init__(
            f"the database is that of workerpool {known.get('workerpool')} on chain "
            f"{known.get('chain_id')} (hub {known.get('hub')}): give each pool a database of its "
            "own with --database, or check POOL_ADDRESS and the chain"
        )


def check_database(config: PoolConfig, told: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether a database says whose it is, by the events of its stream.

    Raises:
        AnotherPoolsDatabase: It is another's.
    """
    known = next(iter(told), None)
    if known is not None and known != _identity(config):
        raise AnotherPoolsDatabase(known)
    return known is not None


def claim_database(config: PoolConfig, journal: Journal) -> None:
    """Write down whose a database is, where it does not say it; raises AnotherPoolsDatabase."""
    if not check_database(config, (event for _, event in journal.read(IDENTITY_STREAM))):
        journal.append(IDENTITY_STREAM, _identity(config))


def _identity(config: PoolConfig) -> dict[str, Any]:
    return {
        "chain_id": config.chain_id,
        "hub": str(config.hub),
        "workerpool": str(config.workerpool),
    }
