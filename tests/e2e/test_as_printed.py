"""The pages are typed as they are printed: a pool, a worker and a buyer on a chain joined by hand."""

from __future__ import annotations

import re
from contextlib import closing

import pytest
from typist import Newcomer, address_in

from poolhand.devnet.ports import free_port
from typed_lines import program, ran, typed_lines

pytestmark = pytest.mark.timeout(900)
GUIDE, TUTORIAL = "docs/worker-guide.md", "docs/tutorial.md"
TYPED_HERE = ("Quick start", "Find a workerpool", "Look at it, and stop it", "Your wallet", "Gas",
              "Statuses", "What to do when")  # fmt: skip
"""Sections of the guide; tests/scheduler types the one on the join script."""


class Party(Newcomer):
    """A newcomer who leaves when the test is over."""

    def close(self) -> None:
        self.leaves()


@pytest.fixture
def chain(network) -> dict[str, str]:
    """What joins the chain of a devnet that somebody else runs."""
    joined = f"POOLHAND_RPC={network.info.rpc_url} POOLHAND_HUB={network.info.hub}"
    return {
        r"POOLHAND_CHAIN=arbitrum": joined,
        r"POOLHAND_RPC=https://rpc\.example POOLHAND_HUB=0x…": joined,
        r"--rpc https://rpc\.example --hub 0x…": joined.replace("POOLHAND_RPC=", "--rpc ").replace(
            "POOLHAND_HUB=", "--hub "
        ),
    }


@pytest.mark.case("E1", "E2", "E4", "E5", "E6", "E9")
@pytest.mark.executes("docs/how-to/run-a-pool.md")
@pytest.mark.executes(
    "README.md", ". .venv", "CHAIN=", "poolhand worker start", "poolhand worker status"
)
@pytest.mark.executes(
    "docs/how-to/run-a-worker.md", "poolhand worker status", "poolhand worker set"
)
def test_a_pool_a_worker_and_a_buyer_work_as_printed(network, chain, tmp_path):
    places = {
        r"https://pool\.example": f"http://127.0.0.1:{free_port()}",
        r"https://results\.example": f"http://127.0.0.1:{free_port()}",
        r"/srv/results": str(tmp_path / "srv"),
    }
    with closing(Party(tmp_path / "owner", {**chain, **places})) as owner:
        pool = _runs_a_pool(owner)
        places[r"--pool-address 0x…"] = f"--pool-address {pool}"
        with closing(Party(tmp_path / "worker", {**chain, **places})) as worker:
            _runs_a_worker(worker)
            _buys(Newcomer(tmp_path / "buyer", {**chain, **places}), network)
            _stops_the_worker(worker)


def _runs_a_pool(owner: Party) -> str:
    """Type the page for pool owners; returns the pool's address."""
    ports = {"results": owner.fills[r"https://results\.example"].rpartition(":")[2],
             "pool": owner.fills[r"https://pool\.example"].rpartition(":")[2]}  # fmt: skip
    owner.types(f"export IEXEC_CORE_PORT={ports['pool']} POOLHAND_RESULTS_PORT={ports['results']}")
    pool = ""
    for line in typed_lines("docs/how-to/run-a-pool.md"):
        if "wallet create" in line:
            wallet = address_in(owner.types(line))
            owner.fills[r"POOLHAND_WALLET=0x…"] = f"POOLHAND_WALLET={wallet}"
            owner.types(f"poolhand devnet faucet {wallet}")
        elif "pool create" in line:
            pool = address_in(owner.types(line))
            owner.fills[r"--pool-address 0x…"] = f"--pool-address {pool}"
        elif "serve" in line:
            owner.leaves_running(line, r"http://127\.0\.0\.1:\d+")
        else:
            owner.types(line)
    return pool


def _runs_a_worker(worker: Party) -> None:
    """Type the README's lines for workers; this pool is in their own network."""
    worker.types("export POOLHAND_ALLOW_PRIVATE=true")
    for line in typed_lines("README.md", "Run a worker"):
        if "wallet create" in line:
            wallet = address_in(worker.types(line))
            worker.fills[r"faucet 0x…"] = f"faucet {wallet}"
        elif "worker start" in line:
            worker.leaves_running(line, "pool_joined")
        elif "worker stop" in line:
            return
        else:
            worker.types(line)


def _buys(buyer: Newcomer, network) -> None:
    """Type the README's lines for a buyer on any chain."""
    wallet = address_in(buyer.types("poolhand wallet create"))
    buyer.fills[r"--wallet 0x…"] = f"--wallet {wallet}"
    buyer.fills[r"docker\.io/you/app:1\.0"] = network.image("fractal")
    lines = typed_lines("README.md", "Buy a computation")
    lines = lines[next(n for n, line in enumerate(lines) if line.startswith("CHAIN=")) :]
    buyer.types(lines[0])
    buyer.types(f"poolhand devnet faucet {wallet} $CHAIN")
    for line in lines[1:]:
        printed = buyer.types(line)
        if " run " in line:
            assert "COMPLETED" in printed
    assert list(buyer.home.glob("*/result*")) or list(buyer.home.glob("*.zip")), list(
        buyer.home.iterdir()
    )


