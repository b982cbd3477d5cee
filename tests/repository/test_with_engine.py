"""`scripts/with-engine` uses the engine that is there, or brings and takes away its own."""

from __future__ import annotations

import fcntl
import os
import socketserver
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import NoEngine, dockerd, running_engine
from own_dockerd import EngineFailed, EnginePlace, answers, nobody_else, own_engine, sweep

WITH_ENGINE = Path(__file__).parents[2] / "scripts" / "with-engine"


class Ping(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while self.rfile.readline().strip():
            pass
        self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\nOK")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory() as short:
        yield Path(short)


@pytest.fixture
def docker_host(folder: Path) -> Iterator[str]:
    """Where something answers that an engine's ping would get."""
    path = folder / "docker.sock"
    with socketserver.ThreadingUnixStreamServer(str(path), Ping) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"unix://{path}"
        server.shutdown()
        thread.join()


def test_the_engine_of_docker_host_is_used(docker_host: str) -> None:
    assert running_engine({"DOCKER_HOST": docker_host}) == docker_host


def test_a_docker_host_where_nothing_answers_is_named(folder: Path) -> None:
    with pytest.raises(NoEngine, match="no engine answers there"):
        running_engine({"DOCKER_HOST": f"unix://{folder}/nothing.sock"})


def test_an_engine_elsewhere_is_left_to_the_command() -> None:
    assert running_engine({"DOCKER_HOST": "tcp://127.0.0.1:1"}) == "tcp://127.0.0.1:1"


def test_the_command_gets_the_engine_and_its_exit_status_comes_back(docker_host: str) -> None:
    done = subprocess.run(
        [WITH_ENGINE, "sh", "-c", "echo $DOCKER_HOST; exit 7"],
        env={**os.environ, "DOCKER_HOST": docker_host},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip(), done.returncode) == (docker_host, 7)


def test_nobody_else_on_the_machine_gets_at_the_folders_of_engines(folder: Path) -> None:
    """Whatever the umask lets them; an engine's socket is its owner's alone."""
    before = os.umask(0)
    try:
        with nobody_else(folder / "poolhand" / "engines"):
            pass
    finally:
        os.umask(before)
    assert (folder / "poolhand").stat().st_mode & 0o777 == 0o700


def test_what_a_killed_engine_left_is_swept(folder: Path) -> None:
    left = EnginePlace(folder / "abc123")
    os.close(left.claim())
    assert sweep(folder) == 0
    assert not left.folder.exists()


def test_a_living_engine_is_not_swept(folder: Path) -> None:
    place = EnginePlace(folder / "abc123")
    lock = place.claim()
    assert sweep(folder) == 1
    assert place.folder.exists()
    fcntl.flock(lock, fcntl.LOCK_UN)
    os.close(lock)


@pytest.mark.docker
def test_an_engine_of_our_own_comes_for_root_only_and_leaves_nothing(folder: Path) -> None:
    places: list[EnginePlace] = []
    try:
        with own_engine(folder, dockerd() or "dockerd") as host:
            places = [EnginePlace(path) for path in folder.iterdir() if path.is_dir()]
            assert answers(Path(host.removeprefix("unix://")))
    except EngineFailed:
        assert not places
    assert len(places) == (os.geteuid() == 0 and dockerd() is not None)
    assert [path.name for path in folder.iterdir()] == ["lock"]
    assert str(folder) not in Path("/proc/self/mountinfo").read_text()
    for place in places:
        assert not Path("/sys/class/net", place.bridge).exists()
        assert not place.sockets.exists()
