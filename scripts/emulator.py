"""Run a command whose images are for a processor, by an emulator where the engine has another one.

    emulator.py PLATFORM COMMAND...    exit status of COMMAND; 2 where PLATFORM's programs run not

PLATFORM is such as linux/arm64; ``own`` is the engine's. COMMAND's Docker client takes it for its
default (DOCKER_DEFAULT_PLATFORM). Whether its programs run is tried out on the engine. Where they
do not, root on a Linux machine has its kernel start them by Debian's emulator until COMMAND ends;
anybody else is told what to do.

Source: binfmt_misc of Linux, whose flag F opens the emulator at once: containers need not have it.
"""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from commands import NEEDS_SOMETHING, NeedsSomething, say, shown, told_by
from engine import run
from imagefile import load

from poolhand.domain.platforms import GO_NAMES, linux_on

HERE = Path(__file__).resolve().parent
MACHINES = {linux_on(machine): machine for machine in GO_NAMES}
"""Linux's names of processors by the platforms that images are built for."""
DEFAULT_PLATFORM = "DOCKER_DEFAULT_PLATFORM"
"""Docker's own setting."""
OWN = "own"
_ENDS = {
    "x86_64": (62, b"\xb8\x3c\x00\x00\x00\x31\xff\x0f\x05"),
    "aarch64": (183, struct.pack("<3I", 0xD2800000, 0xD2800BA8, 0xD4000001)),
}
"""The processor's number in ELF, and instructions: ``exit(0)``."""
_PROBE = "/exit"
_START = 0x400000
_REGISTER = """
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
printf %s "$2" >/proc/sys/fs/binfmt_misc/register
echo registered
read -r _ || true
echo -1 >"/proc/sys/fs/binfmt_misc/$1"
"""
"""In a mount namespace of its own, until its input ends: with the last mount goes all that is
registered, and nobody else sees this one."""


def engine_platform() -> str:
    """Return the platform of the engine that answers."""
    return told_by(("docker", "version", "--format", "{{.Server.Os}}/{{.Server.Arch}}"))


def wanted_platform() -> str:
    """Return the platform that images are built for: Docker's default, else the engine's own.

    Raises:
        NeedsSomething: We build none for that.
    """
    wanted = os.environ.get(DEFAULT_PLATFORM) or engine_platform()
    if wanted not in MACHINES:
        known = " and ".join(MACHINES)
        raise NeedsSomething(f"images are built for {known}, not for {wanted!r}")
    return wanted


def runs(platform: str) -> bool:
    """Try out on the engine whether it runs programs of a platform."""
    name = f"poolhand/probe:{platform.partition('/')[2]}"
    with tempfile.TemporaryDirectory() as folder:
        layer = Path(folder, "layer.tar")
        with tarfile.open(layer, "w") as archive:
            content = program(MACHINES[platform])
            member = tarfile.TarInfo(_PROBE.strip("/"))
            member.size, member.mode = len(content), 0o755
            archive.addfile(member, BytesIO(content))
        load(name, platform, layer, (_PROBE,))
    words = ("docker", "run", "--rm", "--network", "none", "--platform", platform, name)
    try:
        return subprocess.run(words, check=False, capture_output=True).returncode == 0
    finally:
        subprocess.run(("docker", "image", "rm", name), check=False, capture_output=True)


def program(machine: str) -> bytes:
    """Return the smallest program for a processor, which ends at once and well."""
    number, code = _ENDS[machine]
    size = 64 + 56 + len(code)
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack(
        "<HHIQQQIHHHHHH", 2, number, 1, _START + 120, 64, 0, 0, 64, 56, 1, 64, 0, 0
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _START, _START, size, size, 0x10000)
    return header + segment + code


@contextmanager
def emulated(platform: str) -> Iterator[None]:
    """Have the engine run programs of a platform, until the end.

    Raises:
        NeedsSomething: It does not and cannot.
    """
    if platform == engine_platform() or runs(platform):
        yield
        return
    machine = MACHINES[platform]
    if os.geteuid() != 0 or sys.platform != "linux":
        raise NeedsSomething(
            f"the engine runs no programs for {platform}: it has no emulator. On the engine's "
            "computer, if that is a Debian or Ubuntu, type this and then the same command again:\n"
            "    sudo apt-get install qemu-user-static && sudo systemctl restart systemd-binfmt"
        )
    with _registered(machine):
        if not runs(platform):
            raise NeedsSomething(
                f"the engine runs no programs for {platform}, although this computer's kernel now "
                "starts them by an emulator: is the engine on another one? Install "
                "qemu-user-static there"
            )
        say(f"programs for {platform} run by an emulator until this command ends: slowly")
        yield


@contextmanager
def _registered(machine: str) -> Iterator[None]:
    """Have the kernel start programs of a processor by Debian's emulator, until the end.

    It ends, too, when this process is killed.
    """
    name = f"poolhand-{machine}-{os.getpid()}"
    line = _line(machine).replace(f":qemu-{machine}:", f":{name}:", 1)
    with subprocess.Popen(
        ("unshare", "--mount", "sh", "-euc", _REGISTER, "sh", name, line),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for the command
    ) as keeper:
        assert keeper.stdin is not None
        assert keeper.stdout is not None
        assert keeper.stderr is not None
        if not keeper.stdout.readline():
            raise NeedsSomething(
                "this computer's kernel starts no programs by an emulator "
                f"({keeper.stderr.read().strip()}): it takes one with binfmt_misc "
                "(CONFIG_BINFMT_MISC), and root outside of containers"
            )
        try:
            yield
        finally:
            keeper.stdin.close()
            keeper.wait()


def _line(machine: str) -> str:
    """Return how Debian registers its emulator, which is installed where it is missing."""
    told = Path(f"/usr/lib/binfmt.d/qemu-{machine}.conf")
    if not told.exists():
        shown(
            [
                str(HERE / "apt-install"),
                "what runs another processor's programs",
                "qemu-user-static",
            ]
        )
    return told.read_text(encoding="utf-8").strip()


def main(platform: str, command: Sequence[str]) -> int:
    """Obey the command line."""
    if platform != OWN:
        os.environ[DEFAULT_PLATFORM] = platform
    platform = wanted_platform()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with emulated(platform):
        return run(command, {**os.environ, DEFAULT_PLATFORM: platform})


if __name__ == "__main__":
    if not sys.argv[2:]:
        sys.exit(__doc__)
    try:
        sys.exit(main(sys.argv[1], sys.argv[2:]))
    except NeedsSomething as trouble:
        say(str(trouble))
        sys.exit(NEEDS_SOMETHING)
