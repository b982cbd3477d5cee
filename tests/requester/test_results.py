"""Watching to the end; results checked against the chain, hostile archives refused."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from contextlib import suppress
from hashlib import sha256

import pytest
from bargains import OUTPUT, WORKER, bought, compute
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poolhand.domain.computed import NoResult
from poolhand.domain.errors import ChainUnreachable
from poolhand.requester.archive import BadArchive, TargetExists, digests
from poolhand.requester.claims import NothingToClaim
from poolhand.requester.requester import NoSuchDeal, NoSuchTask, NoWallet
from poolhand.requester.results import (
    NoResultComing,
    NotFinished,
    ResultForged,
)
from poolhand.requester.watching import Outcome
from poolhand.transport.clock import ManualClock
from requester_market import FakePool


def archive(output: bytes = OUTPUT, extra: dict[str, bytes] | None = None) -> bytes:
    computed = json.dumps({"deterministic-output-path": "/iexec_out/words.txt"}).encode()
    return packed({"words.txt": output, "computed.json": computed, **(extra or {})})


def packed(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


async def completed(market):
    _, (task_id,) = await bought(market)
    await compute(market, task_id)
    market.results.archives[task_id] = archive()
    return task_id


# -------------------------------------------------------------------------------- watching


async def test_a_deal_is_followed_to_the_end_of_every_task(market):
    deal, _ = await bought(market, tasks=2)
    seen = []
    async for progress in market.requester().watch.follow_deal(deal):
        seen.append([task.status for task in progress.tasks])
        left = [t for t in progress.tasks if t.outcome is None]
        if left:
            await compute(market, left[0].task_id)
    assert seen[0] == ["ACTIVE", "ACTIVE"]
    assert seen[-1] == ["COMPLETED", "COMPLETED"]
    assert progress.succeeded


async def test_a_task_that_runs_out_of_time_ends_the_watch(market):
    deal, _ = await bought(market, initialize=False)
    async for progress in market.requester().watch.follow_deal(deal):
        if not progress.ended:
            market.chain.mine(3000)
    assert not progress.succeeded
    assert progress.tasks[0].outcome is Outcome.TIMED_OUT


async def test_a_claimed_task_has_failed(market):
    deal, (task_id,) = await bought(market)
    market.chain.mine(3000)
    await market.requester().claim_task(task_id)
    progress = await market.requester().look(deal)
    assert progress.tasks[0].outcome is Outcome.FAILED


def news(deal, task_id, pool: FakePool, task_status, replicate_status):
    return {
        "task_id": str(task_id),
        "deal_id": str(deal.deal_id),
        "index": 0,
        "status": task_status,
        "meaning": "m",
        "flow": "standard",
        "history": [],
        "transactions": [],
        "replicates": [
            {
                "worker": str(WORKER.address),
                "status": replicate_status,
                "live": True,
                "history": [{"status": replicate_status, "at": 1, "detail": "", "tx": None}],
            }
        ],
    }


async def test_the_pool_adds_what_its_workers_do_and_the_chain_has_the_last_word(market):
    deal, (task_id,) = await bought(market)
    market.pool.tasks[task_id] = news(deal, task_id, market.pool, "RUNNING", "COMPUTING")
    market.clock = Ticking()
    seen = []
    async for progress in market.requester().watch.follow_deal(deal):
        task = progress.tasks[0]
        seen.append((task.status, str(task.news.replicates[0].status)))
        if task.outcome is None:
            await compute(market, task_id)
        elif len(seen) == 3:  # the pool catches up with the chain a little later
            market.pool.tasks[task_id] = news(deal, task_id, market.pool, "COMPLETED", "COMPLETED")
    assert seen[0] == ("RUNNING", "COMPUTING")
    assert seen[1] == ("COMPLETED", "COMPUTING")
    assert seen[-1] == ("COMPLETED", "COMPLETED")


class Ticking(ManualClock):
    """A clock that never makes anybody wait."""

    async def sleep(self, seconds):
        self.advance(seconds)
        await super().sleep(0)


async def test_a_pool_that_never_catches_up_ends_no_watch(market):
    deal, (task_id,) = await bought(market)
    market.pool.tasks[task_id] = news(deal, task_id, market.pool, "RUNNING", "COMPUTING")
    await compute(market, task_id)
    market.clock = Ticking()
    seen = [p async for p in market.requester().watch.follow_deal(deal)]
    assert 1 < len(seen) < 20
    assert seen[-1].succeeded


@pytest.mark.parametrize("odd", [{"task_id": 1}, {}, []])
async def test_a_pool_that_talks_rubbish_hides_only_replicates(market, odd):
    deal, (task_id,) = await bought(market)
    market.pool.tasks[task_id] = odd
    progress = await market.requester().look(deal)
    assert progress.tasks[0].status == "ACTIVE"
    assert progress.tasks[0].news is None


async def test_a_short_outage_of_the_chain_is_sat_out_and_a_long_one_told(market):
    deal, (task_id,) = await bought(market)
    clock = market.clock = Outage(market.chain, ends_after=5)
    async for progress in market.requester().watch.follow_deal(deal):
        if not progress.ended:
            await compute(market, task_id)
            market.chain.outage, clock.left = True, 5
    assert progress.succeeded
    market.chain.outage = True
    clock.left = 10**6
    with pytest.raises(ChainUnreachable):
        [_ async for _ in market.requester().watch.follow({task_id: 0})]


class Outage(Ticking):
    def __init__(self, chain, ends_after):
        super().__init__()
        self.chain, self.left = chain, ends_after

    async def sleep(self, seconds):
        self.left -= 1
        if self.left <= 0:
            self.chain.outage = False
        await super().sleep(seconds)


# -------------------------------------------------------------------------------- results


async def test_a_result_is_kept_when_its_digest_is_the_chains(market, tmp_path):
    task_id = await completed(market)
    result = await market.requester().download(task_id, tmp_path / "out", unpack=True)
    assert result.digest == sha256(OUTPUT).digest()
    assert result.archive.read_bytes() == market.results.archives[task_id]
    assert (result.folder / "words.txt").read_bytes() == OUTPUT


async def test_a_download_may_be_repeated_but_overwrites_no_folder(market, tmp_path):
    task_id = await completed(market)
    await market.requester().download(task_id, tmp_path, unpack=True)
    await market.requester().download(task_id, tmp_path)
    with pytest.raises(TargetExists):
        await market.requester().download(task_id, tmp_path, unpack=True)


async def test_a_forged_result_is_not_kept(market, tmp_path):
    task_id = await completed(market)
    market.results.archives[task_id] = archive(b"whale 43\n")
    with pytest.raises(ResultForged):
        await market.requester().download(task_id, tmp_path)
    assert list(tmp_path.glob("*.zip*")) + list(tmp_path.glob(".*.part")) == []


def symlink(content=b"/etc/passwd"):
    buffer = io.BytesIO(archive())
    with zipfile.ZipFile(buffer, "a") as opened:
        link = zipfile.ZipInfo("evil")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(link, content)
    return buffer.getvalue()


HOSTILE = {
    "traversal": lambda: archive(extra={"../evil": b"x"}),
    "absolute": lambda: archive(extra={"/evil": b"x"}),
    "windows": lambda: archive(extra={"..\\evil": b"x"}),
    "symlink": symlink,
    "not a zip": lambda: b"hello",
    "cut": lambda: archive()[:-30],
    "no computed.json": lambda: packed({"words.txt": OUTPUT}),
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_a_hostile_archive_is_refused_and_writes_nothing(market, tmp_path, kind):
    task_id = await completed(market)
    market.results.archives[task_id] = HOSTILE[kind]()
    with pytest.raises(BadArchive):
        await market.requester().download(task_id, tmp_path / "out", unpack=True)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.case("A12")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=3), st.integers(0, 9)), max_size=4),
    st.sampled_from([zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_LZMA]),
)
def test_a_damaged_archive_is_read_or_refused_and_no_bug_of_ours(tmp_path, damages, method):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as opened:
        opened.writestr("computed.json", b'{"deterministic-output-path":"/iexec_out"}')
        opened.writestr("é", OUTPUT * 20)
    raw = bytearray(buffer.getvalue())
    for place, put, over in damages:
        at = int(place * len(raw))
        raw[at : at + over] = put
    path = tmp_path / "any.zip"
    path.write_bytes(raw)
    with suppress(BadArchive, NoResult):
        digests(path)


async def test_no_result_before_the_end_and_none_after_a_failure(market, tmp_path):
    _, (task_id,) = await bought(market)
    with pytest.raises(NotFinished, match="task watch"):
        await market.requester().download(task_id, tmp_path)
    market.chain.mine(3000)
    await market.requester().claim_task(task_id)
    with pytest.raises(NoResultComing):
        await market.requester().download(task_id, tmp_path)


# ------------------------------------------------------------------------------- strangers


async def test_what_nobody_knows_is_named(market):
    _, (task_id,) = await bought(market, initialize=False)
    requester = market.requester()
    with pytest.raises(NoSuchTask):
        await requester.look_at_task(task_id)
    with pytest.raises(NothingToClaim, match="deal claim"):
        await requester.claim_task(task_id)
    with pytest.raises(NoSuchDeal):
        await requester.deal(type((await bought(market))[0].deal_id)(bytes(32)))


async def test_reading_needs_no_wallet_and_spending_does(market):
    requester = market.requester(False)
    assert (await requester.balances(market.wallet.address)).account.stake == 100 * 10**9
    with pytest.raises(NoWallet):
        await requester.deploy_app("a:1")
