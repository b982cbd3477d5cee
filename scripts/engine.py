"""Run a command where a Docker engine answers; start a private engine for it if none does.

    engine.py COMMAND...    exit status of COMMAND; 2 when no engine answers nor can be started
    engine.py --gvisor COMMAND...   the same, and a private engine has gVisor beside runc
    engine.py --prepare     only makes sure that an engine answers or can be started
    engine.py --sweep       removes what killed private engines left; 2 while one is running

An engine that answers (DOCKER_HOST, the usual sockets) is used as it is. Otherwise root gets an
engine of its own (``own_dockerd``), which ends with the command; anybody else is told what to do.
Standard library only: it runs before set-up.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from commands import NeedsSomething
from gvisor import runsc
from own_dockerd import SYSTEM_PATH, EngineFailed, answers, own_engine, sweep

HERE = Path(__file__).resolve().parent
ENGINES = HERE.parent / ".poolhand" / "engine"
SERVICE_SECONDS = 10.0
NEEDS_SOMETHING = 2


class NoEngine(Exception):
    """No engine answers and none can be started; the message says what to do."""


def say(words: str) -> None:
    """Tell the person at the terminal."""
    print(f"poolhand: {words}", file=sys.stderr, flush=True)


def usable(path: Path) -> bool:
    """Tell whether an engine answers at ``path``.

    Raises:
        NoEngine: one does, but this user may not speak to it.
    """
    try:
        return answers(path)
    except PermissionError:
        raise NoEngine(
            f"a Docker engine runs here, but you may not use {path}. "
            "Join its group, log in again, and run the same command:\n"
            '    sudo usermod -aG docker "$USER"'
        ) from None


def usual_sockets(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield where engines listen: the system's, a rootless one, Docker Desktop's."""
    yield Path("/var/run/docker.sock")
    if "XDG_RUNTIME_DIR" in environ:
        yield Path(environ["XDG_RUNTIME_DIR"]) / "docker.sock"
    yield Path("~/.docker/run/docker.sock").expanduser()


def running_engine(environ: Mapping[str, str]) -> str | None:
    """Return the DOCKER_HOST of an engine that answers, or None.

    Raises:
        NoEngine: DOCKER_HOST names one that does not answer, or this user may not use it.
    """
    named = environ.get("DOCKER_HOST", "")
    if named and not named.startswith("unix://"):
        return named  # over TCP or SSH: the command will find out
    if named:
        if usable(Path(named.removeprefix("unix://"))):
            return named
        raise NoEngine(f"DOCKER_HOST is {named}, but no engine answers there: start it or unset it")
    return next((f"unix://{path}" for path in usual_sockets(environ) if usable(path)), None)


def dockerd() -> str | None:
    """Return the engine's program, also where root's PATH lacks the system folders."""
    return shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}")


def prepare() -> str | None:
    """Return the DOCKER_HOST of an engine that answers, or None when one can be started.

    Raises:
        NoEngine: neither; it says what to install.
    """
    host = running_engine(os.environ)
    if host or (os.geteuid() == 0 and dockerd()):
        return host
    if os.geteuid() != 0 and dockerd():
        raise NoEngine("Docker is installed but not running. Start it: sudo systemctl start docker")
    install = [str(HERE / "apt-install"), "a Docker engine", "docker.io"]
    if subprocess.run(install, check=False).returncode != 0:
        raise NoEngine(
            "then start it (sudo systemctl start docker) and join its group, logging in again:\n"
            '    sudo usermod -aG docker "$USER"'
        )
    return service_engine()


def service_engine() -> str | None:
    """Return the DOCKER_HOST of the engine that the system starts by itself, or None."""
    if not Path("/run/systemd/system").exists():
        return None
    until = time.monotonic() + SERVICE_SECONDS
    while not (host := running_engine(os.environ)) and time.monotonic() < until:
        time.sleep(0.2)
    return host


def run(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the command, pass on requests to end, and return its exit status as a shell would."""
    try:
        child = subprocess.Popen(command, env=environ)
    except OSError as error:
        say(f"cannot run {command[0]}: {error.strerror}")
        return 127
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda got, _: child.send_signal(got))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the command itself
    status = child.wait()
    return status if status >= 0 else 128 - status


def main(arguments: Sequence[str]) -> int:
    """Obey the command line."""
    if list(arguments) == ["--sweep"]:
        return NEEDS_SOMETHING if sweep(ENGINES) else 0
    host = prepare()
    if list(arguments) == ["--prepare"]:
        return 0
    wants_gvisor, command = arguments[0] == "--gvisor", list(arguments)
    if wants_gvisor:
        command = command[1:]
    if host:
        os.execvpe(command[0], command, {**os.environ, "DOCKER_HOST": host})
    say("no Docker engine answers: starting a private one for this command")
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    more = runsc() if wants_gvisor else None
    with own_engine(ENGINES, dockerd() or "dockerd", more) as own:
        return run(command, {**os.environ, "DOCKER_HOST": own})


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit(__doc__)
    try:
        sys.exit(main(sys.argv[1:]))
    except (NoEngine, EngineFailed, NeedsSomething) as trouble:
        say(str(trouble))
        sys.exit(NEEDS_SOMETHING)
