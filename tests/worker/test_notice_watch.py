"""A worker tells its owner of gas, stake, version and absence, and of nothing else."""

from __future__ import annotations

import pytest

from poolhand.domain.notices import (
    FIRST_NOTICE_AFTER,
    MOST_NOTICE_TEXT,
    PAUSE_AFTER_UNBROUGHT,
    PAUSE_BETWEEN_NOTICES,
    NoticeKind,
)
from poolhand.domain.units import NanoRlc
from poolhand.transport.clock import ManualClock
from poolhand.worker.notice_watch import NoticeWatch
from poolhand.worker.standing import Hold, WorkerStanding
from poolhand.worker.told_loss import TOLD_LOSS_FILE, ToldLoss
from poolhand.worker.told_version import TOLD_VERSIONS_FILE, ToldVersions

RLC = 10**9


class Notebook:
    """A simulated notifier: notes what it is given."""

    def __init__(self) -> None:
        self.notices, self.fault = [], None

    async def bring(self, notice):
        self.notices.append(notice)
        return {"notebook": self.fault}


class Owner:
    """Whom a worker tells."""

    def __init__(self, folder=None, owner="ann@hub@1") -> None:
        self.clock, self.notebook = ManualClock(1_700_000_000), Notebook()
        self.standing, self.lost, self.is_wanted = WorkerStanding(), None, True
        self.standing.joined()
        self.newer = None
        self.watch = NoticeWatch(
            "ann",
            self.standing,
            lambda: self.lost,
            self.notebook,
            lambda: self.is_wanted,
            self.clock,
            ToldLoss(folder, owner),
            lambda: self.newer,
            ToldVersions(folder),
        )

    async def told(self, seconds=0):
        """Look, let time pass, look again; return the kinds that were told."""
        before = len(self.notebook.notices)
        await self.watch.look()
        self.clock.advance(seconds)
        await self.watch.look()
        return [each.kind for each in self.notebook.notices[before:]]


@pytest.fixture
def owner():
    return Owner()


async def test_a_worker_that_fares_well_tells_nothing(owner):
    assert await owner.told(FIRST_NOTICE_AFTER) == []


async def test_want_of_gas_is_told_with_what_to_send(owner):
    owner.standing.hold(Hold.GAS, "gas: send 0.1 coins to 0xaa")
    assert await owner.told(FIRST_NOTICE_AFTER) == [NoticeKind.OUT_OF_GAS]
    (notice,) = owner.notebook.notices
    assert (notice.worker, notice.text) == ("ann", "gas: send 0.1 coins to 0xaa")


async def test_absence_is_told_once_it_lasts(owner):
    owner.standing.left("the pool at x does not answer", owner.clock.now(), 1.0)
    assert await owner.told(FIRST_NOTICE_AFTER - 1) == []
    assert await owner.told(1) == [NoticeKind.OFFLINE]
    owner.standing.joined()
    owner.standing.hold(Hold.CHAIN, "no block since noon")
    assert await owner.told(FIRST_NOTICE_AFTER) == []  # of one kind not again for hours


async def test_an_outdated_worker_is_told_at_once(owner):
    why = "the pool refused the login (worker-outdated): install poolhand 2 or newer"
    owner.standing.left(why, owner.clock.now(), None)
    assert await owner.told() == [NoticeKind.OUTDATED]
    assert owner.notebook.notices[0].text == why


async def test_stake_that_is_lost_from_now_on_is_told_and_old_losses_are_not(owner):
    owner.lost = NanoRlc(5 * RLC)
    assert await owner.told() == []
    owner.lost = NanoRlc(12 * RLC)
    assert await owner.told() == [NoticeKind.STAKE_LOST]
    assert owner.notebook.notices[0].text.startswith("7 RLC of stake was lost")


async def test_a_second_loss_is_told_later_and_adds_up(owner):
    owner.lost = NanoRlc(0)
    assert await owner.told() == []
    owner.lost = NanoRlc(2 * RLC)
    assert await owner.told() == [NoticeKind.STAKE_LOST]
    owner.lost = NanoRlc(5 * RLC)
    assert await owner.told(PAUSE_BETWEEN_NOTICES - 1) == []
    owner.lost = NanoRlc(6 * RLC)
    assert await owner.told(1) == [NoticeKind.STAKE_LOST]
    assert owner.notebook.notices[1].text.startswith("4 RLC of stake was lost")
    assert await owner.told(PAUSE_BETWEEN_NOTICES) == []


