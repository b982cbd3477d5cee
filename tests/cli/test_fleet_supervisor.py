"""One supervisor keeps simulated workers running, over its own end; orders reach all of them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
from fleet_world import IDLE, LONG, simulated_fleet

from poolhand.cli.fleet.launch import Crontab, SupervisedWorkers
from poolhand.cli.fleet.orders import await_ended, await_let_in, drain_all, end_all, resume_all
from poolhand.cli.fleet.rows import look_at, member_page
from poolhand.cli.fleet.supervisor import SupervisorRuns, alone, supervise_fleet
from poolhand.worker import pid_file
from poolhand.worker.pid_file import read


@pytest.fixture
def world(tmp_path, monkeypatch):
    with simulated_fleet(tmp_path, monkeypatch) as made:
        yield made


def running(world):
    return [each for each in world.members if member_page(world.folder, each) is not None]


def supervisor(world, now=lambda: 0.0):
    made = world.supervisor(now)
    assert made.look()
    world.until(lambda: running(world) == list(world.members))
    return made


def test_all_that_are_wanted_are_started_once(world):
    made = supervisor(world)
    for _ in range(3):
        assert made.look()
    assert [world.starts(each) for each in world.members] == [1, 1]


def test_workers_outlive_a_supervisor_and_the_next_one_leaves_them_alone(world):
    supervisor(world)
    other = world.supervisor()
    assert other.look()
    assert [world.starts(each) for each in world.members] == [1, 1]


SHELL = {
    "POOLHAND_WALLET": "0x" + "d1" * 20,
    "IEXEC_WORKER_WALLET_PATH": "of-the-payer.json",
    "POOLHAND_WALLET_PASSWORD": "of the payer",
    "POOLHAND_WALLET_PASSWORD_FILE": "of-the-payer",
    "IEXEC_WORKER_NAME": "another",
    "IEXEC_CORE_URL": "https://another.test",
}
"""What an operator's shell may name for something else."""


def test_each_worker_has_its_own_settings_whatever_the_operators_shell_names(world):
    world.environ |= {**SHELL, "LANG": "C.UTF-8"}
    supervisor(world)
    for each in world.members:
        told = json.loads((world.place(each) / "environ.json").read_text())
        assert not set(told) & set(SHELL)
        assert told["LANG"] == "C.UTF-8"


def test_a_supervisor_is_told_no_password_of_the_wallet_that_pays(world, tmp_path):
    program, told = tmp_path / "simulated-supervisor", tmp_path / "told"
    program.write_text(f"#!/bin/sh\nenv > {told}\necho $$ > {world.line}\n")
    program.chmod(0o755)
    environ = {**os.environ, **SHELL, "POOLHAND_COMMAND": str(program)}
    launcher = SupervisedWorkers(world.folder, environ, None)
    launcher.start(world.members)
    world.until(lambda: not launcher.is_at_work())
    assert "of the payer" not in told.read_text()


def test_one_that_was_killed_is_started_again_after_a_pause(world):
    clock = [0.0]
    made = supervisor(world, lambda: clock[0])
    first = world.members[0]
    made.look()
    os.kill(read(world.place(first)).pid, signal.SIGKILL)
    world.until(lambda: member_page(world.folder, first) is None)
    made.look()
    assert world.starts(first) == 1
    clock[0] = 10.0
    made.look()
    world.until(lambda: member_page(world.folder, first) is not None)
    assert world.starts(first) == 2


def test_one_that_cannot_be_started_keeps_no_other_from_it_and_is_tried_again(world, capsys):
    first, second = world.members
    shutil.rmtree(world.folder.member(first).path)  # so that not even its log can be written
    clock = [0.0]
    made = world.supervisor(lambda: clock[0])
    assert made.look()
    world.until(lambda: running(world) == [second])
    assert made.look()
    assert f"{first.name} cannot be started" in capsys.readouterr().err
    world.folder.write_settings(world.folder.read())
    clock[0] = 10.0
    assert made.look()
    world.until(lambda: running(world) == list(world.members))


