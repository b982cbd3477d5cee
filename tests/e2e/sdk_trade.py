"""Somebody who sells and somebody who buys with the iExec SDK, on the devnet of the tests.

What one test needs of another (an app, its order, the pool's order) is made by whichever asks
first, so that each test runs alone, too.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from e2e_world import WEB, Network, wait_until
from eth_account import Account
from sdk_project import VERSIONS, Project, at_once, installed

from poolhand.appimage.composing import MANIFEST_TYPE
from poolhand.devnet.accounts import DEPLOYER, POOL_ACCOUNT, derive
from poolhand.devnet.images import publish
from poolhand.devnet.rpc import NodeRpc

APP_PRICE, DATASET_PRICE, POOL_PRICE = 3, 4, 100
"""nRLC for one task."""
POOL_VOLUME = 50
"""Tasks that the pool's order is for."""
HUB_OWNER: Final = threading.Lock()
"""One of two at a time sends with the wallet that owns the hub."""
POOL_OWNER: Final = threading.Lock()
"""The same for the pool's: the market forgets a wallet's challenge when it gives it another."""
DATA: Final = b"what the dataset says\n"
INPUT: Final = b"what the input file says\n"
KEEPS_TASK = "0x60043560005500"
"""``sstore(0, calldataload(4))``: the first argument of ``receiveResult(bytes32,bytes)``."""
APP: Final = """
import hashlib, json, os, sys, time
out, told = os.environ["IEXEC_OUT"], os.environ["IEXEC_IN"]
count = int(os.environ.get("IEXEC_INPUT_FILES_NUMBER") or 0)
names = [os.environ.get("IEXEC_DATASET_FILENAME")]
names += [os.environ[f"IEXEC_INPUT_FILE_NAME_{n}"] for n in range(1, count + 1)]
paths = [f"{told}/{name}" for name in names if name and name.strip("0x")]
read = [hashlib.sha256(open(path, "rb").read()).hexdigest() for path in paths]
print("args:", *sys.argv[1:], flush=True)
if sys.argv[1:2] == ["--seconds"]:
    time.sleep(int(sys.argv[2]))
with open(f"{out}/result.json", "w") as file:
    json.dump({"args": sys.argv[1:], "read": read}, file)
computed = {"deterministic-output-path": f"{out}/result.json"}
if sys.argv[1:2] == ["--callback"]:
    computed = {"callback-data": sys.argv[2]}
with open(f"{out}/computed.json", "w") as file:
    json.dump(computed, file)
"""


class made_once:  # noqa: N801 - read as a word, like property
    """A property that is made when it is first asked for, and kept.

    ``functools.cached_property`` of Python 3.11 lets one trade at a time make it: it has a lock
    for the class.
    """

    def __init__(self, make: Callable[[Any], Any]) -> None:
        self._make, self.__doc__ = make, make.__doc__

    def __get__(self, of: Any, _: type) -> Any:
        if self._make.__name__ not in vars(of):
            vars(of)[self._make.__name__] = self._make(of)
        return vars(of)[self._make.__name__]


@dataclass(frozen=True)
class Asset:
    """What was deployed, with all that the SDK said of it."""

    address: str
    tx_hash: str


