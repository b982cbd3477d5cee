"""Who leads, in PostgreSQL: a lock of the leader's own session, and one row with its epoch.

The lock says who may take the lead: it goes with the session, however that ends. The epoch is the
fence: whoever takes the lead counts it up, and every transaction that writes looks at it.
"""

from __future__ import annotations

import os
import socket
from typing import Final

from sqlalchemy import Connection, insert, select, text, update
from sqlalchemy.exc import ProgrammingError

from poolhand.domain.lead import Leader, Sighting
from poolhand.ports.lead import LeadClaim, LeadLost
from poolhand.store.schema import LEADER

KEY: Final = 0x706F6F6C
"""Of the advisory lock: one leader per database."""

_TRY: Final = text("SELECT pg_try_advisory_lock(:key)")
_HOLDERS: Final = (
    "FROM pg_locks WHERE locktype = 'advisory' AND classid = 0 AND objid = :key AND objsubid = 1 "
    "AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_IS_HELD: Final = text(f"SELECT EXISTS (SELECT 1 {_HOLDERS})")
_END: Final = text(
    f"SELECT pg_terminate_backend(pid) {_HOLDERS} AND EXISTS "  # noqa: S608 - no value is in it
    "(SELECT 1 FROM leader WHERE id = 1 AND epoch = :epoch AND beats = :beats)"
)
_NOW: Final = text("extract(epoch FROM clock_timestamp())::bigint")
_HERE: Final = LEADER.c.id == 1


def this_process(address: str = "") -> LeadClaim:
    """Return the claim of this process."""
    return LeadClaim(f"process {os.getpid()} on {socket.gethostname()}", address)


def lock(connection: Connection) -> bool:
    """Take the lock for this session; False while another holds it."""
    return bool(connection.scalar(_TRY, {"key": KEY}))


def take(connection: Connection, claim: LeadClaim) -> int:
    """Count a new leader in, and return its epoch; the lock must be held.

    A row that somebody deleted is written anew, with an epoch that nobody can have led by counting.
    """
    row = {
        "epoch": LEADER.c.epoch + 1,
        "beats": LEADER.c.beats + 1,
        "holder": claim.holder,
        "address": claim.address,
        "seen_at": _NOW,
    }
    found = connection.scalar(update(LEADER).where(_HERE).values(row).returning(LEADER.c.epoch))
    if found is None:
        anew = insert(LEADER).values(row | {"id": 1, "epoch": _NOW, "beats": 1})
        found = connection.scalar(anew.returning(LEADER.c.epoch))
    assert found is not None
    return int(found)


def check(connection: Connection, epoch: int) -> None:
    """Hold the lead until the end of the transaction; raises LeadLost where it is another's."""
    mine = select(LEADER.c.epoch).where(_HERE, LEADER.c.epoch == epoch).with_for_update(read=True)
    if connection.scalar(mine) is None:
        raise LeadLost(_taken(connection))


def beat(connection: Connection, epoch: int) -> None:
    """Give a sign of life; raises LeadLost where another leads."""
    alive = {"beats": LEADER.c.beats + 1, "seen_at": _NOW}
    mine = update(LEADER).where(_HERE, LEADER.c.epoch == epoch).values(alive)
    if not connection.execute(mine).rowcount:
        raise LeadLost(_taken(connection))


def resign(connection: Connection, epoch: int) -> None:
    """Let another take the lead at once: this one does nothing more."""
    connection.execute(update(LEADER).where(_HERE, LEADER.c.epoch == epoch).values(holder=""))


def _taken(connection: Connection) -> str:
    leader = _leader(connection)
    return "its row is gone" if leader is None else f"{leader.holder or 'another'} took the lead"


def sight(connection: Connection) -> Sighting:
    """Look who leads, and whether its session is there."""
    is_held = bool(connection.scalar(_IS_HELD, {"key": KEY}))
    try:
        return Sighting(_leader(connection), is_held)
    except ProgrammingError:  # no such table or column: nobody of this version led yet
        connection.rollback()
        return Sighting(None, is_held)


def _leader(connection: Connection) -> Leader | None:
    columns = select(LEADER.c.epoch, LEADER.c.holder, LEADER.c.address, LEADER.c.beats)
    row = connection.execute(columns.where(_HERE)).one_or_none()
    return None if row is None else Leader(*row)


def end(connection: Connection, leader: Leader) -> int:
    """End the session of a leader that has not beaten since; returns how many were ended."""
    asked = {"key": KEY, "epoch": leader.epoch, "beats": leader.beats}
    return len(connection.execute(_END, asked).all())
