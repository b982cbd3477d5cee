"""Run a command with a private Slurm cluster of several nodes on this machine.

    slurm_cluster.py [--nodes N] [--cpus N] COMMAND...   exit status of COMMAND; 2: no cluster
    slurm_cluster.py --prepare                           only makes sure that one can be started

Root only: nodes make control groups. munged, slurmctld and a slurmd for each node live in a folder
of their own, listen on loopback and end with the command, which finds them by ``SLURM_CONF``. Each
node has the processors and the memory that it is told to have, whatever this machine has.
Standard library only: it runs before set-up, and tests start clusters by ``Cluster``.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

HERE = Path(__file__).resolve().parent
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged", "runc", "skopeo", "tini-static")
SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"
START_SECONDS = 30.0
NEEDS_SOMETHING = 2
CGROUPS = Path("/sys/fs/cgroup")
CONFIGURATION = """\
ClusterName=poolhand
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
AuthInfo=socket={folder}/munge/sock
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdSpoolDir={folder}/spool-%n
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdLogFile={folder}/slurmd-%n.log
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
ProctrackType=proctrack/cgroup
TaskPlugin=task/cgroup
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_min_interval=10000,batch_sched_delay=0,bf_interval=1
MpiDefault=none
ReturnToService=2
SlurmdTimeout={silence}
SlurmdParameters=config_overrides
KillWait=2
MinJobAge=60
DefMemPerCPU=100
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=120 State=UP
"""


class NoCluster(Exception):
    """No cluster can be started; the message says what to do."""


def missing() -> list[str]:
    """Return which programs this machine lacks."""
    path = f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"
    return [name for name in PROGRAMS if shutil.which(name, path=path) is None]


def prepare() -> None:
    """See to it that a cluster can be started.

    Raises:
        NoCluster: It cannot; the message says what is missing.
    """
    if os.geteuid():
        raise NoCluster("a private Slurm cluster needs root: its nodes make control groups")
    if missing():
        install = [
            str(HERE / "apt-install"), "a Slurm cluster, for its tests", "slurmctld", "slurmd",
            "slurm-client", "munge", "runc", "skopeo", "tini",
        ]  # fmt: skip
        if subprocess.run(install, check=False).returncode:
            raise NoCluster(f"these programs are missing: {', '.join(missing())}")


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody has."""
    with contextlib.ExitStack() as held:
        taken = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in taken:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in taken]


