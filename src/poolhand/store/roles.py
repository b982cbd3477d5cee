"""What a database's role may not do, and which GRANT lets it.

Two processes of a pool may come as two roles. Tables are their owner's, and a session is ended by
its own role alone: whoever is a member of the other's role may do both.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from poolhand.domain.errors import EndsProgram, Unavailable

_FORBIDDEN: Final = "42501"
"""SQLSTATE insufficient_privilege (PostgreSQL manual, appendix A)."""
_OWNER: Final = text(
    "SELECT current_user, r.rolname, r.rolsuper FROM pg_class c "
    "JOIN pg_roles r ON r.oid = c.relowner WHERE c.oid = to_regclass('leader')"
)
_OTHER: Final = text("SELECT current_user, rolname, rolsuper FROM pg_roles WHERE rolname = :role")


class RoleForbidden(EndsProgram, Unavailable):
    """The database does not let our role do what a pool must."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(f"the database does not let this process {what}: {advice}")


def is_forbidden(fault: DBAPIError) -> bool:
    """Whether a statement was refused for who asked."""
    return getattr(fault.orig, "sqlstate", None) == _FORBIDDEN


def first_line(fault: DBAPIError) -> str:
    """Return what the server said, without where in the statement."""
    return str(fault.orig).split("\n", 1)[0]


def not_ours(connection: Connection, said: str) -> RoleForbidden:
    """Return what to raise where tables are another role's; the transaction must be a new one."""
    found = connection.execute(_OWNER).one_or_none()
    advice = _advice(*found) if found else "grant it what it lacks, or let it use the tables' owner"
    return RoleForbidden(f"use the pool's tables ({said})", advice)


def not_endable(connection: Connection, process: int, role: str) -> RoleForbidden:
    """Return what to raise where the session that leads is another role's."""
    found = connection.execute(_OTHER, {"role": role}).one_or_none()
    advice = (
        _advice(*found) if found else "let both processes of the pool use one and the same role"
    )
    what = f"end the session of whoever leads, should it freeze (server process {process})"
    return RoleForbidden(what, advice)


def _advice(mine: str, other: str, other_is_super: bool) -> str:
    if other_is_super:
        return (
            f'"{other}" is a superuser, whose sessions and tables are nobody else\'s: give the '
            "pool a role of its own, and let both of its processes use that"
        )
    return f'run GRANT "{other}" TO "{mine}"; in the database, or let both processes use one role'
