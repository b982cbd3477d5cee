"""A journal is stepped through as its program would replay it, and left as it was."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from machines.stories import (
    ANN,
    DEAL,
    LATER,
    STAGES,
    START,
    TASK,
    TRUST_2_STANDARD,
    assigned,
    facts,
    offer,
    reported,
    viewed,
)
from poolhand.cli.replay import POOL_MACHINE, WORKER, Replay, plain
from poolhand.cli.replay_words import EFFECTS, EVENTS
from poolhand.domain.ids import TaskId
from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.replicate import events as replicate_events
from poolhand.domain.replicate import machine as replicates
from poolhand.domain.replicate.machine import Accepted, Recovered
from poolhand.domain.task import events as task_events
from poolhand.domain.task import machine as tasks
from poolhand.domain.task.machine import Received, Reported
from poolhand.domain.task.status import MEANINGS, TaskStatus
from poolhand.store.file import FileJournal
from poolhand.store.sql import SqlJournal
from postgres_fixtures import postgres, postgres_server

__all__ = ["postgres", "postgres_server"]

OTHER = TaskId(b"\x07" * 32)
OF_POOL = [
    Received(START, facts()),
    viewed(ChainTaskStatus.UNSET),
    *assigned(ANN),
    reported(ANN, TRUST_2_STANDARD[:7]),
    viewed(ChainTaskStatus.ACTIVE, now=LATER, block=2),
]
OF_WORKER = [Accepted(START, offer()), *STAGES[:3], Recovered(LATER)]


def write(journal, stream, codec, events):
    for event in events:
        journal.append(stream, codec.encode(event))


@pytest.fixture
def database(tmp_path):
    """A pool's journal: a task, one that goes on where it does not begin, and its cursor."""
    path = tmp_path / "pool.db"
    journal = SqlJournal(f"sqlite:///{path}")
    journal.append("task/cursor", {"block": 7})
    write(journal, f"task/{TASK}", POOL_MACHINE.codec, OF_POOL)
    journal.close()
    return path


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "journal"
    journal = FileJournal(path)
    write(journal, f"task/{TASK}", WORKER.codec, OF_WORKER)
    journal.close()
    return path


def broken(path):
    journal = SqlJournal(f"sqlite:///{path}")
    write(journal, f"task/{OTHER}", POOL_MACHINE.codec, OF_POOL[1:3])
    write(
        journal,
        f"task/{TASK}",
        POOL_MACHINE.codec,
        [viewed(ChainTaskStatus.ACTIVE, now=START + 99)],
    )
    journal.close()
    return path


def test_every_event_and_every_effect_has_words():
    events = {*get_args(tasks.TaskMachineEvent), *get_args(replicates.ReplicateEvent)}
    effects = {*get_args(tasks.TaskMachineEffect), *get_args(replicates.ReplicateEffect)}
    assert set(EVENTS) == events
    assert set(EFFECTS) == effects
    assert task_events.Reported in events
    assert replicate_events.Run in effects


@pytest.mark.parametrize(("machine", "events"), [(POOL_MACHINE, OF_POOL), (WORKER, OF_WORKER)])
def test_a_replay_ends_where_the_program_itself_would_stand(machine, events):
    records = [(f"task/{TASK}", machine.codec.encode(each)) for each in events]
    *_, last = Replay().steps(records)
    module = tasks if machine is POOL_MACHINE else replicates
    assert last.state == module.replay(events)
    assert [step.fault for step in Replay().steps(records)] == [None] * len(events)


def test_each_step_tells_event_state_and_what_was_asked_for(cli, database):
    told = cli("debug", "replay", str(database), "--json").json["steps"]
    assert [each["number"] for each in told] == [1, 2, 3, 4, 5, 6]
    assert (told[0]["stream"], told[0]["event"], told[0]["state"]) == (
        "task/cursor",
        {"block": 7},
        None,
    )
    assert [each["status"] for each in told[1:]] == [
        "RECEIVED",
        "RECEIVED",
        "INITIALIZING",
        "INITIALIZING",
        "RUNNING",
    ]
    asked = [[effect["effect"] for effect in each["effects"]] for each in told]
    assert asked == [[], [], [], ["SendInitialize", "TellOffer"], [], ["TellActivated"]]
    assert told[-1]["effects"][0]["worker"] == str(ANN)


