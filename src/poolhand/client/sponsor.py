"""Somebody who pays for a client's purchases."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from poolhand.client.context import ClientContext
from poolhand.keys.wallet import Wallet


@dataclass(frozen=True, slots=True)
class Sponsor:
    """A wallet whose stake pays the price of a purchase, and which sends it.

    >>> client.run("docker.io/you/words:1.0", sponsor=Sponsor("company.json", password_file="p"))

    Attributes:
        wallet: A keystore file, an address in the folder of wallets, or an account of the devnet.
        password: Its password, where it is told itself.
        password_file: The file that has it in its first line.
    """

    wallet: str | Path
    password: str = field(default="", repr=False)
    password_file: str | Path = ""


async def opened_sponsor(context: ClientContext, sponsor: Sponsor | None) -> Wallet | None:
    """Open a sponsor's wallet; raises as ``ClientContext.sponsor``."""
    if sponsor is None:
        return None
    told = str(sponsor.wallet), sponsor.password, str(sponsor.password_file)
    return await asyncio.to_thread(context.sponsor, *told)
