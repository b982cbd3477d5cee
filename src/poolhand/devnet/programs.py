"""The programs of a devnet, each with its words and the settings that it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from poolhand.devnet.accounts import MATCHER, POOL_ACCOUNT
from poolhand.devnet.adversaries.kinds import TURN_SEEKERS, Kind
from poolhand.devnet.children import FIRST_PAUSE_BETWEEN_RESTARTS, Child
from poolhand.devnet.faults.grounds import Grounds
from poolhand.devnet.info import DevnetAccount, DevnetInfo
from poolhand.devnet.plan import DevnetPlan
from poolhand.devnet.simulated_tee import SimulatedTeeFiles
from poolhand.domain.units import BlockNumber
from poolhand.wire.session import WORKER_LEASE

PROGRAMS_WITH_PORTS: Final = (
    *("node", "registry", "files", "market", "results", "pool", "site"),
    *("sms", "sms-scone", "sms-gramine"),
)
"""What has a port that is kept, and is stopped after the workers."""
VANISHED: Final = WORKER_LEASE + 4.0
"""Seconds that a vanished adversary stays away: the pool is to notice."""
MOST_OPEN_ORDERS: Final = 1_000
"""Of one signer, in a devnet's market: tests of clients publish dozens."""
MOST_MATCHES: Final = 1_000
"""Of one requester, by a devnet's matcher."""


def programs(plan: DevnetPlan, info: DevnetInfo, grounds: Grounds | None) -> dict[str, Child]:
    """Return the programs by name, none started."""
    logs, ws_url = plan.home / "logs", info.rpc_url.replace("http://", "ws://", 1)
    common = {
        "POOL_ADDRESS": info.workerpool,
        "POOLHAND_HUB": info.hub,
        "POOLHAND_CHAIN": "",
        "POOLHAND_CHAIN_ID": str(info.chain_id),
        "POOLHAND_LOCKS": str(plan.home / "locks"),
        "POOLHAND_OVERSUBSCRIBE": "true",
        "IEXEC_BLOCKCHAIN_NODE_ADDRESS": ws_url,
        "IEXEC_WORKER_OVERRIDE_BLOCKCHAIN_NODE_ADDRESS": ws_url,
        **plan.environment,
    }
    behind = {} if grounds is None else grounds.environment(info.pool_url, info.results_url)
    tee = SimulatedTeeFiles(plan.home)
    services = {
        "market": common | _market(plan, info),
        "sms": common | _sms(plan, info) | (tee.of_sms if plan.tee else {}),
        "results": common | _results(plan, info) | behind,
        "pool": common | _pool(plan, info) | behind | (tee.of_pool if plan.tee else {}),
    }
    made = {
        name: Child(name, (name, "serve", "--json"), own, logs) for name, own in services.items()
    }
    own = common | _matcher(plan, info)
    made[MATCHER] = Child(MATCHER, ("market", "match", "--json"), own, logs)
    for name in plan.honest:
        own = common | _worker(plan, info, name) | behind
        if plan.tee:
            own |= tee.of_worker(name)
        made[name] = Child(name, ("worker", "start", "--json"), own, logs)
    for name, kind in plan.named.items():
        words = ("devnet", "adversary", "--kind", kind, "--json")
        pause = VANISHED if kind is Kind.VANISHES else FIRST_PAUSE_BETWEEN_RESTARTS
        own = common | _worker(plan, info, name) | behind
        made[name] = Child(name, words, own, logs, pause)
    return made


def _believed(plan: DevnetPlan, info: DevnetInfo) -> str:
    """Name the adversaries that the pool believes at first, so that they have a hand in tasks.

    Not those that are about who gets work: of these it is the pool that has to find out.
    """
    kinds = plan.named.items()
    return ",".join(info.accounts[name].address for name, kind in kinds if kind not in TURN_SEEKERS)


