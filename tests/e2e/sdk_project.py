"""The iExec SDK from npm, unmodified: installed once, called as its user calls it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from e2e_world import SECONDS, Done, Network

from poolhand.devnet.artifacts import DEFAULT_CACHE, npm_command

HERE: Final = Path(__file__).parent / "sdk"
VERSIONS: Final = {"8": "8.24.0", "9": "9.0.0"}
"""The SDK's version by generation; each is installed under an alias, ``iexec-8``, ``iexec-9``."""
NEWEST: Final = "9.0.1"
"""The first that signs orders for TDX enclaves alone; installed beside them, ``iexec-9.0.1``."""

NUMBERED_TWICE: Final = "nonce too low"
"""What the node answers to a second transaction with the number of one that is mined."""


def installed() -> Path:
    """Return the folder of the SDKs, exactly as the committed lock has them; install what lacks."""
    lock = (HERE / "package-lock.json").read_bytes()
    cache = Path(os.environ.get("POOLHAND_CACHE") or DEFAULT_CACHE)
    folder = cache / f"iexec-sdk-{hashlib.sha256(lock).hexdigest()[:16]}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".sdk.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            _install(folder)
    return folder


def _install(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(HERE / name, folder / name)
    flags = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    done = subprocess.run(
        (*npm_command(), "ci", *flags), check=False, cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, f"npm could not install the iExec SDK: {done.stderr}"
    (folder / "complete").touch()


def commands_of(generation: str) -> set[str]:
    """Return every command that a generation's program declares, read from its source."""
    folder = installed() / "node_modules" / f"iexec-{generation}" / "dist" / "esm" / "cli" / "cmd"
    found = {"init", "info"}
    for file in folder.glob("iexec-*.js"):
        noun = file.stem.removeprefix("iexec-")
        words = re.findall(r"\.command\(\s*'([\w-]+)", file.read_text(encoding="utf-8"))
        found |= {f"{noun} {word}" for word in words}
    return found


def at_once(*steps: Callable[[], Any]) -> list[Any]:
    """Take steps side by side; returns what they return, in order."""
    with ThreadPoolExecutor(len(steps)) as threads:
        return [each.result() for each in [threads.submit(step) for step in steps]]


@dataclass(frozen=True)
class Project:
    """A folder of somebody who uses the SDK of one generation."""

    network: Network
    folder: Path
    generation: str
    sdk: Path

    @property
    def package(self) -> Path:
        return self.sdk / "node_modules" / f"iexec-{self.generation}" / "dist" / "esm"

    def begin(self, *, described: bool = False) -> Project:
        """Make the folder, with the ``chain.json`` that the devnet wrote.

        Args:
            described: With an ``iexec.json``, too, by ``iexec init``.
        """
        self.folder.mkdir(parents=True)
        if described:
            self.ok("init", "--skip-wallet")
        chain = self.network.info.chain_files[self.generation.partition(".")[0]]
        shutil.copyfile(chain, self.folder / "chain.json")
        return self

    def installs_library(self) -> None:
        """Have ``iexec`` to import, as ``npm install`` leaves it."""
        (self.folder / "node_modules").mkdir()
        source = self.sdk / "node_modules" / f"iexec-{self.generation}"
        (self.folder / "node_modules" / "iexec").symlink_to(source)

    def put(self, name: str, members: object) -> None:
        (self.folder / name).write_text(json.dumps(members), encoding="utf-8")

    def get(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / name).read_text(encoding="utf-8"))
        return found

    def describe(self, section: str, members: Mapping[str, Any]) -> None:
        """Change a section of ``iexec.json``, as its user does with an editor."""
        found = self.get("iexec.json")
        self.put("iexec.json", found | {section: found[section] | members})

    def describe_order(self, kind: str, members: Mapping[str, Any]) -> None:
        """Change an order of ``iexec.json``."""
        orders = self.get("iexec.json")["order"]
        self.describe("order", {kind: orders[kind] | members})

    def node(self, *words: str, seconds: float = SECONDS) -> Done:
        found = subprocess.run(
            (npm_command()[0], *words),
            cwd=self.folder,
            env={**os.environ, "NODE_COMPILE_CACHE": str(self.sdk / "compiled")},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        return Done(found.returncode, found.stdout, found.stderr)

    def typed(self, *words: str) -> Done:
        """Type ``iexec …``."""
        return self.node(str(self.package / "cli" / "cmd" / "iexec.js"), *words, "--raw")

    def run(self, *words: str) -> Done:
        """Type ``iexec …``, and begin at the program that it starts for a noun (``iexec-app``).

        That halves what a command costs: both programs load all of the SDK.
        """
        program = self.package / "cli" / "cmd" / f"iexec-{words[0]}.js"
        if not program.exists():
            return self.typed(*words)
        return self.node(str(program), *words[1:], "--raw")

    def ok(self, *words: str) -> dict[str, Any]:
        """Type ``iexec …``, which must succeed; its exit code alone does not tell."""
        return self._succeeded(words, self.run(*words))

    def sends_several(self, *words: str) -> dict[str, Any]:
        """Type ``iexec …`` that sends one transaction after another, as a person here types it.

        Its ethers (6.17) remembers for 250 ms how many transactions a wallet has sent. Where the
        first is mined within that time, the second has the same number and is refused: nothing
        of it was sent, and whoever types the command again has the rest done.
        """
        done = self.run(*words)
        return self.ok(*words) if NUMBERED_TWICE in done.err else self._succeeded(words, done)

    def _succeeded(self, words: tuple[str, ...], done: Done) -> dict[str, Any]:
        assert done.code == 0, (words, done)
        assert done.out, (words, done)
        assert done.json["ok"], (words, done)
        return done.json

    def refused(self, *words: str) -> str:
        """Type ``iexec …``, which must fail; returns what it says."""
        done = self.run(*words)
        assert not done.out, (words, done)
        told = json.loads(done.err)
        return str(told["error"]["message"] if "error" in told else told["fail"])
