"""A desktop for one test: an X11 display of its own, a session bus, and a program that shows notices."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest


def demand(*programs: str) -> None:
    """Skip where a program is not installed, and say which package of Debian has it."""
    packages = {"Xvfb": "xvfb", "notify-send": "libnotify-bin", "dbus-daemon": "dbus"}
    missing = [each for each in programs if shutil.which(each) is None]
    if missing:
        wanted = " ".join(packages.get(each, each) for each in missing)
        pytest.skip(f"no {', '.join(missing)}: apt-get install {wanted}")


@contextmanager
def display():
    """Run an X server that draws into memory; yields its DISPLAY."""
    demand("Xvfb")
    reader, writer = os.pipe()
    words = (
        *("Xvfb", "-displayfd", str(writer), "-screen", "0", "640x480x24"),
        *("-nolisten", "tcp", "-noreset"),  # else it begins anew when its last client leaves
    )
    with _running(words, pass_fds=(writer,)):
        os.close(writer)
        with os.fdopen(reader) as told:
            number = told.readline().strip()  # it is up once it has told, or closed by its end
        assert number.isdecimal(), "the X server did not come up"
        yield f":{number}"


@contextmanager
def session_bus(environ):
    """Run a message bus of its own; yields its address."""
    demand("dbus-daemon")
    words = ("dbus-daemon", "--session", "--nofork", "--print-address=1")
    with _running(words, environ, stdout=subprocess.PIPE, text=True) as bus, bus.stdout as told:
        yield told.readline().strip()


@contextmanager
def notices_shown(folder: Path, environ):
    """Run dunst, which shows notices; each is written into a file, which is yielded."""
    demand("dunst", "notify-send")
    shown, script, config = folder / "shown", folder / "note", folder / "dunstrc"
    script.write_text(f'#!/bin/sh\nprintf "%s|%s|%s\\n" "$1" "$2" "$3" >> {shown}\n')
    script.chmod(0o755)
    config.write_text(f'[global]\nmonitor = 0\n[all]\nsummary = "*"\nscript = "{script}"\n')
    with _running(("dunst", "-config", str(config), "-print"), environ):
        yield shown


@contextmanager
def _running(words, environ=None, **streams):
    given = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **streams}
    with ExitStack() as stack:
        child = subprocess.Popen(words, env=environ, **given)
        stack.callback(child.wait, 20)
        stack.callback(child.terminate)
        yield child
