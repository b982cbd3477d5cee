"""The machine's own test: both archives boot in QEMU, join a devnet, compute and are paid.

As root, after `make vm`::

    make vm-journey

QEMU has no hardware to help it here, so all of it takes 20 times as long as on a real machine. It
starts a devnet of its own, and ends with an error unless:

- each archive holds what its descriptor, its manifest and its SHA-256 tell;
- the headless machine joins by a seed disk (FAT) that is there when it starts, and reads one (a CD
  image on USB) that is attached while it runs;
- a task is computed in it and its wallet is paid;
- its power is cut while it holds a task, and that one is computed after the next start, without the
  seed disk;
- its power button shuts it down in order.

``--desktop`` boots the machine with the desktop beside such a devnet, for a person (``guest.py``).

A devnet tells addresses of this computer itself (127.0.0.1), so the copy of the disk gets units
that pass these ports on to the host; nothing else of it is changed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

from appliance import lay_out, verify
from guest import Guest, until

ROOT: Final = Path(__file__).parents[2]
POOLHAND: Final = Path(sys.executable).with_name("poolhand")
MADE: Final = ROOT / "dist" / "vm"
ALL_SET: Final = "Your worker is all set."
WAS_READ: Final = "the seed disk was read"
NO_SEED: Final = "no seed disk: "
LOGIN: Final = "poolhand-worker login:"
PATIENCE: Final = 3_000.0
"""Seconds for whatever the machine does, where everything else on this computer runs, too."""
GATEWAY: Final = "10.0.2.2"
"""This computer, as the machine sees it."""
FOLDER: Final = Path("/var/tmp/poolhand-journey")  # noqa: S108 - root's, and made anew
PART: Final = 1_048_576
"""Where the partition begins (bytes)."""
TOOLS: Final = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mkfs.vfat": "dosfstools",
    "mcopy": "mtools",
    "genisoimage": "genisoimage",
}
"""Debian's packages by program."""


