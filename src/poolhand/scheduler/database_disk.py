"""What may still be written to the disk of the pool's database."""

from __future__ import annotations

from poolhand.observe.disk_space import free_bytes
from poolhand.store.sql_engine import file_of


def disk_of(database: str) -> int | None:
    """Return the bytes that are free there; None where the database is another machine's.

    Args:
        database: Its URL.
    """
    file = file_of(database)
    if file is None:
        return None
    try:
        return free_bytes(file.absolute().parent)
    except OSError:
        return None
