"""What joining a pool leaves on this machine: the worker's settings, its password, a mark."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from poolhand.domain.ids import Address
from poolhand.keys.named import read_password
from poolhand.observe.private import write_private
from poolhand.settings.home import at_home
from poolhand.worker.told_version import TOLD_VERSIONS_FILE

JOIN_HOME_VARIABLE: Final = "POOLHAND_JOIN_HOME"
"""Variable that names another folder than ``~/.poolhand`` for joined pools and their workers."""


@dataclass(frozen=True, slots=True)
class JoinFolder:
    """The folder of one joined pool.

    Attributes:
        path: Of the folder.
        workers: Where workers have their own folders, as ``worker start`` takes it.
        name: Of the worker.
    """

    path: Path
    workers: Path
    name: str

    @classmethod
    def of(cls, pool: Address, home: Path = Path("~/.poolhand")) -> JoinFolder:
        """Return the folder of a pool."""
        root = at_home(home)
        return cls(root / "joined" / str(pool), root / "workers", f"pool-{str(pool)[2:10].lower()}")

    @property
    def service(self) -> str:
        """What services call the worker: two of one pool may be one system's, in two folders."""
        return f"{self.name}-{sha256(str(self.path).encode()).hexdigest()[:8]}"

    @property
    def settings(self) -> Path:
        """The worker's settings."""
        return self.path / "worker.toml"

    @property
    def password(self) -> Path:
        """Its wallet's password, where it was asked for."""
        return self.path / "password"

    @property
    def log(self) -> Path:
        """What the worker says, where no service of the system keeps it."""
        return self.path / "worker.log"

    @property
    def worker(self) -> Path:
        """The worker's own folder."""
        return self.workers / self.name

    @property
    def _staged(self) -> Path:
        return self.path / "new-wallet"

    @property
    def _address(self) -> Path:
        return self.path / "address"

    @property
    def _mark(self) -> Path:
        return self.path / "set-up"

    def read(self) -> dict[str, Any]:
        """Return the worker's settings; empty where there are none yet."""
        with suppress(FileNotFoundError):
            return tomllib.loads(self.settings.read_text(encoding="utf-8"))
        return {}

    def write(self, settings: Mapping[str, Any], wallet: Address) -> None:
        """Write the worker's settings, whole or not at all, and whose wallet they name."""
        self._make()
        write_private(self._address, str(wallet), lasting=True)
        lines = (
            f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in settings.items()
        )
        write_private(self.settings, "\n".join(lines) + "\n", lasting=True)

    def keep_password(self, password: str) -> Path:
        """Write the password into a file for its owner alone."""
        self._make()
        write_private(self.password, password + "\n", lasting=True)
        return self.password

    def password_of(self, settings: Mapping[str, Any]) -> str:
        """Return the password of the wallet that settings name.

        Raises:
            PasswordUnreadable: The file that has it is gone, or empty.
        """
        return read_password(str(settings["password-file"]))

    def stage(self) -> Path:
        """Return an empty folder for a wallet that is about to be made."""
        self._make()
        self._staged.mkdir(mode=0o700, exist_ok=True)
        return self._staged

    def staged(self) -> Path | None:
        """Return the wallet that was made and not yet brought to its place; None: there is none."""
        return next(iter(sorted(self._staged.glob("UTC--*"))), None)

    def settle_wallet(self, keystore: Path) -> None:
        """Bring a wallet that was made to the folder of wallets; repeatable."""
        made = self.staged()
        if made is not None:
            folder = at_home(keystore)
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            shutil.move(made, folder / made.name)
        with suppress(OSError):
            self._staged.rmdir()

    def wallet(self) -> Address | None:
        """Return the address of the worker's wallet; None: it has none yet."""
        told = self.read()
        if not told:
            return None
        self.settle_wallet(Path(told["wallet"]).parent)
        return Address.parse(self._address.read_text(encoding="utf-8"))

    @property
    def is_marked(self) -> bool:
        """Whether the worker was set up to the end."""
        return self._mark.exists()

    def mark(self) -> None:
        """Remember that the worker is set up."""
        write_private(self._mark, "", lasting=True)

    def remove(self) -> None:
        """Take away everything but wallets; a wallet that was never settled is settled first."""
        told = self.read()
        if told:
            self.settle_wallet(Path(told["wallet"]).parent)
        for folder in (self.worker, self.path):
            shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            if not any(each.is_dir() for each in self.workers.iterdir()):
                (self.workers / TOLD_VERSIONS_FILE).unlink(missing_ok=True)
        for parent in (self.workers, self.path.parent, self.workers.parent):
            with suppress(OSError):
                parent.rmdir()

    def _make(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
