"""Keeping the workers of a fleet running: a service each, or all by one supervisor of ours."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Protocol

from poolhand.cli.fleet.folder import FleetFolder, FleetMember
from poolhand.cli.hiding import PIPE, VARIABLES
from poolhand.cli.join_folder import JOIN_HOME_VARIABLE
from poolhand.cli.join_service import (
    BackgroundProgram,
    launcher_for,
    program_words,
    start_in_background,
)
from poolhand.cli.saying import say
from poolhand.domain.errors import Unavailable

_LONGEST_CRONTAB_CALL: Final = 30.0
"""Seconds for ``crontab``."""


_SAID_WITHOUT_CRONTAB: Final = ("no crontab for", "no such file or directory")
"""What crontabs of Debian, Fedora and BusyBox say of a person who has none."""


class CrontabFault(Unavailable):
    """This person's crontab was not read or written; it is as it was."""

    def __init__(self, program: Path, why: str) -> None:
        super().__init__(f"`{program}` does not do what was asked ({why})")


class FleetLauncher(Protocol):
    """What keeps the workers of a fleet running."""

    @property
    def told(self) -> str:
        """What it is, for a person; a clause."""

    def start(self, members: Iterable[FleetMember]) -> None:
        """Make workers known and start them, those that run left alone; repeatable."""

    def forget(self, member: FleetMember) -> None:
        """Keep a worker that has ended running no more, not over a restart either; repeatable."""


def fleet_launcher(folder: FleetFolder, environ: Mapping[str, str]) -> FleetLauncher:
    """Choose what keeps a fleet's workers running on this system.

    Args:
        folder: Of the fleet.
        environ: Of this program.
    """
    some = FleetMember(0, "worker", "")
    if isinstance(launcher_for(folder.member(some), environ), BackgroundProgram):
        return SupervisedWorkers(folder, environ, Crontab.found())
    return WorkerServices(folder, environ)


class WorkerServices:
    """A service of the system for each worker: systemd or launchd."""

    told = "a service each, started again with this computer"

    def __init__(self, folder: FleetFolder, environ: Mapping[str, str]) -> None:
        self._folder, self._environ = folder, environ

    def start(self, members: Iterable[FleetMember]) -> None:
        """Make workers known and start them; repeatable."""
        for each in members:
            launcher = launcher_for(self._folder.member(each), self._environ)
            if not launcher.is_registered:
                launcher.register()
            launcher.start()

    def forget(self, member: FleetMember) -> None:
        """Take the service away; repeatable."""
        launcher_for(self._folder.member(member), self._environ).remove()


class SupervisedWorkers:
    """Children of one supervisor, which starts those again that fail (``fleet supervise``).

    Args:
        folder: Of the fleet.
        environ: Of this program.
        crontab: Has the supervisor started with the computer; None: nothing here can.
    """

    def __init__(
        self, folder: FleetFolder, environ: Mapping[str, str], crontab: Crontab | None
    ) -> None:
        self._folder, self._crontab = folder, crontab
        words = (*program_words(environ), "fleet", "supervise", "--fleet", folder.name)
        self._words = words
        secret = {*VARIABLES, PIPE}  # of the wallet that pays: none of its workers
        self._environ = {name: text for name, text in environ.items() if name not in secret}
        self._program: subprocess.Popen[bytes] | None = None
        home = environ.get(JOIN_HOME_VARIABLE)
        self._line = shlex.join(
            [*(["env", f"{JOIN_HOME_VARIABLE}={home}"] if home else []), *words]
        )

    @property
    def told(self) -> str:
        """What it is, for a person; a clause."""
        after = (
            "started again with this computer by cron"
            if self._crontab is not None
            else "after a restart of this computer give `poolhand fleet resume`, for neither a "
            "service manager nor cron is here"
        )
        return f"programs of one supervisor in the background; {after}"

    def register(self) -> None:
        """Have cron start a supervisor with this computer, where there is cron; repeatable.

        Workers run without cron; who may not use it is told what to do instead.
        """
        if self._crontab is not None:
            try:
                self._crontab.add(self._line, self._mark)
            except CrontabFault as fault:
                say(f"{fault}; after a restart of this computer give `poolhand fleet resume`")

    def start(self, members: Iterable[FleetMember]) -> None:
        """Have a supervisor run, which starts all that are wanted.

        One that runs already is left alone: another waits for a moment whether it ends, and ends.
        """
        del members
        self.register()
        self._program = start_in_background(self._words, self._environ, self._folder.log)

    def is_at_work(self) -> bool:
        """Whether the supervisor that this has started runs."""
        return self._program is not None and self._program.poll() is None

    def forget(self, member: FleetMember) -> None:
        """Nothing is known of one; the supervisor ends with the last, and so does its line."""
        del member
        fleet = self._folder.read()
        if self._crontab is not None and all(map(self._folder.is_stopped, fleet.here)):
            try:
                self._crontab.remove(self._mark)
            except CrontabFault as fault:
                say(
                    f"{fault}; our line in it ends with '{self._mark}': it starts nothing by itself"
                )

    @property
    def _mark(self) -> str:
        return f"# poolhand fleet {self._folder.path}"


class Crontab:
    """A person's crontab: lines of ours in it, each with its mark.

    Args:
        program: ``crontab``.
    """

    def __init__(self, program: Path) -> None:
        self._program = program

    @classmethod
    def found(cls) -> Crontab | None:
        """Return this person's; None where there is no cron."""
        program = shutil.which("crontab")
        return None if program is None else cls(Path(program))

    def add(self, command: str, mark: str) -> None:
        """Have a command run when this computer starts; repeatable."""
        line = f"@reboot {command.replace('%', chr(92) + '%')} {mark}"
        lines = self._read()
        wanted = [*(each for each in lines if not each.endswith(mark)), line]
        if wanted != lines:
            self._write(wanted)

    def remove(self, mark: str) -> None:
        """Take our line away; repeatable."""
        lines = self._read()
        kept = [each for each in lines if not each.endswith(mark)]
        if kept != lines:
            self._write(kept)

    def _read(self) -> list[str]:
        """Return its lines; raises CrontabFault where they are not known: they would be lost."""
        done = self._run("-l")
        if done.returncode == 0:
            return done.stdout.splitlines()
        if any(each in done.stderr.lower() for each in _SAID_WITHOUT_CRONTAB):
            return []
        raise CrontabFault(self._program, done.stderr.strip() or f"exit code {done.returncode}")

    def _write(self, lines: list[str]) -> None:
        done = self._run("-", "".join(f"{line}\n" for line in lines))
        if done.returncode:
            raise CrontabFault(self._program, done.stderr.strip())

    def _run(self, word: str, text: str = "") -> subprocess.CompletedProcess[str]:
        told = {**os.environ, "LC_ALL": "C"}
        try:
            return subprocess.run(  # noqa: S603 - a program of the system
                [self._program, word], capture_output=True, text=True, check=False,
                input=text, timeout=_LONGEST_CRONTAB_CALL, env=told,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as fault:
            raise CrontabFault(self._program, str(fault)) from fault
