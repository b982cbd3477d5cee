"""Apps written for iExec's own worker run unchanged: built from sources here, run by a real engine.

Each is as people write them: no USER, some without a WORKDIR, writing where they please.
"""

from __future__ import annotations

import os
import platform
import zipfile
from dataclasses import replace
from hashlib import sha256

import pytest
from worker_world import Workshop

from poolhand.containers.disks import choose
from poolhand.containers.docker import DockerRuntime
from poolhand.containers.engine import DEFAULT_URL
from poolhand.devnet.images import Manner, publish
from poolhand.devnet.registry import Registry
from poolhand.domain.deal import Dataset
from poolhand.domain.params import DealParams
from poolhand.domain.replicate.machine import Action
from poolhand.domain.replicate.status import Status
from poolhand.transport.downloading import FetchRules, WebDownloads
from poolhand.transport.fetcher import SafeFetcher

pytestmark = pytest.mark.docker
ENGINE = os.environ.get("DOCKER_HOST") or DEFAULT_URL

HELLO = """
import json, os, sys
iexec_out = os.environ['IEXEC_OUT']
text = 'Hello, {}!'.format(sys.argv[1] if len(sys.argv) > 1 else 'World')
print(text)
with open(iexec_out + '/result.txt', 'w+') as fout:
    fout.write(text)
with open(iexec_out + '/computed.json', 'w+') as f:
    json.dump({'deterministic-output-path': iexec_out + '/result.txt'}, f)
"""
BESIDE = """
import json, os, pathlib, shutil, tempfile
open('addresses.txt', 'w').write('beside itself')
os.makedirs('cache/deep'); open('cache/deep/x', 'w').write('x')
here = pathlib.Path(__file__).parent
(here / 'log.txt').write_text('beside its code')
(here / 'main.py').open('a').write('# changed')
(pathlib.Path.home() / '.config').mkdir(); (pathlib.Path.home() / '.config' / 'x').write_text('home')
with tempfile.NamedTemporaryFile() as file: file.write(b'tmp')
out = os.environ['IEXEC_OUT']
shutil.copy('addresses.txt', out + '/result.txt')
json.dump({'deterministic-output-path': out + '/result.txt'}, open(out + '/computed.json', 'w'))
"""
AT_THE_TOP = """
import json, os
assert os.path.exists('app/main.py') and os.path.isdir('usr')
open('result.txt', 'w').write('from the top')
os.rename('result.txt', 'r.txt')
out = os.environ['IEXEC_OUT']
open('iexec_out/result.txt', 'w').write(open('r.txt').read())
json.dump({'deterministic-output-path': out + '/result.txt'}, open(out + '/computed.json', 'w'))
"""
WITH_FILES = """
import json, os
folder, out = os.environ['IEXEC_INPUT_FILES_FOLDER'], os.environ['IEXEC_OUT']
count = int(os.environ['IEXEC_INPUT_FILES_NUMBER'])
names = [os.environ['IEXEC_INPUT_FILE_NAME_%d' % (n + 1)] for n in range(count)]
texts = [open(os.path.join(folder, name)).read() for name in names]
dataset = open(os.path.join(os.environ['IEXEC_IN'], os.environ['IEXEC_DATASET_FILENAME'])).read()
open(out + '/result.txt', 'w').write(','.join([*texts, dataset]))
json.dump({'deterministic-output-path': out + '/result.txt'}, open(out + '/computed.json', 'w'))
"""
ENOUGH = {
    "work": 256 * 1024**2,
    "output": 16 * 1024**2,
    "memory": 256 * 1024**2,
    "tmp": 16 * 1024**2,
    "pids": 64,
}
"""Limits of one container."""
NATIVE = Manner(user="", folder="/app")


class AppRun:
    """One worker on a real engine, and one task of the app under test."""

    def __init__(self, shop, registry, runtime, folder) -> None:
        self.shop, self.registry, self.folder = shop, registry, folder
        self.runtime = runtime
        self.fetcher = SafeFetcher(WebDownloads(FetchRules()), (folder,))

    def make(self, **limits) -> None:
        """Put the worker together, with limits of one container other than the usual."""
        rules = self.shop.node.rules
        rules = replace(rules, limits=replace(rules.limits, **{**ENOUGH, **limits}))
        self.shop.make(rules=rules, runtime=self.runtime, fetcher=self.fetcher)

    async def of(self, source, manner=NATIVE, **params):
        """Return (status, detail, files of the result by name)."""
        app = self.folder / "source"
        app.mkdir(exist_ok=True)
        (app / "main.py").write_text(source)
        image = await publish(app, "owner/app:1.0", self.registry.host, manner=manner)
        replicate = self.shop.replicate(self.shop.offer(await self.shop.deal()))
        brief = await self.shop.worker.briefs.of(replicate.offer)
        dataset, deal = params.pop("dataset", None), brief.deal
        if dataset is not None:
            deal = replace(deal, dataset=replace(deal.dataset, address=dataset.address))
        brief = replace(
            brief,
            app=replace(
                brief.app, multiaddr=image.reference.encode(), checksum=bytes.fromhex(image.digest)
            ),
            params=replace(DealParams.parse("{}"), **params),
            dataset=dataset,
            deal=deal,
        )
        self.shop.worker.briefs._kept[replicate.offer.deal_id] = brief
        for action in (Action.DOWNLOAD_APP, Action.DOWNLOAD_DATA, Action.COMPUTE):
            done = await self.shop.stages.perform(replicate, action)
            if done.outcome not in (Status.APP_DOWNLOADED, Status.DATA_DOWNLOADED):
                break
        files = {}
        archive = self.shop.worker.folders.of(replicate.offer.task_id).archive
        if archive.exists():
            with zipfile.ZipFile(archive) as packed:
                files = {name: packed.read(name) for name in packed.namelist()}
        await self.shop.stages.clean(replicate)
        return done.outcome, done.detail, files


