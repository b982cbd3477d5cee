"""Having another version of this program take over: tried first, then put in this one's place.

This program, which is known to work, watches the trial. Only once the pool has let the new version
in do services start it, and this process becomes it: the same process, so that whatever keeps the
worker running notices nothing. A version that does not come up changes nothing.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

import structlog

from poolhand.domain.text import shown
from poolhand.observe.private import private_folder
from poolhand.settings.load import Settings
from poolhand.settings.preferences import CHANGES_FILE
from poolhand.settings.wallets import password_file
from poolhand.transport.clock import SystemClock
from poolhand.worker.upgrading.installation import Installation
from poolhand.worker.upgrading.takeover import Takeover

TRIAL_LIMIT: Final = 900.0
"""Seconds for a new version to be let in by the pool, on a slow computer, too."""
TRIAL_FAREWELL: Final = 10.0
"""Seconds for one that was not to end."""
TRIAL_FOLDER: Final = "trial"
"""In the worker's folder: what a version that is tried writes there is nobody's loss."""
_READ_AT_A_START: Final = ("journal", CHANGES_FILE)
"""Files of a worker that a version must be able to read, of which one that is tried gets copies."""
_CAUSE: Final = 600
"""Characters of what a version says that does not come up."""
_NOT_JOINED: Final = (
    "it was not installed by a pool's join script: install the version as you have installed this "
    "one, and start the worker again"
)
_ONLY_TRIED: Final = "it is only tried, and ends by itself"
_TOLD_ONCE: Final = (
    "nobody can tell it the wallet's password again: name it to `poolhand worker start` by "
    "--password-file, and start the worker again"
)

Become = Callable[[Sequence[str]], None]
"""Replaces this program by another, whose words are given; does not come back."""

log = structlog.get_logger()


def takeover_of(found: Settings, environ: Mapping[str, str], prefix: str = sys.prefix) -> Takeover:
    """Return how a worker of this program is replaced by another version.

    Args:
        found: Its settings.
        environ: Its environment.
        prefix: Where it was installed.
    """
    python = os.path.realpath(sys.executable)
    installation = Installation.of(Path(prefix), python, environ)
    if installation is None:
        return Takeover(obstacle=_NOT_JOINED)
    if found["trial"]:
        return Takeover(obstacle=_ONLY_TRIED)
    if not found["signer"] and password_file(found, "wallet-password") in ("", "-"):
        return Takeover(obstacle=_TOLD_ONCE)
    return Takeover(installation)


def become(words: Sequence[str]) -> NoReturn:
    """Replace this program."""
    with suppress(OSError):  # nobody reads it any more
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    os.execv(words[0], list(words))  # noqa: S606 - ourselves, or what was tried


async def take_over(takeover: Takeover, base: Path, become: Become = become) -> None:
    """Try the version that is to take over, and become it; or this one again, where it fails.

    Args:
        takeover: With the version; nothing is done without one.
        base: The worker's folder; the worker has ended, and holds nothing.
        become: Replaces this program.
    """
    release, place = takeover.release, takeover.installation
    if release is None or place is None:
        return
    log.info("version_tried", version=release.version)
    fault = await why_not(place.command(release), base, sys.argv[1:])
    if fault is None:
        try:
            place.switch(release)
        except OSError as error:
            fault = f"services could not be told of it ({error})"
    if fault is None:
        log.info("version_takes_over", version=release.version)
        become((str(place.current), *sys.argv[1:]))
        return
    place.failed(release, fault, SystemClock().now())
    log.warning("version_did_not_come_up", version=release.version, cause=fault)
    become((str(place.own), *sys.argv[1:]))


async def why_not(
    command: Path, base: Path, typed: Sequence[str], limit: float = TRIAL_LIMIT
) -> str | None:
    """Return why a version does not come up; None: it does, and the pool has let it in.

    It works on a copy of the journal, takes no task, and ends.

    Args:
        command: Its program.
        base: The worker's folder.
        typed: What this program was started with, behind its name.
        limit: Seconds.
    """
    folder = base / TRIAL_FOLDER
    own = ("--trial", "true", "--base-dir", str(folder), "--status-port", "0")
    try:
        shutil.rmtree(folder, ignore_errors=True)
        private_folder(folder / base.name)
        for each in _READ_AT_A_START:
            if (base / each).is_file():
                shutil.copyfile(base / each, folder / base.name / each)
        with (folder / "log").open("w+b") as output:
            code = await _run((str(command), *typed, *own), output.fileno(), limit)
            output.seek(0, os.SEEK_END)
            output.seek(max(output.tell() - 4 * _CAUSE, 0))
            said = output.read().decode(errors="replace").strip()
    except OSError as fault:
        return f"it could not be tried ({fault})"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if code == 0:
        return None
    ended = f"not let in by the pool in {limit:.0f} s" if code is None else f"ended with {code}"
    return f"{ended}; it said last: {shown(said[-_CAUSE:])}"


async def _run(words: Sequence[str], output: int, limit: float) -> int | None:
    """Run a program; return its exit status, None where it took too long."""
    running = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
        start_new_session=True,
    )  # fmt: skip
    try:
        async with asyncio.timeout(limit):
            return await running.wait()
    except TimeoutError:
        running.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(TRIAL_FAREWELL):
                await running.wait()
        return None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        await running.wait()
