"""The machine's own test: it joins a devnet of this computer, computes, loses power, and goes on.

Where a devnet runs (`poolhand devnet up --workers 0 --detach`), as root::

    .venv/bin/python scripts/vm/journey.py dist/vm/poolhand-worker-headless.ova

boots the disk of the archive in QEMU without hardware to help it (20 times slower than this
computer), with a seed disk, and ends with an error unless: it joins by itself; a task is computed;
the power is cut while another is held, and that one is computed after the next start, without the
seed disk; its power button shuts it down. ``--desktop`` only boots it, for a person (``guest.py``).

A devnet tells addresses of this computer itself (127.0.0.1), so the copy of the disk gets units
that pass these ports on to the host; nothing else of it is changed.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any, Final

from guest import Guest, until

POOLHAND: Final = Path(sys.executable).with_name("poolhand")
ALL_SET: Final = "Your worker is all set."
PATIENCE: Final = 3_000.0
"""Seconds for whatever the machine does, where everything else on this computer runs, too."""
GATEWAY: Final = "10.0.2.2"
"""This computer, as the machine sees it."""
FOLDER: Final = Path("/var/tmp/poolhand-journey")  # noqa: S108 - root's, and made anew
PART: Final = 1_048_576
"""Where the partition begins (bytes)."""


def run(*words: str | Path) -> str:
    """Run a program; return what it prints."""
    return subprocess.run(
        list(map(str, words)), check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def poolhand(*words: str) -> Any:
    """Run a verb of Poolhand on the devnet; return what it answers."""
    return json.loads(run(POOLHAND, *words, "--json"))


def unpack(archive: Path, folder: Path, ports: set[str]) -> None:
    """Lay the archive's disk into a folder as ``disk.qcow2``, with the devnet's ports passed on."""
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    (vmdk,) = folder.glob("*.vmdk")
    raw = folder / "disk.raw"
    run("qemu-img", "convert", "-O", "raw", vmdk, raw)
    vmdk.unlink()
    place = folder / "mounted"
    place.mkdir()
    run("mount", "-o", f"loop,offset={PART}", raw, place)
    try:
        _pass_on(place, ports)
    finally:
        run("umount", place)
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", raw, "-F", "raw", folder / "disk.qcow2")


def _pass_on(root: Path, ports: set[str]) -> None:
    units = root / "etc/systemd/system"
    wanted = units / "sockets.target.wants"
    wanted.mkdir(exist_ok=True)
    for port in ports:
        listen = f"[Socket]\nListenStream=127.0.0.1:{port}\n"
        (units / f"devnet-{port}.socket").write_text(listen, encoding="utf-8")
        proxy = f"/lib/systemd/systemd-socket-proxyd {GATEWAY}:{port}"
        (units / f"devnet-{port}.service").write_text(f"[Service]\nExecStart={proxy}\n", "utf-8")
        (wanted / f"devnet-{port}.socket").symlink_to(f"../devnet-{port}.socket")


def seed_disk(folder: Path, pool_url: str) -> Path:
    """Make a seed disk with a password and no wallet: the machine makes one."""
    content, disk = folder / "seed", folder / "seed.img"
    content.mkdir()
    (content / "join.toml").write_text(f'pool-url = "{pool_url}"\n', encoding="utf-8")
    (content / "password").write_text("correct horse\n", encoding="utf-8")
    run("mke2fs", "-q", "-t", "ext2", "-L", "POOLHAND", "-d", content, disk, "2M")
    return disk


class Devnet:
    """The devnet that runs here, as the journey needs it."""

    def __init__(self) -> None:
        self.told = poolhand("devnet", "info")

    @property
    def ports(self) -> set[str]:
        """Ports of this computer that a worker of it is told of."""
        found = re.findall(r"127\.0\.0\.1:(\d+)", json.dumps(self.told))
        return set(found)

    def buy(self, seed: int) -> str:
        """Buy one small task; return its id."""
        image = f"{self.told['registry']}/poolhand/fractal:1.0"
        words = ("--args", f"--width 8 --height 8 --iterations 10 --seed {seed}", "--no-wait")
        bought = poolhand("run", image, *words)
        return str(bought["tasks"][0]["task_id"])

    def statuses(self, task: str) -> list[str]:
        """Return the statuses of a task's replicates."""
        return [each["status"] for each in self.task(task)["replicates"]]

    def task(self, task: str) -> Any:
        """Return what is known of a task."""
        return poolhand("task", "show", task)

    def await_result(self, task: str) -> None:
        """Wait until a task is completed; raises NotInTime with what is known of it."""
        until(
            lambda: self.task(task)["status"] == "COMPLETED",
            PATIENCE,
            lambda: json.dumps(self.task(task)),
        )


def journey(guest: Guest, devnet: Devnet) -> None:
    """Join, compute, lose power, go on, shut down."""
    began = time.monotonic()

    def tell(what: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {what}", flush=True)

    seed = seed_disk(guest.folder, devnet.told["pool_url"])
    guest.start("-drive", f"file={seed},format=raw,if=virtio,readonly=on")
    guest.await_words(ALL_SET, 1, PATIENCE)
    tell("it has joined by its seed disk")
    devnet.await_result(devnet.buy(1))
    tell("it has computed a task")
    held = devnet.buy(2)
    until(lambda: bool(devnet.statuses(held)), PATIENCE, lambda: "nobody took the second task")
    guest.cut_power()
    tell(f"power was cut while it held a task: {devnet.statuses(held)}")
    guest.start()
    devnet.await_result(held)
    tell("it has come back without the seed disk and completed that task")
    guest.shut_down(PATIENCE)
    tell("its power button has shut it down")


def main() -> None:
    """Boot the disk of an archive, and send it on its journey."""
    words = argparse.ArgumentParser(description="The virtual machine's own test.")
    words.add_argument("archive", type=Path, help="an .ova")
    words.add_argument("--desktop", action="store_true", help="only boot it, for a person")
    words.add_argument("--folder", type=Path, default=FOLDER, help="made anew; 4 GB")
    told = words.parse_args()
    shutil.rmtree(told.folder, ignore_errors=True)
    told.folder.mkdir(mode=0o700)
    devnet, guest = Devnet(), Guest(told.folder)
    unpack(told.archive, told.folder, devnet.ports)
    if told.desktop:
        guest.start()
        print(f"it boots: python scripts/vm/guest.py {told.folder} shot FILE.png")
        return
    journey(guest, devnet)


if __name__ == "__main__":
    main()
