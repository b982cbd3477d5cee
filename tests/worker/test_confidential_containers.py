"""Confidential tasks in real containers: the launcher in any image, the services before and after."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import pytest
from Crypto.Cipher import AES
from Crypto.Util.Padding import pad
from tee_memory import MemoryQuoter, MemorySessions
from worker_world import Workshop

from poolhand.containers.disks import choose
from poolhand.containers.docker import DockerRuntime
from poolhand.containers.engine import DEFAULT_URL
from poolhand.devnet.images import Manner, publish
from poolhand.devnet.registry import Registry
from poolhand.devnet.tee_images import publish_stages, stage_program
from poolhand.domain.deal import Dataset
from poolhand.domain.ids import Address
from poolhand.domain.multiaddr import encode
from poolhand.domain.params import DealParams
from poolhand.domain.replicate.machine import Action
from poolhand.domain.replicate.status import Status
from poolhand.domain.tag import Tag
from poolhand.domain.tee.enclave_signature import check_enclave_signature
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.tee.session import Service, SessionRequest, TaskSecrets, environments
from poolhand.keys.result_encryption import decrypt_result, make_keypair
from poolhand.keys.wallet import Wallet
from poolhand.transport.downloading import FetchRules, WebDownloads
from poolhand.transport.fetcher import SafeFetcher
from poolhand.worker.tee.computing import TeeTerms
from poolhand.worker.tee.memory_folders import MemoryFolders
from poolhand.worker.tee.packing import install_launcher

pytestmark = pytest.mark.docker
ENGINE = os.environ.get("DOCKER_HOST") or DEFAULT_URL
KEY = bytes(range(1, 33))
ENCLAVE = Wallet.from_key(KEY)
PLAIN = b"planted-dataset-secret" * 1000
APP_SECRET, REQUESTER_SECRET = "planted-app-secret", "planted-requester-secret"
PRIVATE, PUBLIC = make_keypair(2048)

APP = """
import json, os, sys
out, told = os.environ['IEXEC_OUT'], os.environ
data = open(told['IEXEC_IN'] + '/' + told['IEXEC_DATASET_FILENAME'], 'rb').read()
assert 'SIGN_TEE_CHALLENGE_PRIVATE_KEY' not in told and 'POOLHAND_TEE_SESSION' not in told
words = [told['IEXEC_APP_DEVELOPER_SECRET'], told['IEXEC_REQUESTER_SECRET_1'], *sys.argv[1:]]
open('beside.txt', 'w').write(words[0])
open(out + '/result.txt', 'w').write('|'.join([*words, data.decode()]))
json.dump({'deterministic-output-path': out + '/result.txt'}, open(out + '/computed.json', 'w'))
"""
LIMITS = {"work": 64 * 1024**2, "output": 64 * 1024**2, "memory": 512 * 1024**2,
          "tmp": 16 * 1024**2, "pids": 64}  # fmt: skip


def encrypted(plain, key):
    first = bytes(range(16))
    return first + AES.new(key, AES.MODE_CBC, first).encrypt(pad(plain, 16))


class TeeRun:
    """One worker on a real engine, and one confidential task."""

    def __init__(self, folder, registry, runtime, launcher) -> None:
        self.folder, self.registry = folder, registry
        self.shop = Workshop(folder / "world")
        self.memory = MemoryFolders(folder)
        self.memory.check()
        self.sessions = MemorySessions({}, {})
        self.quoter = MemoryQuoter()
        rules = self.shop.node.rules
        rules = replace(rules, limits=replace(rules.limits, **LIMITS))
        terms = TeeTerms(
            launcher,
            self.memory,
            self.quoter,
            lambda _: self.sessions,
            frozenset({TeeFramework.TDX}),
            True,
        )
        fetcher = SafeFetcher(WebDownloads(FetchRules()), (folder,))
        self.shop.make(rules=rules, runtime=runtime, fetcher=fetcher, tee=terms)

    async def brief_of(self, replicate, source, params):
        app = self.folder / "source"
        app.mkdir(exist_ok=True)
        (app / "main.py").write_text(source)
        image = await publish(
            app, "owner/app:1.0", self.registry.host, manner=Manner(user="", folder="/app")
        )
        stages = await publish_stages(self.registry.host)
        self.sessions.programs = {
            each: stage_program(stages, each)
            for each in (Service.PRE_COMPUTE, Service.POST_COMPUTE)
        }
        hidden = encrypted(PLAIN, KEY)
        place = self.folder / "data.enc"
        place.write_bytes(hidden)
        address = Address(bytes([7]) * 20)
        checksum = hashlib.sha256(hidden).digest()
        dataset = Dataset(address, address, "d", encode(f"file://{place}"), checksum)
        brief = await self.shop.worker.briefs.of(replicate.offer)
        deal = replace(
            brief.deal,
            tag=Tag.of(["tee", "tdx"]),
            dataset=replace(brief.deal.dataset, address=address),
        )
        brief = replace(
            brief,
            deal=deal,
            dataset=dataset,
            params=params,
            app=replace(
                brief.app, multiaddr=image.reference.encode(), checksum=bytes.fromhex(image.digest)
            ),
        )
        self.shop.worker.briefs._kept[replicate.offer.deal_id] = brief
        return brief

    async def of(self, source=APP, key=KEY, **params):
        offer = self.shop.offer(await self.shop.deal(), enclave=ENCLAVE.address)
        replicate = self.shop.replicate(offer)
        params = DealParams(args="word", secrets={"1": "name"}, **params)
        brief = await self.brief_of(replicate, source, params)
        secrets = TaskSecrets(
            "0x" + KEY.hex(), b64encode(key).decode(), APP_SECRET, {1: REQUESTER_SECRET},
            b64encode(PUBLIC).decode(),
        )  # fmt: skip
        self.sessions.environments = environments(
            SessionRequest(offer.task_id, offer.index, brief.deal, brief.dataset, params,
                           self.shop.address, secrets)
        )  # fmt: skip
        folder = self.shop.worker.folders.of(offer.task_id)
        folder.create()
        shutil.copyfile(self.folder / "data.enc", folder.input / ("0x" + "07" * 20))
        for action in (Action.DOWNLOAD_APP, Action.COMPUTE):
            done = await self.shop.stages.perform(replicate, action)
        return replicate, done

    def archive(self, replicate):
        return self.shop.worker.folders.of(replicate.offer.task_id).archive


@pytest.fixture(scope="module")
def launcher(tmp_path_factory):
    return install_launcher(tmp_path_factory.mktemp("launcher"))


@pytest.fixture
async def run(tmp_path, launcher):
    async with (
        Registry(tmp_path / "registry") as registry,
        DockerRuntime.open(ENGINE, disks=choose("auto", tmp_path, ENGINE)) as runtime,
    ):
        yield TeeRun(tmp_path, registry, runtime, launcher)


def on_disk(folder: Path, secret: bytes):
    """Name the files below a folder in which a secret stands."""
    return [each for each in folder.rglob("*") if each.is_file() and secret in each.read_bytes()]


async def test_a_confidential_task_goes_through_its_three_services(run, tmp_path):
    replicate, done = await run.of(result_encryption=True)
    assert (done.outcome, done.detail) == (Status.COMPUTED, None)
    check_enclave_signature(
        done.enclave_sign, ENCLAVE.address, run.shop.address, replicate.offer.task_id, done.digest
    )
    hidden = run.archive(replicate)
    decrypt_result(hidden, tmp_path / "clear.zip", PRIVATE)
    with zipfile.ZipFile(tmp_path / "clear.zip") as opened:
        result = opened.read("result.txt")
    assert hashlib.sha256(result).digest() == done.digest
    assert result.decode().split("|") == [APP_SECRET, REQUESTER_SECRET, "word", PLAIN.decode()]
    (tmp_path / "clear.zip").unlink()
    for secret in (PLAIN[:22], APP_SECRET.encode(), REQUESTER_SECRET.encode(), KEY.hex().encode()):
        found = on_disk(tmp_path / "world", secret) + on_disk(tmp_path, secret)
        assert not found
    assert not run.memory.of(replicate.offer.task_id).root.exists()
    assert [len(run.sessions.opened), max(run.sessions.used.values())] == [1, 1]
    assert len(run.sessions.used) == 3


async def test_a_dataset_that_does_not_open_is_told_by_its_cause(run):
    _, done = await run.of(key=bytes(32))
    assert done.outcome is Status.COMPUTE_FAILED
    assert done.detail.startswith("PRE_COMPUTE_DATASET_DECRYPTION_FAILED: ")


async def test_an_app_without_a_result_is_told_by_its_cause(run):
    _, done = await run.of("print('nothing')")
    assert done.outcome is Status.COMPUTE_FAILED
    assert done.detail.startswith("POST_COMPUTE_COMPUTED_FILE_NOT_FOUND: ")


async def test_a_program_that_has_not_proved_itself_is_never_started(run):
    run.quoter.quote = _lies(run.quoter.quote)
    _, done = await run.of()
    assert done.outcome is Status.COMPUTE_FAILED
    assert done.detail == "pre-compute was told no secrets: refused"


def _lies(honest):
    async def quote(program, report):
        return await honest(replace(program, digest="00" * 32), report)

    return quote


async def test_a_second_run_asks_for_a_session_of_its_own(run):
    replicate, _ = await run.of()
    done = await run.shop.stages.perform(replicate, Action.COMPUTE)
    assert done.outcome is Status.COMPUTED
    assert len(run.sessions.opened) == 2
    assert json.loads(json.dumps(run.archive(replicate).exists()))