class Trade:
    """A seller and a buyer with the SDK of one generation."""

    def __init__(self, network: Network, generation: str, folder: Path) -> None:
        self.network, self.generation = network, generation
        self._folder, self._sdk = folder / generation, installed()

    def project(self, name: str, *, described: bool = False) -> Project:
        """Begin a project folder without a wallet."""
        made = Project(self.network, self._folder / name, self.generation, self._sdk)
        return made.begin(described=described)

    def holding(self, name: str, key: str, *, described: bool = False) -> Project:
        """Begin a project folder with the wallet file that the SDK makes of a key."""
        made, wallet = self.project(name, described=described), Account.from_key(key)
        made.put("wallet.json", {"privateKey": key, "address": wallet.address})
        return made

    @staticmethod
    def fresh_key() -> str:
        """Return a private key that nobody has."""
        return "0x" + secrets.token_hex(32)

    @made_once
    def buyer(self) -> Project:
        """Has a wallet that the SDK made, with coin, RLC and stake."""
        made = self.project("buyer", described=True)
        made.ok("wallet", "create", "--unencrypted")
        self.give(made)
        made.ok("account", "deposit", "10", "RLC")
        return made

    @made_once
    def seller(self) -> Project:
        """Has a wallet that was imported, with coin."""
        made = self.project("seller", described=True)
        made.ok("wallet", "import", self.fresh_key(), "--unencrypted")
        self.give(made)
        made.ok("app", "init")
        made.ok("dataset", "init")
        made.ok("workerpool", "init")
        return made

    @made_once
    def pool_owner(self) -> Project:
        """Has the wallet of the pool that runs."""
        return self.holding("pool", key_of(POOL_ACCOUNT))

    def give(self, project: Project) -> None:
        """Give coin and RLC to a project's wallet."""
        self.network.ok("devnet", "faucet", address_of(project))

    @made_once
    def app(self) -> Asset:
        """An app of the seller's, which tells its arguments and what it has read."""
        told = {"multiaddr": self.image, "checksum": checksum_of(self.image)}
        self.seller.describe("app", {"name": "teller", **told})
        return deployed(self.seller, "app")

    @made_once
    def image(self) -> str:
        """The image of the seller's apps."""
        return push_app(self.network, self._folder / "image")

    def another(self, kind: str, members: dict[str, str]) -> str:
        """Deploy another asset of the seller's, like the first but for some members."""
        assert getattr(self, kind)
        known = {name: self.seller.get(name) for name in ("iexec.json", "deployed.json")}
        self.seller.describe(kind, members)
        made = deployed(self.seller, kind)
        for name, content in known.items():
            self.seller.put(name, content)
        return made.address

    @made_once
    def dataset(self) -> Asset:
        """A dataset of the seller's, in the open."""
        name = f"sdk-data-{self.generation}.txt"
        url = self.serve(name, DATA)
        digest = "0x" + hashlib.sha256(DATA).hexdigest()
        self.seller.describe("dataset", {"name": name, "multiaddr": url, "checksum": digest})
        return deployed(self.seller, "dataset")

    @made_once
    def workerpool(self) -> Asset:
        """A workerpool of the seller's, which nobody serves."""
        self.seller.describe("workerpool", {"description": f"empty {self.generation}"})
        return deployed(self.seller, "workerpool")

    @made_once
    def app_order(self) -> str:
        """Hash of the app's order in the market."""
        terms = ("--price", str(APP_PRICE), "--volume", "100", "--force")
        return str(self.seller.ok("app", "publish", self.app.address, *terms)["orderHash"])

    @made_once
    def dataset_order(self) -> str:
        """Hash of the dataset's order in the market."""
        terms = ("--price", str(DATASET_PRICE), "--volume", "100", "--force")
        found = self.seller.ok("dataset", "publish", self.dataset.address, *terms)
        return str(found["orderHash"])

    @made_once
    def pool_order(self) -> str:
        """Hash of an order of the pool that runs, published by its owner with the SDK."""
        terms = ("--price", str(POOL_PRICE), "--volume", str(POOL_VOLUME), "--trust", "10")
        words = (self.network.info.workerpool, *terms, "--category", "0", "--force")
        with POOL_OWNER:
            found = self.pool_owner.ok("workerpool", "publish", *words)
        return str(found["orderHash"])

    @made_once
    def no_time(self) -> str:
        """A category whose deals are past their end at once, made by the hub's owner."""
        owner = self.holding("hub", key_of(DEPLOYER), described=True)
        owner.ok("category", "init")
        owner.describe("category", {"name": "no time", "workClockTimeRef": "0"})
        with HUB_OWNER:
            return str(owner.ok("category", "create")["catid"])

    def fill(self, order: str, *terms: str) -> str:
        """Buy one task of the app's at a workerpool's order of the market; returns the deal."""
        kept = self.buyer.folder / "orders.json"
        if not kept.exists():  # the SDK wants one, and is given every hash
            self.buyer.put(kept.name, {str(self.network.info.chain_id): {}})
        words = ("--app", self.app_order, "--workerpool", order, "--force", *terms)
        return str(self.buyer.ok("order", "fill", *words)["dealid"])

    def serve(self, name: str, content: bytes) -> str:
        """Put a file where the devnet serves it; returns its URL."""
        (Path(self.network.info.files) / name).write_bytes(content)
        return f"{self.network.info.files_url}/{name}"

    def await_order(self, kind: str, order: str, status: str) -> None:
        """Wait until the market, which follows the chain block by block, shows a status."""
        url = f"{self.network.info.market_url}/{kind}orders/{order}"
        asked = {"chainId": self.network.info.chain_id}
        wait_until(lambda: WEB.get(url, params=asked).json().get("status") == status)

    def library(self, script: Path, **given: str) -> dict[str, Any]:
        """Run a script that imports the SDK; returns the JSON object that it prints."""
        project = self.project(f"library-{script.stem}")
        project.installs_library()
        (project.folder / script.name).write_bytes(script.read_bytes())
        done = project.node(script.name, json.dumps(given))
        assert done.code == 0, done
        found: dict[str, Any] = json.loads(done.out)
        return found


