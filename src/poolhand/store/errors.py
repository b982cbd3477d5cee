"""What can go wrong with a journal, and who fixes it."""

from __future__ import annotations

import errno
from typing import Final

from poolhand.domain.errors import EndsProgram, Refused, Unavailable

NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""How a disk, a quota or a limit on files says that nothing more goes in."""


class JournalLocked(EndsProgram, Refused):
    """Another process has the journal open."""

    def __init__(self, where: str, holder: str) -> None:
        super().__init__(
            f"journal {where} is open in process {holder}: stop that process, "
            "or give this program another data folder"
        )


class JournalCorrupt(EndsProgram, Refused):
    """A record in the middle was altered after it was written."""

    def __init__(self, where: str, line: int, why: str) -> None:
        super().__init__(
            f"journal {where} is damaged at line {line} ({why}): check the disk, then run "
            f"`poolhand worker journal repair {where}`, which keeps every good line and saves "
            "the original beside it"
        )
        self.where, self.line, self.why = where, line, why


class JournalTooNew(EndsProgram, Refused):
    """A later version of Poolhand wrote it."""

    def __init__(self, where: str, found: int | str, known: int | str) -> None:
        super().__init__(
            f"journal {where} holds records of version {found}, this Poolhand knows {known}: "
            "install the version that wrote it, or a later one"
        )


class JournalFull(EndsProgram, Unavailable):
    """The disk has no room; nothing was recorded and the journal is as before."""

    def __init__(self, where: str) -> None:
        super().__init__(f"no room to write journal {where}: free disk space, then try again")


class JournalUnwritable(EndsProgram, Unavailable):
    """The disk or the database refused a write; nothing was recorded."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(
            f"cannot write journal {where} ({why}): check the disk or the database, then try again"
        )


class JournalUnreadable(Unavailable):
    """The database of a pool, that one stands by for or looks into, cannot be read."""

    def __init__(
        self,
        where: str,
        why: str,
        change: str = "bring the database back; whoever stands by waits for it",
    ) -> None:
        super().__init__(f"cannot read {where} ({why}): {change}")
