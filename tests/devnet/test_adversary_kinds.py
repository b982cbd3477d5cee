"""Simulated adversaries in a simulated network: what must follow of each kind, by the fake chain.

``tests/e2e/test_adversaries.py`` shows the same of real processes on the real contracts.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import get_args

import pytest

from network.conftest import network, quiet
from poolhand.devnet.accounts import account_names, derive
from poolhand.devnet.adversaries.flood import nonsense
from poolhand.devnet.adversaries.kinds import ADVERSARIES, STANDARD, Kind, kind_of, names_of
from poolhand.devnet.adversaries.parts import misbehaving_parts
from poolhand.devnet.adversaries.rubbish import (
    FALSE_LINK,
    Litterer,
    Rubbish,
    rubbish_for,
    write_rubbish,
)
from poolhand.devnet.adversaries.vanish import Vanishing
from poolhand.domain.deal import Deal
from poolhand.domain.ids import DealId, ResultDigest, TaskId
from poolhand.domain.onchain import ChainTaskStatus, ContributionStatus
from poolhand.domain.replicate.machine import (
    Accepted,
    Acknowledged,
    Action,
    Finished,
    Flow,
    Offer,
    Recovered,
    accept,
    step,
)
from poolhand.domain.replicate.status import Status
from poolhand.domain.units import UnixSeconds
from poolhand.results.errors import ArchiveTooLarge, UnsafeArchive
from poolhand.results.inspect import ArchiveLimits, inspect
from poolhand.store.memory import MemoryJournal
from poolhand.wire.frames import encode
from poolhand.wire.messages import SchedulerBound
from poolhand.worker.parts import WorkerParts
from poolhand.worker.shell import REPLICATE_CODEC

__all__ = ["network", "quiet"]

S = Status


class Story:
    """One task of three honest workers and an adversary, which is asked first."""

    def __init__(self, world, kind: Kind) -> None:
        self.world, self.adversary = world, world.add()
        self.adversary.is_honest = False
        trusted = world.pool.settings.trusted | {self.adversary.address}
        world.pool.settings = replace(world.pool.settings, trusted=trusted)
        self.adversary.parts = misbehaving_parts(kind)
        self.before = {node.address: world.stake(node) for node in world.nodes}
        self.deal: Deal | None = None

    async def begin(self, trust: int) -> None:
        await self.world.start()
        self.deal = await self.world.deal(trust=trust)
        ((_, self.task_id),) = self.deal.tasks()

    def told(self, status: Status) -> bool:
        """Whether the pool has heard that the adversary entered a status."""
        attempt = self.world.task(self.task_id).attempt(self.adversary.address)
        return attempt is not None and attempt.count(status) > 0

    def end(self, node) -> Status | None:
        return self.world.status(self.task_id, node)

    def change(self, node) -> int:
        return self.world.stake(node) - self.before[node.address]

    @property
    def view(self):
        return self.world.view(self.task_id)

    def has_revealed(self, count: int) -> bool:
        return self.view.reveal_counter >= count

    def check_loss(self) -> None:
        """The task is completed; the adversary's stake went to the honest that took part."""
        assert self.view.status is ChainTaskStatus.COMPLETED
        assert self.change(self.adversary) == -self.deal.worker_stake
        assert self.world.locked(self.adversary) == 0
        honest = [n for n in self.world.nodes[:3] if self.end(n) is S.COMPLETED]
        assert honest
        gained = sum(map(self.change, honest))
        pot = self.deal.workerpool.price + self.deal.worker_stake
        assert gained == pot * 99 // 100 // len(honest) * len(honest)


@pytest.fixture
async def story(network):
    async def make(kind: Kind) -> Story:
        return Story(await network(workers=3), kind)

    return make


async def test_a_liar_is_outvoted(story):
    told = await story(Kind.WRONG_HASH)
    await told.begin(trust=3)
    await told.world.done()
    assert told.end(told.adversary) is S.ABORTED_ON_CONSENSUS_REACHED
    assert [told.end(node) for node in told.world.nodes[:3]] == [S.COMPLETED] * 3
    told.check_loss()


async def test_two_liars_do_not_agree(network):
    world = await network(workers=3)
    liars = [Story(world, Kind.WRONG_HASH) for _ in range(2)]
    await liars[0].begin(trust=3)
    task_id = liars[0].task_id
    await world.until(lambda: len(world.view(task_id).contributors) >= 2)
    state = world.chain.state
    hashes = {state.contribution(task_id, liar.adversary.address).result_hash for liar in liars}
    assert len(hashes) == 2


