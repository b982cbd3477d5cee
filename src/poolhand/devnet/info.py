"""What a running devnet tells: one file that every client reads."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from poolhand.domain.errors import Refused

HOME_VARIABLE: Final = "POOLHAND_HOME"
INFO_FILE: Final = "info.json"
PROGRAMS_FILE: Final = "programs.json"
"""How the programs are, by name (``children.ChildStanding``); beside ``info.json`` and as long."""


class NoDevnet(Refused):
    """No devnet runs from this folder; ``instead`` is what else may be done, if anything."""

    def __init__(self, home: Path, instead: str = "") -> None:
        ways = ["start one with `poolhand devnet up --detach`"]
        ways += ["type this in the folder of one that runs", *filter(None, [instead])]
        super().__init__(f"no devnet runs in {home}: {', '.join(ways[:-1])}, or {ways[-1]}")


@dataclass(frozen=True, slots=True)
class DevnetAccount:
    """A funded wallet: its keystore file, and the file that holds its password."""

    address: str
    keystore: str
    password_file: str


@dataclass(frozen=True, slots=True)
class DevnetInfo:
    """Addresses in hexadecimal, URLs with their ports.

    ``registry`` is ``host:port`` as image names have it; ``registries`` has ``app``, ``dataset``
    and ``workerpool``; ``accounts`` are by name: ``deployer``, ``pool``, ``requester``,
    ``matcher``, ``worker-1`` and on, and those of simulated adversaries. ``adversaries`` has their
    kinds by name. ``pages_url`` is for a browser, as is ``site_url``, the documentation, which is
    empty where none was built. Whatever lies in the folder ``files`` is served under ``files_url``.
    ``sms_url`` is the secret management service; ``sms_urls`` are its stores by framework, the same
    first. ``chain_files`` are what iExec's SDK reads, by its generation (``8``, ``9``).
    """

    rpc_url: str
    chain_id: int
    hub: str
    rlc: str
    registries: Mapping[str, str]
    workerpool: str
    pool_url: str
    market_url: str
    pages_url: str
    results_url: str
    registry: str
    files_url: str
    files: str
    chain_files: Mapping[str, str] = field(default_factory=dict)
    accounts: Mapping[str, DevnetAccount] = field(default_factory=dict)
    adversaries: Mapping[str, str] = field(default_factory=dict)
    site_url: str = ""
    sms_url: str = ""
    sms_urls: Mapping[str, str] = field(default_factory=dict)

    def dump(self) -> dict[str, Any]:
        """Return the JSON object of ``devnet info --json``."""
        return asdict(self)

    @classmethod
    def read(cls, home: Path) -> Self:
        """Read what the devnet of a folder wrote when it was ready.

        Raises:
            NoDevnet: There is none.
        """
        try:
            members = json.loads((home / INFO_FILE).read_text(encoding="utf-8"))
            accounts = {name: DevnetAccount(**each) for name, each in members["accounts"].items()}
            return cls(**{**members, "accounts": accounts})
        except (OSError, ValueError, KeyError, TypeError) as fault:
            raise NoDevnet(home) from fault


def devnet_home() -> Path:
    """Return the folder of the devnet: ``$POOLHAND_HOME``, or ``.poolhand`` where we are."""
    return Path(os.environ.get(HOME_VARIABLE) or ".poolhand").resolve()