def lock_stake(trade: Trade) -> None:
    """Lock stake of the pool's owner in a task of another workerpool, which nobody serves."""
    owner = address_of(trade.pool_owner)
    place = trade.another("workerpool", {"description": "never served", "owner": owner})
    terms = (place, "--price", str(POOL_PRICE), "--category", "0", "--force")
    with POOL_OWNER:
        order = str(trade.pool_owner.ok("workerpool", "publish", *terms)["orderHash"])
    trade.fill(order)


def ask(trade: Trade, method: str, *params: str) -> Any:
    """Ask the chain's node."""

    async def asked() -> Any:
        async with NodeRpc(trade.network.info.rpc_url) as node:
            return await node.call(method, *params)

    return asyncio.run(asked())


def await_pool(trade: Trade, task: str) -> None:
    """Wait until the pool knows what the chain says: it is told a block at a time."""
    url = f"{trade.network.info.pool_url}/tasks/{task}"
    wait_until(lambda: WEB.get(url).json().get("currentStatus") == "COMPLETED")


def key_of(name: str) -> str:
    """Return the key of an account of the devnet: public, and good for nothing else."""
    return "0x" + str(derive(name).key.hex()).removeprefix("0x")


def deployed(seller: Project, kind: str) -> Asset:
    """Deploy what ``iexec.json`` describes."""
    found = seller.ok(kind, "deploy")
    return Asset(found["address"], found["txHash"])


def push_app(network: Network, folder: Path) -> str:
    """Build the tests' app and push it; returns its reference."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "main.py").write_text(APP)
    image = asyncio.run(publish(folder, "poolhand/teller:1.0", network.info.registry))
    return image.reference


def checksum_of(image: str) -> str:
    """Return what a registry says an image's digest is, as the hub has it."""
    host, _, name = image.partition("/")
    repository, _, tag = name.rpartition(":")
    url = f"http://{host}/v2/{repository}/manifests/{tag}"
    found = WEB.get(url, headers={"Accept": MANIFEST_TYPE})
    return "0x" + hashlib.sha256(found.content).hexdigest()


def address_of(project: Project) -> str:
    """Return the address of a project's wallet."""
    return str(project.get("wallet.json")["address"])


@dataclass(frozen=True)
class Trades:
    """A trade for every generation of the SDK."""

    by_generation: dict[str, Trade]

    @classmethod
    def begin(cls, network: Network, folder: Path) -> Trades:
        """Begin without a wallet; some stake of the pool's owner is locked from now on.

        The SDK sends a match with exactly the gas that it takes at that moment. It takes more,
        and fails, where the last stake of the pool's owner is unlocked by somebody's task in the
        same block.
        """
        begun = cls({each: Trade(network, each, folder) for each in VERSIONS})
        lock_stake(next(iter(begun.by_generation.values())))
        return begun

    def each(self, check: Callable[[Trade], None]) -> None:
        """Check something with every generation, side by side."""
        at_once(*(lambda trade=trade: check(trade) for trade in self.by_generation.values()))
