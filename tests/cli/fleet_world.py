"""A fleet in a folder, whose workers are a small program of the test: a *simulated* worker.

It posts a pid file, answers at a status page, and takes orders as a worker does (told to upgrade, it
is new at once, or fails where ``fails`` names it); what it says of
itself stands in ``says.json`` of the fleet's folder. Whoever has its number in ``kills`` of the
worker's folder is killed once an order has come. It computes nothing and reads no chain. Once it
is up it tells the test its process, so that the test waits for starts and ends without looking for
them.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import textwrap
from contextlib import contextmanager, suppress
from dataclasses import replace

from poolhand.cli.fleet.folder import Fleet, FleetFolder
from poolhand.cli.fleet.supervisor import Supervisor
from poolhand.cli.fleet.wallets import make_wallets
from poolhand.worker.pid_file import read

JUNK = "test test test test test test test test test test test junk"
POOL = "0x" + "ab" * 20
LONG = 60.0
"""Seconds after which what is waited for never comes."""
IDLE = {
    "connected": True,
    "draining": False,
    "paused": None,
    "replicates": [],
    "slots": 1,
    "idle_causes": [
        {"code": "no-task", "sentence": "no task waits", "acts": "nobody", "change": "wait"}
    ],
}
PROGRAM = """
    #!{python}
    import json, os, pathlib, signal, sys, threading, tomllib
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from poolhand.worker import pid_file

    config = tomllib.loads(pathlib.Path(sys.argv[sys.argv.index("--config") + 1]).read_text())
    folder = pathlib.Path(config["base-dir"]) / config["name"]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "starts").open("a") as starts:
        starts.write("x")
    (folder / "environ.json").write_text(json.dumps(dict(os.environ)))
    said = json.loads(pathlib.Path({says!r}).read_text())
    orders, kills = folder / "orders", folder / "kills"

    class Page(BaseHTTPRequestHandler):
        def answer(self, told):
            body = json.dumps(told).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            self.answer(said)

        def do_POST(self):
            verb = self.path.rpartition("/")[2]
            with orders.open("a") as file:
                file.write(verb + "\\n")
            if kills.exists():
                os.kill(int(kills.read_text()), signal.SIGKILL)
                kills.unlink()
            if verb in ("look", "upgrade"):
                self.replaced(verb)
                return
            said["draining"] = verb == "drain"
            self.answer({{"paused": None, "draining": verb == "drain"}})
            if verb in ("drain", "stop"):
                threading.Thread(target=server.shutdown).start()

        def replaced(self, verb):
            newer = said.get("newer")
            if verb == "upgrade" and said.get("fails") == config["name"]:
                said["upgrade"] = {{**newer, "state": "failed", "tries": 1, "failure": "no room"}}
            elif verb == "upgrade":
                said["version"], said["newer"] = newer["version"], None
            self.answer({{"version": said["version"], "newer": said["newer"]}})

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Page)
    pid_file.post(folder, f"http://127.0.0.1:{{server.server_port}}", "token")
    with open({line!r}, "w") as line:
        print(os.getpid(), file=line)
    server.serve_forever(0.02)
    pid_file.remove(folder)
"""


class FleetWorld:
    """A fleet of that many workers, and the program that stands for a worker."""

    def __init__(self, tmp_path, monkeypatch, count=2):
        monkeypatch.setenv("POOLHAND_JOIN_HOME", str(tmp_path / "home"))
        phrase = tmp_path / "phrase"
        phrase.write_text(JUNK + "\n")
        self.folder = FleetFolder.of("lab")
        members = make_wallets(self.folder, count, words_file=str(phrase), words_to="", yes=True)
        self.folder.settle()
        settings = {"chain": "arbitrum", "rpc": "https://rpc.test"}
        fleet = Fleet("https://pool.test", POOL, settings, 1, members, count, members[0].address)
        self.folder.write(fleet)
        self.folder.write_settings(fleet)
        self.members = members
        self.supervisors = []
        self.says(**IDLE)
        self.line = tmp_path / "started"
        os.mkfifo(self.line)
        self._heard, self._ends = os.open(self.line, os.O_RDWR | os.O_NONBLOCK), []
        program = tmp_path / "simulated-worker"
        says = str(self.folder.path / "says.json")
        text = textwrap.dedent(PROGRAM).lstrip()
        program.write_text(text.format(python=sys.executable, says=says, line=str(self.line)))
        program.chmod(0o755)
        self.environ = {"POOLHAND_COMMAND": str(program), "PATH": ""}

    def supervisor(self, now=lambda: 0.0):
        """Return a supervisor, kept so that its workers are looked after in the end."""
        self.supervisors.append(Supervisor(self.folder, self.environ, now))
        return self.supervisors[-1]

    def says(self, **told):
        """Have workers that start from now on say this of themselves."""
        self.folder.path.mkdir(parents=True, exist_ok=True)
        (self.folder.path / "says.json").write_text(json.dumps(told))

    def until(self, is_so):
        """Wait until something is so; it is looked at again whenever a process starts or ends."""
        while not is_so():
            found, _, _ = select.select([self._heard, *self._ends], [], [], LONG)
            assert found, "it did not come to that"
            for each in found:
                if each == self._heard:
                    self._hear()
                else:
                    self._ends.remove(each)
                    os.close(each)

    def _hear(self):
        """Watch for the ends of processes that have told that they are up."""
        for pid in os.read(self._heard, 65_536).split():
            with suppress(ProcessLookupError):
                self._ends.append(os.pidfd_open(int(pid)))

    def close(self):
        """Kill all workers that run, those too that are starting, and have supervisors see it."""
        for each in self.members:
            self.folder.mark(each, stopped=True)
        self.until(self._is_over)
        for each in (self._heard, *self._ends):
            os.close(each)

    def _is_over(self):
        """Kill all workers that have told where they are; one that is starting tells later.

        All supervisors look: what one has started is seen by the others until it is seen to end.
        That one is up may have been heard by a copy of this process, which is gone.
        """
        for each in self.members:
            found = read(self.place(each))
            if found is not None and found.is_running and found.pid != os.getpid():
                with suppress(ProcessLookupError):
                    self._ends.append(os.pidfd_open(found.pid))
                    os.kill(found.pid, signal.SIGKILL)
        looks = [each.look() for each in self.supervisors]
        return not any(looks)

    def elsewhere(self, member):
        fleet = self.folder.read()
        away = tuple(replace(e, is_here=e != member) for e in fleet.members)
        self.folder.write(replace(fleet, members=away))

    def place(self, member):
        return self.folder.member(member).worker

    def starts(self, member):
        file = self.place(member) / "starts"
        return len(file.read_text()) if file.exists() else 0

    def orders(self, member):
        file = self.place(member) / "orders"
        return file.read_text().split() if file.exists() else []


@contextmanager
def simulated_fleet(tmp_path, monkeypatch):
    """Have a fleet of two while the block runs."""
    made = FleetWorld(tmp_path, monkeypatch)
    try:
        yield made
    finally:
        made.close()