async def test_a_copied_hash_is_refused_at_the_reveal(story):
    told = await story(Kind.COPIED_HASH)
    await told.begin(trust=3)
    await told.world.until(lambda: told.told(S.REVEAL_FAILED))
    assert (told.view.winner_counter, told.view.reveal_counter) == (2, 1)
    assert not told.adversary.runtime.computations, "it computed"
    await told.world.pass_to(told.view.reveal_deadline)
    await told.world.done()
    assert told.end(told.adversary) is S.REVEAL_TIMEOUT
    told.check_loss()


async def test_who_finds_nothing_to_copy_gives_up_when_the_task_is_over(story):
    told = await story(Kind.COPIED_HASH)
    for node in told.world.nodes[:3]:
        node.is_cut = True
    await told.begin(trust=3)
    await told.world.until(lambda: told.told(S.CONTRIBUTING))
    await told.world.pass_to(told.deal.start_time + 7 * 300)
    await told.world.until(lambda: told.told(S.CANT_CONTRIBUTE_SINCE_TASK_NOT_ACTIVE))
    assert told.change(told.adversary) == 0


async def test_a_task_whose_winner_is_silent_is_reopened_and_completed(story):
    told = await story(Kind.NEVER_REVEALS)
    await told.begin(trust=2)
    await told.world.until(lambda: told.told(S.REVEALING))
    for _ in range(5):
        await told.world.step()
    assert told.view.contributors == (told.adversary.address,)
    assert told.view.reveal_counter == 0
    await told.world.pass_to(told.view.reveal_deadline)
    await told.world.done()
    own = told.world.chain.state.contribution(told.task_id, told.adversary.address)
    assert own.status is ContributionStatus.REJECTED
    assert told.end(told.adversary) is S.REVEAL_TIMEOUT
    told.check_loss()


async def test_who_is_silent_among_others_loses_its_stake_to_them(story):
    told = await story(Kind.NEVER_REVEALS)
    await told.begin(trust=3)
    await told.world.until(lambda: told.has_revealed(1))
    await told.world.pass_to(told.view.reveal_deadline)
    await told.world.done()
    assert told.end(told.adversary) is S.REVEAL_TIMEOUT
    told.check_loss()


async def test_a_bungler_is_replaced(story):
    told = await story(Kind.FAILS)
    await told.begin(trust=1)
    await told.world.done()
    assert told.told(S.COMPUTE_FAILED)
    assert told.end(told.adversary) is S.FAILED
    assert told.view.status is ChainTaskStatus.COMPLETED
    assert told.change(told.adversary) == 0


async def test_a_latecomer_is_refused_by_the_contract(story):
    told = await story(Kind.LATE)
    await told.begin(trust=50)
    await told.world.until(lambda: told.told(S.CONTRIBUTING) and len(told.view.contributors) == 3)
    await told.world.pass_to(told.view.contribution_deadline)
    await told.world.until(lambda: told.told(S.CANT_CONTRIBUTE_SINCE_AFTER_DEADLINE))
    await told.world.pass_to(told.view.final_deadline)
    await told.world.done()
    assert told.view.status is ChainTaskStatus.FAILED
    assert all(told.change(node) == 0 for node in told.world.nodes)


# ---------------------------------------------------------------------------------------- vanishes


OFFER = Offer(TaskId(bytes([5] * 32)), DealId(bytes([6] * 32)), 0, Flow.STANDARD, b"authorization")


class Computes:
    """Honest stages that compute at once."""

    async def perform(self, replicate, action):
        del replicate
        digest = ResultDigest(bytes([1] * 32))
        return Finished(UnixSeconds(9), action, S.COMPUTED, digest=digest)


def _computing(*, recovered: bool = False):
    replicate = accept(Accepted(UnixSeconds(1), OFFER))
    for action, outcome in (
        (Action.DOWNLOAD_APP, S.APP_DOWNLOADED),
        (Action.DOWNLOAD_DATA, S.DATA_DOWNLOADED),
    ):
        replicate, _ = step(replicate, Finished(UnixSeconds(2), action, outcome))
    if recovered:
        replicate, _ = step(replicate, Recovered(UnixSeconds(3)))
    assert replicate.status is S.COMPUTING
    return replicate


