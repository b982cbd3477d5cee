"""Where things lie in the virtual machine, and how Poolhand is called there."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poolhand.observe.private import write_private
from poolhand.settings.load import BadSetting


@dataclass(frozen=True, slots=True)
class MachinePlaces:
    """Where things lie; a test gives others.

    Attributes:
        state: Of root alone: the joined pool, its settings, passwords.
        keystore: The folder on the desktop, with the wallet's file.
        built_for: The URL of the pool whose owner has built the machine; may be missing.
        program: The command of Poolhand.
    """

    state: Path = Path("/var/lib/poolhand")
    keystore: Path = Path("/home/worker/Desktop/keystore")
    built_for: Path = Path("/etc/poolhand-pool-url")
    program: Path = Path("/opt/poolhand/env/bin/poolhand")

    @property
    def settings(self) -> Path:
        """What `poolhand join` reads; names the pool."""
        return self.state / "join.toml"

    @property
    def password(self) -> Path:
        """The wallet's password, where a seed disk brought it."""
        return self.state / "seed-password"

    @property
    def wallet(self) -> Path:
        """Where a person, or a seed disk, puts a wallet's file."""
        return self.keystore / "wallet.json"

    @property
    def workers(self) -> Path:
        """Folder of workers, as `poolhand join` makes it below ``state``."""
        return self.state / "workers"

    def has_joined(self) -> bool:
        """Whether joining a pool has come as far as the settings of its worker."""
        return any(self.state.glob("joined/*/worker.toml"))

    def has_wallet_file(self) -> bool:
        """Whether there is something in ``wallet.json``; white space is nothing."""
        with suppress(FileNotFoundError):
            return bool(self.wallet.read_bytes().strip())
        return False

    def pool_url(self) -> str:
        """Return the pool's URL: as a person or a seed disk has named it, else as it was built.

        Empty where nobody has named one yet.

        Raises:
            BadSetting: The settings are no TOML.
        """
        told = {}
        with suppress(FileNotFoundError):
            told = toml_of(self.settings.read_bytes(), self.settings.name)
        if told.get("pool-url"):
            return str(told["pool-url"])
        with suppress(FileNotFoundError):
            return self.built_for.read_text(encoding="utf-8").strip()
        return ""

    def remember_pool(self, url: str) -> None:
        """Write the pool's URL into the settings, which had none."""
        self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(self.settings, f"pool-url = {json.dumps(url)}\n", lasting=True)


def toml_of(content: bytes, name: str) -> dict[str, Any]:
    """Read settings, as editors of any system write them.

    Raises:
        BadSetting: They are no TOML.
    """
    try:
        return tomllib.loads(content.decode().removeprefix("\ufeff"))
    except ValueError as fault:
        raise BadSetting(
            f"{name} is no TOML ({fault}): correct it, or name the pool anew"
        ) from fault


def join_words(places: MachinePlaces, *, yes: bool = False) -> tuple[str, ...]:
    """Return the words of `poolhand join`, by what lies there."""
    words = ["join", places.pool_url()]
    if places.settings.exists():
        words += ["--config", str(places.settings)]
    if yes:
        words.append("--yes")
    if places.has_wallet_file():
        words += ["--wallet", str(places.wallet)]
    if places.password.exists():
        words += ["--password-file", str(places.password)]
    return tuple(words)


def call_poolhand(places: MachinePlaces, words: Sequence[str]) -> int:
    """Run a command of Poolhand in this terminal; return its exit code.

    It is told places by its environment, and no secret.
    """
    told = {
        "POOLHAND_COMMAND": str(places.program),
        "POOLHAND_JOIN_HOME": str(places.state),
        "POOLHAND_KEYSTORE": str(places.keystore),
    }
    with suppress(KeyboardInterrupt):
        command = [str(places.program), *words]
        return subprocess.run(command, env={**os.environ, **told}, check=False).returncode
    return 130
