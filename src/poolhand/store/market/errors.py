"""What can go wrong with a market's database, and who must act."""

from __future__ import annotations

from poolhand.domain.errors import EndsProgram, Refused, Unavailable
from poolhand.domain.ids import Address


class BookLocked(EndsProgram, Refused):
    """Another market has the database open."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"the market's database {where} is open in another process: stop that one, or give "
            "this market another with --database"
        )


class BookLost(EndsProgram, Unavailable):
    """Another market has the database: its server was restarted, and forgot this one's lock."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"another market has taken the database {where}: nothing more is written by this one; "
            "stop the other and start this one again, or leave it to the other"
        )


class BookTooNew(EndsProgram, Refused):
    """A later version of Poolhand made its tables."""

    def __init__(self, where: str, told: str) -> None:
        super().__init__(
            f"the market's database {where} is of a later version of Poolhand ({told}): install "
            "that version, or a later one"
        )


class BookOfAnotherChain(EndsProgram, Refused):
    """It holds the orders of another hub."""

    def __init__(self, where: str, chain_id: int, hub: Address) -> None:
        super().__init__(
            f"the market's database {where} holds the book of another chain or hub than {hub} on "
            f"chain {chain_id}: name that chain, or another database with --database"
        )


class BookUnwritable(Unavailable):
    """The disk or the database refused to read or write; nothing was changed."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(
            f"the market's database {where} does not answer ({why}): check the disk or the "
            "database server, then try again"
        )