def _stops_the_worker(worker: Party) -> None:
    """Type the rest of the worker's page: what is done while it runs, and then how it is stopped.

    What reaches nobody here, and what is upgraded, has tests of its own.
    """
    page = "docs/how-to/run-a-worker.md"
    for heading in ("Decide when and what it computes", "Be told", "4. Look at it, and stop it"):
        for line in typed_lines(page, heading):
            if line != "poolhand worker notify":
                worker.types(line)
    worker.waits_for_the_last()


@pytest.mark.case("E3", "E6")
@pytest.mark.executes("README.md", "poolhand devnet up")
@pytest.mark.executes("docs/tutorial.md", "poolhand devnet up", "poolhand devnet down")
def test_a_whole_network_on_this_machine_works_as_printed(tmp_path):
    with closing(Party(tmp_path / "home")) as newcomer:
        for line in typed_lines("README.md", "Buy a computation"):
            if line.startswith("CHAIN="):
                break
            printed = newcomer.types(line)
            if " run " in line:
                assert "COMPLETED" in printed


@pytest.mark.executes("docs/worker-guide.md", "export ", "poolhand ", "echo ")
def test_the_guide_for_workers_works_as_printed(network, chain, tmp_path):
    """All but the join script, which tests/scheduler types; the worker of a devnet's own pool."""
    places = {
        r"https://pool\.example": network.info.pool_url,
        r"https://market\.example": network.info.market_url,
        r"joined/0x…": f"joined/{network.info.workerpool}",
    }
    with closing(Party(tmp_path / "worker", {**chain, **places})) as worker:
        try:
            _joins_and_leaves(worker)
        finally:
            if (worker.home / ".poolhand/joined").exists():
                worker.types("poolhand join https://pool.example --uninstall")


def _joins_and_leaves(worker: Party) -> None:
    typed = _types_all(worker, "Quick start", "Find a workerpool", "Look at it, and stop it")
    assert "Your worker is all set." in typed["join"]
    assert re.search(r"[1-9]\d* pool\(s\)", typed["market pools"])
    shown = _types_all(worker, "Gas", "Statuses")["worker start"]
    assert re.search(r"gas-price-cap.{1,40}\b10", shown, re.DOTALL), shown
    of_wallet = typed_lines(GUIDE, "Your wallet")
    running = 1 + next(n for n, line in enumerate(of_wallet) if "worker deposit" in line)
    worker.types(f"poolhand devnet faucet {address_in(worker.types('poolhand wallet list'))}")
    for line in of_wallet[:running]:
        worker.types(line)
    assert "taken away" in _types_all(worker, "What to do when")["join"]
    left = {each.name for each in (worker.home / ".poolhand").iterdir()}
    assert not left & {"joined", "workers", "locks"}
    (worker.home / "key.txt").write_text("ab" * 32 + "\n")
    for line in of_wallet[running:]:
        worker.types(line)


def _types_all(worker: Party, *headings: str) -> dict[str, str]:
    """Type sections of the guide; returns what was printed last, by the command's first words."""
    lines = [line for heading in headings for line in typed_lines(GUIDE, heading)]
    return {" ".join(re.findall(r"^poolhand (\w+(?: (?!https)[a-z]+)?)", line)): worker.types(line)
            for line in lines}  # fmt: skip


@pytest.mark.executes(
    "docs/tutorial.md", ". .venv", "poolhand devnet info", "poolhand run", "ls ",
    "poolhand deal list", "from poolhand", "python first.py",
)  # fmt: skip
def test_the_tutorial_works_as_printed(network, tmp_path):
    """On the network of the tests: its own is started and stopped by README.md's test."""
    with closing(Party(tmp_path / "reader")) as reader:
        reader.types(f"export POOLHAND_HOME={network.home}")
        printed = {}
        for line in typed_lines(TUTORIAL):
            if line.startswith(("make setup", "poolhand devnet up", "poolhand devnet down")):
                continue
            if line == "python first.py":
                code = program(TUTORIAL, "python")
                (reader.home / "first.py").write_text(code, encoding="utf-8")
                ran(code)
            printed[line] = reader.types(line)
        assert "picture.png" in printed["ls -R fractal"]
        assert "task 2 is in fractals/2" in printed["python first.py"]
        assert {each.name for each in (reader.home / "fractals").iterdir()} == {"0", "1", "2"}


def test_every_command_of_the_guide_stands_in_a_section_that_is_typed():
    typed = [line for heading in (*TYPED_HERE, "By script") for line in typed_lines(GUIDE, heading)]
    assert sorted(typed) == sorted(typed_lines(GUIDE))