def test_a_workers_journal_is_stepped_through_as_well(cli, file):
    ran = cli("debug", "replay", str(file), "--details")
    assert ran.code == 0
    assert "COMPUTING -> COMPUTED" in ran.out
    assert "asks to: begin download-app" in ran.out
    assert "the worker was started again" in ran.out


def test_it_stops_after_the_event_that_is_named_and_shows_the_state(cli, database):
    ran = cli("debug", "replay", str(database), "--until", "4")
    assert "state after event 4" in ran.out
    assert '"status": "CREATED"' in ran.out
    assert "Reported" not in ran.out
    assert [
        each["number"]
        for each in cli("debug", "replay", str(database), "--until", "4", "--json").json["steps"]
    ] == [1, 2, 3, 4]


def test_the_journal_is_neither_changed_nor_locked(cli, database, file):
    before = [path.read_bytes() for path in (database, file)]
    names = sorted(path.name for path in file.parent.iterdir())
    held = FileJournal(file), SqlJournal(f"sqlite:///{database}")
    assert cli("debug", "replay", str(file), "--json").code == 0
    assert cli("debug", "replay", str(database), "--json").code == 0
    for journal in held:
        journal.close()
    assert [path.read_bytes() for path in (database, file)] == before
    assert sorted(path.name for path in file.parent.iterdir()) == names


def test_a_last_line_that_a_crash_tore_is_left_where_it_is(cli, file):
    file.write_bytes(file.read_bytes() + b'{"n": 99, "s": "ta')
    torn = file.read_bytes()
    assert len(cli("debug", "replay", str(file), "--json").json["steps"]) == len(OF_WORKER)
    assert file.read_bytes() == torn


def test_a_story_that_does_not_replay_is_told_and_harms_no_other(cli, database):
    ran = cli("debug", "replay", str(broken(database)), "--json")
    assert ran.code == 1
    faults = [each["fault"] for each in ran.json["steps"]]
    assert faults[:6] == [None] * 6
    assert "a story begins with Viewed" in faults[6]
    assert "an earlier event did not replay" in faults[7]
    assert (faults[8], ran.json["steps"][8]["status"]) == (None, "RUNNING")
    assert (
        "does not replay: a story begins with Viewed" in cli("debug", "replay", str(database)).out
    )


def test_damage_names_the_journal_and_not_its_copy(cli, file):
    file.write_bytes(file.read_bytes().replace(b"download-app", b"download-apx", 1))
    ran = cli("debug", "replay", str(file), "--json")
    assert (ran.code, ran.error["code"]) == (2, "journal-corrupt")
    assert f"journal {file} is damaged at line 2" in ran.error["message"]


def test_what_is_no_journal_is_refused_with_where_one_is(cli, tmp_path):
    ran = cli("debug", "replay", str(tmp_path / "nothing"), "--json")
    assert (ran.code, ran.error["code"]) == (2, "nothing-to-read")
    assert "pool.db" in ran.error["message"]


def test_a_task_that_the_journal_does_not_know_is_named(cli, database):
    ran = cli("debug", "replay", str(database), "--task", str(OTHER), "--json")
    assert (ran.code, ran.error["code"]) == (2, "not-in-journal")


def test_a_task_is_told_alone_with_its_numbers_in_the_journal(cli, database):
    ran = cli("debug", "replay", str(broken(database)), "--task", str(TASK), "--json")
    assert [each["number"] for each in ran.json["steps"]] == [2, 3, 4, 5, 6, 9]


