"""The file of a worker that runs: whose process it names, whatever the clock says."""

from __future__ import annotations

import json
import subprocess
import sys

import psutil
import pytest

from poolhand.worker.pid_file import WORKER_PID_FILE, PidFile, post, read


def test_a_process_is_told_from_a_later_one_of_the_same_number():
    me = psutil.Process()
    assert PidFile("url", "", me.pid, me.create_time()).is_running
    assert not PidFile("url", "", me.pid, me.create_time() - 60).is_running
    ended = subprocess.Popen([sys.executable, "-c", ""])
    started = psutil.Process(ended.pid).create_time()
    while psutil.Process(ended.pid).status() != psutil.STATUS_ZOMBIE:
        pass
    assert not PidFile("url", "", ended.pid, started).is_running
    ended.wait()
    assert not PidFile("url", "", ended.pid, started).is_running


@pytest.mark.skipif(sys.platform != "linux", reason="another system tells no start but the clock's")
def test_a_worker_runs_on_though_the_clock_was_set(tmp_path):
    post(tmp_path, "url", "token")
    told = json.loads((tmp_path / WORKER_PID_FILE).read_text())

    def runs(**changed):
        (tmp_path / WORKER_PID_FILE).write_text(json.dumps({**told, **changed}))
        return read(tmp_path).is_running

    assert runs()
    assert runs(started=told["started"] + 3600)  # what a clock that was set makes of it
    boot, ticks = told["mark"].split()
    assert not runs(mark=f"{boot} {int(ticks) + 1}"), "a later process of the same number"
    assert not runs(mark=f"{boot[::-1]} {ticks}"), "before this start of the machine"
    del told["mark"]  # an earlier version wrote it
    assert runs(started=told["started"] + 1), "the kernel's seconds are whole"
    assert not runs(started=told["started"] + 3600)
