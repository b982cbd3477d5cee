"""What a program has started ends with it, though it hangs and the program is killed outright."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, contextmanager

import psutil
import pytest

from poolhand.keys.keystore import import_wallet
from poolhand.keys.parent_end import PARENT_GONE

SIGNER = """
import signal, sys
from poolhand.domain.ids import Address
from poolhand.domain.units import NanoRlc, Wei
from poolhand.keys.own_signer import OwnSigner
from poolhand.wire.signer_api import UnlockWallet

told, asked_at = ("p", "") if sys.argv[2] == "works" else (None, sys.argv[3])
place = Address(bytes([1] * 20)), Address(bytes([2] * 20))
asked = UnlockWallet(
    sys.argv[1], told, None, asked_at, *place, "http://p", False, Wei(1), NanoRlc(0), 1
)
made = OwnSigner.start(asked)
print("started", flush=True)
signal.pause()
"""
FETCHER = """
import asyncio
from poolhand.transport.address_rule import OPEN_RULE
from poolhand.transport.downloading import FetchRules
from poolhand.transport.fetcher_process import FetcherProcess

async def main():
    async with FetcherProcess(FetchRules(OPEN_RULE), 1000).at_work() as process:
        await process._process()
        print("started", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""
TIED = """
import socket, sys
from poolhand.keys.parent_end import end_with_parent, hung_up, keep_looking
line = socket.socket(fileno=int(sys.argv[1]))
"""


@contextmanager
def program(source, *words, **parts):
    made = subprocess.Popen((sys.executable, "-c", source, *words), text=True, **parts)
    try:
        yield made
    finally:
        for each in [*psutil.Process(made.pid).children(recursive=True)] if alive(made) else []:
            each.kill()
        made.kill()
        made.wait()
        if made.stdout:
            made.stdout.close()


def alive(process):
    return process.poll() is None


def stopped(processes):
    for each in processes:
        each.send_signal(signal.SIGSTOP)
    return processes


@pytest.fixture
def keystore(tmp_path):
    return str(import_wallet(tmp_path, "5a" * 32, "p", cost=1024).path)


@pytest.mark.parametrize(
    ("source", "moment", "children"),
    [(SIGNER, "works", 1), (SIGNER, "opens its wallet", 2), (FETCHER, "works", 1)],
    ids=["signer", "signer that asks", "fetcher"],
)
def test_what_hangs_ends_with_its_program(keystore, tmp_path, source, moment, children):
    """What opens the wallet is at it once it has opened the file from which it reads."""
    password = tmp_path / "password"
    os.mkfifo(password)
    with (
        program(source, keystore, moment, str(password), stdout=subprocess.PIPE) as parent,
        ExitStack() as stack,
    ):
        if moment == "works":
            while "started" not in (line := parent.stdout.readline()):
                assert line, "it has ended"
        else:
            stack.callback(os.close, os.open(password, os.O_WRONLY))
        left = stopped(psutil.Process(parent.pid).children(recursive=True))
        assert len(left) == children
        try:
            parent.kill()
            parent.wait()
            _, still = psutil.wait_procs(left, timeout=30)
            assert still == []
        finally:
            for each in left:
                if each.is_running():
                    each.kill()


def test_a_parent_that_died_before_is_noticed():
    rest = "end_with_parent(hung_up(line.fileno())); print('it went on')"
    ours, theirs = socket.socketpair()
    ours.sendall(b"a word that nobody has read yet")
    ours.close()
    with theirs:
        found = subprocess.run(
            (sys.executable, "-c", TIED + rest, str(theirs.fileno())),
            pass_fds=(theirs.fileno(),),
            capture_output=True,
            check=False,
        )
    assert (found.returncode, found.stdout) == (PARENT_GONE, b"")


def test_where_no_kernel_tells_a_thread_ends_what_never_returns():
    ours, theirs = socket.socketpair()
    busy = (
        "import threading\n"
        "look = threading.Thread(target=keep_looking, args=(hung_up(line.fileno()),), daemon=True)\n"
        "look.start(); print('busy', flush=True)\n"
        "while True: pass"
    )
    with theirs:
        made = program(
            TIED + busy, str(theirs.fileno()), pass_fds=(theirs.fileno(),), stdout=subprocess.PIPE
        )
        with made as child:
            theirs.close()
            assert child.stdout.readline() == "busy\n"
            assert alive(child)
            ours.close()
            assert child.wait(timeout=30) == PARENT_GONE
