"""A whole pool by its compose file: it takes a worker in, sells, keeps the result, shows itself."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from built import COMMAND_SECONDS, TAG
from composed import composed, docker, inspected, log_of, words_of_service
from e2e_world import WEB, wait_until
from test_key_elsewhere import PASSWORD

from poolhand.devnet.ports import free_port
from poolhand.keys.keystore import import_wallet

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]
COMPOSE = Path(__file__).parents[2] / "docker/pool.compose.yaml"
OWNER_KEY = bytes([0x61] * 32).hex()
SERVICES = ("results", "market", "pool")
PORTS = {"pool": "IEXEC_CORE_PORT", "results": "POOLHAND_RESULTS_PORT",
         "market": "POOLHAND_MARKET_PORT"}  # fmt: skip
NAME = "Composed lab"


def answers(url):
    try:
        return WEB.get(url).status_code == 200
    except httpx.HTTPError:
        return False


class Owner:
    """Has a workerpool on chain, and the folder in which its compose file is started."""

    def __init__(self, network, folder):
        self.network, self.folder, secrets = network, folder, folder / "secrets"
        secrets.mkdir(mode=0o700)
        stored = import_wallet(folder / "keys", OWNER_KEY, PASSWORD, cost=1024)
        (secrets / "wallet.json").write_bytes(stored.path.read_bytes())
        (secrets / "wallet-password").write_text(PASSWORD + "\n")
        for each in secrets.iterdir():
            each.chmod(0o444)
        mine = ("--wallet", str(stored.path), "--password-file", str(secrets / "wallet-password"))
        network.ok("devnet", "faucet", str(stored.address))
        network.ok("account", "deposit", "30", *mine)
        self.pool = network.ok("pool", "create", NAME, *mine)["address"]
        self.ports = {service: free_port() for service in SERVICES}
        self.urls = {name: f"http://127.0.0.1:{port}" for name, port in self.ports.items()}

    @property
    def told(self):
        info = self.network.info
        return {
            "POOLHAND_HUB": info.hub,
            "POOLHAND_CHAIN_ID": str(info.chain_id),
            "IEXEC_BLOCKCHAIN_NODE_ADDRESS": info.rpc_url,
            "POOL_ADDRESS": self.pool,
            "POOLHAND_PUBLIC_URL": self.urls["pool"],
            "POOLHAND_RESULTS_URL": self.urls["results"],
            "POOLHAND_MARKET_URL": self.urls["market"],
            "POOLHAND_PRICES": "0=1",
            "COMPOSE_PROJECT_NAME": f"poolhand-composed-{self.pool[-8:].lower()}",
            "POOLHAND_VERSION": TAG,
        }

    @contextmanager
    def serves(self):
        """Start all three as the file has them, on the ports and the network of the host."""
        file = composed(COMPOSE, self.told)
        names = {service: f"{file['name']}-{service}" for service in SERVICES}
        volumes = [f"{file['name']}_{each}" for each in file["volumes"]]
        try:
            for service, name in names.items():
                it = file["services"][service]
                del it["ports"]
                it["network_mode"] = "host"
                it["environment"][PORTS[service]] = str(self.ports[service])
                words = words_of_service(file, service, self.folder)
                docker("run", "--detach", "--name", name, *words)
            try:
                for url in self.urls.values():
                    wait_until(lambda url=url: answers(f"{url}/health"), COMMAND_SECONDS)
                yield
            except AssertionError as fault:
                raise AssertionError("\n".join(map(log_of, names.values()))) from fault
        finally:
            docker("rm", "--force", *names.values(), check=False)
            docker("volume", "rm", *volumes, check=False)


def test_a_whole_pool_takes_a_worker_in_sells_and_keeps_the_result(network, tmp_path):
    owner = Owner(network, tmp_path)
    home, got = tmp_path / "home", tmp_path / "got"
    home.mkdir()
    at_home = {"HOME": str(home), "POOLHAND_HOME": str(tmp_path / "no-devnet")}
    join = ("join", owner.urls["pool"], "--yes", "--rpc", network.info.rpc_url,
            "--password-file", str(tmp_path / "secrets/wallet-password"))  # fmt: skip
    with owner.serves():
        try:
            joined = network.ok(*join, **at_home)
            assert joined["all_set"]
            named = ("--pool-url", owner.urls["pool"], "--download", str(got))
            bought = network.ok("run", network.image("fractal"), "--args", "--seed 8", *named)
            (replicate,) = bought["tasks"][0]["replicates"]
            assert (replicate["worker"], replicate["status"]) == (joined["wallet"], "COMPLETED")
            assert list(got.rglob("*"))
            market = owner.urls["market"]
            wait_until(lambda: NAME in WEB.get(f"{market}/pages/pools/{owner.pool}").text)
        finally:
            network.cli(*join, "--uninstall", **at_home)
        found = inspected(f"{owner.told['COMPOSE_PROJECT_NAME']}-pool")
        assert (found["State"]["Running"], found["HostConfig"]["ReadonlyRootfs"]) == (True, True)
