"""Keeping a joined worker running: by systemd, by launchd, or as a program in the background."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol
from xml.sax.saxutils import escape

from poolhand.cli.join_folder import JoinFolder
from poolhand.domain.errors import Unavailable

COMMAND: Final = "POOLHAND_COMMAND"
"""Variable in which the join script names the command that stays the same over upgrades."""
CALL_LIMIT: Final = 300.0
"""Seconds for a program of the system, on a slow computer, too."""
_SYSTEMD_RUNS: Final = Path("/run/systemd/system")
_LINGERING: Final = Path("/var/lib/systemd/linger")


class LauncherFault(Unavailable):
    """The system's own program for services did not do what was asked."""


class Launcher(Protocol):
    """What keeps a worker running."""

    @property
    def told(self) -> str:
        """What it is, for a person; a clause."""

    @property
    def is_registered(self) -> bool:
        """Whether it knows the worker."""

    def register(self) -> None:
        """Make it known; repeatable."""

    def start(self) -> None:
        """Start the worker; repeatable."""

    def is_at_work(self) -> bool:
        """Whether what was started has not ended, as far as it can tell."""

    def remove(self) -> None:
        """Stop the worker and forget it; repeatable."""


def program_words(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the words that start this program, over upgrades of it, too."""
    told = environ.get(COMMAND)
    return (told,) if told else (sys.executable, "-m", "poolhand")


def worker_words(folder: JoinFolder, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the command line of the worker."""
    return (*program_words(environ), "worker", "start", "--config", str(folder.settings))


def worker_environ(folder: JoinFolder, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the worker: its settings are not overruled by whoever starts it.

    Else a worker would have the wallet, or the wallet's password, that its operator's shell names
    for something else.
    """
    from poolhand.settings.worker import WORKER_OPTIONS

    try:
        told = folder.read()
    except tomllib.TOMLDecodeError:  # the worker says so
        told = {}
    keys = {*told, *(("wallet-password",) if told.get("password-file") else ())}
    ours = {name for each in WORKER_OPTIONS if each.key in keys for name in each.variables}
    return {name: text for name, text in environ.items() if name not in ours}


def launcher_for(folder: JoinFolder, environ: Mapping[str, str]) -> Launcher:
    """Choose what keeps a worker running on this system.

    Args:
        folder: Of the pool that was joined.
        environ: Of this program.
    """
    words = worker_words(folder, environ)
    if sys.platform == "darwin":
        return LaunchdAgent(folder, words, Path.home() / "Library/LaunchAgents")
    if _SYSTEMD_RUNS.is_dir() and shutil.which("systemctl"):
        if os.geteuid() == 0:
            return SystemdUnit(folder, words, Path("/etc/systemd/system"), is_user=False)
        return SystemdUnit(folder, words, Path.home() / ".config/systemd/user", is_user=True)
    return BackgroundProgram(folder, words, environ)


# ------------------------------------------------------------------------------------------ systemd


def unit_text(
    name: str, words: Sequence[str], *, is_user: bool = False, lines: Sequence[str] = ()
) -> str:
    """Write the unit of a worker.

    One that was drained has ended for good; one that failed is started again on its journal.

    Args:
        name: The worker's.
        words: Its command line.
        is_user: Whether it is a user's own.
        lines: What else stands in the section of the service.
    """
    command = " ".join(map(_systemd_word, words))
    more = "".join(f"{line}\n" for line in lines)
    return (
        "[Unit]\n"
        f"Description=Poolhand worker {name}\n"
        "Wants=network-online.target\n"
        "After=network-online.target docker.service\n\n"
        "[Service]\n"
        f"ExecStart={command}\n"
        f"{more}"
        "Restart=on-failure\n"
        "RestartSec=10\n"
        "TimeoutStopSec=60\n\n"
        "[Install]\n"
        f"WantedBy={'default' if is_user else 'multi-user'}.target\n"
    )


def _systemd_word(word: str) -> str:
    told = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{told}"'


class SystemdUnit:
    """A service of systemd, of the system or of one user.

    Args:
        folder: Of the pool that was joined.
        words: The worker's command line.
        units: Where units lie.
        is_user: Whether it is a user's own.
        lingering: Where the system remembers which users' services run while they are away.
    """

    def __init__(
        self,
        folder: JoinFolder,
        words: Sequence[str],
        units: Path,
        *,
        is_user: bool,
        lingering: Path = _LINGERING,
    ) -> None:
        self._folder, self._words, self._is_user = folder, tuple(words), is_user
        self._name = f"poolhand-{folder.service}.service"
        self._path = units / self._name
        self._lingering, self._mark = lingering, units / "poolhand-lingers"

    @property
    def told(self) -> str:
        """What it is, for a person; a clause."""
        whose = "a service of yours" if self._is_user else "a service of the system"
        return f"{whose} ({self._name}), started again with this computer"

    @property
    def is_registered(self) -> bool:
        """Whether systemd knows the worker."""
        return self._path.exists()

    def register(self) -> None:
        """Make it known; repeatable."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        text = unit_text(self._folder.name, self._words, is_user=self._is_user)
        self._path.write_text(text, encoding="utf-8")
        self._systemctl("daemon-reload")
        self._systemctl("enable", self._name)
        if self._is_user:
            self._linger()

    def start(self) -> None:
        """Start the worker; repeatable."""
        self._systemctl("start", self._name)

    def is_at_work(self) -> bool:
        """Whether it runs; one that systemd is about to start again does not."""
        asked = ("show", "--property=SubState", "--value", self._name)
        return self._systemctl(*asked).strip() == "running"

    def remove(self) -> None:
        """Stop the worker and forget it; repeatable."""
        if self._path.exists():
            self._systemctl("disable", "--now", self._name)
            self._linger_no_more()
            self._path.unlink()
            self._systemctl("daemon-reload")

    def _linger(self) -> None:
        """Have it run while nobody is logged in; a mark tells that this was changed by us."""
        if not (self._lingering / pwd.getpwuid(os.geteuid()).pw_name).exists():
            self._mark.touch()
            _called("loginctl", "enable-linger")

    def _linger_no_more(self) -> None:
        """Take back what registering changed, with the last of this user's workers."""
        others = [
            each for each in self._path.parent.glob("poolhand-*.service") if each != self._path
        ]
        if self._mark.exists() and not others:
            _called("loginctl", "disable-linger")
            self._mark.unlink()

    def _systemctl(self, *words: str) -> str:
        return _called("systemctl", *(("--user",) if self._is_user else ()), *words)


# ------------------------------------------------------------------------------------------ launchd


def plist_text(folder: JoinFolder, words: Sequence[str]) -> str:
    """Write the property list by which launchd keeps a worker running."""
    strings = "".join(f"    <string>{escape(word)}</string>\n" for word in words)
    log = escape(str(folder.log))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" '
        '"http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n'
        '<plist version="1.0">\n<dict>\n'
        f"  <key>Label</key>\n  <string>poolhand.{folder.service}</string>\n"
        f"  <key>ProgramArguments</key>\n  <array>\n{strings}  </array>\n"
        "  <key>RunAtLoad</key>\n  <true/>\n"
        "  <key>KeepAlive</key>\n  <dict><key>SuccessfulExit</key><false/></dict>\n"
        f"  <key>StandardOutPath</key>\n  <string>{log}</string>\n"
        f"  <key>StandardErrorPath</key>\n  <string>{log}</string>\n"
        "</dict>\n</plist>\n"
    )


class LaunchdAgent:
    """An agent of launchd, macOS; its text is tested, itself it was not tried on macOS.

    Args:
        folder: Of the pool that was joined.
        words: The worker's command line.
        agents: Where agents lie.
    """

    def __init__(self, folder: JoinFolder, words: Sequence[str], agents: Path) -> None:
        self._folder, self._words = folder, tuple(words)
        self._path = agents / f"poolhand.{folder.service}.plist"

    @property
    def told(self) -> str:
        """What it is, for a person; a clause."""
        return f"an agent of launchd ({self._path.name}), started when you log in"

    @property
    def is_registered(self) -> bool:
        """Whether launchd knows the worker."""
        return self._path.exists()

    def register(self) -> None:
        """Make it known; repeatable."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(plist_text(self._folder, self._words), encoding="utf-8")

    def start(self) -> None:
        """Start the worker; repeatable."""
        _called("launchctl", "load", "-w", str(self._path))

    def is_at_work(self) -> bool:
        """Whether it runs."""
        return '"PID" =' in _called("launchctl", "list", self._path.stem)

    def remove(self) -> None:
        """Stop the worker and forget it; repeatable."""
        if self._path.exists():
            _called("launchctl", "unload", "-w", str(self._path))
            self._path.unlink()


# --------------------------------------------------------------------------------------- background


def start_in_background(
    words: Sequence[str], environ: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    """Start a program of ours that outlives this one and its terminal; raises OSError.

    Args:
        words: Its command line.
        environ: Its environment.
        log: Where what it says goes, behind what is there.
    """
    with log.open("ab") as file:
        return subprocess.Popen(  # noqa: S603 - our own program
            words,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )


class BackgroundProgram:
    """A program in the background, where no service manager runs.

    Args:
        folder: Of the pool that was joined.
        words: The worker's command line.
        environ: Of this program.
    """

    told = (
        "a program in the background, for no service manager runs here: after a restart of this "
        "computer give the same command again"
    )
    is_registered = True

    def __init__(
        self, folder: JoinFolder, words: Sequence[str], environ: Mapping[str, str]
    ) -> None:
        self._folder, self._words, self._environ = folder, tuple(words), environ
        self._program: subprocess.Popen[bytes] | None = None

    def register(self) -> None:
        """Nothing has to be known."""

    def start(self) -> None:
        """Start the worker, which outlives this program."""
        environ = worker_environ(self._folder, self._environ)
        self._program = start_in_background(self._words, environ, self._folder.log)

    def is_at_work(self) -> bool:
        """Whether the program that this has started runs."""
        return self._program is not None and self._program.poll() is None

    def remove(self) -> None:
        """Nothing is known; the worker was told to stop already."""


def _called(*words: str) -> str:
    """Run a program of the system; return what it says; raises LauncherFault with its own words."""
    try:
        done = subprocess.run(  # noqa: S603 - programs of the system, words of ours
            words, capture_output=True, text=True, check=False, timeout=CALL_LIMIT
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise LauncherFault(f"`{' '.join(words)}` did not run ({fault}): run it by hand") from fault
    if done.returncode:
        why = (done.stderr or done.stdout).strip() or f"exit status {done.returncode}"
        raise LauncherFault(
            f"`{' '.join(words)}` failed ({why}): fix that, and give the same command again"
        )
    return done.stdout