@pytest.fixture
async def run(tmp_path):
    shop = Workshop(tmp_path / "world")
    disks = choose("auto", tmp_path, ENGINE)
    async with (
        Registry(tmp_path / "registry") as registry,
        DockerRuntime.open(ENGINE, disks=disks) as runtime,
    ):
        made = AppRun(shop, registry, runtime, tmp_path)
        made.make()
        yield made


@pytest.mark.case("D1")
async def test_hello_world_as_iexec_publishes_it(run):
    outcome, detail, files = await run.of(HELLO, args="Ada")
    assert (outcome, detail) == (Status.COMPUTED, None)
    assert files["result.txt"] == b"Hello, Ada!"
    assert files["stdout.txt"] == b"Hello, Ada!\n"


@pytest.mark.parametrize(
    "manner",
    [NATIVE, Manner(user="root", folder="/app"), Manner(user="1000:1000", folder="/app")],
    ids=["no user", "root", "its own user"],
)
@pytest.mark.case("D1")
async def test_an_app_writes_beside_itself_into_home_and_tmp(run, manner):
    outcome, detail, files = await run.of(BESIDE, manner)
    assert (outcome, detail) == (Status.COMPUTED, None)
    assert files["result.txt"] == b"beside itself"


@pytest.mark.case("D1")
async def test_a_copy_is_made_for_each_task_anew(run):
    for _ in range(2):
        assert (await run.of(BESIDE))[0] is Status.COMPUTED


@pytest.mark.case("D1")
async def test_an_app_without_a_working_folder_writes_where_it_starts(run):
    outcome, detail, files = await run.of(AT_THE_TOP, Manner(user="", folder=""))
    assert (outcome, detail) == (Status.COMPUTED, None)
    assert files["result.txt"] == b"from the top"


@pytest.mark.case("D1")
async def test_an_app_finds_its_input_files_and_its_dataset(run):
    for name in ("a", "b", "data"):
        (run.folder / name).write_text(f"text of {name}")
    checksum = sha256(b"text of data").digest()
    dataset = Dataset(run.shop.world.owner.address, run.shop.world.owner.address, "data",
                      f"file://{run.folder}/data".encode(), checksum)  # fmt: skip
    inputs = tuple(f"file://{run.folder}/{name}" for name in ("a", "b"))
    outcome, detail, files = await run.of(WITH_FILES, input_files=inputs, dataset=dataset)
    assert (outcome, detail) == (Status.COMPUTED, None)
    assert files["result.txt"] == b"text of a,text of b,text of data"


@pytest.mark.case("D1")
async def test_an_operator_may_have_all_of_the_image_read_only(run):
    run.make(work=0)
    outcome, detail, _ = await run.of(BESIDE)
    assert outcome is Status.COMPUTE_FAILED
    assert "Read-only file system" in detail
    assert (await run.of(HELLO))[0] is Status.COMPUTED


@pytest.mark.case("A5")
async def test_what_an_app_writes_beside_itself_is_bounded(run):
    hog = "import os\nwhile True: open('x%d' % len(os.listdir()), 'wb').write(bytes(2**20))"
    outcome, _, _ = await run.of(hog)
    assert outcome is Status.COMPUTE_FAILED


@pytest.mark.case("D1")
async def test_a_folder_too_large_to_be_copied_is_read_only_and_the_app_runs(run):
    run.make(work=2**20)
    source = HELLO + "#" * 2**20
    assert (await run.of(source))[0] is Status.COMPUTED


@pytest.mark.case("D3")
async def test_an_image_for_another_processor_is_told_as_such_and_not_started(run):
    other = "arm64" if platform.machine() == "x86_64" else "amd64"
    outcome, detail, _ = await run.of(HELLO, replace(NATIVE, machine=other))
    assert outcome is Status.APP_DOWNLOAD_FAILED
    assert f"linux/{other}" in detail
