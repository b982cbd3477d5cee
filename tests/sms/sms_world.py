"""A secret management service on a fake chain and a real database."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from functools import cache
from pathlib import Path
from urllib.parse import quote

import httpx
from hub_world import Market, World

from poolhand.chain.fake import FakeChain
from poolhand.domain.sms_secret import PushedSecret, SecretKind, SecretPlace
from poolhand.domain.units import NanoRlc
from poolhand.keys.wallet import Wallet
from poolhand.settings.chain import ChainSettings
from poolhand.settings.sms import MasterKeySource, SecretsAddress, SmsSettings
from poolhand.sms.assembly import assemble, keepers_of
from poolhand.sms.keeping import make_master_key, open_secrets
from poolhand.store.served_database import ServedDatabase
from poolhand.store.sms.database import SECRETS_KIND

URL = "http://127.0.0.1:13300"
RLC = 10**9
PATHS = {
    SecretKind.WEB3: lambda place: ("/secrets/web3", {"secretAddress": str(place.owner)}),
    SecretKind.WEB2: lambda place: (
        "/secrets/web2",
        {"ownerAddress": str(place.owner), "secretName": place.name},
    ),
    SecretKind.APP: lambda place: (f"/apps/{place.owner}/secrets", {}),
    SecretKind.REQUESTER: lambda place: (
        f"/requesters/{place.owner}/secrets/{quote(place.name)}",
        {},
    ),
}


@cache
def tables() -> Path:
    """Return a file with this version's tables: to make them takes longer than most tests."""
    folder = Path(tempfile.mkdtemp(prefix="sms-tables-"))
    atexit.register(shutil.rmtree, folder)
    file = folder / "sms.db"
    ServedDatabase(f"sqlite:///{file}", SECRETS_KIND).close()
    return file


class SmsScene:
    """Chain, market and service of one test."""

    def __init__(self, folder: Path, **settings) -> None:
        self.folder = folder
        self.chain = FakeChain()
        self.wallets = [Wallet.from_key(bytes([number] * 32)) for number in range(1, 8)]
        for wallet in self.wallets:
            self.chain.fund(wallet.address, rlc=NanoRlc(10_000 * RLC))
        self.world = World(
            self.chain.hub, self.chain.watcher, self.wallets, self.chain.sender, None, None
        )
        chain = ChainSettings(("http://127.0.0.1:1",), self.chain.facts.hub)
        self.key = folder / "elsewhere" / "master.key"
        if not self.key.exists():
            make_master_key(self.key)
        self.address = SecretsAddress(
            folder / "sms", f"sqlite:///{folder / 'sms' / 'sms.db'}", MasterKeySource(self.key)
        )
        if not self.address.folder.exists():
            self.address.folder.mkdir()
            shutil.copyfile(tables(), self.address.folder / "sms.db")
        self.settings = SmsSettings(
            chain, self.address, **{"most_requests": 0, "most_changes": 0, **settings}
        )

    @asynccontextmanager
    async def open(self, *, with_market: bool = True):
        """Start the service; the market's owner has an app and a dataset."""
        if with_market:
            self.market = await Market.open(self.world)
        with closing(open_secrets(self.address)) as self.database:
            self.database.claim(self.chain.facts.chain_id, self.chain.facts.hub)
            self.keepers = keepers_of(self.chain.hub, self.database, self.settings)
            self.start()
            async with self.http:
                yield self

    def start(self, number: int = 0) -> None:
        first = self.keepers[number]
        others = [each for each in self.keepers if each is not first]
        self.app = assemble(self.chain.hub, [first, *others], self.settings, URL)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=URL)

    def places(self) -> dict[SecretKind, tuple[SecretPlace, Wallet]]:
        """Return a place of each kind, and who may put a secret there."""
        owner, requester = self.world.owner, self.world.requester
        return {
            SecretKind.WEB3: (SecretPlace(SecretKind.WEB3, self.market.dataset), owner),
            SecretKind.WEB2: (SecretPlace(SecretKind.WEB2, requester.address, "token"), requester),
            SecretKind.APP: (SecretPlace(SecretKind.APP, self.market.app), owner),
            SecretKind.REQUESTER: (
                SecretPlace(SecretKind.REQUESTER, requester.address, "my-secret"),
                requester,
            ),
        }

    async def head(self, place: SecretPlace) -> int:
        path, query = PATHS[place.kind](place)
        return (await self.http.head(path, params=query)).status_code

    async def push(self, place, value, signer, method="POST", *, said=None, signature=None):
        """Push a secret; ``said`` is the place that is signed instead, ``signature`` all of it."""
        path, query = PATHS[place.kind](place)
        raw = value if isinstance(value, bytes) else value.encode()
        claim = PushedSecret(said or place, raw)
        told = signature if signature is not None else signer.sign_secret(claim).hex()
        headers = {"Content-Type": "text/plain;charset=UTF-8"}
        if signature != "":
            headers["Authorization"] = told if told.startswith("0x") else "0x" + told
        return await self.http.request(method, path, params=query, headers=headers, content=raw)


def named(place: SecretPlace, **changes) -> SecretPlace:
    return replace(place, **changes)