def _market(plan: DevnetPlan, info: DevnetInfo) -> dict[str, str]:
    (plan.home / "market").mkdir(exist_ok=True)
    return {
        "POOLHAND_MARKET_PORT": _port(info.market_url),
        "POOLHAND_MARKET_DATABASE": f"sqlite:///{plan.home / 'market' / 'market.db'}",
        "POOLHAND_MAX_OPEN_ORDERS": str(MOST_OPEN_ORDERS),
        "POOLHAND_MAX_REQUESTS": "0",
        "POOLHAND_ALLOW_PRIVATE": "true",
        "POOLHAND_MARKET_SITE_URL": info.site_url,
        **plan.environment,
    }


def _matcher(plan: DevnetPlan, info: DevnetInfo) -> dict[str, str]:
    return {
        "POOLHAND_MARKET_URL": info.market_url,
        "POOLHAND_MATCHER_STATE": str(plan.home / MATCHER),
        "POOLHAND_MOST_MATCHES": str(MOST_MATCHES),
        **_wallet(info.accounts[MATCHER], "POOLHAND_MATCHER_WALLET"),
        **plan.environment,
    }


def _sms(plan: DevnetPlan, info: DevnetInfo) -> dict[str, str]:
    return {
        "POOLHAND_SMS_FRAMEWORK": ",".join(info.sms_urls),
        "POOLHAND_SMS_PORT": ",".join(map(_port, info.sms_urls.values())),
        "POOLHAND_SMS_FOLDER": str(plan.home / "sms"),
        "POOLHAND_SMS_MASTER_KEY_FILE": str(sms_key_file(plan.home)),
        "POOLHAND_SMS_MAX_REQUESTS": "0",
        "POOLHAND_SMS_MAX_CHANGES": "0",
        "POOLHAND_IPFS_GATEWAYS": info.files_url,
        **plan.environment,
    }


def sms_key_file(home: Path) -> Path:
    """Return where a devnet's master key of secrets is: not beside them."""
    return home / "keys" / "sms-master.key"


def _results(plan: DevnetPlan, info: DevnetInfo) -> dict[str, str]:
    return {
        "POOLHAND_RESULTS_PORT": _port(info.results_url),
        "POOLHAND_RESULTS_FOLDER": str(plan.home / "results"),
        "IEXEC_SMS_URL": info.sms_url,
    }


def _pool(plan: DevnetPlan, info: DevnetInfo) -> dict[str, str]:
    (plan.home / "pool").mkdir(exist_ok=True)
    return {
        "IEXEC_CORE_PORT": _port(info.pool_url),
        "IEXEC_RESULT_REPOSITORY_URL": info.results_url,
        "IEXEC_SMS_URL": info.sms_url,
        "POOLHAND_DATABASE": f"sqlite:///{plan.home / 'pool' / 'pool.db'}",
        "POOLHAND_PUBLIC_LOGS": "true",
        "IEXEC_START_BLOCK_NUMBER": str(BlockNumber(0)),
        "POOLHAND_TRUSTED_WORKERS": _believed(plan, info),
        "POOLHAND_MARKET_URL": info.market_url,
        "POOLHAND_WORKER_RPC": info.rpc_url,
        **_wallet(info.accounts[POOL_ACCOUNT], "IEXEC_CORE_WALLET_PATH"),
        **plan.environment,
    }


def _worker(plan: DevnetPlan, info: DevnetInfo, name: str) -> dict[str, str]:
    return {
        "IEXEC_CORE_URL": info.pool_url,
        "IEXEC_WORKER_NAME": name,
        "IEXEC_WORKER_BASE_DIR": str(plan.home / "workers"),
        "IEXEC_WORKER_PORT": "0",
        "POOLHAND_ALLOW_PRIVATE": "true",
        "POOLHAND_IPFS_GATEWAYS": info.files_url,
        **_wallet(info.accounts[name], "IEXEC_WORKER_WALLET_PATH"),
        **plan.environment,
    }


def _wallet(account: DevnetAccount, variable: str) -> dict[str, str]:
    return {
        variable: account.keystore,
        f"{variable.removesuffix('_PATH')}_PASSWORD": "",
        "POOLHAND_WALLET_PASSWORD": "",
        "POOLHAND_WALLET_PASSWORD_FILE": account.password_file,
    }


def _port(url: str) -> str:
    return url.rpartition(":")[2]