def run(*words: str | Path) -> str:
    """Run a program; return what it prints."""
    return subprocess.run(
        list(map(str, words)), check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def poolhand(*words: str) -> Any:
    """Run a verb of Poolhand on the devnet; return what it answers."""
    return json.loads(run(POOLHAND, *words, "--json"))


# ------------------------------------------------------------------------------------ its archive


def unpack(archive: Path, folder: Path, ports: set[str]) -> Path:
    """Lay the archive's disk into a folder, with the devnet's ports passed on; return it."""
    folder.mkdir(mode=0o700)
    vmdk = lay_out(archive, folder)
    raw = folder / "disk.raw"
    run("qemu-img", "check", "-q", vmdk)
    run("qemu-img", "convert", "-O", "raw", vmdk, raw)
    vmdk.unlink()
    place = folder / "mounted"
    place.mkdir()
    run("mount", "-o", f"loop,offset={PART}", raw, place)
    try:
        _pass_on(place, ports)
    finally:
        run("umount", place)
    return raw


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


def machine(folder: Path, raw: Path) -> Guest:
    """Return a machine with a disk of its own that begins as another one."""
    folder.mkdir(mode=0o700, exist_ok=True)
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", raw, "-F", "raw", folder / "disk.qcow2")
    return Guest(folder)


# ---------------------------------------------------------------------------------- its seed disk


def fat_disk(folder: Path, pool_url: str) -> Path:
    """Make a seed disk as Windows does, with a password and no wallet: the machine makes one."""
    content, image = folder / "seed", folder / "seed.img"
    content.mkdir()
    _seed(content, pool_url, password="correct horse\r\n")  # noqa: S106 - of a devnet
    run("mkfs.vfat", "-C", "-n", "POOLHAND", image, "2880")
    run("mcopy", "-i", image, *content.iterdir(), "::")
    return image


def cd_image(folder: Path, pool_url: str) -> Path:
    """Make a CD image that names the pool, and has neither wallet nor password."""
    content, image = folder / "seed", folder / "seed.iso"
    content.mkdir()
    _seed(content, pool_url)
    run("genisoimage", "-quiet", "-V", "POOLHAND", "-J", "-o", image, content)
    return image


def _seed(folder: Path, pool_url: str, password: str = "") -> None:
    (folder / "join.toml").write_text(f'pool-url = "{pool_url}"\r\n', encoding="utf-8")
    if password:
        (folder / "password").write_text(password, encoding="utf-8")


# -------------------------------------------------------------------------------------- a devnet


class Devnet:
    """A devnet without workers, in a folder of its own."""

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

    def task(self, task: str) -> Any:
        """Return what is known of a task."""
        return poolhand("task", "show", task)

    def statuses(self, task: str) -> list[str]:
        """Return the statuses of a task's replicates."""
        return [each["status"] for each in self.task(task)["replicates"]]

    def worker(self) -> str:
        """Return the wallet of the one worker that is connected."""
        with urlopen(f"{self.told['pool_url']}/v1/workers") as answer:  # noqa: S310 - a devnet's
            (connected,) = json.load(answer)
        return str(connected["worker"])

    def stake(self, wallet: str) -> int:
        """Return what a wallet has on its account, free and locked (nRLC)."""
        told = poolhand("account", "show", wallet)
        return int(told["stake_nrlc"]) + int(told["locked_nrlc"])

    def await_result(self, task: str) -> None:
        """Wait until a task is completed; raises NotInTime with what is known of it."""
        until(
            lambda: self.task(task)["status"] == "COMPLETED",
            PATIENCE,
            lambda: json.dumps(self.task(task)),
        )


@contextmanager
def devnet(home: Path) -> Iterator[Devnet]:
    """Run a devnet without workers; everything of it ends with it."""
    os.environ["POOLHAND_HOME"] = str(home)
    run(POOLHAND, "devnet", "up", "--workers", "0", "--detach")
    try:
        yield Devnet()
    finally:
        run(POOLHAND, "devnet", "down")


# ------------------------------------------------------------------------------------ its journey


def works(guest: Guest, net: Devnet, began: float) -> None:
    """Join by a seed disk, compute, lose power, go on, shut down."""
    seed = fat_disk(guest.folder, net.told["pool_url"])
    guest.start("-drive", f"file={seed},format=raw,if=virtio,readonly=on")
    guest.await_words(LOGIN, 1, PATIENCE)
    tell(began, "it has started")
    guest.await_words(ALL_SET, 1, PATIENCE)
    tell(began, "it has joined by its seed disk")
    wallet = net.worker()
    before = net.stake(wallet)
    net.await_result(net.buy(1))
    until(lambda: net.stake(wallet) > before, PATIENCE, lambda: f"{wallet} was not paid")
    tell(began, f"it has computed a task and was paid {net.stake(wallet) - before} nRLC")
    before, held = net.stake(wallet), net.buy(2)
    until(lambda: bool(net.statuses(held)), PATIENCE, lambda: "nobody took the second task")
    guest.cut_power()
    tell(began, f"power was cut while it held a task: {net.statuses(held)}")
    guest.start()
    net.await_result(held)
    until(lambda: net.stake(wallet) > before, PATIENCE, lambda: f"{wallet} was not paid")
    tell(began, "it has come back without the seed disk, and was paid for that task")
    guest.shut_down(PATIENCE)
    tell(began, "its power button has shut it down")


def is_seeded_while_it_runs(guest: Guest, net: Devnet, began: float) -> None:
    """Start without a seed disk; take one from a CD image that is attached by USB."""
    image = cd_image(guest.folder, net.told["pool_url"])
    guest.start("-drive", f"file={image},format=raw,if=none,id=seed,readonly=on")
    guest.await_words(NO_SEED, 1, PATIENCE)
    guest.attach_usb("seed")
    guest.await_words(WAS_READ, 1, PATIENCE)
    tell(began, "it has read a CD image that was attached while it ran")
    guest.shut_down(PATIENCE)
    tell(began, "its power button has shut it down")


def tell(began: float, what: str) -> None:
    """Say what was seen, and when."""
    print(f"{time.monotonic() - began:6.0f} s  {what}", flush=True)


def prepare(folder: Path) -> None:
    """Install what is missing and make the folder anew."""
    missing = [package for program, package in TOOLS.items() if not shutil.which(program)]
    if missing:
        subprocess.run([ROOT / "scripts/apt-install", "What boots a disk", *missing], check=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)


def main() -> None:
    """Boot the disks of the archives, and send them on their journey."""
    words = argparse.ArgumentParser(description="The virtual machine's own test.")
    words.add_argument("--made", type=Path, default=MADE, help="folder of the archives")
    words.add_argument("--desktop", action="store_true", help="boot that one, for a person")
    words.add_argument("--folder", type=Path, default=FOLDER, help="made anew; 6 GB")
    told = words.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # ends all it started
    prepare(told.folder)
    began = time.monotonic()
    name = "poolhand-worker" if told.desktop else "poolhand-worker-headless"
    for archive in sorted(told.made.glob("*.ova")):
        verify(archive)
        tell(began, f"{archive.name} is what its descriptor, manifest and SHA-256 tell")
    with devnet(told.folder / "devnet") as net:
        raw = unpack(told.made / f"{name}.ova", told.folder / "archive", net.ports)
        guest = machine(told.folder / "machine", raw)
        try:
            if told.desktop:
                guest.start()
                tell(began, f"it boots: python scripts/vm/guest.py {guest.folder} shot FILE.png")
                guest.wait()
                return
            works(guest, net, began)
            guest = machine(told.folder / "seeded", raw)
            is_seeded_while_it_runs(guest, net, began)
        finally:
            guest.cut_power()


if __name__ == "__main__":
    main()
