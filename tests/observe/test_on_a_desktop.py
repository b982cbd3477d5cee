"""On a real X11 display with a real notification daemon: notices are shown, input is seen."""

from __future__ import annotations

import asyncio
import os
import time

import pytest
from desktop import demand, display, notices_shown, session_bus

from poolhand.domain.notice_targets import NoticeTargets
from poolhand.domain.notices import NoticeKind, WorkerNotice
from poolhand.domain.units import UnixSeconds
from poolhand.observe.machine_use import ThisMachine
from poolhand.transport.notifying import TargetNotifier

NOTICE = WorkerNotice(NoticeKind.OUT_OF_GAS, "ann", "send <0.1> & more", UnixSeconds(7))


async def until(met) -> None:
    """Wait for a condition that other programs bring about; half a minute at most."""
    async with asyncio.timeout(30):
        while not await met():  # noqa: ASYNC110 - it is no event of this program
            await asyncio.sleep(0.02)


async def test_a_notice_is_shown_by_the_desktops_own_daemon(tmp_path, monkeypatch):
    demand("Xvfb", "dbus-daemon", "dunst", "notify-send")
    home = {**os.environ, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    with display() as at, session_bus(home) as bus:
        there = {**home, "DISPLAY": at, "DBUS_SESSION_BUS_ADDRESS": bus}
        for name in ("DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "HOME", "XDG_RUNTIME_DIR"):
            monkeypatch.setenv(name, there[name])
        with notices_shown(tmp_path, there) as path:
            made = TargetNotifier(lambda: NoticeTargets(desktop=True), lambda: None)

            async def brought():  # the daemon takes its name on the bus in a moment
                return (await made.bring(NOTICE))["desktop"] is None

            async def shown():
                return path.exists() and path.read_text().endswith("\n")

            await until(brought)
            await until(shown)
            app, title, text = path.read_text().splitlines()[-1].split("|")
    assert (app, title) == ("poolhand", "Poolhand worker ann: out of gas")
    assert text in ("send &lt;0.1&gt; &amp; more", "send <0.1> & more")


async def test_the_display_tells_for_how_long_nobody_has_touched_it(monkeypatch):
    demand("Xvfb", "xprintidle", "xdotool")
    with display() as at:
        monkeypatch.setenv("DISPLAY", at)
        machine = ThisMachine(logind=("no-such-program",))
        before = time.monotonic()
        await touch()
        async with asyncio.timeout(30):
            while (seen := await machine.input()).idle_for < 1:
                pass
        assert seen.told_by == "X11"
        assert 1 <= seen.idle_for <= time.monotonic() - before
        before = time.monotonic()
        await touch()
        seen = await machine.input()
        assert seen.idle_for <= time.monotonic() - before


async def touch() -> None:
    """Move the pointer and press a key, as whoever sits there does."""
    words = ("xdotool", "mousemove", "10", "10", "mousemove", "20", "20", "key", "a")
    child = await asyncio.create_subprocess_exec(*words)
    assert await child.wait() == 0


@pytest.mark.parametrize("environ", [{}, {"DISPLAY": ":99999"}])
async def test_where_there_is_no_display_nothing_is_said_of_it(monkeypatch, environ):
    monkeypatch.setenv("DISPLAY", environ.get("DISPLAY", ""))
    machine = ThisMachine(logind=("no-such-program",))
    assert await machine.input() is None
