"""The kernel's log names whom it killed for want of memory."""

from __future__ import annotations

import os

import pytest

from poolhand.observe.kernel_log import (
    KERNEL_LOG,
    PROCESS_NAMESPACE,
    newest_record,
    outgrew_memory,
    short_of_memory,
)

LOG = b"""6,98684,4,-;oom-kill:constraint=CONSTRAINT_MEMCG,task=python3,pid=14489,uid=65534
3,98685,4,-;Memory cgroup out of memory: Killed process 14489 (python3) total-vm:217124kB
3,98690,4,-;Out of memory: Killed process 77 (poolhand) total-vm:1kB
3,98691,4,-;killed processes are rare: 12
"""


@pytest.fixture
def first(tmp_path):
    (tmp_path / "ns").symlink_to("pid:[4026531836]")
    return tmp_path / "ns"


def test_processes_are_read_from_the_lines_that_tell_of_a_kill(tmp_path, first):
    (tmp_path / "kmsg").write_bytes(LOG)
    assert short_of_memory(tmp_path / "kmsg", first) == {14489, 77}


def test_a_kill_of_long_ago_was_of_another_process(tmp_path, first):
    """Numbers of processes are given again: a log that goes back hours names whoever had them."""
    line = b"3,98690,4,-;Out of memory: Killed process 77 (poolhand) total-vm:1kB\n"
    (tmp_path / "kmsg").write_bytes(line)
    assert short_of_memory(tmp_path / "kmsg", first, after=98689) == {77}
    assert short_of_memory(tmp_path / "kmsg", first, after=98690) == set()


def test_the_newest_record_is_told_by_its_number_where_there_is_one(tmp_path):
    (tmp_path / "kmsg").write_bytes(b"6,98684,4,-;up\n SUBSYSTEM=pci\n")
    assert newest_record(tmp_path / "kmsg") == 98684
    (tmp_path / "kmsg").write_bytes(b"")
    assert newest_record(tmp_path / "kmsg") is None
    assert newest_record(tmp_path / "none") is None


def test_a_log_that_may_not_be_read_says_nothing(tmp_path, first):
    assert short_of_memory(tmp_path / "none", first) is None


def test_another_process_namespace_has_other_numbers(tmp_path):
    (tmp_path / "kmsg").write_bytes(LOG)
    (tmp_path / "ns").symlink_to("pid:[4026532000]")
    assert short_of_memory(tmp_path / "kmsg", tmp_path / "ns") is None


def test_the_log_of_this_machine_is_read_to_its_end_where_it_may_be():
    ours = str(PROCESS_NAMESPACE.readlink()) == "pid:[4026531836]"
    found = short_of_memory()
    assert (found is not None) == (ours and os.access(KERNEL_LOG, os.R_OK))
    assert os.getpid() not in (found or ())
    newest = newest_record()
    assert newest is None or not short_of_memory(after=newest + 10**6)


ID = "3f" * 32


def told(group, why="CONSTRAINT_MEMCG"):
    where = f",oom_memcg={group}" if group else ",global_oom"
    return (
        f"6,98684,4,-;oom-kill:constraint={why},nodemask=(null),cpuset={ID},mems_allowed=0{where},"
        f"task_memcg=/docker/{ID},task={ID[:15]},pid=14489,uid=65534\n"
    )


@pytest.mark.parametrize("group", [f"/docker/{ID}", f"/system.slice/docker-{ID}.scope"])
def test_a_container_that_outgrew_its_memory_is_told_by_its_id(tmp_path, group):
    (tmp_path / "kmsg").write_text(LOG.decode() + told(group))
    assert outgrew_memory(ID, tmp_path / "kmsg")
    assert not outgrew_memory("4f" * 32, tmp_path / "kmsg")
    assert not outgrew_memory("", tmp_path / "kmsg")


@pytest.mark.parametrize("line", [told("", "CONSTRAINT_NONE"), told("/user.slice"), LOG.decode()])
def test_whom_others_left_no_memory_has_not_outgrown_its_own(tmp_path, line):
    (tmp_path / "kmsg").write_text(line)
    assert not outgrew_memory(ID, tmp_path / "kmsg")


def test_without_a_log_nobody_is_known_to_have_outgrown_it(tmp_path):
    assert not outgrew_memory(ID, tmp_path / "none")
