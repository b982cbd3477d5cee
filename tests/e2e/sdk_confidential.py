"""Whoever sells and buys confidential tasks with iExec's SDK 9.0.1, which signs no others.

What is secret there is made up anew each time, so that nothing that is found was there before.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from e2e_world import Network
from sdk_project import HERE, NEWEST, Project
from sdk_story import key_in
from sdk_trade import Trade, checksum_of, made_once

from poolhand.devnet.images import publish

PACKAGE_SECONDS: Final = 300
"""For a script that buys several tasks, one after the other."""
VAULT: Final = """
import json, os, sys
told, out = os.environ["IEXEC_IN"], os.environ["IEXEC_OUT"]
def known(name):
    return os.environ.get(name)
names = [known("IEXEC_DATASET_FILENAME") or ""]
names += [known(f"IEXEC_DATASET_{n}_FILENAME") for n in range(1, 1 + int(known("IEXEC_BULK_SLICE_SIZE") or 0))]
files = {name: open(f"{told}/{name}").read() for name in names if name.strip("0x") and os.path.exists(f"{told}/{name}")}
print("read", len(files), "files;", *sys.argv[1:], flush=True)
with open(f"{out}/result.json", "w") as file:
    json.dump({
        "args": sys.argv[1:],
        "files": files,
        "app": known("IEXEC_APP_DEVELOPER_SECRET"),
        "requester": known("IEXEC_REQUESTER_SECRET_1"),
        "slice": known("IEXEC_BULK_SLICE_SIZE"),
    }, file)
computed = {"deterministic-output-path": f"{out}/result.json"}
if sys.argv[1:2] == ["--callback"]:
    computed = {"callback-data": sys.argv[2]}
with open(f"{out}/computed.json", "w") as file:
    json.dump(computed, file)
"""
"""An app that tells in its result all that it was told, and prints none of it."""


@dataclass(frozen=True)
class Hidden:
    """What nobody but an enclave, and the result's beneficiary, may come to read."""

    texts: tuple[str, ...]
    app: str
    requester: str

    @classmethod
    def made_up(cls, texts: int) -> Hidden:
        def word() -> str:
            return f"hidden {secrets.token_hex(12)}"

        return cls(tuple(word() for _ in range(texts)), word(), word())


class ConfidentialTrade(Trade):
    """A seller and a buyer with SDK 9.0.1, on a devnet with simulated enclaves.

    Args:
        network: The devnet.
        folder: Of their projects.
        texts: How many datasets are for sale.
    """

    def __init__(self, network: Network, folder: Path, texts: int = 3) -> None:
        super().__init__(network, NEWEST, folder)
        self.hidden, self.seller_key = Hidden.made_up(texts), self.fresh_key()
        self._has_result_key = False

    @made_once
    def buyer(self) -> Project:
        """Has a wallet with coin and RLC; the library puts stake into the hub."""
        made = self.holding("buyer", self.fresh_key())
        self.give(made)
        return made

    @made_once
    def sold(self) -> dict[str, Any]:
        """What the library has published, an app and encrypted datasets; every secret is pushed."""
        info, hidden = self.network.info, self.hidden
        image = asyncio.run(self._image())
        seller = self.holding("vendor", self.seller_key)
        self.give(seller)
        return self.library(
            HERE / "confidential.mjs",
            host=info.rpc_url,
            hub=info.hub,
            market=info.market_url,
            sms=info.sms_url,
            results=info.results_url,
            seller=key_in(seller),
            buyer=key_in(self.buyer),
            image=image,
            checksum=checksum_of(image),
            files=str(info.files),
            filesUrl=info.files_url,
            texts=hidden.texts,
            appSecret=hidden.app,
            requesterSecret=hidden.requester,
        )

    def package(self, script: Path, **given: Any) -> dict[str, Any]:
        """Run a script that imports packages which use the SDK; returns the JSON that it prints."""
        project = self.project(script.stem)
        (project.folder / "node_modules").symlink_to(self._sdk / "node_modules")
        (project.folder / script.name).write_bytes(script.read_bytes())
        done = project.node(script.name, json.dumps(given), seconds=PACKAGE_SECONDS)
        assert done.code == 0, done
        found: dict[str, Any] = json.loads(done.out)
        return found

    def has_result_key(self) -> None:
        """Have the buyer make a key for results, and push its public part, once."""
        if not self._has_result_key:
            self.buyer.ok("result", "generate-encryption-keypair", "--force")
            self.buyer.ok("result", "push-encryption-key")
            self._has_result_key = True

    async def _image(self) -> str:
        folder = self._folder / "vault"
        folder.mkdir(parents=True)
        (folder / "main.py").write_text(VAULT, encoding="utf-8")
        made = await publish(folder, "poolhand/vault:1.0", self.network.info.registry)
        return made.reference