def test_a_fleets_file_that_does_not_read_is_told_once_and_its_workers_are_looked_after(
    world, capsys
):
    clock = [0.0]
    made = supervisor(world, lambda: clock[0])
    first, file = world.members[0], world.folder.path / "fleet.json"
    text = file.read_text()
    file.write_text("{")
    os.kill(read(world.place(first)).pid, signal.SIGKILL)
    world.until(lambda: member_page(world.folder, first) is None)
    assert made.look()
    clock[0] = 10.0
    assert made.look()
    world.until(lambda: running(world) == list(world.members))
    assert capsys.readouterr().err.count("does not read") == 1
    file.unlink()
    assert not made.look()  # there is no fleet any more
    file.write_text(text)


def test_a_worker_and_its_supervisor_killed_together_the_next_one_starts_that_worker(world):
    supervisor(world)
    first, second = world.members
    os.kill(read(world.place(first)).pid, signal.SIGKILL)
    world.until(lambda: member_page(world.folder, first) is None)
    assert world.supervisor().look()  # the first is looked at no more, as if it were killed, too
    world.until(lambda: member_page(world.folder, first) is not None)
    assert [world.starts(each) for each in (first, second)] == [2, 1]


def test_what_is_drained_finishes_and_is_not_started_again(world):
    clock = [0.0]
    made = supervisor(world, lambda: clock[0])
    made.look()
    told = drain_all(world.folder, world.members)
    assert [each.state for each in told] == ["draining", "draining"]
    await_ended(world.folder, world.members, lambda _: None)
    clock[0] = 1_000.0
    world.until(lambda: not made.look())
    assert [world.starts(each) for each in world.members] == [1, 1]
    assert [world.orders(each) for each in world.members] == [["drain"]] * 2


def test_what_is_resumed_is_started_and_what_runs_is_told(world):
    made = supervisor(world)
    first, second = world.members
    made.look()
    drain_all(world.folder, [first])
    made.look()
    await_ended(world.folder, [first], lambda _: None)
    told = resume_all(world.folder, world.members, SupervisedNowhere())
    assert {each.member.name: each.state for each in told} == {
        first.name: "started",
        second.name: "resumed",
    }
    world.until(lambda: made.look() and running(world) == list(world.members))
    assert await_let_in(world.folder, world.members, LONG, lambda _: None) == ()
    assert world.orders(second) == ["resume"]
    assert world.starts(first) == 2


class SupervisedNowhere:
    """The supervisor of the test is in this process."""

    told = "in the test"

    def start(self, members):
        self.members = list(members)

    def forget(self, member):
        pass


def test_one_that_hangs_keeps_no_other_from_being_told(world):
    supervisor(world)
    first, second = world.members
    stopped = read(world.place(first)).pid
    page = member_page(world.folder, first)
    os.kill(stopped, signal.SIGKILL)
    world.until(lambda: not page.pid_file.is_running)
    # a pid file of another process of this machine, at whose address nobody answers
    file = world.place(first) / pid_file.WORKER_PID_FILE
    pid_file.post(world.place(first), "http://127.0.0.1:9", "token")
    told = end_all(world.folder, world.members)
    assert [each.state for each in told] == ["no answer", "ending"]
    assert "give the same again" in told[0].trouble
    assert look_at(world.folder, first).state == "no answer"
    file.unlink()
    await_ended(world.folder, [second], lambda _: None)


def test_how_each_stands_is_told_in_a_word(world):
    first, second = world.members
    assert look_at(world.folder, first).state == "not running"
    supervisor(world)
    row = look_at(world.folder, first)
    assert (row.state, row.tasks) == ("idle", "0/1")
    assert row.why_idle == "no task waits: wait"
    drain_all(world.folder, world.members)
    await_ended(world.folder, world.members, lambda _: None)
    assert look_at(world.folder, first).state == "stopped"
    world.elsewhere(second)
    away = world.folder.read().members[1]
    assert look_at(world.folder, away).state == "elsewhere"
    for said, state in (
        ({"connected": False}, "not let in"),
        ({"paused": "dinner"}, "paused"),
        ({"replicates": [{}]}, "computes"),
    ):
        world.says(**{**IDLE, **said})
        world.folder.mark(first, stopped=False)
        world.supervisor().look()
        world.until(lambda: member_page(world.folder, first) is not None)
        assert look_at(world.folder, first).state == state
        end_all(world.folder, [first])
        await_ended(world.folder, [first], lambda _: None)


