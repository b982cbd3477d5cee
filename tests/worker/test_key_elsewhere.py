"""Neither the worker's process nor its fetcher has key or password; its signer has the key."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from poolhand.keys.keystore import import_wallet
from poolhand.store.file import FileJournal
from poolhand.store.section import Section

KEY = "6b21e94c" * 7 + "0fd8a357"
PASSWORD = "ein Passwort, das es sonst nirgends gibt 4711"
SECRETS = {
    "key": bytes.fromhex(KEY),
    "key in hexadecimal": KEY.encode(),
    "password": PASSWORD.encode(),
}
NOWHERE = "http://127.0.0.1:1"
CONTRACT = "0x" + "5f" * 20
WAITS = "chain_unreachable", "fetcher_started"
"""What a worker logs that holds something and whose chain is away: then it has all it starts with."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what is read is Linux's /proc")


class StartedWorker:
    """A worker as it is typed, which waits for its chain, with its signer."""

    apart = None
    """The signer, where it was started by itself."""

    def __init__(self, folder, way):
        self.folder, self.base = folder, folder / "workers" / "worker"
        stored = import_wallet(folder / "keys", KEY, PASSWORD, cost=1024)
        self.base.mkdir(parents=True)
        journal = FileJournal(self.base / "journal")
        Section(journal, "task").append("0x" + "22" * 32, {"t": "Whatever"})
        journal.close()
        words = [
            *("worker", "start", "--pool-address", CONTRACT, "--hub", CONTRACT, "--rpc", NOWHERE),
            *("--base-dir", str(folder / "workers"), "--log-json", "--status-port", "0"),
            *("--locks", str(folder / "locks"), "--disk", "watch"),
        ]
        if way != "apart":
            words += ["--wallet", str(stored.path)]
        environment = {**os.environ, "HOME": str(folder)}
        if way == "flag":
            words += ["--wallet-password", PASSWORD]
        elif way == "apart":
            words += ["--signer", str(folder / "line")]
            self._start_signer(folder, stored.path)
        elif way == "environment":
            environment["IEXEC_WORKER_WALLET_PASSWORD"] = PASSWORD
        else:
            self.secret = folder / "secret"
            self.secret.write_text(PASSWORD + "\n")
            environment["POOLHAND_WALLET_PASSWORD_FILE"] = str(self.secret)
        self.program = subprocess.Popen(
            [sys.executable, "-m", "poolhand", *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.told = []
        for line in self.program.stderr:
            self.told.append(line)
            if all(any(event in line for line in self.told) for event in WAITS):
                return
        raise AssertionError("".join(self.told))

    def _start_signer(self, folder, keystore):
        self.apart = subprocess.Popen(
            [
                *(sys.executable, "-m", "poolhand", "signer", "serve", "--wallet", str(keystore)),
                *("--socket", str(folder / "line"), "--peer", str(os.geteuid())),
                *("--pool-address", CONTRACT, "--hub", CONTRACT, "--rpc", NOWHERE, "--json"),
            ],
            env={**os.environ, "HOME": str(folder), "IEXEC_WORKER_WALLET_PASSWORD": PASSWORD},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self.apart.stdout.readline(), "it waits at its socket"
        self.apart.stdout.close()

    @property
    def pid(self):
        return self.program.pid

    @property
    def signer(self):
        """The signer's process, as the worker's log names it."""
        if self.apart is not None:
            return self.apart.pid
        return self._started("signer_started")

    @property
    def fetcher(self):
        """The process that downloads."""
        return self._started("fetcher_started")

    def _started(self, event):
        (told,) = [each for each in map(json.loads, self.told) if each["event"] == event]
        return told["pid"]

    def ends(self):
        rest = self.program.stderr.read()
        return self.program.wait(timeout=30), rest


@pytest.fixture
def started(tmp_path, request):
    made = StartedWorker(tmp_path, getattr(request, "param", "environment"))
    yield made
    made.program.kill()
    made.program.wait()
    made.program.stderr.close()
    if made.apart is not None:
        assert made.apart.wait(timeout=30) == 0, "it ends with its worker"


def memory_of(pid):
    """Yield all that can be read of a process's memory, region by region."""
    folder = Path("/proc", str(pid))
    with (folder / "maps").open() as maps, (folder / "mem").open("rb", 0) as memory:
        for line in maps:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) r", line)
            if not found or "[v" in line:
                continue
            start, end = (int(part, 16) for part in found.groups())
            memory.seek(start)
            yield memory.read(end - start)


def secrets_in(parts):
    """Return the names of what is found; a region is looked at whole."""
    found = set()
    for part in parts:
        found |= {name for name, secret in SECRETS.items() if secret in part}
    return found


def words_of(pid):
    return [Path(f"/proc/{pid}/{name}").read_bytes() for name in ("environ", "cmdline")]


@pytest.mark.parametrize("started", ["environment", "flag", "file", "apart"], indirect=True)
def test_the_worker_has_neither_key_nor_password_and_its_signer_has_the_key(started):
    assert secrets_in(words_of(started.pid)) == set()
    assert secrets_in(memory_of(started.pid)) == set()
    opened = [str(fd.readlink()) for fd in Path(f"/proc/{started.pid}/fd").iterdir()]
    assert not [path for path in opened if "/keys" in path or "secret" in path]
    if os.geteuid() == 0:  # else it is hidden from its own user
        assert secrets_in(words_of(started.fetcher)) == set()
        assert secrets_in(memory_of(started.fetcher)) == set()
        kept = [str(fd.readlink()) for fd in Path(f"/proc/{started.fetcher}/fd").iterdir()]
        assert not [path for path in kept if path.startswith("/") and path != "/dev/null"]
    private = {getattr(started, "secret", None)}
    files = [path for path in started.folder.rglob("*") if path.is_file() and path not in private]
    assert len(files) > 2
    assert secrets_in(path.read_bytes() for path in files) == set()
    if os.geteuid() == 0:
        assert "key" in (found := secrets_in(memory_of(started.signer))), "the search works"
        assert "password" not in found, "it ended with the child that read it"
    else:
        with pytest.raises(PermissionError):
            next(memory_of(started.signer))
    assert secrets_in(words_of(started.signer) if os.geteuid() == 0 else []) == set()


def test_a_worker_ends_with_its_signer_and_says_what_to_do(started):
    os.kill(started.signer, signal.SIGKILL)
    code, told = started.ends()
    assert code == 4
    assert "start the program again" in told


def test_signer_and_fetcher_end_with_their_worker(started):
    signer, fetcher = started.signer, started.fetcher
    started.program.send_signal(signal.SIGTERM)
    assert started.ends()[0] == 0
    assert not Path("/proc", str(signer)).exists()
    assert not Path("/proc", str(fetcher)).exists()


def test_a_worker_goes_on_without_its_fetcher_and_says_so(started):
    os.kill(started.fetcher, signal.SIGKILL)
    for line in started.program.stderr:
        if "fetcher_ended" in line:
            break
    assert "signal 9" in line
    started.program.send_signal(signal.SIGTERM)
    assert started.ends()[0] == 0
