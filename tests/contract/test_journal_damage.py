"""What only files and databases can suffer: torn and flipped bytes, full disks, killed writers."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from many import examples
from poolhand.store.errors import JournalCorrupt, JournalFull, JournalLocked
from poolhand.store.file import FileJournal
from poolhand.store.repair import repair
from poolhand.store.sql import SqlJournal

EVENTS = [
    ("a", {"x": 1}),
    ("b", {"text": 'quotes " and\nnewlines, ünïcode \u2028'}),
    ("a", {"nested": {"list": [1, None, True, 2**80]}}),
]


@pytest.fixture
def written(tmp_path) -> Path:
    path = tmp_path / "journal"
    made = FileJournal(path)
    for stream, event in EVENTS:
        made.append(stream, event)
    made.close()
    return path


def test_every_torn_last_line_is_cut_off(written):
    whole = written.read_bytes()
    start = whole[:-1].rindex(b"\n") + 1
    for cut in range(start + 1, len(whole)):
        written.write_bytes(whole[:cut])
        journal = FileJournal(written)
        assert list(journal.read()) == EVENTS[:2]
        journal.append("new", {"cut": cut})
        journal.close()
        journal = FileJournal(written)
        assert list(journal.read()) == [*EVENTS[:2], ("new", {"cut": cut})]
        journal.close()


def test_every_flipped_byte_before_the_end_is_noticed(written):
    whole = written.read_bytes()
    for place in range(len(whole) - 1):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        written.write_bytes(damaged)
        with pytest.raises(JournalCorrupt) as caught:
            FileJournal(written)
        assert str(written) in str(caught.value)
        assert caught.value.line == whole[:place].count(b"\n") + 1


def test_a_repeated_line_is_noticed(written):
    lines = written.read_bytes().splitlines(keepends=True)
    written.write_bytes(b"".join([*lines, lines[0]]))
    with pytest.raises(JournalCorrupt, match="line 4"):
        FileJournal(written)


def test_repair_keeps_every_good_line_and_the_original(written):
    lines = written.read_bytes().splitlines(keepends=True)
    damaged = lines[0] + b"rubbish\n" + lines[1] + lines[2][:-4]
    written.write_bytes(damaged)
    report = repair(written)
    assert (report.kept, report.dropped) == (2, (2, 4))
    assert report.saved.read_bytes() == damaged
    journal = FileJournal(written)
    assert list(journal.read()) == EVENTS[:2]
    journal.close()


def test_repair_waits_for_nobody(written):
    journal = FileJournal(written)
    with pytest.raises(JournalLocked):
        repair(written)
    journal.close()


@given(st.binary(max_size=300))
@settings(max_examples=examples(200), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_give_a_journal_or_a_documented_error(tmp_path, rubbish):
    path = tmp_path / "fuzz"
    path.write_bytes(rubbish)
    try:
        FileJournal(path).close()
    except JournalCorrupt:
        repair(path)
        FileJournal(path).close()


def test_a_full_disk_loses_nothing_and_the_journal_goes_on(tmp_path, capsys):
    """What is logged goes to memory (``capsys``): the limit is that of every file."""
    journal = FileJournal(tmp_path / "j")
    journal.append("a", {"n": 1})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))
    try:
        with pytest.raises(JournalFull):
            journal.append("a", {"long": "x" * 500})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    journal.append("a", {"n": 2})
    assert [event for _, event in journal.read()] == [{"n": 1}, {"n": 2}]
    journal.close()


def test_compaction_survives_a_crash_before_its_rename(written):
    written.with_name("journal.new").write_bytes(b"half a fi")
    journal = FileJournal(written)
    assert list(journal.read()) == EVENTS
    journal.compact()
    assert list(journal.read()) == EVENTS
    journal.close()
    assert {path.name for path in written.parent.iterdir()} == {"journal", "journal.lock"}


def test_forgetting_shrinks_the_file(tmp_path):
    journal = FileJournal(tmp_path / "j", slack=10)
    for number in range(200):
        journal.append(f"s{number}", {"filler": "x" * 100})
        journal.forget(f"s{number}")
    journal.close()
    assert (tmp_path / "j").stat().st_size < 4000


def test_a_killed_writer_leaves_every_acknowledged_event(tmp_path):
    """kill -9 in the middle: what append returned for is there, at most one more."""
    program = (
        "import os, sys; from pathlib import Path; from poolhand.store.file import FileJournal\n"
        "journal = FileJournal(Path(sys.argv[1]))\n"
        "for number in range(50):\n"
        "    journal.append('a', {'n': number}); print(number, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "j")], capture_output=True, check=False
    ).stdout.split()
    journal = FileJournal(tmp_path / "j")
    found = [event["n"] for _, event in journal.read()]
    journal.close()
    assert found[: len(told)] == [int(number) for number in told] == list(range(50))


def test_an_altered_row_is_noticed(tmp_path):
    url, path = f"sqlite:///{tmp_path}/j.db", tmp_path / "j.db"
    journal = SqlJournal(url)
    for stream, event in EVENTS:
        journal.append(stream, event)
    journal.close()
    with sqlite3.connect(path) as raw:
        raw.execute("""UPDATE journal SET e = '{"x":2}' WHERE n = 1""")
    raw.close()
    journal = SqlJournal(url)
    with pytest.raises(JournalCorrupt):
        list(journal.read())
    journal.close()


class JournalLife(RuleBasedStateMachine):
    """The file journal against a list, with restarts anywhere."""

    @initialize(folder=st.just(None))
    def start(self, folder) -> None:
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "j"
        self.journal = FileJournal(self.path, slack=2)
        self.model: list[tuple[str, dict]] = []

    @rule(stream=st.sampled_from("abc"), value=st.integers())
    def append(self, stream, value) -> None:
        self.journal.append(stream, {"value": value})
        self.model.append((stream, {"value": value}))

    @rule(stream=st.sampled_from("abc"))
    def forget(self, stream) -> None:
        self.journal.forget(stream)
        self.model = [entry for entry in self.model if entry[0] != stream]

    @rule(tail=st.binary(max_size=20).filter(lambda raw: b"\n" not in raw))
    def crash(self, tail) -> None:
        self.journal.close()
        with self.path.open("ab") as file:
            file.write(tail)
        self.journal = FileJournal(self.path, slack=2)

    @invariant()
    def agrees(self) -> None:
        assert list(self.journal.read()) == self.model

    def teardown(self) -> None:
        self.journal.close()
        self.folder.cleanup()


TestJournalLife = JournalLife.TestCase
TestJournalLife.settings = settings(
    max_examples=examples(30), stateful_step_count=20, deadline=None
)