def test_one_that_tells_less_than_is_read_ends_nobodys_list(world):
    world.says(connected=True)
    supervisor(world)
    assert look_at(world.folder, world.members[0]).state == "no answer"


def test_a_fleet_has_one_supervisor(world):
    with alone(world.folder), pytest.raises(SupervisorRuns, match="nothing is to be done"):
        supervise_fleet(world.folder, hand_over=0.0)


def test_a_real_supervisor_survives_a_hangup_and_ends_with_its_last_worker(world):
    """As a program: a session's end sends it SIGHUP."""
    environ = {**os.environ, **world.environ, "PATH": os.environ["PATH"]}
    words = [sys.executable, "-m", "poolhand", "fleet", "supervise", "--fleet", "lab"]
    program = subprocess.Popen(words, env=environ, start_new_session=True)
    try:
        world.until(lambda: running(world) == list(world.members))
        os.kill(program.pid, signal.SIGHUP)
        drain_all(world.folder, world.members)
        await_ended(world.folder, world.members, lambda _: None)
        assert program.wait(LONG) == 0
    finally:
        program.kill()
        program.wait()


CRONTAB = """#!/bin/sh
case "$1" in
-l) [ -e "{file}.denied" ] && echo "you are not allowed to read this" >&2 && exit 1
    [ -e "{file}" ] && cat "{file}" || {{ echo "no crontab for somebody" >&2; exit 1; }} ;;
-) cat > "{file}" ;;
esac
"""


@pytest.fixture
def cron(tmp_path):
    """A crontab in a file, and the *simulated* program that reads and writes it."""
    file, program = tmp_path / "crontab", tmp_path / "cron" / "crontab"
    program.parent.mkdir()
    program.write_text(CRONTAB.format(file=file))
    program.chmod(0o755)
    return file, Crontab(program)


def test_cron_has_one_line_of_a_fleet_and_keeps_all_others(world, cron):
    file, crontab = cron
    launcher = SupervisedWorkers(world.folder, {"POOLHAND_COMMAND": "/bin/true"}, crontab)
    launcher.register()
    assert file.read_text().count("@reboot") == 1
    file.write_text("5 4 * * * mine 100% # of mine\n")
    launcher.register()
    launcher.register()
    mine, ours = file.read_text().splitlines()
    assert mine == "5 4 * * * mine 100% # of mine"
    assert ours.startswith("@reboot /bin/true fleet supervise --fleet lab # poolhand fleet ")
    for each in world.members:
        launcher.forget(each)
        assert "@reboot" in file.read_text()
        world.folder.mark(each, stopped=True)
    launcher.forget(world.members[0])
    assert file.read_text() == "5 4 * * * mine 100% # of mine\n"


def test_a_crontab_that_does_not_read_is_not_written_and_who_must_act_is_told(world, cron, capsys):
    file, crontab = cron
    file.write_text("5 4 * * * mine\n")
    denied = file.with_name("crontab.denied")
    denied.touch()
    launcher = SupervisedWorkers(world.folder, {"POOLHAND_COMMAND": "/bin/true"}, crontab)
    launcher.register()
    told = capsys.readouterr().err
    assert "you are not allowed to read this" in told
    assert "after a restart of this computer give `poolhand fleet resume`" in told
    for each in world.members:
        world.folder.mark(each, stopped=True)
    launcher.forget(world.members[0])
    denied.unlink()
    assert file.read_text() == "5 4 * * * mine\n"
