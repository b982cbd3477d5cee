"""On which terms calls are bought, and what is checked of them before."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from poolhand.client.functions.errors import NoFunctionImage, NoSuchModule, OtherPython
from poolhand.domain.function_image import FunctionImage
from poolhand.domain.ids import ZERO_ADDRESS, Address
from poolhand.domain.units import NanoRlc

DEVNET_FUNCTIONS: Final = "devnet/poolhand/functions:1.0"
"""The image that every devnet has."""
CLOCKS_SHOW: Final = 1_577_836_800
"""What clocks show where several workers have to agree: the first second of 2020."""


@dataclass(frozen=True, slots=True)
class FunctionTerms:
    """Terms of calls; as of ``AsyncClient.run``.

    Attributes:
        image: That runs them, or an app's address.
        trust, category, pool, tag, hosts, budget, deposit: As there; the budget is that of
            each deal.
        wait_for_workers: Whether a call waits for its task's final deadline where no worker is left
            for it.
    """

    image: str | Address = DEVNET_FUNCTIONS
    trust: int = 1
    category: int | str = 0
    pool: str | Address = ZERO_ADDRESS
    tag: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    budget: str | NanoRlc | None = None
    deposit: bool = False
    wait_for_workers: bool = True

    @property
    def mode(self) -> str:
        """How the app computes: several workers need one hash seed and one clock."""
        return f"fixed:0:{CLOCKS_SHOW}" if self.trust > 1 else "free"

    @property
    def name(self) -> str:
        """What of them makes calls other calls."""
        return repr(sorted((name, str(value)) for name, value in self.ordered.items()))

    @property
    def ordered(self) -> dict[str, Any]:
        """What of them is ordered, as it is kept on disk; no limits, ways to pay or to wait."""
        return {
            "image": str(self.image),
            "trust": self.trust,
            "category": self.category,
            "pool": str(self.pool),
            "tag": list(self.tag),
            "hosts": list(self.hosts),
        }

    @property
    def for_run(self) -> dict[str, Any]:
        """Keywords of ``AsyncClient.run``."""
        return {
            "trust": self.trust,
            "category": self.category,
            "pool": self.pool,
            "tag": self.tag,
            "hosts": self.hosts,
            "budget": self.budget,
            "deposit": self.deposit,
        }


def demand_fit(image: str, found: FunctionImage | None, modules: Iterable[str]) -> None:
    """Refuse what the image could not run.

    Args:
        image: Its name.
        found: What it says of itself.
        modules: Top names of modules that are needed beside the standard library.

    Raises:
        NoFunctionImage, OtherPython, NoSuchModule: Nothing was paid.
    """
    if found is None:
        raise NoFunctionImage(image)
    ours = (sys.version_info.major, sys.version_info.minor)
    if found.python != ours:
        raise OtherPython(image, found.python, ours)
    missing = set(modules) - set(found.modules)
    if missing:
        raise NoSuchModule(image, missing)
