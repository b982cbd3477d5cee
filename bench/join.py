"""What joining a pool installs on a computer, and how long that takes where packages are cached.

The pool's own script, with the wheel of this program and the worker's lock; instead of joining it is
asked for help, so that no chain is needed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bench.frame import Job, Keys
from poolhand.domain.ids import Address
from poolhand.keys.wallet import Wallet
from poolhand.scheduler.joining.join_files import JoinPlace, join_set, worker_packages
from poolhand.scheduler.joining.own_wheel import own_wheel

OWNER = Wallet.from_key(bytes([2] * 32))
NOBODY = Address(bytes(20))


async def keys(job: Job) -> Keys:
    with serving() as (served, url):
        made = join_set(
            JoinPlace(31337, NOBODY, NOBODY, url), OWNER, own_wheel(), worker_packages()
        )
        served |= {
            made.manifest.wheel.path: made.wheel,
            made.manifest.requirements.path: made.requirements,
        }
        script = job.home / "join.sh"
        script.write_bytes(made.script)
        place = job.home / ".local/share/poolhand"
        run(script, job.home)  # fills the cache
        shutil.rmtree(place)
        began = time.perf_counter()
        run(script, job.home)
        took = time.perf_counter() - began
    (environment,) = place.glob("version-*/env")
    size = taken(environment) / 1e6
    job.say(f"{size:.1f} MB, installed in {took:.1f} s")
    return {"join": {"env_mb": round(size, 1), "install_s": round(took, 1)}}


def run(script: Path, home: Path) -> None:
    environment = {**os.environ, "HOME": str(home)}
    environment.pop("XDG_DATA_HOME", None)
    words = ["sh", str(script), "--yes", "--help"]
    subprocess.run(words, env=environment, check=True, capture_output=True)


def taken(folder: Path) -> int:
    """Return the room of a folder on the disk (bytes)."""
    return sum(each.lstat().st_blocks * 512 for each in folder.rglob("*"))


@contextmanager
def serving() -> Iterator[tuple[dict[str, bytes], str]]:
    """Serve files by their paths; gives them, and the address."""
    served: dict[str, bytes] = {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), answering(served))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield served, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answering(served: Mapping[str, bytes]) -> type[BaseHTTPRequestHandler]:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = served.get(self.path)
            self.send_response(200 if body is not None else 404)
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    return Answers
