"""A virtual machine in QEMU without hardware to help it: start it, look at it, touch it, end it.

As a program it touches one that runs, for pictures and by hand::

    python scripts/vm/guest.py FOLDER shot FILE.png
    python scripts/vm/guest.py FOLDER double X Y        # pixels of a 1280x800 screen
    python scripts/vm/guest.py FOLDER type TEXT
    python scripts/vm/guest.py FOLDER key ret
    python scripts/vm/guest.py FOLDER power             # its button: it shuts down
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

WIDTH, HEIGHT = 1280, 800
"""Of the screen, as QEMU's standard card has it."""
MOUSE: Final = 32_767
"""The far edge of the screen, as an absolute pointing device counts."""
NAMED: Final = {
    " ": "spc",
    "\n": "ret",
    "/": "slash",
    ".": "dot",
    "-": "minus",
    ",": "comma",
    ":": "shift-semicolon",
    '"': "shift-apostrophe",
    "{": "shift-bracket_left",
    "}": "shift-bracket_right",
    "_": "shift-minus",
    "=": "equal",
}
"""Keys of an American keyboard whose character is not their name."""


class NotInTime(Exception):
    """What was waited for has not come."""


class Guest:
    """A machine and the folder of all that is its own here: disk, serial port, QEMU's sockets.

    Args:
        folder: With ``disk.qcow2``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._program = folder, None
        self.serial = folder / "serial.log"

    _program: subprocess.Popen[bytes] | None

    def start(self, *more: str) -> None:
        """Start it with 2 CPUs and 2,048 MB; what it says on its serial port is appended.

        Args:
            more: Words for QEMU, as further disks.
        """
        told = (
            *("qemu-system-x86_64", "-accel", "tcg,thread=multi,tb-size=256", "-cpu", "max"),
            *("-nodefaults", "-smp", "2", "-m", "2048", "-no-reboot"),
            *("-display", "none", "-vga", "std"),
            *("-device", "ich9-ahci,id=sata", "-device", "ide-hd,drive=disk,bus=sata.0"),
            *("-drive", f"file={self.folder}/disk.qcow2,if=none,id=disk"),
            *("-nic", "user,model=e1000", "-device", "qemu-xhci", "-device", "usb-tablet"),
            *("-chardev", f"file,id=serial,path={self.serial},append=on"),
            *("-serial", "chardev:serial", "-monitor", "none"),
            *("-qmp", f"unix:{self.folder}/qmp,server=on,wait=off"),
        )
        with (self.folder / "qemu.log").open("ab") as log:
            self._program = subprocess.Popen([*told, *more], stdout=log, stderr=log)

    def cut_power(self) -> None:
        """End it as a power cut does; repeatable."""
        if self._program is not None:
            self._program.kill()
            self._program.wait()

    def wait(self) -> None:
        """Wait until it is off, however that comes."""
        assert self._program is not None
        self._program.wait()

    def attach_usb(self, drive: str) -> None:
        """Put a stick into it: a drive that it was started with and that hung nowhere."""
        order(self.folder, "device_add", driver="usb-storage", drive=drive, id=f"usb-{drive}")

    def shut_down(self, limit: float) -> None:
        """Press its power button and wait until it is off; raises NotInTime.

        Args:
            limit: Seconds.
        """
        assert self._program is not None
        order(self.folder, "system_powerdown")
        try:
            code = self._program.wait(limit)
        except subprocess.TimeoutExpired as fault:
            raise NotInTime(f"it is still on {limit:.0f} s after its button was pressed") from fault
        assert code == 0, f"QEMU ended with {code}: see {self.folder}/qemu.log"

    def said(self) -> str:
        """Return all that it has said on its serial port."""
        if not self.serial.exists():
            return ""
        return self.serial.read_text(encoding="utf-8", errors="replace")

    def await_words(self, words: str, times: int, limit: float) -> None:
        """Wait until it has said something so many times; raises NotInTime with its last words."""

        def is_said() -> bool:
            assert self._program is not None
            assert self._program.poll() is None, f"it is off: see {self.folder}/qemu.log"
            return self.said().count(words) >= times

        until(is_said, limit, lambda: self.said()[-2_000:])


def until(
    is_so: Callable[[], bool], limit: float, why_not: Callable[[], str], pause: float = 2.0
) -> None:
    """Wait until something is so.

    Args:
        is_so: Looks.
        limit: Seconds.
        why_not: What to tell when it has not come.
        pause: Seconds between two looks.

    Raises:
        NotInTime: It has not come.
    """
    end = time.monotonic() + limit
    while not is_so():
        if time.monotonic() > end:
            raise NotInTime(f"not within {limit:.0f} s: {why_not()}")
        time.sleep(pause)


def order(folder: Path, name: str, **members: Any) -> None:
    """Give QEMU an order over its machine protocol (QMP); raises AssertionError if it refuses."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(folder / "qmp"))
        answers = line.makefile("r", encoding="utf-8")
        answers.readline()  # its greeting
        for told in ({"execute": "qmp_capabilities"}, {"execute": name, "arguments": members}):
            line.sendall(json.dumps(told).encode() + b"\n")
            answer = json.loads(answers.readline())
            while "event" in answer:
                answer = json.loads(answers.readline())
            assert "return" in answer, answer


def picture(folder: Path, file: str) -> None:
    """Write what the screen shows, as PNG."""
    order(folder, "screendump", filename=str(Path(file).absolute()), format="png")


def double_click(folder: Path, x: int, y: int) -> None:
    """Click twice at a place of the screen (pixels), slowly: at once, it is no click."""
    places = (("x", x * MOUSE // WIDTH), ("y", y * MOUSE // HEIGHT))
    moves = [{"type": "abs", "data": {"axis": axis, "value": at}} for axis, at in places]
    order(folder, "input-send-event", events=moves)
    for down in (True, False) * 2:
        time.sleep(0.05)
        press_button = {"type": "btn", "data": {"button": "left", "down": down}}
        order(folder, "input-send-event", events=[press_button])


def type_text(folder: Path, text: str) -> None:
    """Type on its keyboard."""
    for character in text:
        name = NAMED.get(character, character.lower())
        press(folder, f"shift-{name}" if character.isupper() else name)


def press(folder: Path, keys: str) -> None:
    """Press keys at once, named as QEMU does, joined by ``-``."""
    named = [{"type": "qcode", "data": each} for each in keys.split("-")]
    order(folder, "send-key", keys=named)


def main(words: list[str]) -> None:
    """Touch a machine that runs."""
    folder = Path(words[0])
    match words[1:]:
        case ["shot", file]:
            picture(folder, file)
        case ["double", x, y]:
            double_click(folder, int(x), int(y))
        case ["type", text]:
            type_text(folder, text)
        case ["key", keys]:
            press(folder, keys)
        case ["power"]:
            order(folder, "system_powerdown")
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
