"""A worker that is a copy of its supervisor is a process like any other, and keeps nothing of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

PROGRAM = """
import json, os, pathlib, signal, sys
from poolhand.cli.fleet.locks import held
from poolhand.cli.fleet.starting import WorkerCopies, WorkerCopy

if sys.argv[2] == "deaf":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
folder = pathlib.Path(sys.argv[1])
versions = iter([(1, 1), (1, 2) if sys.argv[2] == "upgraded" else (1, 1)])
copies = WorkerCopies(3, ("poolhand.cli.statuses",), version=lambda: next(versions))
log = folder / "log"
words = (sys.executable, "-m", "poolhand", *sys.argv[3:])
environ = {"OF": "the worker", "PATH": os.environ["PATH"], "POOLHAND_HOME": str(folder)}
with held(folder / "lock", RuntimeError):
    worker = copies.start(words, environ, log)
    is_copy = isinstance(worker, WorkerCopy)
    while (code := worker.poll()) is None:
        pass
print(json.dumps({"copy": is_copy, "code": code, "again": worker.poll(), "log": log.read_text()}))
"""


def started(tmp_path, *words, how="loaded"):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), how, *words],
        capture_output=True, text=True, check=True, timeout=120,
        env={**os.environ, "OF": "the supervisor"},
    )  # fmt: skip
    return json.loads(done.stdout)


@pytest.mark.parametrize("how", ["loaded", "upgraded"])
def test_a_command_ends_as_it_would_as_a_program_and_says_everything_in_its_log(tmp_path, how):
    told = started(tmp_path, "statuses", "--json", how=how)
    assert told["copy"] == (how == "loaded")
    assert (told["code"], told["again"]) == (0, 0)
    assert json.loads(told["log"])
    (tmp_path / "log").unlink()
    told = started(tmp_path, "no-such-noun", how=how)
    assert told["code"] == 2
    assert "no-such-noun" in told["log"]


def test_who_inherits_that_ends_of_children_are_ignored_sees_an_end_all_the_same(tmp_path):
    told = started(tmp_path, "statuses", "--json", how="deaf")
    assert (told["copy"], told["code"], told["again"]) == (True, 0, 0)


LOOKING = """
import json, os, pathlib, sys
from poolhand.cli.fleet.locks import held
from poolhand.cli.fleet.starting import WorkerCopies

folder = pathlib.Path(sys.argv[1])

def looked(words):
    try:
        with held(folder / "lock", RuntimeError):
            free = True
    except RuntimeError:
        free = False
    told = {
        "words": words, "argv": sys.argv, "session": os.getsid(0) == os.getpid(),
        "environ": dict(os.environ), "free": free,
        "files": len([name for name in os.listdir("/proc/self/fd") if int(name) > 2]) - 1,
    }
    (folder / "told").write_text(json.dumps(told))
    return 7

copies = WorkerCopies(3, (), looked)
with held(folder / "lock", RuntimeError):
    worker = copies.start(("python", "-m", "poolhand", "one", "two"), {"A": "1"}, folder / "log")
    while (code := worker.poll()) is None:
        pass
    assert code == 7, code
"""


def test_a_copy_has_a_session_words_and_variables_of_its_own_and_no_file_or_lock(tmp_path):
    environ = {**os.environ, "POOLHAND_WALLET_PASSWORD": "of the supervisor"}
    subprocess.run(
        [sys.executable, "-c", LOOKING, str(tmp_path)], check=True, timeout=120, env=environ
    )
    told = json.loads((tmp_path / "told").read_text())
    assert told.pop("files") == 0
    assert told == {
        "words": ["one", "two"],
        "argv": ["poolhand", "one", "two"],
        "session": True,
        "environ": {"A": "1"},
        "free": False,  # the supervisor holds it, and its copy does not
    }
