"""The launcher beside a virtual machine: what it passes on, how it ends, what it writes down.

A small program stands for QEMU: it speaks over the same descriptors.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SPEAK = """
import json, os, socket, sys, time
from poolhand.containers.vm.channel import GuestFrameKind as K, GuestFrameReader, packed_frame as pack
line = socket.socket(fileno=os.dup(10))
reader = GuestFrameReader(2**23)
while not (told := list(reader.add(line.recv(65536)))): pass
task = json.loads(told[0].body)
send = lambda kind, body=b"": line.sendall(pack(kind, body))
"""


def launched(tmp_path, code, boot_seconds=30.0, task=None):
    """Run the launcher with a program for QEMU; returns exit code, output, errors, report."""
    plan, report = tmp_path / "plan", tmp_path / "report"
    qemu = [sys.executable, "-c", SPEAK + code]
    plan.write_text(json.dumps({"qemu": qemu, "task": task or {}, "boot_seconds": boot_seconds}))
    run = f"from poolhand.containers.vm.launcher import main; main({str(plan)!r}, {str(report)!r})"
    done = subprocess.run([sys.executable, "-c", run], capture_output=True, check=False)
    return done.returncode, done.stdout, done.stderr, json.loads(report.read_text())


ENDED = "send(K.ENDED, bytes((%s, %s)))"


def test_what_the_app_prints_and_its_exit_code_are_passed_on(tmp_path):
    code = "send(K.STARTED); send(K.OUT, task['say'].encode()); send(K.ERR, b'oh'); "
    found = launched(tmp_path, code + ENDED % (3, False), task={"say": "x" * 60_000})
    assert found[:3] == (3, b"x" * 60_000, b"oh")
    assert (found[3]["phase"], found[3]["out_of_memory"]) == ("ended", False)


def test_memory_that_ran_out_is_written_down(tmp_path):
    code, *_, report = launched(tmp_path, "send(K.STARTED);" + ENDED % (137, True))
    assert (code, report["out_of_memory"]) == (137, True)


@pytest.mark.parametrize("body", [b"", b"\0", b"\0\0\0", b"[" * 60_000])
def test_an_end_that_does_not_read_is_no_success(tmp_path, body):
    assert launched(tmp_path, f"send(K.STARTED); send(K.ENDED, {body!r})")[0] == 255


def test_a_machine_that_sends_nonsense_is_ended(tmp_path):
    code = "send(K.STARTED); line.sendall(b'\\xff' * 99); time.sleep(60)"
    code, _, err, report = launched(tmp_path, code)
    assert (code, report["phase"], report["started"]) == (255, "lost", True)
    assert "kind 255" in report["words"]
    assert b"ended by itself" in err


def test_a_machine_that_dies_after_its_start_is_the_apps(tmp_path):
    code, *_, report = launched(tmp_path, "send(K.STARTED)")
    assert (code, report["phase"], report["started"]) == (255, "lost", True)


def test_what_a_machine_said_last_is_told_where_it_never_started_the_app(tmp_path):
    code, out, err, report = launched(tmp_path, "print('no such kernel', flush=True)")
    assert (code, out, err) == (255, b"", b"")
    assert (report["phase"], report["started"]) == ("lost", False)
    assert report["words"].endswith("no such kernel")


def test_a_fault_inside_is_told_in_its_words(tmp_path):
    code, *_, report = launched(tmp_path, "send(K.FAULT, b'no root disk'); time.sleep(60)")
    assert (code, report["phase"], report["words"]) == (255, "fault", "no root disk")


def test_a_machine_that_does_not_start_its_app_in_time_is_ended(tmp_path):
    code, *_, report = launched(tmp_path, "time.sleep(60)", boot_seconds=0.0)
    assert (code, report["started"]) == (255, False)
    assert "did not start the app in 0 s" in report["words"]