async def test_a_vanisher_is_gone_once_the_pool_knows_that_it_computes():
    ended, replicate = asyncio.Event(), _computing()
    vanishing = Vanishing(ended.set)
    journal = vanishing.journal(MemoryJournal())
    stage = asyncio.create_task(vanishing.compute(None, Computes(), replicate))
    told = len(replicate.history)
    for count in (told - 1, told):
        await asyncio.sleep(0)
        assert not ended.is_set()
        journal.append(
            str(OFFER.task_id), REPLICATE_CODEC.encode(Acknowledged(UnixSeconds(4), count))
        )
    await stage
    assert ended.is_set()
    assert len(list(journal.read())) == 2


async def test_a_vanisher_finishes_what_it_came_back_to():
    ended = asyncio.Event()
    finished = await Vanishing(ended.set).compute(None, Computes(), _computing(recovered=True))
    assert finished.outcome is S.COMPUTED
    assert not ended.is_set()


# ---------------------------------------------------------------------------- rubbish and floods


LIMITS = ArchiveLimits(expanded=2**30, files=10_000, ratio=200)


def inspected(archive):
    """Return what the results service finds in an archive."""
    with archive.open("rb") as file:
        return inspect(file, LIMITS)


@pytest.mark.parametrize(
    ("what", "refusal"),
    [
        (Rubbish.NO_ARCHIVE, UnsafeArchive),
        (Rubbish.ESCAPING_PATHS, UnsafeArchive),
        (Rubbish.BOMB, ArchiveTooLarge),
    ],
)
def test_no_results_service_takes_rubbish(tmp_path, what, refusal):
    write_rubbish(what, tmp_path / "rubbish.zip")
    with pytest.raises(refusal):
        inspected(tmp_path / "rubbish.zip")


def test_the_archive_of_another_result_is_sound(tmp_path):
    write_rubbish(Rubbish.ANOTHER_RESULT, tmp_path / "rubbish.zip")
    assert set(inspected(tmp_path / "rubbish.zip").digests) == {
        "computed.json",
        "result.txt",
    }


async def test_a_litterer_uploads_rubbish_or_only_claims_to(tmp_path):
    uploaded = []

    class Service:
        async def upload(self, offer, archive):
            uploaded.append(await asyncio.to_thread(Path(archive).read_bytes))
            return "an honest link"

    (tmp_path / "iexec_out.zip").write_bytes(b"the result")
    for index in range(len(Rubbish)):
        offer = Offer(OFFER.task_id, OFFER.deal_id, index, OFFER.flow, OFFER.authorization)
        link = await Litterer(Service()).upload(offer, str(tmp_path / "iexec_out.zip"))
        claims = rubbish_for(index) is Rubbish.FALSE_CLAIM
        assert link == (FALSE_LINK if claims else "an honest link")
    assert len(uploaded) == len(Rubbish) - 1
    assert b"the result" not in uploaded


def test_a_flood_is_of_messages_that_are_each_allowed():
    messages = list(islice(nonsense(), 30))
    for message in messages:
        assert isinstance(message, get_args(SchedulerBound))
        encode(message)
    tasks = {message.task_id for message in messages if hasattr(message, "task_id")}
    assert len(tasks) == 10


# ------------------------------------------------------------------------------ names and parts


def test_every_kind_says_what_it_does_and_is_put_together_otherwise():
    assert set(ADVERSARIES) == set(Kind)
    for kind in Kind:
        assert ADVERSARIES[kind].does
        assert ADVERSARIES[kind].follows
        assert misbehaving_parts(kind) != WorkerParts()
    assert set(STANDARD) == set(Kind) - {Kind.LATE}
    assert misbehaving_parts(Kind.FLOODS).rules.pace is None


def test_adversaries_have_names_and_accounts_of_their_own():
    named = names_of([Kind.WRONG_HASH, Kind.FAILS, Kind.WRONG_HASH])
    assert named == {
        "liar-1": Kind.WRONG_HASH,
        "bungler-1": Kind.FAILS,
        "liar-2": Kind.WRONG_HASH,
    }
    assert [kind_of(name) for name in named] == list(named.values())
    assert kind_of("worker-1") is None
    names = account_names(64, [*names_of([*Kind, *Kind])])
    assert len({derive(name).address for name in names}) == len(names) == 4 + 64 + 2 * len(Kind)
