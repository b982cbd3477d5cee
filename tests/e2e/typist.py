"""A newcomer at a terminal: types lines of a page as they are printed, and answers what is asked.

What a page leaves open (``0x…``, ``https://pool.example``) is filled in as a person would, from
what the commands before have printed.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pexpect

from poolhand.devnet.artifacts import DEFAULT_CACHE
from typed_lines import ran

SECONDS = 100
COLUMNS, LINES = 80, 24
PASSWORD, YES = r"(?i)(?:password|the same again)[^\r\n]*: ?$", r"(?i)\[y/n\](?:[^\r\n]*: ?| )$"
WHICH_WALLET = r"Which \[n\]: ?$"
ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_SETS = re.compile(r"(export |\. |[A-Z_]+=)")
"""Lines that change nothing but the shell."""


@dataclass
class Newcomer:
    """Somebody with a home and a clone of their own, and nothing exported.

    Attributes:
        home: Their home folder, in which the clone is.
        fills: Pattern to text, for what a page leaves open.
        password: What they answer whenever one is asked for.
        seconds: For one command.
    """

    home: Path
    fills: dict[str, str] = field(default_factory=dict)
    password: str = "correct horse battery"
    seconds: float = SECONDS
    _shell: list[str] = field(default_factory=list)
    _left: list[pexpect.spawn] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / ".venv").symlink_to(Path(sys.executable).parent.parent)
        (self.home / ".cache").mkdir()
        (self.home / ".cache" / "poolhand").symlink_to(DEFAULT_CACHE)  # nothing is fetched twice
        self.types(". .venv/bin/activate")

    def types(self, line: str) -> str:
        """Type a line, answer what is asked, return what was printed; it must succeed."""
        filled = self._filled(line)
        if _SETS.match(filled):
            self._shell.append(filled)
        screen = self._spawn("true" if _SETS.match(filled) else filled)
        printed = self._answer(screen, pexpect.EOF)
        screen.wait()  # its terminal may be let go before a program has ended
        screen.close()
        assert screen.exitstatus == 0, f"$ {filled}\n{printed}"
        ran(line)
        return printed

    def leaves_running(self, line: str, until: str) -> str:
        """Type a line whose program goes on; returns what it said once it has said ``until``."""
        screen = self._spawn(self._filled(line))
        self._left.append(screen)
        printed = self._answer(screen, until)
        assert screen.after is not pexpect.EOF, f"$ {self._filled(line)}\n{printed}"
        ran(line)
        return printed

    def waits_for_the_last(self) -> str:
        """Wait until the program that was left running last has ended well."""
        screen = self._left.pop()
        printed = self._answer(screen, pexpect.EOF)
        screen.wait()  # its terminal may be let go before a program has ended
        screen.close()
        assert screen.exitstatus == 0, printed
        return printed

    def leaves(self) -> None:
        """Press Ctrl-C in every terminal that is still open."""
        while self._left:
            screen = self._left.pop()
            screen.kill(signal.SIGINT)
            screen.expect(pexpect.EOF)
            screen.close()

    def _answer(self, screen: pexpect.spawn, until: object) -> str:
        printed = ""
        answers = {PASSWORD: self.password, YES: "y", WHICH_WALLET: "n"}
        asked = (*answers, until, *([] if until is pexpect.EOF else [pexpect.EOF]))
        while (found := screen.expect(list(asked))) < len(answers):
            printed += f"{screen.before}{screen.after}"
            screen.sendline(answers[asked[found]])
        return (
            printed + str(screen.before) + (screen.after if isinstance(screen.after, str) else "")
        )

    def _spawn(self, line: str) -> pexpect.spawn:
        return pexpect.spawn(
            "/bin/bash",
            ["--norc", "-c", "\n".join((*self._shell, line))],
            env=dict(self._environment()),
            cwd=str(self.home),
            dimensions=(LINES, COLUMNS),
            encoding="utf-8",
            timeout=self.seconds,
        )

    def _filled(self, line: str) -> str:
        for pattern, value in self.fills.items():
            line = re.sub(pattern, lambda _, value=value: value, line)
        return line

    def _environment(self) -> Iterator[tuple[str, str]]:
        for name in ("LANG", "DOCKER_HOST", "PATH"):
            if name in os.environ:
                yield name, os.environ[name]
        yield "HOME", str(self.home)
        yield "TERM", "xterm"


def address_in(printed: str) -> str:
    """Return the first address in what was printed."""
    found = ADDRESS.search(printed)
    assert found, printed
    return found[0]