class Cluster:
    """A cluster that lives as long as the context.

    Args:
        nodes: How many.
        cpus: Processors of each.
        memory: Of each (MiB).
        silence: Seconds after which the controller takes a silent node for dead.
    """

    def __init__(
        self, nodes: int = 2, cpus: int = 2, memory: int = 4000, silence: int = 10
    ) -> None:
        tag = secrets.token_hex(3)
        self.nodes = [f"n{number}-{tag}" for number in range(1, nodes + 1)]
        self.folder = Path(tempfile.mkdtemp(prefix="poolhand-slurm-"))
        self.configuration = self.folder / "slurm.conf"
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        ports = free_ports(nodes + 1)
        told = "\n".join(
            f"NodeName={name} NodeHostname={socket.gethostname()} NodeAddr=127.0.0.1 Port={port} "
            f"CPUs={cpus} RealMemory={memory}"
            for name, port in zip(self.nodes, ports[1:], strict=True)
        )
        self.configuration.write_text(
            CONFIGURATION.format(
                host=socket.gethostname(), port=ports[0], folder=self.folder, silence=silence,
                nodes=told,
            )
        )  # fmt: skip
        version = "v1" if (CGROUPS / "memory").exists() else "v2"
        (self.folder / "cgroup.conf").write_text(
            f"CgroupPlugin=cgroup/{version}\nCgroupMountpoint=/sys/fs/cgroup\nCgroupAutomount=no\n"
            "IgnoreSystemd=yes\nConstrainRAMSpace=yes\n"
        )

    @property
    def environment(self) -> dict[str, str]:
        """What tells a program of this cluster."""
        path = f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"
        return {**os.environ, "SLURM_CONF": str(self.configuration), "PATH": path}

    def __enter__(self) -> Self:
        """Start it; raises NoCluster where it does not come up."""
        try:
            self._start_munge()
            self._start("slurmctld", "slurmctld", "-D", "-c")
            for name in self.nodes:
                self.start_node(name)
            self._await(lambda: self._idle() == len(self.nodes), "its nodes do not come up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End all of it."""
        for name in self.nodes:
            self.kill_node(name)
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()
        for name in self.nodes:
            for place in sorted(CGROUPS.glob(f"*/slurm_{name}")):
                inner = sorted(place.rglob("*"), reverse=True)
                for each in (*(one for one in inner if one.is_dir()), place):
                    with contextlib.suppress(OSError):
                        each.rmdir()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start_node(self, name: str) -> None:
        """Start a node, also one that was killed."""
        (self.folder / f"spool-{name}").mkdir(exist_ok=True)
        self._start(name, "slurmd", "-D", "-N", name)

    def kill_node(self, name: str) -> None:
        """End a node with all that runs on it, at once, as a power cut does."""
        process = self._running.pop(name, None)
        if process is not None:
            process.kill()
            process.wait()
        until = time.monotonic() + 10
        while (found := self._on(name)) and time.monotonic() < until:
            for pid in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)

    def _on(self, name: str) -> set[int]:
        """Return the processes of a node's jobs."""
        found = set[int]()
        for place in CGROUPS.glob(f"*/slurm_{name}"):
            for file in place.rglob("cgroup.procs"):
                with contextlib.suppress(OSError):
                    found |= {int(word) for word in file.read_text().split()}
        return found

    def _start_munge(self) -> None:
        home, user = self.folder / "munge", pwd.getpwnam("munge")
        home.mkdir()
        self.folder.chmod(0o755)
        (home / "key").write_bytes(secrets.token_bytes(128))
        for each in (home, home / "key"):
            os.chown(each, user.pw_uid, user.pw_gid)
        (home / "key").chmod(0o400)
        self._start(
            "munged", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups",
            "munged", "--foreground", "--force", f"--socket={home}/sock",
            f"--key-file={home}/key", f"--log-file={home}/log", f"--pid-file={home}/pid",
            f"--seed-file={home}/seed",
        )  # fmt: skip
        self._await((home / "sock").exists, "munged does not come up")
        (self.folder / "state").mkdir()

    def _start(self, name: str, *command: str) -> None:
        """Start a program that the kernel ends with this process, however that ends."""
        words = ("setpriv", "--pdeathsig=KILL", *command)
        with (self.folder / f"{name}.out").open("wb") as out:
            self._running[name] = subprocess.Popen(
                words, env=self.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )

    def _idle(self) -> int:
        words = ["sinfo", "--noheader", "-N", "-o", "%t"]
        told = subprocess.run(
            words, env=self.environment, check=False, capture_output=True, text=True
        )
        return told.stdout.split().count("idle")

    def _await(self, is_so: Callable[[], bool], fault: str) -> None:
        until = time.monotonic() + START_SECONDS
        while not is_so():
            if time.monotonic() > until:
                raise NoCluster(f"{fault}: {self._last_words()}")
            time.sleep(0.02)

    def _last_words(self) -> str:
        texts = (each.read_text(errors="replace") for each in sorted(self.folder.glob("*.out")))
        return " ".join(line for text in texts for line in text.splitlines()[-2:])[-800:]


def main(arguments: Sequence[str]) -> int:
    """Obey the command line."""
    words, sizes = list(arguments), {"--nodes": 4, "--cpus": 2}
    prepare()
    if words == ["--prepare"]:
        return 0
    while words and words[0] in sizes:
        sizes[words[0]] = int(words[1])
        words = words[2:]
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with Cluster(sizes["--nodes"], sizes["--cpus"]) as cluster:
        return subprocess.run(words, env=cluster.environment, check=False).returncode


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit(__doc__)
    try:
        sys.exit(main(sys.argv[1:]))
    except NoCluster as trouble:
        print(f"poolhand: {trouble}", file=sys.stderr)
        sys.exit(NEEDS_SOMETHING)
