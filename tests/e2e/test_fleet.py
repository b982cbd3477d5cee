"""A fleet joins the pool of a running devnet, computes, is paid, gives all back, and leaves."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from e2e_world import WEB, others_paused, wait_until

from poolhand.worker.pid_file import read

STAKE = 2 * 10**9
"""nRLC that each is given."""


def connected(network):
    return [each["worker"] for each in WEB.get(f"{network.info.pool_url}/v1/workers").json()]


def test_a_fleet_joins_computes_is_paid_and_gives_all_back(network, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    at_home = {"HOME": str(home), "POOLHAND_JOIN_HOME": str(home / ".poolhand")}
    up = ("fleet", "up", "--pool", network.info.pool_url, "--workers", "2", "--yes")
    up += ("--stake", "2", "--oversubscribe", "--words-to", str(tmp_path / "phrase"))
    try:
        made = network.ok(*up, **at_home)
        wallets = [each["wallet"] for each in made["workers"]]
        assert made["not_let_in"] == []
        assert made["paid"]["transactions"] == 4
        assert made["paid"]["stake_nrlc"] == 2 * STAKE
        wait_until(lambda: set(wallets) <= set(connected(network)))
        assert network.ok(*up, **at_home)["paid"]["transactions"] == 0

        with others_paused(network):
            bought = network.ok("run", network.image("fractal"), "--args", "--seed 6")
        by = {each["worker"] for each in bought["tasks"][0]["replicates"]}  # a slow one is replaced
        assert by
        assert by <= set(wallets)

        def all_idle():
            told = network.ok("fleet", "list", **at_home)
            return told if told["together"]["states"] == {"idle": 2} else None

        told = wait_until(all_idle)
        assert told["together"]["earned_nrlc"] > 0
        assert told["together"]["complete"]
        earned = told["together"]["earned_nrlc"]
        to = "0x" + "d1" * 20
        killed_while_it_collects(network, to, earned, at_home)
        wait_until(all_idle)
        refused_here_and_elsewhere(network, home, made["workers"][0], tmp_path)
        killed_with_its_supervisor(network, home, made["workers"], at_home)

        stopped = network.ok("fleet", "stop", **at_home)
        assert {each["state"] for each in stopped} == {"stopped"}
        wait_until(lambda: not set(wallets) & set(connected(network)))
        collected = network.ok("fleet", "collect", "--to", to, "--all", "--yes", **at_home)
        assert collected["rlc_nrlc"] == 2 * STAKE
        assert network.ok("account", "show", to)["rlc_nrlc"] == 2 * STAKE + earned
    finally:
        network.cli("fleet", "stop", "--now", "--yes", **at_home)
    names = [each["name"] for each in made["workers"]]
    assert network.ok("fleet", "remove", *names, "--yes", **at_home)["left"] == 0


def killed_while_it_collects(network, to, earned, at_home):
    """Kill a collection from workers that run once one ends for it: the same again goes on."""
    words = ("fleet", "collect", "--to", to, "--running", "--yes")
    known = {k: v for k, v in os.environ.items() if not k.startswith(("POOLHAND_", "IEXEC_"))}
    program = subprocess.Popen(
        [sys.executable, "-m", "poolhand", *words], stderr=subprocess.PIPE, text=True,
        stdout=subprocess.DEVNULL, env={**known, "POOLHAND_HOME": str(network.home), **at_home},
    )  # fmt: skip
    with program.stderr as said:
        assert any("finishes what it holds" in line for line in said)
    program.kill()
    program.wait()
    collected = network.ok(*words, **at_home)
    assert not any(each["trouble"] for each in collected["workers"])
    assert network.ok("account", "show", to)["rlc_nrlc"] == earned


def refused_here_and_elsewhere(network, home, worker, tmp_path):
    """Start a second worker of a fleet's wallet: on this machine, and on what stands for another."""
    fleet = next((home / ".poolhand/fleets").iterdir())
    settings = fleet / "members" / worker["name"] / "worker.toml"
    words = ("worker", "start", "--config", str(settings), "--base-dir", str(tmp_path / "second"))
    here = network.cli(*words, HOME=str(home))
    assert here.code == 2
    assert f"wallet {worker['wallet']} is in use by process" in here.err
    assert "stop that process, or give this program a wallet of its own" in here.err
    elsewhere = tmp_path / "another-machine"
    base = elsewhere / "workers"
    apart = {"HOME": str(elsewhere), "POOLHAND_LOCKS": str(elsewhere / "locks")}
    known = {k: v for k, v in os.environ.items() if not k.startswith(("POOLHAND_", "IEXEC_"))}
    words = ("worker", "start", "--config", str(settings), "--base-dir", str(base))
    other = subprocess.Popen(
        [sys.executable, "-m", "poolhand", *words], env={**known, **apart},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:

        def problem():
            asked = ("worker", "status", "--base", str(base / worker["name"]), "--json")
            done = network.cli(*asked, **apart)
            return done.json["problem"] if done.code == 0 else None

        told = wait_until(problem)
        assert f"wallet {worker['wallet']} is connected from another worker process" in told
        assert "stop that one" in told
    finally:
        other.terminate()
        other.wait()


def killed_with_its_supervisor(network, home, workers, at_home):
    """Kill the supervisor and one of its copies: the other works on, and the next one finds it."""
    fleet = next((home / ".poolhand/fleets").iterdir())
    lock = fleet / "supervisor.lock"
    if not lock.exists():  # a service manager keeps them running here
        return
    first, second = (fleet / "workers" / each["name"] for each in workers)
    killed, survivor = read(first).pid, read(second).pid
    for pid in (int(lock.read_text()), killed):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not read(first).is_running)
    resumed = {each["name"]: each["state"] for each in network.ok("fleet", "resume", **at_home)}
    assert resumed == {workers[0]["name"]: "started", workers[1]["name"]: "resumed"}
    assert read(first).pid != killed
    assert read(second).pid == survivor
    wallets = {each["wallet"] for each in workers}
    wait_until(lambda: wallets <= set(connected(network)))


