"""A results service on a fake chain and a real folder, and workers that hand in to it."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
from hub_world import RLC, Market, World

from poolhand.chain.fake import FakeChain
from poolhand.domain.computed import Computed, result_digest
from poolhand.domain.hashes import task_id
from poolhand.domain.ids import ZERO_ADDRESS, ResultDigest, TaskId
from poolhand.domain.messages import ResultUpload, pool_domain
from poolhand.domain.onchain import ContributeAndFinalize, Initialize
from poolhand.domain.replicate.machine import Flow, Offer
from poolhand.domain.result_link import location_at
from poolhand.domain.units import NanoRlc, UnixSeconds
from poolhand.keys.wallet import Wallet
from poolhand.results.assembly import assemble
from poolhand.settings.chain import ChainSettings
from poolhand.settings.results import ResultsSettings
from poolhand.store.results_disk import DiskResults
from poolhand.transport.byte_rate import ByteRate
from poolhand.transport.clock import ManualClock
from poolhand.transport.results_client import ArchiveReader, HttpResults
from poolhand.wire.handshake import PoolFacts

URL = "http://127.0.0.1:13200"


def archive(text: str = "42", extra: str = "", callback: bytes | None = None) -> bytes:
    """Pack a result whose digest depends on ``text`` (or ``callback``) alone."""
    computed = {"deterministic-output-path": "/iexec_out/result.txt"}
    if callback is not None:
        computed = {"callback-data": "0x" + callback.hex()}
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in (
            ("result.txt", text),
            ("computed.json", json.dumps(computed)),
            ("stdout.txt", extra),
        ):
            packed.writestr(undated(name), content, zipfile.ZIP_DEFLATED)
    return target.getvalue()


def undated(name: str) -> zipfile.ZipInfo:
    """Describe a file as of the same moment always: two archives of one result are one archive."""
    return zipfile.ZipInfo(name)


def digest_of(text: str = "42") -> ResultDigest:
    files = {"result.txt": hashlib.sha256(text.encode()).digest()}
    return result_digest(Computed("/iexec_out/result.txt", None), files, with_callback=False)


@dataclass
class Upload:
    """A request, right in everything but what a test changes."""

    wallet: Wallet
    offer: Offer
    pool: object
    chain_id: int
    now: UnixSeconds
    body: bytes
    changes: dict = field(default_factory=dict)

    def request(self) -> dict:
        said = ResultUpload(
            pool_domain(self.chain_id, self.pool),
            self.wallet.address,
            self.offer.task_id,
            hashlib.sha256(self.body).digest(),
            UnixSeconds(self.now + 60),
        )
        known = {
            "task_id": str(self.offer.task_id),
            "deal_id": str(self.offer.deal_id),
            "index": str(self.offer.index),
            "worker": str(self.wallet.address),
            "expiry": str(said.expiry),
            "Poolhand-Archive": "0x" + said.archive.hex(),
            "Poolhand-Authorization": "0x" + self.offer.authorization.hex(),
            "Poolhand-Signature": "0x" + self.wallet.sign_message(said).hex(),
        } | self.changes
        params = {name: known[name] for name in ("deal_id", "index", "worker", "expiry")}
        headers = {name: value for name, value in known.items() if name.startswith("Poolhand-")}
        return {
            "url": f"{URL}/v1/results/{known['task_id']}",
            "params": params,
            "headers": headers,
            "content": self.body,
        }


class Scene:
    """Chain, market, service and clock of one test."""

    def __init__(self, folder: Path, **settings) -> None:
        self.chain = FakeChain()
        self.wallets = [Wallet.from_key(bytes([number] * 32)) for number in range(1, 8)]
        for wallet in self.wallets:
            self.chain.fund(wallet.address, rlc=NanoRlc(10_000 * RLC))
        self.world = World(
            self.chain.hub, self.chain.watcher, self.wallets, self.chain.sender, None, None
        )
        self.clock = ManualClock()
        chain = ChainSettings(("http://127.0.0.1:1",), self.chain.facts.hub)
        self.settings = ResultsSettings(chain, folder=folder, **settings)
        self.start()

    def start(self) -> None:
        """Start the service, anew if it was there before."""
        self.storage = DiskResults(self.settings.folder, partial(location_at, URL))
        self.app, self.intake = assemble(
            self.chain.hub, self.storage, self.clock, self.settings, URL
        )
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app))

    async def open(self) -> Scene:
        self.market = await Market.open(self.world)
        await self.intake.count()
        return self

    @property
    def workers(self) -> list[Wallet]:
        return self.world.workers

    async def offer(self, worker: Wallet, *, start: bool = True, **terms) -> Offer:
        """Match a deal and let a worker do its first task."""
        deal = await self.market.deal(**terms)
        index = deal.bot_first
        if start:
            await self.world.send(self.world.owner, Initialize(((deal.deal_id, index),)))
        return self.share(
            worker, Offer(task_id(deal.deal_id, index), deal.deal_id, index, Flow.STANDARD, b"")
        )

    def share(self, worker: Wallet, offer: Offer) -> Offer:
        """Let another worker do the same task."""
        signed = self.world.owner.sign_authorization(worker.address, offer.task_id, ZERO_ADDRESS)
        return Offer(offer.task_id, offer.deal_id, offer.index, offer.flow, signed)

    async def revealed(self, worker: Wallet, text: str = "42", **terms) -> Offer:
        """Bring a standard task to the worker's reveal."""
        offer = await self.offer(worker, **terms)
        await self.market.contribute(worker, offer.task_id, digest_of(text))
        await self.market.reveal(worker, offer.task_id, digest_of(text))
        return offer

    def settle(self, worker: Wallet, offer: Offer, digest: ResultDigest):
        call = ContributeAndFinalize(offer.task_id, digest, b"link", b"", offer.authorization)
        return self.world.send(worker, call)

    def upload(self, wallet: Wallet, offer: Offer, body: bytes | None = None, /, **changes):
        chain_id, now = self.chain.facts.chain_id, self.clock.now()
        content = archive() if body is None else body
        return Upload(wallet, offer, self.market.pool, chain_id, now, content, changes)

    async def put(self, wallet: Wallet, offer: Offer, body: bytes | None = None, /, **changes):
        return await self.http.put(**self.upload(wallet, offer, body, **changes).request())

    async def get(self, task: TaskId, path: str = "/v1/results/{}", **more):
        return await self.http.get(URL + path.format(task), **more)

    def client(self, worker: Wallet, pace: ByteRate = ByteRate()) -> HttpResults:
        facts = PoolFacts(
            self.chain.facts.chain_id, self.chain.facts.hub, self.market.pool, "http://p"
        )
        transport = httpx.ASGITransport(app=self.app)
        return HttpResults(URL, worker, facts, self.clock, transport=transport, pace=pace)

    def reader(self, limit: int = 10**6) -> ArchiveReader:
        return ArchiveReader(self.http, limit)


def refused(answer, status: int, code: str) -> str:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    return answer.json()["message"]


def files_left(scene) -> list[str]:
    return sorted(p.name for p in scene.settings.folder.rglob("*") if p.is_file())
