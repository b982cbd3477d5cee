"""Which public chain a devnet is like: clients with built-in defaults take it for that chain.

A folder keeps the likeness with which it began, for chain id and hub are in every signature.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from poolhand.devnet.node import DEVNET_CHAIN_ID
from poolhand.domain.errors import Refused
from poolhand.domain.ids import Address
from poolhand.settings.chains import KNOWN_CHAINS

LIKENESS_FILE: Final = "like"


@dataclass(frozen=True, slots=True)
class Likeness:
    """What clients know a chain by.

    Attributes:
        chain_id: Of the node.
        hub: Where the hub is put; None: wherever deploying it puts it.
    """

    chain_id: int
    hub: Address | None


LIKENESSES: Final[Mapping[str, Likeness]] = {
    name: Likeness(chain.chain_id or DEVNET_CHAIN_ID, chain.hub)
    for name, chain in KNOWN_CHAINS.items()
    if not chain.native
}
"""By name; not those whose RLC is the chain's own coin, for the devnet's is a token."""
LIKE_NONE: Final = Likeness(DEVNET_CHAIN_ID, None)


class NoSuchLikeness(Refused):
    """A devnet cannot be like that chain."""

    def __init__(self, name: str) -> None:
        known = ", ".join(sorted(LIKENESSES))
        super().__init__(f"a devnet cannot be like '{name}': it can be like {known}")


class OtherLikeness(Refused):
    """The folder has a chain already, and it is not like that."""

    def __init__(self, home: Path, name: str, kept: str) -> None:
        super().__init__(
            f"the network in {home} is like {kept or 'no public chain'}, and cannot become like "
            f"{name}: choose another folder with POOLHAND_HOME, or delete this one"
        )


def likeness(home: Path, wanted: str) -> Likeness:
    """Return what the devnet of a folder is like, and keep it for the next start.

    Args:
        home: Its folder.
        wanted: Name of a public chain; empty: whatever the folder has.

    Raises:
        NoSuchLikeness: There is none of that name.
        OtherLikeness: The folder began otherwise.
    """
    if wanted and wanted not in LIKENESSES:
        raise NoSuchLikeness(wanted)
    file = home / LIKENESS_FILE
    if file.exists() or (home / "chain").exists():
        kept = file.read_text(encoding="utf-8").strip() if file.exists() else ""
        if wanted not in ("", kept):
            raise OtherLikeness(home, wanted, kept)
        return LIKENESSES.get(kept, LIKE_NONE)
    file.write_text(wanted, encoding="utf-8")
    return LIKENESSES.get(wanted, LIKE_NONE)
