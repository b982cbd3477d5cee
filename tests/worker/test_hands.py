"""Every stage of a worker and every way it may end, each with a sentence that says why."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from hashlib import sha256

import pytest
from worker_world import Workshop

from network.world import writes
from poolhand.containers.noop import ended
from poolhand.domain.deal import Dataset, Resource
from poolhand.domain.errors import RuntimeDown
from poolhand.domain.hashes import result_hash, result_seal
from poolhand.domain.ids import ZERO_ADDRESS, Address, ResultDigest
from poolhand.domain.onchain import ChainTaskStatus, Contribute, Reveal
from poolhand.domain.params import DealParams
from poolhand.domain.replicate.machine import Action, Flow
from poolhand.domain.replicate.status import Status
from poolhand.domain.units import NanoRlc, Wei
from poolhand.ports.files import UploadRefused
from poolhand.transport.errors import DownloadFailed, ForbiddenUri
from poolhand.transport.results_client import ResultsDown
from poolhand.worker.hands import BenchHands

A = Action
S = Status
RIGHT = ResultDigest(sha256(b"the right result").digest())
OTHER = ResultDigest(bytes([9] * 32))
GAS = Wei(300_000)


@pytest.fixture
async def shop(tmp_path):
    shop = Workshop(tmp_path)
    shop.hands = BenchHands(shop.bench, 1)
    return shop


async def done(shop, action, replicate, blocks=0):
    """Carry out a stage while some blocks pass."""
    stage = asyncio.create_task(shop.hands.perform(replicate, action))
    await shop.settle()
    await shop.blocks(blocks)
    assert stage.done(), f"{action} still waits"
    finished = stage.result()
    assert finished.action is action
    return finished


async def ready(shop, *, trust=1, digest=RIGHT, flow=Flow.STANDARD, **terms):
    """Return an initialized deal and a replicate that has computed."""
    deal = await shop.deal(trust=trust, **terms)
    shop.initialize(deal)
    return deal, shop.replicate(shop.offer(deal, flow), digest=digest)


# ----------------------------------------------------------------------------------- downloads


async def test_an_app_is_pulled_by_the_digest_on_chain(shop):
    replicate = shop.replicate(shop.offer(await shop.deal()))
    assert (await done(shop, A.DOWNLOAD_APP, replicate)).outcome is S.APP_DOWNLOADED
    assert shop.node.runtime.pulled == ["registry.test/words@sha256:" + "07" * 32]


@pytest.mark.parametrize("fault", ["gone", "down"])
async def test_an_app_that_cannot_be_pulled_fails_with_the_reason(shop, fault):
    replicate = shop.replicate(shop.offer(await shop.deal()))
    if fault == "gone":
        shop.node.runtime.apps.clear()
    else:
        shop.node.runtime.is_down = True
    finished = await done(shop, A.DOWNLOAD_APP, replicate)
    assert finished.outcome is S.APP_DOWNLOAD_FAILED
    assert "image" in finished.detail or "engine" in finished.detail


async def test_a_deal_without_data_has_nothing_to_download(shop):
    replicate = shop.replicate(shop.offer(await shop.deal()))
    assert (await done(shop, A.DOWNLOAD_DATA, replicate)).outcome is S.DATA_DOWNLOADED
    assert not shop.node.fetcher.fetched


@pytest.fixture
async def with_data(shop):
    """Return a replicate whose brief names a dataset and an input file."""
    replicate = shop.replicate(shop.offer(await shop.deal()))
    brief = await shop.bench.brief(replicate.offer)
    where = Address(bytes([5] * 20))
    shop.bench._briefs[brief.deal.deal_id] = replace(
        brief,
        deal=replace(brief.deal, dataset=Resource(where, where, NanoRlc(0))),
        dataset=Dataset(where, where, "d", b"https://data.test/set", sha256(b"data").digest()),
        params=DealParams(input_files=("https://data.test/in",)),
    )
    shop.node.fetcher.files = {"https://data.test/set": b"data", "https://data.test/in": b"input"}
    return replicate


async def test_data_arrive_under_the_names_that_iexec_apps_expect(shop, with_data):
    assert (await done(shop, A.DOWNLOAD_DATA, with_data)).outcome is S.DATA_DOWNLOADED
    folder = shop.bench.folder(with_data.offer.task_id).input
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    name = sha256(b"https://data.test/in").hexdigest()
    assert files == {"0x" + "05" * 20: b"data", name: b"input"}


async def test_a_dataset_that_is_not_what_its_contract_says_is_thrown_away(shop, with_data):
    shop.node.fetcher.files = {**shop.node.fetcher.files, "https://data.test/set": b"other"}
    finished = await done(shop, A.DOWNLOAD_DATA, with_data)
    assert finished.outcome is S.DATA_DOWNLOAD_FAILED
    assert "sha256" in finished.detail
    assert not list(shop.bench.folder(with_data.offer.task_id).input.iterdir())


@pytest.mark.parametrize(
    "fault", [DownloadFailed("u", "404"), ForbiddenUri("u", "private"), OSError("disk is full")]
)
async def test_data_that_cannot_be_had_fail_with_the_reason(shop, with_data, fault):
    shop.node.fetcher.faults["https://data.test/in"] = fault
    finished = await done(shop, A.DOWNLOAD_DATA, with_data)
    assert finished.outcome is S.DATA_DOWNLOAD_FAILED
    assert finished.detail == str(fault)


# ----------------------------------------------------------------------------------- computing


async def pulled(shop):
    replicate = shop.replicate(shop.offer(await shop.deal()))
    await done(shop, A.DOWNLOAD_APP, replicate)
    await done(shop, A.DOWNLOAD_DATA, replicate)
    return replicate


async def test_an_app_that_ends_well_gives_digest_archive_and_logs(shop):
    told = []
    shop.bench.on_logs = lambda *each: told.append(each)
    replicate = await pulled(shop)
    finished = await done(shop, A.COMPUTE, replicate)
    assert (finished.outcome, finished.digest) == (S.COMPUTED, RIGHT)
    assert shop.bench.folder(replicate.offer.task_id).archive.exists()
    assert told == [(replicate.offer.task_id, b"the right result", b"")]


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
    assert not spec.network
    assert spec.environment["IEXEC_TASK_ID"] == str(task)
    assert spec.environment["IEXEC_IN"] == "/iexec_in"
    assert spec.environment["IEXEC_OUT"] == "/iexec_out"
    assert spec.environment["IEXEC_BOT_SIZE"] == "1"
    assert spec.environment["IEXEC_INPUT_FILES_NUMBER"] == "0"
    assert {(m.target, m.writable) for m in spec.mounts} == {
        ("/iexec_in", False),
        ("/iexec_out", True),
    }
    assert spec.name == shop.bench.container(task)


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


async def test_a_container_that_cannot_be_run_fails_with_the_reason(shop):
    replicate = await pulled(shop)
    shop.node.runtime.faults["registry.test/words"] = RuntimeDown("the engine is down: start it")
    finished = await done(shop, A.COMPUTE, replicate)
    assert finished.outcome is S.COMPUTE_FAILED
    assert "engine" in finished.detail


async def test_no_more_apps_run_at_once_than_there_are_slots(shop):
    shop.node.runtime.gate.clear()
    replicates = []
    for _ in range(3):
        replicates.append(await pulled(shop))  # noqa: PERF401 - one after the other
    stages = [asyncio.create_task(shop.hands.perform(r, A.COMPUTE)) for r in replicates]
    await shop.settle()
    assert sum(shop.node.runtime.computations.values()) == 1
    shop.node.runtime.gate.set()
    await asyncio.gather(*stages)
    assert sum(shop.node.runtime.computations.values()) == 3


# ------------------------------------------------------------------------------------ the check


async def test_a_worker_may_contribute_to_an_active_task(shop):
    _, replicate = await ready(shop)
    assert (await done(shop, A.CHECK, replicate)).outcome is S.CAN_CONTRIBUTE


async def test_a_task_that_is_not_yet_active_is_waited_for(shop):
    deal = await shop.deal()
    stage = asyncio.create_task(shop.hands.perform(shop.replicate(shop.offer(deal)), A.CHECK))
    await shop.blocks(3)
    assert not stage.done()
    shop.initialize(deal)
    await shop.settle()
    assert (await stage).outcome is S.CAN_CONTRIBUTE


async def test_a_task_that_never_gets_active_cannot_be_contributed_to(shop):
    replicate = shop.replicate(shop.offer(await shop.deal()))
    finished = await done(shop, A.CHECK, replicate, blocks=12)
    assert finished.outcome is S.CANT_CONTRIBUTE_SINCE_TASK_NOT_ACTIVE
    assert "UNSET" in finished.detail


async def test_too_little_stake_is_told_with_what_to_deposit(shop):
    deal, replicate = await ready(shop)
    shop.chain.state.stake[shop.bench.worker] = deal.worker_stake - 10**9
    finished = await done(shop, A.CHECK, replicate)
    assert finished.outcome is S.CANT_CONTRIBUTE_SINCE_STAKE_TOO_LOW
    assert finished.detail.endswith("deposit 1 RLC")


async def test_no_stake_is_asked_for_where_none_is_locked(shop):
    _, replicate = await ready(shop, flow=Flow.CONTRIBUTE_AND_FINALIZE)
    shop.chain.state.stake[shop.bench.worker] = 0
    assert (await done(shop, A.CHECK, replicate)).outcome is S.CAN_CONTRIBUTE


async def test_after_the_deadline_nothing_is_contributed(shop):
    deal, replicate = await ready(shop)
    shop.chain.mine_until(deal.start_time + 7 * 300 + 5)
    for action in (A.CHECK, A.CONTRIBUTE):
        finished = await done(shop, action, replicate)
        assert finished.outcome is S.CANT_CONTRIBUTE_SINCE_AFTER_DEADLINE, action
        assert "deadline" in finished.detail or "ended" in finished.detail


async def test_a_wallet_that_contributed_something_else_before_cannot_again(shop):
    deal, replicate = await ready(shop, trust=10)
    await done(shop, A.CONTRIBUTE, replace(replicate, digest=OTHER))
    for action in (A.CHECK, A.CONTRIBUTE):
        again = replicate if action is A.CHECK else _anew(shop, replicate)
        finished = await done(shop, action, again)
        assert finished.outcome is S.CANT_CONTRIBUTE_SINCE_CONTRIBUTION_ALREADY_SET, action
    assert shop.chain.state.locked_of(shop.bench.worker) == deal.worker_stake


def _anew(shop, replicate):
    """Forget what the sender remembers, as a wallet used elsewhere would."""
    shop.chain._purposes.clear()
    return replicate


async def test_ones_own_contribution_from_before_a_crash_is_no_hindrance(shop):
    _, replicate = await ready(shop, trust=10)
    first = await done(shop, A.CONTRIBUTE, replicate)
    assert first.outcome is S.CONTRIBUTED
    assert (await done(shop, A.CHECK, replicate)).outcome is S.CAN_CONTRIBUTE
    again = await done(shop, A.CONTRIBUTE, _anew(shop, replicate))
    assert again.outcome is S.CONTRIBUTED
    assert len(shop.chain.state.view(replicate.offer.task_id).contributors) == 1


# --------------------------------------------------------------------------------- contributing


async def test_a_contribution_locks_the_stake_and_tells_its_transaction(shop):
    deal, replicate = await ready(shop, trust=10)
    finished = await done(shop, A.CONTRIBUTE, replicate)
    assert finished.outcome is S.CONTRIBUTED
    assert finished.tx == shop.chain.mined()[-1].receipt.tx_hash
    assert shop.chain.state.locked_of(shop.bench.worker) == deal.worker_stake


async def test_a_task_of_trust_1_is_finished_with_the_stored_link(shop):
    _, replicate = await ready(shop, flow=Flow.CONTRIBUTE_AND_FINALIZE)
    finished = await done(shop, A.CONTRIBUTE, replace(replicate, link="the link"))
    assert finished.outcome is S.CONTRIBUTED
    view = shop.chain.state.view(replicate.offer.task_id)
    assert (view.status, view.results) == (ChainTaskStatus.COMPLETED, b"the link")


@pytest.mark.parametrize(
    ("spoil", "status"),
    [
        (lambda shop, deal: shop.chain.state.stake.update({shop.bench.worker: 0}),
         S.CANT_CONTRIBUTE_SINCE_STAKE_TOO_LOW),
        (lambda shop, deal: shop.chain.mine_until(deal.start_time + 2100),
         S.CANT_CONTRIBUTE_SINCE_AFTER_DEADLINE),
        (lambda shop, deal: _somebody_else_wins(shop, deal),  # noqa: PLW0108 - is below
         S.CANT_CONTRIBUTE_SINCE_TASK_NOT_ACTIVE),
    ],
)  # fmt: skip
async def test_what_the_contract_refuses_has_a_status_of_its_own(shop, spoil, status):
    deal, replicate = await ready(shop)
    spoil(shop, deal)
    finished = await done(shop, A.CONTRIBUTE, replicate)
    assert finished.outcome is status
    assert finished.detail


def _somebody_else_wins(shop, deal):
    rival, (_, task) = shop.world.requester, next(deal.tasks())
    signed = shop.world.owner.sign_authorization(rival.address, task, ZERO_ADDRESS)
    seal = result_seal(rival.address, task, OTHER)
    shop.chain.submit(rival.address, Contribute(task, result_hash(task, OTHER), seal, signed))


async def test_any_other_refusal_is_told_as_it_is(shop):
    deal = await shop.deal()
    shop.initialize(deal)
    forged = shop.offer(deal, authorization=bytes(65))
    finished = await done(shop, A.CONTRIBUTE, shop.replicate(forged, digest=RIGHT))
    assert finished.outcome is S.CONTRIBUTE_FAILED
    assert "authorization" in finished.detail


async def test_a_wallet_without_gas_parks_the_stage(shop):
    _, replicate = await ready(shop, trust=10)
    shop.chain._gas_price = Wei(10)
    for action in (A.CONTRIBUTE, A.REVEAL):
        if action is A.REVEAL:
            shop.chain.fund(shop.bench.worker, coin=Wei(10 * GAS))
            await done(shop, A.CONTRIBUTE, replicate)
            _agree(shop, replicate)
        finished = await done(shop, action, replicate)
        assert finished.outcome is S.OUT_OF_GAS, action
        assert "send it" in finished.detail


def _agree(shop, replicate):
    """Declare the consensus on what was contributed."""
    name = replicate.offer.task_id
    state, now = shop.chain.state, shop.chain.head.timestamp
    known = state.tasks[name]
    view = replace(
        known.view,
        status=ChainTaskStatus.REVEALING,
        consensus=result_hash(name, replicate.digest),
        winner_counter=1,
        reveal_deadline=now + 600,
    )
    state.tasks[name] = replace(known, view=view)


async def test_an_outage_is_waited_for_in_every_stage_on_chain(shop):
    _, replicate = await ready(shop)
    for action, outcome in ((A.CHECK, S.CAN_CONTRIBUTE), (A.CONTRIBUTE, S.CONTRIBUTED),
                            (A.REVEAL, S.REVEALED)):  # fmt: skip
        shop.chain.outage = True
        stage = asyncio.create_task(shop.hands.perform(replicate, action))
        for _ in range(5):
            shop.clock.advance(2)
            await shop.settle()
        assert not stage.done()
        shop.chain.outage = False
        shop.clock.advance(2)
        shop.chain.mine()
        await shop.settle()
        assert (await stage).outcome is outcome


# ------------------------------------------------------------------------------------ revealing


async def contributed(shop, **terms):
    deal, replicate = await ready(shop, **terms)
    assert (await done(shop, A.CONTRIBUTE, replicate)).outcome is S.CONTRIBUTED
    return deal, replicate


async def test_a_result_is_revealed_once(shop):
    _, replicate = await contributed(shop)
    first = await done(shop, A.REVEAL, replicate)
    assert (first.outcome, first.detail) == (S.REVEALED, None)
    assert first.tx == shop.chain.mined()[-1].receipt.tx_hash
    again = await done(shop, A.REVEAL, replicate)
    assert (again.outcome, again.tx) == (S.REVEALED, None)
    assert sum(isinstance(m.sent.call, Reveal) for m in shop.chain.mined()) == 1


async def test_nothing_is_revealed_before_the_consensus(shop):
    _, replicate = await contributed(shop, trust=10)
    finished = await done(shop, A.REVEAL, replicate, blocks=12)
    assert finished.outcome is S.CANT_REVEAL
    assert "ACTIVE" in finished.detail


async def test_nothing_is_revealed_after_the_deadline(shop):
    _, replicate = await contributed(shop)
    view = shop.chain.state.view(replicate.offer.task_id)
    shop.chain.mine_until(view.reveal_deadline + 7)
    finished = await done(shop, A.REVEAL, replicate)
    assert finished.outcome is S.CANT_REVEAL
    assert "7 s ago" in finished.detail


async def test_nothing_is_revealed_for_another_consensus(shop):
    _, replicate = await contributed(shop)
    finished = await done(shop, A.REVEAL, replace(replicate, digest=OTHER))
    assert finished.outcome is S.CANT_REVEAL
    assert "not this worker's result" in finished.detail


async def test_nothing_is_revealed_by_who_did_not_contribute(shop):
    _deal, replicate = await ready(shop)
    _agree(shop, replicate)
    finished = await done(shop, A.REVEAL, replicate)
    assert finished.outcome is S.CANT_REVEAL
    assert "UNSET" in finished.detail


async def test_a_reveal_that_the_contract_refuses_fails_with_the_reason(shop):
    _, replicate = await contributed(shop)

    def too_late(*_):
        shop.chain.before_send = None
        view = shop.chain.state.view(replicate.offer.task_id)
        shop.chain.mine_until(view.reveal_deadline)

    shop.chain.before_send = too_late
    finished = await done(shop, A.REVEAL, replicate)
    assert finished.outcome is S.REVEAL_FAILED
    assert "ended" in finished.detail


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


async def test_a_service_that_is_away_is_tried_again_for_seconds_and_then_given_up(shop):
    replicate = await computed(shop)
    address = shop.bench.worker
    shop.world.results.faults[address] = ResultsDown("the service restarts")
    stage = asyncio.create_task(shop.hands.perform(replicate, A.UPLOAD))
    await shop.settle()
    shop.clock.advance(1)
    await shop.settle()
    assert not stage.done()
    del shop.world.results.faults[address]
    shop.clock.advance(4)
    await shop.settle()
    assert (await stage).outcome is S.RESULT_UPLOADED
    shop.world.results.faults[address] = ResultsDown("the service restarts")
    finished = await done(shop, A.UPLOAD, replicate, blocks=10)
    assert (finished.outcome, finished.detail) == (S.RESULT_UPLOAD_FAILED, "the service restarts")


async def test_a_refused_upload_is_not_tried_again(shop):
    replicate = await computed(shop)
    shop.world.results.faults[shop.bench.worker] = UploadRefused("too large: cut it")
    finished = await done(shop, A.UPLOAD, replicate)
    assert (finished.outcome, finished.detail) == (S.RESULT_UPLOAD_FAILED, "too large: cut it")


async def test_an_archive_that_is_gone_cannot_be_uploaded(shop):
    replicate = await computed(shop)
    shop.bench.discard(replicate.offer.task_id)
    assert (await done(shop, A.UPLOAD, replicate)).outcome is S.RESULT_UPLOAD_FAILED


# ------------------------------------------------------------------------------------- cleaning


async def test_cleaning_stops_the_container_and_removes_the_files_and_can_be_repeated(shop):
    replicate = await pulled(shop)
    shop.node.runtime.gate.clear()
    stage = asyncio.create_task(shop.hands.perform(replicate, A.COMPUTE))
    await shop.settle()
    assert await shop.node.runtime.orphans(f"poolhand.worker={shop.bench.worker}")
    for _ in range(2):
        await shop.hands.clean(replicate)
        assert not shop.bench.folder(replicate.offer.task_id).root.exists()
        assert not await shop.node.runtime.orphans(f"poolhand.worker={shop.bench.worker}")
    assert (await stage).outcome is S.COMPUTE_FAILED


async def test_cleaning_waits_for_an_engine_that_is_down(shop):
    replicate = await pulled(shop)
    shop.node.runtime.is_down = True
    cleaning = asyncio.create_task(shop.hands.clean(replicate))
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
