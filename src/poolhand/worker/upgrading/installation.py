"""Where the join script has installed this program, and how another version stands beside it.

Every version has a folder ``version-…`` of its own, named after the list of what is installed, and
the link ``current`` names the one that services start (``scheduler/joining/files/join.sh``). So
nothing that runs is ever changed, and the way back is where it was.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil

from poolhand.domain.errors import Unavailable
from poolhand.domain.release import Release, UpgradeFailure
from poolhand.domain.text import shown
from poolhand.domain.units import Seconds, UnixSeconds

INSTALL_LIMIT: Final = Seconds(1800)
"""Seconds for pip on a slow line."""
ASK_VERSION_LIMIT: Final = 60.0
"""Seconds for a program to say its version."""
VERSIONS_KEPT: Final = 3
"""Folders of versions: ours, the one before, and one that was installed beside."""
_CAUSE: Final = 600
"""Characters of what an installer says."""
_PASSED_ON: Final = (
    "PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "USER", "LOGNAME", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy",
    "https_proxy", "all_proxy", "no_proxy",
)  # fmt: skip
"""Variables that an installer needs, besides pip's own: it is told no wallet's password."""


class NotInstalled(Unavailable):
    """A version was not installed; nothing has changed."""


class InstalledElsewhere(Unavailable):
    """Another worker of this computer installs something there; the same is tried again soon."""

    def __init__(self, place: Path) -> None:
        super().__init__(f"another worker installs a version in {place}: it is tried again soon")


class Installation:
    """The folder of the join script, seen from one version in it.

    Args:
        place: That folder.
        own: Where this version stands in it.
        python: Which the environment of a version is made with.
        environ: Of this program.
    """

    def __init__(self, place: Path, own: Path, python: str, environ: Mapping[str, str]) -> None:
        self._place, self._own, self._python = place, own, python
        self._environ = {
            name: text
            for name, text in environ.items()
            if name in _PASSED_ON or name.startswith(("PIP_", "XDG_"))
        }

    @classmethod
    def of(cls, prefix: Path, python: str, environ: Mapping[str, str]) -> Installation | None:
        """Return that of the program with this prefix; None: the join script has not installed it.

        Args:
            prefix: Of its environment (``sys.prefix``).
            python: Which that was made with.
            environ: Of the program.
        """
        own = prefix.parent
        is_ours = prefix.name == "env" and own.name.startswith("version-")
        if is_ours and (own / "installed").is_file() and (own.parent / "current").is_symlink():
            return cls(own.parent, own, python, environ)
        return None

    def folder(self, release: Release) -> Path:
        """Return where a version stands, or would."""
        return self._place / f"version-{release.requirements[:16]}"

    def command(self, release: Release) -> Path:
        """Return the program of a version."""
        return self.folder(release) / "env" / "bin" / "poolhand"

    @property
    def current(self) -> Path:
        """The program that services start."""
        return self._place / "current" / "env" / "bin" / "poolhand"

    @property
    def own(self) -> Path:
        """This program itself."""
        return self._own / "env" / "bin" / "poolhand"

    async def install(self, release: Release, script: bytes) -> None:
        """Put a version beside this one, by the pool's script, and see that it is what it says.

        Args:
            release: The version.
            script: The join script whose hash the pool's owner signed with it.

        Raises:
            NotInstalled: The script failed, or what it has installed is of another version.
            InstalledElsewhere: Another worker installs there just now.
        """
        with self._alone():
            await self._run_script(release, script)
        told = await self._called((str(self.command(release)), "--version"), {}, ASK_VERSION_LIMIT)
        if told.split()[-1:] != [release.version]:
            raise NotInstalled(
                f"what the pool gives as version {release.version} says that it is "
                f"'{shown(told.strip(), 80)}': tell the pool's owner"
            )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other workers of this computer from installing meanwhile."""
        try:
            lock = os.open(self._place / "installing.lock", os.O_WRONLY | os.O_CREAT, 0o600)
        except OSError as fault:
            raise NotInstalled(f"{self._place} cannot be written ({fault})") from fault
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as fault:
            raise InstalledElsewhere(self._place) from fault
        finally:
            os.close(lock)

    async def _run_script(self, release: Release, script: bytes) -> None:
        file = self._place / f"upgrade-{release.requirements[:16]}.sh"
        try:
            file.write_bytes(script)
            words = ("nice", "-n", "10", "sh", str(file), "--install")
            environ = {"POOLHAND_PLACE": str(self._place), "PYTHON": self._python}
            await self._called(words, environ, INSTALL_LIMIT)
        except OSError as fault:
            raise NotInstalled(
                f"{self._place} cannot be written ({fault}): make room there"
            ) from fault
        finally:
            file.unlink(missing_ok=True)

    async def _called(
        self, words: tuple[str, ...], environ: Mapping[str, str], limit: float
    ) -> str:
        """Run a program to its end; return what it printed; raises NotInstalled with its words."""
        try:
            running = await asyncio.create_subprocess_exec(
                *words,
                env={**self._environ, **environ},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as fault:
            raise NotInstalled(f"{words[0]} did not start ({fault})") from fault
        try:
            async with asyncio.timeout(limit):
                told, _ = await running.communicate()
        except TimeoutError as fault:
            raise NotInstalled(f"{words[-1]} took more than {limit:.0f} s") from fault
        finally:
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
            await running.wait()
        said = told.decode(errors="replace")
        if running.returncode:
            raise NotInstalled(f"it was not installed: {shown(said.strip()[-_CAUSE:])}")
        return said

    def switch(self, release: Release) -> None:
        """Have services start a version from now on; raises OSError."""
        link = self._place / f"current.new-{os.getpid()}"
        link.unlink(missing_ok=True)
        link.symlink_to(self.folder(release))
        link.replace(self._place / "current")

    def failure(self, release: Release) -> UpgradeFailure | None:
        """Return why a version did not take over; None: it was not tried, or not to the end."""
        try:
            told = json.loads(self._failed(release).read_text(encoding="utf-8"))
            return UpgradeFailure.of(told)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def failed(self, release: Release, cause: str, now: UnixSeconds) -> None:
        """Remember that a version did not take over."""
        before = self.failure(release)
        found = before.again(cause, now) if before else UpgradeFailure(cause, now)
        with suppress(OSError):
            self._failed(release).write_text(json.dumps(found.record()), encoding="utf-8")

    def _failed(self, release: Release) -> Path:
        return self._place / f"{self.folder(release).name}.failed"

    def tidy(self) -> None:
        """Remove the oldest versions that nothing runs from; what cannot be removed stays."""
        with suppress(OSError):
            spared = {self._own, (self._place / "current").resolve()}
            found = [each for each in self._place.glob("version-*") if each.is_dir()]
            newest = sorted(found, key=lambda each: each.stat().st_mtime, reverse=True)
            old = [each for each in newest[VERSIONS_KEPT:] if each.resolve() not in spared]
            words = tuple(_words_of_programs()) if old else ()
            for each in old:
                if not any(str(each) in word for word in words):
                    shutil.rmtree(each, ignore_errors=True)
                    each.with_name(f"{each.name}.failed").unlink(missing_ok=True)


def _words_of_programs() -> Iterable[str]:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            yield from process.cmdline()
