"""`poolhand join --uninstall` of a worker that cannot be drained: nothing that is owed is lost."""

from __future__ import annotations

import os

import pytest
from join_answers import answering, pool_answers

from machines.stories import STAGES, START, TASK, offer
from poolhand.cli.join_folder import JoinFolder
from poolhand.cli.join_uninstall import MOST_TASKS_NAMED
from poolhand.domain.ids import TaskId
from poolhand.domain.replicate.machine import Accepted, Ended, Settled
from poolhand.domain.replicate.status import Status
from poolhand.keys.lock import WalletLock
from poolhand.keys.wallet import Wallet
from poolhand.store.file import FileJournal
from poolhand.store.section import Section
from poolhand.worker import pid_file
from poolhand.worker.stories import REPLICATE_CODEC
from poolhand.worker.told_version import TOLD_VERSIONS_FILE, ToldVersions

WALLET = Wallet.from_key(bytes([0x51] * 32)).address


class Joined:
    """A pool that was joined on this computer, whose worker does not run."""

    def __init__(self, cli, home):
        self.cli, self.locks = cli, cli.home / "locks"
        self.folder = JoinFolder.of(cli.market.pool.workerpool, home)
        self.folder.write({"wallet": str(cli.home / "keystore/UTC--mine")}, WALLET)
        self.folder.worker.mkdir(parents=True)
        self.journal = self.folder.worker / "journal"

    def wrote(self, *events, task=TASK):
        journal = FileJournal(self.journal)
        for event in events:
            record = event if isinstance(event, dict) else REPLICATE_CODEC.encode(event)
            Section(journal, "task").append(str(task), record)
        journal.close()

    def uninstall(self):
        with answering(pool_answers(self.cli.market)) as url:
            return self.cli("join", url, "--uninstall", "--yes", "--json")

    def refused(self):
        """Uninstall, which is refused; return the words."""
        before = sorted(self.folder.worker.rglob("*"))
        ran = self.uninstall()
        assert ran.code != 0
        assert sorted(self.folder.worker.rglob("*")) == before
        return ran.error["code"], ran.error["message"]


@pytest.fixture
def joined(cli, monkeypatch, tmp_path):
    monkeypatch.setenv("POOLHAND_JOIN_HOME", str(tmp_path / "computer"))
    return Joined(cli, tmp_path / "computer")


@pytest.mark.parametrize("stages", range(len(STAGES) + 1))
def test_a_worker_that_stopped_in_the_middle_keeps_its_journal(joined, stages):
    joined.wrote(Accepted(START, offer()), *STAGES[:stages])
    code, words = joined.refused()
    assert code == "worker-owes"
    assert f"task {TASK}" in words
    assert "poolhand join http" in words
    assert ("its reveal is owed" in words) is (stages in (5, 6, 7))  # until it is revealed
    joined.journal.unlink()  # as the words say
    assert joined.uninstall().code == 0
    assert not joined.folder.path.exists()


def test_what_the_chain_may_take_back_is_kept_until_it_may_not(joined):
    joined.wrote(Accepted(START, offer()), *STAGES, Ended(START, Status.COMPLETED))
    assert joined.refused()[0] == "worker-owes"
    joined.wrote(Settled(START))
    assert joined.uninstall().code == 0
    assert not joined.folder.worker.exists()


def test_a_worker_that_never_started_and_one_that_has_finished_are_taken_away(joined):
    assert joined.uninstall().code == 0
    joined.folder.worker.mkdir(parents=True)
    joined.wrote(Accepted(START, offer()), Ended(START, Status.FAILED))
    assert joined.uninstall().code == 0
    assert not joined.folder.worker.exists()


def test_what_does_not_read_is_not_taken_for_nothing(joined):
    joined.wrote({"t": "Nonsense"})
    code, words = joined.refused()
    assert (code, "its records do not read" in words) == ("worker-owes", True)
    joined.journal.write_bytes(b"junk\n" + joined.journal.read_bytes())
    code, words = joined.refused()
    assert (code, "its journal cannot be read" in words) == ("worker-owes", True)


def test_of_many_tasks_a_few_are_named(joined):
    for number in range(2 * MOST_TASKS_NAMED):
        joined.wrote(Accepted(START, offer()), task=TaskId(bytes([number]) * 32))
    _, words = joined.refused()
    assert words.count("task 0x") == MOST_TASKS_NAMED
    assert f"{2 * MOST_TASKS_NAMED} not over" in words
    assert f"and {MOST_TASKS_NAMED} more" in words


def test_a_worker_that_runs_and_does_not_answer_is_left_alone(joined):
    pid_file.post(joined.folder.worker, "http://127.0.0.1:1", "token")
    code, words = joined.refused()
    assert (code, f"process {os.getpid()}" in words) == ("worker-unanswering", True)


def test_a_wallet_that_a_program_holds_is_told(joined):
    with WalletLock(joined.locks, WALLET):
        code, words = joined.refused()
        assert (code, f"holds wallet {WALLET}" in words) == ("worker-unanswering", True)
    assert joined.uninstall().code == 0


def test_the_versions_that_were_told_go_with_the_last_worker(joined):
    told = joined.folder.workers / TOLD_VERSIONS_FILE
    ToldVersions(joined.folder.workers).claim("99.1")
    other = joined.folder.workers / "another"
    other.mkdir()
    joined.folder.remove()
    assert told.exists()
    other.rmdir()
    joined.folder.remove()
    assert not joined.folder.workers.parent.exists()