async def test_a_loss_that_reached_nobody_is_told_again(owner):
    owner.lost = NanoRlc(0)
    await owner.told()
    owner.lost, owner.notebook.fault = NanoRlc(RLC), "no route"
    assert await owner.told() == [NoticeKind.STAKE_LOST]
    owner.notebook.fault = None
    assert await owner.told(PAUSE_AFTER_UNBROUGHT) == [NoticeKind.STAKE_LOST]
    assert await owner.told(PAUSE_BETWEEN_NOTICES) == []


async def test_a_loss_before_anybody_wanted_to_know_is_no_news(owner):
    owner.lost, owner.is_wanted = NanoRlc(0), False
    await owner.told()
    owner.lost = NanoRlc(RLC)
    await owner.told()
    owner.is_wanted = True
    assert await owner.told() == []


async def test_a_pools_words_are_told_without_what_commands_and_not_without_end(owner):
    owner.standing.left("gone\n\x1b[2J" + "!" * 5_000, owner.clock.now(), 1.0)
    assert await owner.told(FIRST_NOTICE_AFTER) == [NoticeKind.OFFLINE]
    (notice,) = owner.notebook.notices
    assert "\\x1b[2J" in notice.text
    assert "\n" not in notice.text
    assert len(notice.text) == MOST_NOTICE_TEXT


async def test_a_loss_while_the_worker_was_off_is_told_when_it_starts_again(tmp_path):
    first = Owner(tmp_path)
    first.lost = NanoRlc(RLC)
    assert await first.told() == []
    again = Owner(tmp_path)
    assert await again.told() == []  # the chain has not told yet
    again.lost = NanoRlc(3 * RLC)
    assert await again.told() == [NoticeKind.STAKE_LOST]
    assert again.notebook.notices[0].text.startswith("2 RLC of stake was lost")
    third = Owner(tmp_path)
    third.lost = NanoRlc(3 * RLC)
    assert await third.told() == []
    other = Owner(tmp_path, "bob@hub@1")
    other.lost = NanoRlc(9 * RLC)
    assert await other.told() == []


@pytest.mark.parametrize("text", ["", "[]", '{"version": 1, "owner": "ann@hub@1"}', "\x00"])
async def test_a_damaged_note_of_losses_tells_of_none(tmp_path, text):
    (tmp_path / TOLD_LOSS_FILE).write_text(text)
    owner = Owner(tmp_path)
    owner.lost = NanoRlc(RLC)
    assert await owner.told() == []
    owner.lost = NanoRlc(2 * RLC)
    assert await owner.told() == [NoticeKind.STAKE_LOST]


async def test_where_nobody_wants_to_be_told_nothing_is(owner):
    owner.is_wanted = False
    owner.standing.hold(Hold.GAS, "gas")
    assert await owner.told(FIRST_NOTICE_AFTER) == []


async def test_a_trial_goes_out_at_once_and_says_what_came_of_it(owner):
    owner.notebook.fault = "no answer"
    assert await owner.watch.test() == {"notebook": "no answer"}
    assert [each.kind for each in owner.notebook.notices] == [NoticeKind.TEST]


def newer(version, *, by_itself=False):
    return {"version": version, "signed_by": "0xaa", "by_itself": by_itself}


async def test_a_newer_version_is_told_once_by_one_worker_of_many_and_over_restarts(tmp_path):
    first, second = Owner(tmp_path), Owner(tmp_path)
    first.newer = second.newer = newer("99.1")
    assert await first.told(PAUSE_BETWEEN_NOTICES) == [NoticeKind.NEWER_VERSION]
    assert "99.1, signed by 0xaa: `poolhand worker upgrade`" in first.notebook.notices[0].text
    assert await second.told(PAUSE_BETWEEN_NOTICES) == []
    again = Owner(tmp_path)
    again.newer = newer("99.1")
    assert await again.told(PAUSE_BETWEEN_NOTICES) == []
    again.newer = newer("99.2")
    assert await again.told() == [NoticeKind.NEWER_VERSION]


async def test_a_newer_version_that_reached_nobody_is_told_by_whoever_can(tmp_path):
    first, second = Owner(tmp_path), Owner(tmp_path)
    first.newer = second.newer = newer("99.1")
    first.notebook.fault = "no such host"
    await first.told()
    assert await second.told() == [NoticeKind.NEWER_VERSION]
    assert len(first.notebook.notices) == 1
    await first.told(PAUSE_AFTER_UNBROUGHT)
    assert len(first.notebook.notices) == 1  # the other has told it


async def test_a_version_that_takes_over_by_itself_is_no_notice_and_a_spoilt_file_is_none(tmp_path):
    one = Owner(tmp_path)
    one.newer = newer("99.1", by_itself=True)
    assert await one.told() == []
    (tmp_path / TOLD_VERSIONS_FILE).write_text('{"told": 7')
    one.newer = newer("99.1")
    assert await one.told() == [NoticeKind.NEWER_VERSION]