MACHINE = """
set -e
mount -t tmpfs tmpfs {own}
for place in /etc /var/lib /usr/local/bin; do
    mkdir -p {own}$place/upper {own}$place/work
    mount -t overlay overlay \\
        -o lowerdir=$place,upperdir={own}$place/upper,workdir={own}$place/work $place
done
printf '#!/bin/sh\\nexec {python} -m poolhand "$@"\\n' > /usr/local/bin/poolhand
chmod 755 /usr/local/bin/poolhand
mkdir -p /etc/systemd/system /var/lib/poolhand
cd {brought}
{lines}
exec {command}
"""
"""What stands for another machine: its own /etc, /var/lib and /usr/local/bin, all of which go with it."""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_worker_starts_elsewhere_by_the_lines_of_its_text(network, tmp_path):
    home, units, brought, own = (tmp_path / each for each in ("home", "units", "brought", "own"))
    at_home = {"HOME": str(home), "POOLHAND_JOIN_HOME": str(home / ".poolhand")}
    for each in (home, own):
        each.mkdir()
    up = ("fleet", "up", "--fleet", "away", "--pool", network.info.pool_url, "--workers", "1")
    up += ("--yes", "--stake", "2", "--words-to", str(tmp_path / "phrase"), "--units", str(units))
    (worker,) = network.ok(*up, **at_home)["workers"]
    name = worker["name"]
    shutil.copytree(units / name, brought / name)
    typed = [each.strip() for each in (units / "README.txt").read_text().splitlines()]
    lines = [each for each in typed if each.startswith(("install ", "rm "))]
    (password,) = [each.partition("ssh root@MACHINE ")[2] for each in typed if "ssh" in each]
    lines.append(f"sh -c {password}")
    unit = (units / name / f"poolhand-{name}.service").read_text()
    (command,) = [each[10:] for each in unit.splitlines() if each.startswith("ExecStart=")]
    script = MACHINE.format(
        own=own, python=sys.executable, brought=brought, lines="\n".join(lines), command=command
    )
    known = {k: v for k, v in os.environ.items() if not k.startswith(("POOLHAND_", "IEXEC_"))}
    words = ("unshare", "--mount", "sh", "-c", script)
    said = tmp_path / "said"
    with said.open("w") as file:
        started = subprocess.Popen(words, env=known, stdout=file, stderr=file)
    try:
        wait_until(lambda: worker["wallet"] in connected(network) or started.poll() is not None)
        assert started.poll() is None, said.read_text()
        (told,) = network.ok("fleet", "list", **at_home)["workers"]
        assert (told["state"], told["stake_nrlc"]) == ("elsewhere", STAKE)
        assert not (brought / name).exists()
    finally:
        started.terminate()
        started.wait()
    assert started.returncode == 0
    assert not Path("/etc/poolhand", name).exists()
