"""A worker's downloads and uploads keep the rates that its operator sets, each its own."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from local_http import Handler, serving
from machines.stories import offer
from poolhand.domain.ids import Address
from poolhand.domain.units import MIB
from poolhand.keys.wallet import Wallet
from poolhand.settings.load import load
from poolhand.settings.worker import WORKER_OPTIONS, worker_settings
from poolhand.transport.clock import SystemClock
from poolhand.transport.fetcher import SafeFetcher
from poolhand.wire.handshake import PoolFacts
from poolhand.worker.composition.transfers import downloads_of, results_of
from poolhand.worker.parts import WorkerParts
from poolhand.worker.results_place import ResultsPlace

NOBODY = Address(bytes([9] * 20))


class Now:
    """What the operator has set: any rate; notes which of them is asked for."""

    def __init__(self) -> None:
        self.asked = set()

    @property
    def download_rate(self):
        self.asked.add("download")
        return 0

    @property
    def upload_rate(self):
        self.asked.add("upload")
        return 0


class Answer(Handler):
    """Gives a file, and takes every archive."""

    def do_GET(self):  # noqa: N802 - as http.server names it
        self._says(b"data")

    def do_PUT(self):  # noqa: N802 - as above
        self.rfile.read(int(self.headers["Content-Length"]))
        link = json.dumps({"storage": "poolhand", "location": "/results/x"})
        self._says(json.dumps({"link": link}).encode())

    def _says(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def settings(tmp_path):
    flags = {
        "core-url": "http://127.0.0.1:1",
        "pool-address": str(NOBODY),
        "base-dir": str(tmp_path),
        "wallet": "unused",
        "rpc": "http://127.0.0.1:1",
        "hub": str(NOBODY),
        "allow-private": "true",
        "allow-http": "true",
    }
    known = {option.key for option in WORKER_OPTIONS}
    told = {key: value for key, value in flags.items() if key in known}
    return worker_settings(load(WORKER_OPTIONS, told, {}, None), {}, 4)


async def test_downloads_keep_the_rate_for_downloads(settings, tmp_path):
    now = Now()
    downloads = downloads_of(settings, SimpleNamespace(now=now), WorkerParts())
    with serving(Answer) as url:
        async with downloads.at_work():
            target = str(tmp_path / "file")
            await SafeFetcher(downloads).fetch(f"{url}/file", target, MIB, 60)
    assert now.asked == {"download"}


async def test_uploads_keep_the_rate_for_uploads(settings, tmp_path):
    now, place = Now(), ResultsPlace()
    facts = PoolFacts(1, NOBODY, NOBODY, "http://127.0.0.1:1")
    wallet = Wallet.from_key(bytes([7] * 32))
    opened = results_of(settings, SimpleNamespace(now=now), place, wallet, facts, SystemClock())
    archive = tmp_path / "archive"
    archive.write_bytes(b"x")
    with serving(Answer) as url:
        place.tell(url)
        await (await opened()).upload(offer(), str(archive))
    assert now.asked == {"upload"}
