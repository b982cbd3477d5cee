"""A running devnet as its user sees it: the command line, the files it wrote, and the chain."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
from loaded_program import typed

from poolhand.chain import connect
from poolhand.devnet.demo import requester_settings
from poolhand.devnet.examples import example_image
from poolhand.devnet.info import DevnetInfo, NoDevnet
from poolhand.domain.ids import Address

SECONDS = 100
"""For one command, or one condition to come true."""
WEB = httpx.Client(
    verify=False, timeout=30, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
)
"""Asks the services over plain HTTP. Who looks again and again saves the 20 ms of processor that
every client spends on certificates; nothing is kept open to a program that is killed meanwhile."""
STAY_DEAD = {"POOLHAND_DEVNET_RESTART": "false"}
"""Here it is the test that kills programs and starts them again."""
SELL_ALL = {"POOLHAND_PREFLIGHT": "false"}
"""Tests buy while workers are paused or gone, and what they cannot do, to see what comes of it;
``test_nine_adversaries.py`` is about what is not sold."""


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, str]:
        """The ``--json`` error object; the command must have failed and told nothing else."""
        assert self.code, self.out
        return self.json["error"]


@dataclass(frozen=True)
class Program:
    """How a program was started."""

    command: tuple[str, ...]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Network:
    """A devnet in a folder; ``info`` is read anew, since a restart may change it."""

    home: Path
    started: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    @property
    def info(self) -> DevnetInfo:
        return DevnetInfo.read(self.home)

    @property
    def runs(self) -> bool:
        try:
            return bool(self.info)
        except NoDevnet:
            return False

    def image(self, name: str) -> str:
        return example_image(self.info.registry, name)

    def cli(self, *words: str, seconds: float = SECONDS, **environment: str) -> Done:
        """Run ``poolhand`` as a user does: no terminal, nothing inherited but what is named."""
        known = {k: v for k, v in os.environ.items() if not k.startswith(("POOLHAND_", "IEXEC_"))}
        try:
            found = typed(
                words,
                {**known, **STAY_DEAD, **SELL_ALL, "POOLHAND_HOME": str(self.home)} | environment,
                seconds,
            )
        except subprocess.TimeoutExpired as late:
            said = b"\n".join((late.stdout or b"", late.stderr or b"")).decode(errors="replace")
            raise AssertionError(f"{words} did not end in {seconds} s; it said:\n{said}") from None
        done = Done(found.returncode, found.stdout, found.stderr)
        assert "Traceback" not in done.out + done.err, done
        return done

    def ok(self, *words: str, seconds: float = SECONDS, **environment: str) -> Any:
        """Run a command that must succeed; returns its JSON."""
        done = self.cli(*words, "--json", seconds=seconds, **environment)
        assert done.code == 0, done
        return done.json

    @asynccontextmanager
    async def chain(self):
        async with connect(requester_settings(self.info, self.home).chain) as chain:
            yield chain

    @property
    def owners(self) -> dict[str, Address]:
        return {name: Address.parse(each.address) for name, each in self.info.accounts.items()}

    async def money(self) -> dict[Address, int]:
        """Every nRLC of every account, in the hub or outside, and the kitty (zero address)."""
        async with self.chain() as chain:
            owners = tuple(self.owners.values())
            inside = await chain.hub.accounts(owners)
            outside = await chain.hub.rlc_balances(owners)
            held = {o: inside[o].stake + inside[o].locked + outside[o] for o in owners}
            return {**held, Address(bytes(20)): await chain.hub.kitty()}

    def program(self, name: str) -> psutil.Process:
        """The process of a program: ``pool``, ``results``, ``worker-1``, ``liar-1`` and on."""
        if name in self.started:
            return psutil.Process(self.started[name].pid)
        for process in self._programs():
            if name == process.environ().get("IEXEC_WORKER_NAME", _named(*process.cmdline()[3:5])):
                return process
        raise LookupError(name)

    def _programs(self) -> Iterator[psutil.Process]:
        leader = int((self.home / "devnet.pid").read_text())
        for process in psutil.Process(leader).children():
            if process.cmdline()[1:3] == ["-m", "poolhand"]:
                yield process

    def end(self, name: str, number: int = signal.SIGKILL) -> Program:
        """End a program by a signal and wait until it is gone; returns how to start it again."""
        process = self.program(name)
        program = Program(tuple(process.cmdline()), process.environ())
        process.send_signal(number)
        if name in self.started:
            gone = self.started.pop(name)
            gone.wait(SECONDS)
            gone.stdout.close()
        else:
            process.wait(SECONDS)
        return program

    def start(self, name: str, program: Program) -> None:
        """Start a program as it was started before, and wait until it serves."""
        self.launch(name, program)
        self.await_ready(name)

    def await_ready(self, name: str) -> None:
        """Wait until a program that was launched serves."""
        assert json.loads(self.started[name].stdout.readline())["url"]

    def launch(self, name: str, program: Program) -> None:
        """Start a program as it was started before, whether or not it will come to serve."""
        setpriv = shutil.which("setpriv")
        tied = (setpriv, "--pdeathsig", "TERM") if setpriv else ()
        with (self.home / "logs" / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                (*tied, *program.command),
                env=dict(program.environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.started[name] = process

    def stop(self) -> None:
        """Stop what tests started, then the devnet."""
        for name in tuple(self.started):
            process = self.started.pop(name)
            process.terminate()
            process.wait(SECONDS)
            process.stdout.close()
        if self.runs:
            assert self.cli("devnet", "down").code == 0


def _named(noun: str, verb: str) -> str:
    """Return what the devnet calls a program, which is no worker, by its command."""
    return "matcher" if verb == "match" else noun


def wait_until(true: Callable[[], Any], seconds: float = SECONDS) -> Any:
    """Look again and again until something is true; returns it."""
    until = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < until, "it did not come true in time"
        time.sleep(0.2)
    return found


@contextmanager
def worker_with(network: Network, name: str, parts: dict[str, Any], **settings: str):
    """Have one of the devnet's workers be another while the block runs: see ``worker_with.py``."""
    helper = Path(__file__).parent / "worker_with.py"
    before = network.end(name, signal.SIGTERM)
    words = (sys.executable, str(helper), json.dumps(parts))
    command = words + before.command[before.command.index("start") + 1 :]
    path = os.pathsep.join(map(str, (helper.parent, helper.parent.parent)))
    network.start(name, Program(command, {**before.environment, **settings, "PYTHONPATH": path}))
    try:
        yield
    finally:
        network.end(name, signal.SIGTERM)
        network.start(name, before)


@contextmanager
def others_paused(network: Network) -> Iterator[None]:
    """Let none of the devnet's own workers take a task while the block runs."""
    workers = [f"worker-{number}" for number in range(1, 5)]
    try:
        for name in workers:
            network.ok("worker", "pause", "--name", name)
        yield
    finally:
        for name in workers:
            network.ok("worker", "resume", "--name", name)