def test_an_event_takes_one_line_under_its_task(cli, database, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    told = cli("debug", "replay", str(database)).out.splitlines()
    assert told[:2] == ["task/cursor", f"{1:>6}            block 7"]
    assert told[2] == f"task {TASK}"
    numbers = [line.split()[0] for line in told if line.startswith("     ")]
    assert numbers == ["1", "2", "3", "4", "5", "6"]
    (begun,) = [line for line in told if line.startswith("     4 ")]
    assert "-> INITIALIZING  worker 0x" in begun
    assert str(ANN) not in begun


def test_long_bytes_are_shortened_but_in_json(cli, tmp_path):
    path, raw = tmp_path / "pool.db", "0x" + "ab" * 300
    journal = SqlJournal(f"sqlite:///{path}")
    journal.append("tx:of-a-wallet", {"t": "SignedTransaction", "nonce": 7, "raw": raw})
    journal.close()
    brief = cli("debug", "replay", str(path)).out
    whole = cli("debug", "replay", str(path), "--details").out
    assert "SignedTransaction, nonce 7, raw 0xabab…abab" in brief
    assert "(300 bytes)" in whole
    assert raw not in brief + whole.replace("\n", "").replace(" ", "")
    assert cli("debug", "replay", str(path), "--json").json["steps"][0]["event"]["raw"] == raw


@pytest.mark.parametrize("words", [("debug", "replay"), ("task", "story")])
def test_a_replay_fits_80_columns_but_for_what_no_line_can_hold(cli, database, monkeypatch, words):
    monkeypatch.setenv("COLUMNS", "80")
    tail = [str(database)] if words[0] == "debug" else [str(TASK), "--journal", str(database)]
    told = cli(*words, *tail).out.splitlines()
    assert max(map(len, told)) <= 80


def test_a_journals_story_tells_cause_and_consequence(cli, database, file):
    told = cli("task", "story", str(TASK), "--journal", str(database), "--json").json["story"]
    assert told[0]["because"] == f"the chain told of the deal {DEAL}"
    assert told[2]["so"] == ["put the task on chain (initialize)", f"offer it to worker {ANN}"]
    assert told[4]["so"] == [f"tell worker {ANN} that it may contribute"]
    assert told[1]["so"] == [f"nothing new is asked for; {MEANINGS[TaskStatus.RECEIVED]}"]
    assert all(each["because"] and each["so"] for each in told)
    told = cli("task", "story", str(TASK), "--journal", str(file), "--json").json["story"]
    assert all(each["because"] and each["so"] for each in told)
    assert (told[1]["because"], told[1]["so"][-1]) == (
        "download-app ended as APP_DOWNLOADED",
        "begin download-data",
    )


def test_hostile_words_in_a_journal_cannot_move_the_cursor(cli, tmp_path):
    path = tmp_path / "pool.db"
    journal = SqlJournal(f"sqlite:///{path}")
    report = reported(ANN, TRUST_2_STANDARD[:1])
    evil = replace(report, entries=(replace(report.entries[0], detail="\x1b[2Jgone"),))
    write(journal, f"task/{TASK}", POOL_MACHINE.codec, [*OF_POOL[:3], evil])
    journal.close()
    assert isinstance(evil, Reported)
    for words in (
        ("debug", "replay", str(path)),
        ("task", "story", str(TASK), "--journal", str(path)),
    ):
        ran = cli(*words)
        assert ran.code == 0
        assert "\x1b[2J" not in ran.out


def test_sets_and_bytes_are_json():
    assert plain({"a": frozenset({2, 1}), "b": b"\x01", "c": (TASK,)}) == {
        "a": [1, 2],
        "b": "0x01",
        "c": [str(TASK)],
    }


@pytest.mark.postgres
def test_a_journal_on_a_server_is_read_while_its_pool_runs(cli, postgres):
    held = SqlJournal(postgres)
    held.append("task/cursor", {"block": 7})
    write(held, f"task/{TASK}", POOL_MACHINE.codec, OF_POOL)
    told = cli("debug", "replay", postgres, "--json").json
    assert [each["number"] for each in told["steps"]] == [1, 2, 3, 4, 5, 6]
    assert len(cli("task", "story", str(TASK), "--journal", postgres, "--json").json["story"]) > 3
    held.append("task/cursor", {"block": 8})  # it leads on
    held.close()


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ("postgresql://ann:sesame@server:port/pool", "journal-unreadable"),
        ("postgresql://ann:sesame@[/pool", "journal-unreadable"),
        ("postgresql+nodriver://ann@server/pool", "nothing-to-read"),
    ],
)
def test_a_url_that_is_none_of_ours_is_told_with_what_one_is_like(cli, where, code):
    ran = cli("debug", "replay", where, "--json")
    assert (ran.code != 0, ran.error["code"]) == (True, code)
    assert "sesame" not in ran.out + ran.err


@pytest.mark.postgres
@pytest.mark.parametrize("name", ["no_such", "template1"])
def test_a_server_without_a_journal_for_us_says_so_and_shows_no_password(cli, postgres, name):
    server, _, host = postgres.partition("@")[0], "", postgres.partition("?")[2]
    ran = cli("debug", "replay", f"{server}:sesame@/{name}?{host}", "--json")
    assert (ran.code, ran.error["code"]) == (4, "journal-unreadable")
    assert "names a pool's database" in ran.error["message"]
    assert "sesame" not in ran.out + ran.err
