"""The command line in one process, on a fake chain, with a devnet's folder around it."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from poolhand.cli.main import run
from poolhand.devnet.info import INFO_FILE, DevnetAccount, DevnetInfo
from poolhand.keys.keystore import import_wallet, open_wallet

PASSWORD = "open sesame"
CHEAP = 1024


@dataclass
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, str]:
        return self.json["error"]


@dataclass
class Cli:
    """Runs commands; ``market`` is where their requesters live."""

    capsys: Any
    market: Any
    home: Path
    settings: list[Any] = field(default_factory=list)

    def __call__(self, *arguments: str) -> Ran:
        self.capsys.readouterr()
        code = run(arguments, self.open)
        told = self.capsys.readouterr()
        assert "Traceback" not in told.out + told.err
        return Ran(code, told.out, told.err)

    @asynccontextmanager
    async def open(self, settings):
        """Open a requester as ``open_requester`` does, on the market's chain."""
        self.settings.append(settings)
        wallet = None
        if settings.wallet:
            wallet = open_wallet(settings.wallet, settings.keystore, settings.password)
        yield self.market.requester(wallet or False, settings)


def write_devnet(home: Path, market: Any, key: bytes) -> DevnetInfo:
    """Leave what a running devnet leaves."""
    facts = market.chain.facts
    stored = import_wallet(home / "keys", key.hex(), PASSWORD, cost=CHEAP)
    secret = home / "password"
    secret.write_text(PASSWORD + "\n")
    account = DevnetAccount(str(stored.address), str(stored.path), str(secret))
    info = DevnetInfo(
        rpc_url="http://chain.test",
        chain_id=facts.chain_id,
        hub=str(facts.hub),
        rlc=str(facts.rlc),
        registries={},
        workerpool=str(market.pool.workerpool),
        pool_url="http://pool.test",
        market_url="http://market.test",
        pages_url="http://market.test/pages",
        results_url="http://results.test",
        registry="127.0.0.1:5000",
        files_url="http://files.test",
        files=str(home / "files"),
        accounts={"requester": account},
    )
    (home / INFO_FILE).write_text(json.dumps(info.dump()))
    return info
