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

from poolhand.domain.lead import Leader, LockSession, Sighting
from poolhand.ports.lead import LeadClaim, LeadLost
from poolhand.store.schema import LEADER

KEY: Final = 0x706F6F6C
"""Of the advisory lock: one leader per database."""

LEADER_SESSION: Final = "poolhand leads"
"""What the leader's session is called in ``pg_stat_activity``, which everybody may read."""
TAKER_SESSION: Final = "poolhand takes the lead"
"""What it is called before: it has written nothing yet, and shows no sign of life."""

_TRY: Final = text("SELECT pg_try_advisory_lock(:key)")
_NAME: Final = text("SELECT set_config('application_name', :name, false)")
_HOLDERS: Final = (
    "FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'advisory' "
    "AND l.classid = 0 AND l.objid = :key AND l.objsubid = 1 AND l.granted "
    "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_IS_TAKING: Final = "coalesce(a.application_name = :takes, false)"
_IS_ENDABLE: Final = (
    "(SELECT (me.rolsuper OR NOT other.rolsuper) AND (pg_has_role(other.oid, 'USAGE') "
    "OR pg_has_role('pg_signal_backend', 'USAGE')) FROM pg_roles me, pg_roles other "
    "WHERE me.rolname = current_user AND other.oid = a.usesysid)"
)
"""As the manual has it of ``pg_terminate_backend``."""
_HOLDER: Final = text(
    f"SELECT l.pid, {_IS_TAKING}, coalesce(a.usename, ''), coalesce({_IS_ENDABLE}, false) "
    + _HOLDERS
)
_END: Final = (
    f"SELECT pg_terminate_backend(l.pid) {_HOLDERS} AND l.pid = :process "
    f"AND {_IS_TAKING} = :is_taking"
)
_END_TAKER: Final = text(_END)
_END_LEADER: Final = text(  # no value is in it
    _END + " AND EXISTS (SELECT 1 FROM leader WHERE id = 1 AND epoch = :epoch AND beats = :beats)"  # noqa: S608
)
_ABSENT: Final = frozenset({"42P01", "42703"})
"""SQLSTATE undefined_table and undefined_column."""
_NOW: Final = text("extract(epoch FROM clock_timestamp())::bigint")
_HERE: Final = LEADER.c.id == 1


def this_process(address: str = "") -> LeadClaim:
    """Return the claim of this process."""
    return LeadClaim(f"process {os.getpid()} on {socket.gethostname()}", address)


def lock(connection: Connection) -> bool:
    """Take the lock for this session; False while another holds it."""
    connection.execute(_NAME, {"name": TAKER_SESSION})
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
    connection.execute(_NAME, {"name": LEADER_SESSION})
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
    """Look who leads, and whose session holds the lock."""
    found = connection.execute(_HOLDER, {"key": KEY, "takes": TAKER_SESSION}).first()
    session = LockSession(*found) if found else None
    try:
        return Sighting(_leader(connection), session)
    except ProgrammingError as fault:
        if getattr(fault.orig, "sqlstate", None) not in _ABSENT:
            raise
        connection.rollback()
        return Sighting(None, session)  # nobody of this version led yet


def _leader(connection: Connection) -> Leader | None:
    columns = select(LEADER.c.epoch, LEADER.c.holder, LEADER.c.address, LEADER.c.beats)
    row = connection.execute(columns.where(_HERE)).one_or_none()
    return None if row is None else Leader(*row)


def end(connection: Connection, seen: Sighting) -> int:
    """End the session that was seen, unless it showed a sign of life; returns how many were."""
    if seen.session is None:
        return 0
    asked = {"key": KEY, "takes": TAKER_SESSION, "process": seen.session.process}
    asked |= {"is_taking": seen.session.is_taking}
    if seen.leader is None:
        return len(connection.execute(_END_TAKER, asked).all())
    asked |= {"epoch": seen.leader.epoch, "beats": seen.leader.beats}
    return len(connection.execute(_END_LEADER, asked).all())
