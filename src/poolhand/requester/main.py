"""The requester's composition root: settings in, a session out.

>>> async with open_session(settings) as session:
...     deal = await session.buy("docker.io/owner/app:1.0", args="--top 5", trust=Trust(10))
...     async for change in deal.follow():
...         print(change)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import httpx

from poolhand.chain import connect
from poolhand.keys.keystore import open_wallet
from poolhand.keys.wallet import Wallet
from poolhand.requester.requester import Requester
from poolhand.requester.session import Session
from poolhand.settings.requester import RequesterSettings
from poolhand.transport.clock import SystemClock, SystemEntropy
from poolhand.transport.results_client import ArchiveReader
from poolhand.web.trusted import trusted

REQUESTER_TIMEOUT: Final = 30.0
"""Seconds for one HTTP answer to begin."""


@asynccontextmanager
async def open_requester(settings: RequesterSettings) -> AsyncIterator[Requester]:
    """Connect to a chain and open the wallet.

    Raises:
        ChainUnreachable: No endpoint answers, or none is on the right chain.
        WrongPassword, WalletNotFound, KeystoreUnreadable: The wallet does not open.
    """
    wallet = await asyncio.to_thread(_wallet, settings)
    async with (
        connect(settings.chain) as chain,
        httpx.AsyncClient(timeout=REQUESTER_TIMEOUT, verify=trusted(environment=True)) as http,
    ):
        yield Requester(
            chain,
            lambda: connect(settings.chain),
            http,
            settings,
            wallet,
            SystemClock(),
            SystemEntropy(),
            ArchiveReader(http, pause=asyncio.sleep),
        )


@asynccontextmanager
async def open_session(settings: RequesterSettings) -> AsyncIterator[Session]:
    """Open a buyer's session; raises as ``open_requester``."""
    async with open_requester(settings) as requester:
        yield Session(requester)


def _wallet(settings: RequesterSettings) -> Wallet | None:
    if settings.wallet is None or settings.password is None:
        return None
    return open_wallet(settings.wallet, settings.keystore, settings.password)
