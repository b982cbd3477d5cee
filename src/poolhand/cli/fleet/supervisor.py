"""``poolhand fleet supervise``: keeps a fleet's workers running where no service manager does.

It belongs to no terminal and outlives a logout. Workers are in sessions of their own: when the
supervisor ends, or is killed, they go on, and the next one finds them by their pid files.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Final

from poolhand.cli.fleet.folder import FleetFolder, FleetMember, FleetUnreadable
from poolhand.cli.fleet.locks import held
from poolhand.cli.fleet.starting import StartedWorker, WorkerPrograms, WorkerStarter, starter_for
from poolhand.cli.join_service import worker_environ, worker_words
from poolhand.cli.saying import say
from poolhand.domain.errors import Refused
from poolhand.domain.supervision import ProgramSeen, Watched, supervise
from poolhand.worker.pid_file import read

PAUSE_BETWEEN_SUPERVISOR_LOOKS: Final = 1.0
"""Seconds between two looks at the workers."""
LONGEST_HAND_OVER: Final = 5.0
"""Seconds to wait for another supervisor of the same fleet that may be about to end."""


class SupervisorRuns(Refused):
    """Another supervisor has the fleet."""


class NeverStarted:
    """A worker that could not even be started."""

    def poll(self) -> int:
        """Return how it ended, see ``StartedWorker.poll``."""
        return 1


class Supervisor:
    """Starts what is wanted and does not run.

    What hinders one worker from being started hinders no other; a fleet's file that does not read
    is told, and those that it named last are looked after.

    Args:
        folder: Of the fleet.
        environ: Of this program.
        now: Seconds, by a clock that nobody sets.
        starter: Starts workers.
    """

    def __init__(
        self,
        folder: FleetFolder,
        environ: Mapping[str, str],
        now: Callable[[], float] = time.monotonic,
        starter: WorkerStarter | None = None,
    ) -> None:
        self._folder, self._environ, self._now = folder, environ, now
        self._starter = starter or WorkerPrograms()
        self._members: tuple[FleetMember, ...] = ()
        self._unread = ""
        self._watched: dict[str, Watched] = {}
        self._children: dict[str, StartedWorker] = {}

    def look(self) -> bool:
        """Start what is due; return whether there is anything left to look after."""
        members = self._members = self._read()
        seen = {each.name: self._see(each) for each in members}
        for name in self._children.keys() - seen.keys():  # of workers that have left the fleet
            if self._children[name].poll() is not None:
                del self._children[name]
        for each in members:
            watched = self._watched.get(each.name, Watched())
            watched, start = supervise(watched, seen[each.name], self._now())
            self._watched[each.name] = watched
            if start:
                self._start(each)
        if self._unread:
            return self._folder.is_made
        return any(each.wanted or each.running for each in seen.values())

    def _read(self) -> tuple[FleetMember, ...]:
        try:
            members, trouble = self._folder.read().here, ""
        except FleetUnreadable as fault:
            members, trouble = self._members, str(fault)
        if trouble and trouble != self._unread:
            say(trouble)
        self._unread = trouble
        return members

    def _see(self, member: FleetMember) -> ProgramSeen:
        folder, child = self._folder.member(member), self._children.get(member.name)
        wanted = not self._folder.is_stopped(member)
        ended = None if child is None else child.poll()
        if child is not None and ended is None:
            return ProgramSeen(wanted, running=True)
        self._children.pop(member.name, None)
        notice = read(folder.worker)
        if notice is not None and notice.is_running:
            return ProgramSeen(wanted, running=True)
        # one that ended in order took its pid file with it
        return ProgramSeen(wanted, running=False, failed=bool(ended) or notice is not None)

    def _start(self, member: FleetMember) -> None:
        folder = self._folder.member(member)
        say(f"starting {member.name}")
        try:
            environ = worker_environ(folder, self._environ)
            words = worker_words(folder, self._environ)
            child = self._starter.start(words, environ, folder.log)
        except OSError as fault:
            say(f"{member.name} cannot be started ({fault}): it is tried again after a pause")
            child = NeverStarted()
        self._children[member.name] = child


def supervise_fleet(folder: FleetFolder, hand_over: float = LONGEST_HAND_OVER) -> None:
    """Keep a fleet's workers running until none is wanted, or until told to end.

    Args:
        folder: Of the fleet.
        hand_over: Seconds to wait for another supervisor that may be about to end.

    Raises:
        SupervisorRuns: Another one does.
    """
    told = threading.Event()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told.set())
    with alone(folder, hand_over):
        supervisor = Supervisor(folder, dict(os.environ), starter=starter_for(os.environ))
        while supervisor.look() and not told.wait(PAUSE_BETWEEN_SUPERVISOR_LOOKS):
            pass


def alone(
    folder: FleetFolder, hand_over: float = LONGEST_HAND_OVER
) -> AbstractContextManager[None]:
    """Be the fleet's only supervisor while the block runs; raises SupervisorRuns."""

    def refusal(holder: str) -> SupervisorRuns:
        return SupervisorRuns(
            f"another supervisor (process {holder}) keeps fleet {folder.name} running: nothing is "
            "to be done"
        )

    return held(folder.path / "supervisor.lock", refusal, hand_over)
