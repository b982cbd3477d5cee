"""Every stage of a worker and every way it may end, each with a sentence that says why."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import structlog
from worker_world import done

from network.world import writes
from poolhand.containers.noop import ended
from poolhand.domain.content_id import address_of_file
from poolhand.domain.deal import Dataset, Resource
from poolhand.domain.errors import RuntimeDown
from poolhand.domain.ids import Address, ResultDigest
from poolhand.domain.network_hosts import read_hosts
from poolhand.domain.orders.model import DatasetOrder, Salt, Signed
from poolhand.domain.params import DealParams
from poolhand.domain.replicate.machine import Action, Flow
from poolhand.domain.replicate.status import Status
from poolhand.domain.tag import NO_TAG, Tag
from poolhand.domain.units import NanoRlc, Wei
from poolhand.ports.files import UploadRefused
from poolhand.ports.runtime import PROXY_SOCKET
from poolhand.transport.downloading import FetchRules
from poolhand.transport.errors import DownloadFailed, FileUnwritten, ForbiddenUri
from poolhand.transport.fetcher import SafeFetcher
from poolhand.transport.fetcher_process import FetcherProcess
from poolhand.transport.results_client import ResultsDown
from poolhand.wire.messages import Logs
from poolhand.wire.order_json import encode_order

A = Action
S = Status
RIGHT = ResultDigest(sha256(b"the right result").digest())
OTHER = ResultDigest(bytes([9] * 32))
GAS = Wei(300_000)
DIES = "kill -9 $$"


async def at_once(_seconds):
    """Let no time pass between two tries."""


# ----------------------------------------------------------------------------------- downloads


async def test_an_app_is_pulled_by_the_digest_on_chain(shop):
    replicate = shop.replicate(shop.offer(await shop.deal()))
    assert (await done(shop, A.DOWNLOAD_APP, replicate)).outcome is S.APP_DOWNLOADED
    assert shop.node.runtime.pulled == ["registry.test/words@sha256:" + "07" * 32]


async def test_an_app_that_cannot_be_pulled_fails_with_the_reason(shop):
    replicate = shop.replicate(shop.offer(await shop.deal()))
    shop.node.runtime.apps.clear()
    finished = await done(shop, A.DOWNLOAD_APP, replicate, blocks=100)
    assert finished.outcome is S.APP_DOWNLOAD_FAILED
    assert "image" in finished.detail


async def test_an_engine_that_stays_away_from_a_pull_is_the_workers_fault(shop):
    replicate = shop.replicate(shop.offer(await shop.deal()))
    shop.node.runtime.is_down = True
    finished = await done(shop, A.DOWNLOAD_APP, replicate, blocks=100)
    assert finished.outcome is S.FAILED
    assert "engine" in finished.detail


async def test_a_deal_without_data_has_nothing_to_download(shop):
    replicate = shop.replicate(shop.offer(await shop.deal()))
    assert (await done(shop, A.DOWNLOAD_DATA, replicate)).outcome is S.DATA_DOWNLOADED
    assert not shop.node.fetcher.fetched


@pytest.fixture
async def with_data(shop):
    """Return a replicate whose brief names a dataset and an input file."""
    replicate = shop.replicate(shop.offer(await shop.deal()))
    brief = await shop.worker.briefs.of(replicate.offer)
    where = Address(bytes([5] * 20))
    shop.worker.briefs._kept[brief.deal.deal_id] = replace(
        brief,
        deal=replace(brief.deal, dataset=Resource(where, where, NanoRlc(0))),
        dataset=Dataset(where, where, "d", b"https://data.test/set", sha256(b"data").digest()),
        params=DealParams(input_files=("https://data.test/in",)),
    )
    shop.node.fetcher.files = {"https://data.test/set": b"data", "https://data.test/in": b"input"}
    return replicate


async def test_data_arrive_under_the_names_that_iexec_apps_expect(shop, with_data):
    assert (await done(shop, A.DOWNLOAD_DATA, with_data)).outcome is S.DATA_DOWNLOADED
    folder = shop.worker.folders.of(with_data.offer.task_id).input
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    name = sha256(b"https://data.test/in").hexdigest()
    assert files == {"0x" + "05" * 20: b"data", name: b"input"}


async def test_a_dataset_that_is_not_what_its_contract_says_is_thrown_away(shop, with_data):
    shop.node.fetcher.files = {**shop.node.fetcher.files, "https://data.test/set": b"other"}
    finished = await done(shop, A.DOWNLOAD_DATA, with_data)
    assert finished.outcome is S.DATA_DOWNLOAD_FAILED
    assert "sha256" in finished.detail
    assert not list(shop.worker.folders.of(with_data.offer.task_id).input.iterdir())


async def test_of_a_bulk_the_slice_of_the_task_is_brought_as_far_as_it_can_be_had(shop, with_data):
    briefs, data = shop.worker.briefs, {bytes([n] * 20): f"data {n}".encode() for n in (1, 2, 3)}
    known = {
        name: Dataset(
            Address(name), Address(name), "d", f"https://data.test/{name[0]}".encode(),
            sha256(content).digest(),
        )
        for name, content in data.items()
    }  # fmt: skip
    briefs.dataset = at_hand(known)
    orders = [encode_order(Signed(order_of(name), b"?")) for name in (*data, bytes([4] * 20))]
    files = {}
    bulk = on_ipfs(files, [on_ipfs(files, orders), on_ipfs(files, [])])
    (brief,) = briefs._kept.values()
    tdx = Tag.of(["tee", "tdx"])
    briefs._kept[brief.deal.deal_id] = replace(
        brief,
        deal=replace(
            brief.deal,
            dataset=Resource(Address(bytes(20)), Address(bytes(20)), NanoRlc(0)),
            tag=tdx,
        ),
        dataset=None,
        params=DealParams(bulk_cid=bulk),
    )
    files |= {f"https://data.test/{name[0]}": content for name, content in data.items()}
    files["https://data.test/2"] = b"another"
    del files["https://data.test/3"]
    shop.node.fetcher.files = files
    assert (await done(shop, A.DOWNLOAD_DATA, with_data)).outcome is S.DATA_DOWNLOADED
    folder = shop.worker.folders.of(with_data.offer.task_id).input
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "0x" + "01" * 20: b"data 1"
    }
    files[f"/ipfs/{bulk}"] = b"[]"
    finished = await done(shop, A.DOWNLOAD_DATA, with_data)
    assert finished.outcome is S.DATA_DOWNLOAD_FAILED
    assert "is something else" in finished.detail


def at_hand(known):
    async def dataset(address):
        return known.get(bytes(address))

    return dataset


def on_ipfs(files, value):
    content = json.dumps(value).encode()
    name = str(address_of_file(content))
    files[f"/ipfs/{name}"] = content
    return name


def order_of(name):
    z = Address(bytes(20))
    return DatasetOrder(Address(name), NanoRlc(0), 1, NO_TAG, z, z, z, Salt(bytes(32)))


@pytest.mark.parametrize("fault", [DownloadFailed("u", "404"), ForbiddenUri("u", "private")])
async def test_data_that_cannot_be_had_fail_with_the_reason(shop, with_data, fault):
    shop.node.fetcher.faults["https://data.test/in"] = fault
    finished = await done(shop, A.DOWNLOAD_DATA, with_data)
    assert finished.outcome is S.DATA_DOWNLOAD_FAILED
    assert finished.detail == str(fault)


@pytest.mark.parametrize("fault", [FileUnwritten("u", "no space left"), OSError("disk is full")])
async def test_data_that_the_workers_disk_does_not_take_are_the_workers_fault(
    shop, with_data, fault
):
    shop.node.fetcher.faults["https://data.test/in"] = fault
    finished = await done(shop, A.DOWNLOAD_DATA, with_data)
    assert finished.outcome is S.FAILED
    assert str(fault) in finished.detail
    assert "free some space" in finished.detail


async def test_a_replicate_says_that_what_downloads_has_died_and_fails_alone(shop, with_data):
    """Its process is killed at each try; the worker goes on, and blames no data for it."""
    kept = shop.worker.briefs._kept
    process = FetcherProcess(FetchRules(), 1_000, pause=at_once, program=("/bin/sh", "-c", DIES))
    shop.make(fetcher=SafeFetcher(process))
    shop.worker.briefs._kept.update(kept)
    finished = await shop.stages.perform(with_data, A.DOWNLOAD_DATA)
    assert finished.outcome is S.FAILED
    assert "has ended by signal 9; tried 3 times" in finished.detail
    assert not list(shop.worker.folders.of(with_data.offer.task_id).input.iterdir())


@pytest.mark.case("A5")
@pytest.mark.parametrize(("allowed", "fits"), [(9, True), (8, False), (4, False), (3, False)])
async def test_all_data_of_a_task_together_are_within_the_operators_limit(
    shop, with_data, allowed, fits
):
    kept = shop.worker.briefs._kept
    shop.make(rules=replace(shop.node.rules, all_input_bytes=allowed))
    shop.worker.briefs._kept.update(kept)
    finished = await done(shop, A.DOWNLOAD_DATA, with_data)
    assert finished.outcome is (S.DATA_DOWNLOADED if fits else S.DATA_DOWNLOAD_FAILED)
    assert fits or f"more than {allowed} bytes" in finished.detail
    assert fits or "POOLHAND_TASK_ALL_INPUT" in finished.detail
    files = shop.worker.folders.of(with_data.offer.task_id).input.iterdir()
    assert sum(each.stat().st_size for each in files) <= allowed


# ----------------------------------------------------------------------------------- computing


async def pulled(shop):
    replicate = shop.replicate(shop.offer(await shop.deal()))
    await done(shop, A.DOWNLOAD_APP, replicate)
    await done(shop, A.DOWNLOAD_DATA, replicate)
    return replicate


async def test_an_app_that_ends_well_gives_digest_archive_and_logs(shop):
    replicate = await pulled(shop)
    finished = await done(shop, A.COMPUTE, replicate)
    assert (finished.outcome, finished.digest) == (S.COMPUTED, RIGHT)
    assert shop.worker.folders.of(replicate.offer.task_id).archive.exists()
    assert shop.told == [Logs(replicate.offer.task_id, "the right result", "")]


async def test_an_app_is_let_through_to_the_hosts_of_its_order_while_it_runs(shop):
    seen = []

    def app(spec):
        seen.append((spec, Path(spec.proxy, PROXY_SOCKET).is_socket()))
        return writes("x")(spec)

    shop.node.runtime.apps = {"registry.test/words": app}
    replicate = await pulled(shop)
    brief = await shop.worker.briefs.of(replicate.offer)
    params = DealParams(hosts=read_hosts(["a.example"], 1))
    shop.worker.briefs._kept[brief.deal.deal_id] = replace(brief, params=params)
    await done(shop, A.COMPUTE, replicate)
    ((spec, was_open),) = seen
    assert was_open
    assert not spec.network
    task = replicate.offer.task_id
    assert spec.proxy == str(shop.worker.folders.of(task).proxy)
    assert spec.environment["https_proxy"] == "http://127.0.0.1:3128"
    assert not any(path.is_socket() for path in shop.worker.folders.of(task).proxy.iterdir())


async def test_an_app_runs_as_iexecs_worker_runs_it(shop):
    seen = []

    def app(spec):
        seen.append(spec)
        return writes("x")(spec)

    shop.node.runtime.apps = {"registry.test/words": app}
    replicate = await pulled(shop)
    await done(shop, A.COMPUTE, replicate)
    (spec,) = seen
    task = replicate.offer.task_id
    assert spec.command == ("hello",)
    assert spec.timeout == 300
    assert (spec.network, spec.proxy) == (False, "")
    assert not any("proxy" in name.lower() for name in spec.environment)
    assert spec.environment["IEXEC_TASK_ID"] == str(task)
    assert spec.environment["IEXEC_IN"] == "/iexec_in"
    assert spec.environment["IEXEC_OUT"] == "/iexec_out"
    assert spec.environment["IEXEC_BOT_SIZE"] == "1"
    assert spec.environment["IEXEC_INPUT_FILES_NUMBER"] == "0"
    assert {(m.target, m.writable) for m in spec.mounts} == {
        ("/iexec_in", False),
        ("/iexec_out", True),
    }
    assert spec.name == shop.worker.engine.container(task)


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        (ended(3, stderr=b"first\nlast words\n"), "code 3: last words"),
        (ended(137, out_of_memory=True), "out of memory"),
        (ended(137, timed_out=True), "longer than category XS allows (300 s)"),
        (ended(0, output_too_large=True), "more to /iexec_out"),
        (ended(0), "computed.json"),
    ],
)
async def test_an_app_that_gives_no_result_fails_with_the_reason(shop, outcome, word):
    shop.node.runtime.apps = {"registry.test/words": lambda _: outcome}
    finished = await done(shop, A.COMPUTE, await pulled(shop))
    assert finished.outcome is S.COMPUTE_FAILED
    assert word in finished.detail


@pytest.mark.parametrize(
    ("first", "runs", "result"),
    [
        (replace(ended(0), joined=True), 2, S.COMPUTED),
        (replace(ended(1), joined=True), 2, S.COMPUTED),
        (replace(ended(137, timed_out=True), joined=True), 1, S.COMPUTE_FAILED),
        (ended(0), 1, S.COMPUTE_FAILED),
    ],
)
async def test_a_container_of_an_earlier_life_is_no_proof_against_the_app(
    shop, first, runs, result
):
    """What ended that life, a full disk or a power cut, may have spoilt what the app wrote."""
    apps = iter([lambda _: first, writes("the right result")])
    started = []

    def app(spec):
        started.append(spec)
        return next(apps)(spec)

    shop.node.runtime.apps = {"registry.test/words": app}
    finished = await done(shop, A.COMPUTE, await pulled(shop))
    assert (finished.outcome, len(started)) == (result, runs)


async def test_an_engine_that_stays_away_from_a_run_is_the_workers_fault(shop):
    replicate = await pulled(shop)
    shop.node.runtime.faults["registry.test/words"] = RuntimeDown("the engine is down: start it")
    finished = await done(shop, A.COMPUTE, replicate, blocks=100)
    assert finished.outcome is S.FAILED
    assert "engine" in finished.detail


async def test_no_more_apps_run_at_once_than_there_are_slots(shop):
    shop.node.runtime.gate.clear()
    replicates = []
    for _ in range(3):
        replicates.append(await pulled(shop))  # noqa: PERF401 - one after the other
    stages = [asyncio.create_task(shop.stages.perform(r, A.COMPUTE)) for r in replicates]
    await shop.settle()
    assert sum(shop.node.runtime.computations.values()) == 1
    shop.node.runtime.gate.set()
    await asyncio.gather(*stages)
    assert sum(shop.node.runtime.computations.values()) == 3


# ------------------------------------------------------------------------------------ uploading


async def computed(shop, flow=Flow.CONTRIBUTE_AND_FINALIZE):
    deal = await shop.deal()
    shop.initialize(deal)
    replicate = shop.replicate(shop.offer(deal, flow), digest=RIGHT)
    await done(shop, A.DOWNLOAD_APP, replicate)
    await done(shop, A.COMPUTE, replicate)
    return replicate


async def test_an_upload_gives_the_link_to_put_on_chain(shop):
    replicate = await computed(shop)
    finished = await done(shop, A.UPLOAD, replicate)
    assert finished.outcome is S.RESULT_UPLOADED
    assert str(replicate.offer.task_id) in finished.link


async def away_for(shop, replicate, seconds):
    """Upload while the service is away for so long; returns the stage."""
    faults, address = shop.world.results.faults, shop.address
    faults[address] = ResultsDown("the service restarts")
    stage = asyncio.create_task(shop.stages.perform(replicate, A.UPLOAD))
    await shop.blocks(seconds)
    del faults[address]
    await shop.blocks(9)
    return stage


@pytest.mark.parametrize("flow", list(Flow))
async def test_a_service_that_is_away_for_seconds_is_tried_again(shop, flow):
    replicate = await computed(shop, flow)
    assert (await (await away_for(shop, replicate, 3))).outcome is S.RESULT_UPLOADED


async def test_who_alone_has_a_result_waits_for_the_service_as_long_as_it_takes(shop):
    replicate = await computed(shop)
    structlog.reset_defaults()
    with structlog.testing.capture_logs() as told:
        stage = await away_for(shop, replicate, 400)
    assert (await stage).outcome is S.RESULT_UPLOADED
    assert [each["event"] for each in told].count("results_awaited") == 1


async def test_who_has_proved_its_result_soon_lets_another_upload_it(shop):
    replicate = await computed(shop, Flow.STANDARD)
    finished = (await away_for(shop, replicate, 10)).result()
    assert (finished.outcome, finished.detail) == (S.RESULT_UPLOAD_FAILED, "the service restarts")


async def test_a_refused_upload_is_not_tried_again(shop):
    replicate = await computed(shop)
    shop.world.results.faults[shop.address] = UploadRefused("too large: cut it")
    finished = await done(shop, A.UPLOAD, replicate)
    assert (finished.outcome, finished.detail) == (S.RESULT_UPLOAD_FAILED, "too large: cut it")


async def test_an_archive_that_is_gone_cannot_be_uploaded(shop):
    replicate = await computed(shop)
    shop.worker.folders.discard(replicate.offer.task_id)
    assert (await done(shop, A.UPLOAD, replicate)).outcome is S.RESULT_UPLOAD_FAILED


# ------------------------------------------------------------------------------------- cleaning


async def test_cleaning_stops_the_container_and_removes_the_files_and_can_be_repeated(shop):
    replicate = await pulled(shop)
    shop.node.runtime.gate.clear()
    stage = asyncio.create_task(shop.stages.perform(replicate, A.COMPUTE))
    await shop.settle()
    ((key, value),) = shop.worker.engine.labels.items()
    assert await shop.node.runtime.orphans(f"{key}={value}")
    for _ in range(2):
        await shop.stages.clean(replicate)
        assert not shop.worker.folders.of(replicate.offer.task_id).root.exists()
        assert not await shop.node.runtime.orphans(f"{key}={value}")
    assert (await stage).outcome is S.FAILED


async def test_cleaning_waits_for_an_engine_that_is_down(shop):
    replicate = await pulled(shop)
    shop.node.runtime.is_down = True
    cleaning = asyncio.create_task(shop.stages.clean(replicate))
    await shop.blocks(5)
    assert not cleaning.done()
    shop.node.runtime.is_down = False
    await shop.blocks(3)
    assert cleaning.done()


async def test_a_deal_that_the_chain_took_back_ends_every_early_stage_and_not_the_worker(shop):
    shop.chain.automine = False
    deal = await shop.deal()
    replicate = shop.replicate(shop.offer(deal), digest=RIGHT)
    shop.chain.reorg(1, forget=True)
    ends = {
        A.DOWNLOAD_APP: S.APP_DOWNLOAD_FAILED,
        A.DOWNLOAD_DATA: S.DATA_DOWNLOAD_FAILED,
        A.COMPUTE: S.COMPUTE_FAILED,
        A.CHECK: S.CANT_CONTRIBUTE_SINCE_TASK_NOT_ACTIVE,
    }
    for action, status in ends.items():
        finished = await done(shop, action, replicate, blocks=14)
        assert finished.outcome is status
        assert "does not know" in finished.detail
