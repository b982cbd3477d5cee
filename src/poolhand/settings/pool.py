"""What a workerpool's owner decides."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from poolhand.domain.ids import Address
from poolhand.domain.market.profiles import MOST_DESCRIPTION, MOST_NAME
from poolhand.domain.placement.rules import (
    MOST_BACKUPS,
    NEWCOMERS_SLOTS,
    TAKE_UP,
    TRIAL_TIME,
    PlacementRules,
)
from poolhand.domain.session_limits import (
    CONNECTIONS_PER_ADDRESS,
    LOGINS_PER_ADDRESS,
    LOGINS_TOGETHER,
)
from poolhand.domain.tee.evidence import QuotePolicy
from poolhand.domain.text import checked
from poolhand.domain.trust import Trust
from poolhand.domain.units import BlockNumber, NanoRlc, Seconds, parse_rlc
from poolhand.domain.version import version_order
from poolhand.settings.chain import ChainSettings
from poolhand.settings.chains import chain_options, chain_settings
from poolhand.settings.load import Option, Settings, address, flag, fraction, web_url, whole, words
from poolhand.settings.locks import DEFAULT_LOCKS, LOCKS
from poolhand.settings.tee import POOL_TEE_OPTIONS, quote_policy_of, simulated_tee_file
from poolhand.settings.wallets import wallet_options, wallet_path


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """One scheduler.

    Attributes:
        chain: Where the hub is.
        workerpool: The pool's contract.
        wallet: Keystore file of the pool's owner.
        password: Of the keystore; never shown.
        host, port: Where to listen.
        public_url: Under which workers and requesters reach it; signed into every login; empty:
            where it listens.
        results_url: Under which the results service is reached.
        sms_url: Under which the secret management service is; empty: there is none.
        database: Where the state is kept: an SQLAlchemy URL.
        retention: Days for which settled tasks are kept after their final deadline; 0: for ever.
        start_block: From which deals are looked for the first time; None: the newest block.
        allowed: Workers that may join; empty for everybody.
        trusted: Workers for which the owner gives its word: they begin as if they had proved
            themselves. Those allowed by name are trusted likewise.
        placement: What is asked before work is given.
        least_version: Of the worker program; empty for any.
        prices: Per task by category (nRLC); what is missing is not sold.
        highest_trust: Sold for one task.
        markets: URLs of the markets in which the pool keeps its orders; none: it is not for sale
            there.
        worker_rpc: Node for computers that join, where the chain has no name, or is a devnet that
            is like one; empty: none.
        name, about: What markets show of the pool; without a name its description on chain.
        preflight: Sign an order only for what the workers that are there can do.
        spare_workers: How many of them may fail, where the trust asks for more than one.
        tasks_per_requester: Open at once.
        orders_per_minute: Signed for one caller.
        sends_purchases: Send what requesters only sign, and pay its gas.
        matches_requests: Match requests that are published in the markets, as purchases that are
            sent.
        purchase_fee: On a task's price where the pool sends the purchase (nRLC).
        purchases_per_hour, all_purchases_per_hour: Sent for one requester, and for all of them.
        connections_per_address, logins_per_address: Workers of one client address, and of these
            such as are logging in.
        logins_at_once: Workers that may be logging in from all addresses together.
        quick_finish: Settle trust-1 tasks by ``contributeAndFinalize``.
        batch_gas_share: Of a block's gas that one transaction of many tasks may take.
        public_logs: Publish what apps print.
        logs_days: For which it is kept.
        logs_database: Where: an SQLAlchemy URL; empty: beside ``database``.
        logs_size: MiB of all that is kept at most; the oldest goes.
        pccs_url: Service that gives what Intel's quotes are judged by; empty: none of them counts.
        simulated_tee: File of a simulated root by which workers may prove enclaves.
        quotes: What is asked of workers' quotes.
        locks: Folder of this machine's wallet locks.
    """

    chain: ChainSettings
    workerpool: Address
    wallet: Path
    password: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 13000
    public_url: str = ""
    results_url: str = "http://127.0.0.1:13200"
    sms_url: str = ""
    database: str = "sqlite:///pool.db"
    retention: int = 365
    start_block: BlockNumber | None = None
    allowed: frozenset[Address] = frozenset()
    trusted: frozenset[Address] = frozenset()
    placement: PlacementRules = PlacementRules()
    least_version: str = ""
    prices: dict[int, NanoRlc] = field(default_factory=dict)
    highest_trust: Trust = Trust(1000)
    markets: tuple[str, ...] = ()
    worker_rpc: str = ""
    name: str = ""
    about: str = ""
    preflight: bool = True
    spare_workers: int = 0
    tasks_per_requester: int = 1000
    orders_per_minute: int = 600
    sends_purchases: bool = True
    matches_requests: bool = True
    purchase_fee: NanoRlc = NanoRlc(0)
    purchases_per_hour: int = 60
    all_purchases_per_hour: int = 3600
    connections_per_address: int = CONNECTIONS_PER_ADDRESS
    logins_per_address: int = LOGINS_PER_ADDRESS
    logins_at_once: int = LOGINS_TOGETHER
    quick_finish: bool = True
    batch_gas_share: float = 0.15
    public_logs: bool = False
    logs_days: int = 3
    logs_database: str = ""
    logs_size: int = 1024
    pccs_url: str = ""
    simulated_tee: Path | None = None
    quotes: QuotePolicy = QuotePolicy()
    locks: Path = DEFAULT_LOCKS


def _start_block(text: str) -> BlockNumber | None:
    return BlockNumber(whole()(text)) if text else None


def _prices(text: str) -> dict[int, NanoRlc]:
    """Read ``0=1.5,1=5``: RLC per task by category."""
    prices: dict[int, NanoRlc] = {}
    for part in words(text):
        category, found, price = part.partition("=")
        if not found:
            raise ValueError("write category=RLC pairs such as 0=1.5,1=5")
        prices[whole()(category)] = parse_rlc(price)
    return prices


def _urls(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(web_url(each).rstrip("/") for each in words(text)))


def _name(text: str) -> str:
    return checked(text, "the name", MOST_NAME)


def _about(text: str) -> str:
    return checked(text, "the text", MOST_DESCRIPTION, lines=True)


def _version(text: str) -> str:
    if text:
        version_order(text)
    return text


def _share(text: str) -> float:
    share = fraction(text)
    if not 0 < share <= 1:
        raise ValueError("it must be above 0 and at most 1")
    return share


def _workers(text: str) -> frozenset[Address]:
    return frozenset(Address.parse(each) for each in words(text))


POOL_OPTIONS: Final[tuple[Option, ...]] = (
    Option("pool-address", "POOL_ADDRESS", address, None, "address of the workerpool contract"),
    *wallet_options("of the pool's owner", "IEXEC_CORE_WALLET_PATH", "IEXEC_CORE_WALLET_PASSWORD"),
    Option("host", "POOLHAND_HOST", str, "127.0.0.1", "address to listen on"),
    Option("port", "IEXEC_CORE_PORT", whole(0, 65_535), "13000",
           "port to listen on; 0: any free one"),
    Option("public-url", "POOLHAND_PUBLIC_URL", web_url, "",
           "URL under which workers and requesters reach the pool; empty: where it listens"),
    Option("results-url", "IEXEC_RESULT_REPOSITORY_URL", web_url, "http://127.0.0.1:13200",
           "URL of the results service"),
    Option("sms-url", "IEXEC_SMS_URL", web_url, "",
           "URL of the secret management service; empty: none, and no key for encrypted results"),
    Option("database", "POOLHAND_DATABASE", str, "sqlite:///pool.db",
           "where the state is kept (SQLAlchemy URL: SQLite or PostgreSQL)"),
    Option("retention", "POOLHAND_RETENTION_DAYS", whole(0), "365",
           "days for which settled tasks are kept after their final deadline; 0: for ever"),
    Option("start-block", "IEXEC_START_BLOCK_NUMBER", _start_block, "",
           "block from which deals are looked for the first time; empty: the newest"),
    Option("workers", "IEXEC_WORKERS_WHITELIST", _workers, "",
           "workers that may join, separated by commas; empty: everybody"),
    Option("trusted-workers", "POOLHAND_TRUSTED_WORKERS", _workers, "",
           "workers that need not prove themselves first, separated by commas"),
    Option("least-stake", "POOLHAND_LEAST_STAKE", parse_rlc, "0",
           "RLC of stake without which a worker is given nothing; the deal's own if that is more"),
    Option("offer-seconds", "POOLHAND_OFFER_SECONDS", whole(1), str(TAKE_UP),
           "seconds in which an offer has to be taken up, before others are asked"),
    Option("trial-seconds", "POOLHAND_TRIAL_SECONDS", whole(1), str(TRIAL_TIME),
           "seconds after which idle workers are put beside one that has proved nothing"),
    Option("newcomer-slots", "POOLHAND_NEWCOMER_SLOTS", whole(1), str(NEWCOMERS_SLOTS),
           "tasks at once of a worker that has proved nothing; doubled with each task it settles"),
    Option("most-backups", "POOLHAND_MOST_BACKUPS", whole(0), str(MOST_BACKUPS),
           "replicates of a task beyond those that its trust needs"),
    Option("least-worker-version", "IEXEC_CORE_REQUIRED_WORKER_VERSION", _version, "",
           "oldest worker program that may join, such as 0.2.0; empty: any"),
    Option("prices", "POOLHAND_PRICES", _prices, "0=1,1=4,2=12,3=36,4=120",
           "RLC per task by category; what is missing is not sold"),
    Option("highest-trust", "POOLHAND_HIGHEST_TRUST", whole(1), "1000", "highest trust sold"),
    Option("market", "POOLHAND_MARKET_URL", _urls, "",
           "URLs of markets to sell in, separated by commas; empty: sold to whoever asks the pool"),
    Option("worker-rpc", "POOLHAND_WORKER_RPC", web_url, "",
           "RPC endpoint that computers which join may use, where the chain is known by no name or "
           "is a devnet that is like another: everybody reads it"),
    Option("name", "POOLHAND_POOL_NAME", _name, "",
           "name of the pool in markets; empty: its description on chain"),
    Option("about", "POOLHAND_POOL_ABOUT", _about, "", "what markets tell people of the pool"),
    Option("preflight", "POOLHAND_PREFLIGHT", flag, "true",
           "sign an order only for what the workers that are there can do"),
    Option("spare-workers", "POOLHAND_SPARE_WORKERS", whole(0), "0",
           "workers that may fail before a trust of more than one worker is out of reach"),
    Option("tasks-per-requester", "POOLHAND_TASKS_PER_REQUESTER", whole(1), "1000",
           "tasks that one requester may have open when an order is signed"),
    Option("connections-per-address", "POOLHAND_CONNECTIONS_PER_ADDRESS", whole(1),
           str(CONNECTIONS_PER_ADDRESS),
           "workers that may connect from one address; more for a lab behind one"),
    Option("logins-per-address", "POOLHAND_LOGINS_PER_ADDRESS", whole(1), str(LOGINS_PER_ADDRESS),
           "workers that may be logging in from one address at the same time"),
    Option("logins-at-once", "POOLHAND_LOGINS_AT_ONCE", whole(1), str(LOGINS_TOGETHER),
           "workers that may be logging in from all addresses together"),
    Option("orders-per-minute", "POOLHAND_ORDERS_PER_MINUTE", whole(1), "600",
           "orders that are signed for one caller"),
    Option("sends-purchases", "POOLHAND_SENDS_PURCHASES", flag, "true",
           "send purchases that their requesters only sign, and pay the gas"),
    Option("matches-requests", "POOLHAND_MATCHES_REQUESTS", flag, "true",
           "match requests that are published in the pool's markets and name it or fit it, and pay "
           "the gas, within the limits for purchases that are sent"),
    Option("purchase-fee", "POOLHAND_PURCHASE_FEE", parse_rlc, "0",
           "RLC on top of a task's price where the pool sends the purchase"),
    Option("purchases-per-hour", "POOLHAND_PURCHASES_PER_HOUR", whole(1), "60",
           "purchases that are sent for one requester within an hour"),
    Option("all-purchases-per-hour", "POOLHAND_ALL_PURCHASES_PER_HOUR", whole(1), "3600",
           "purchases that are sent within an hour for all requesters together"),
    Option("quick-finish", "POOLHAND_QUICK_FINISH", flag, "true",
           "settle trust-1 tasks by contributeAndFinalize: two transactions instead of four"),
    Option("batch-gas-share", "POOLHAND_BATCH_GAS_SHARE", _share, "0.15",
           "share of a block's gas that one transaction of many tasks may take"),
    Option("gas-tip-multiplier", "POOLHAND_GAS_TIP_MULTIPLIER", fraction, "1.25",
           "factor on the usual tip above the base fee: above 1, the pool's transactions come into "
           "a block before its workers'"),
    Option("public-logs", "POOLHAND_PUBLIC_LOGS", flag, "false", "publish what apps print"),
    Option("logs-days", "IEXEC_LOGS_AVAILABILITY_PERIOD_IN_DAYS", whole(1), "3",
           "days for which what apps print is kept"),
    Option("logs-database", "POOLHAND_LOGS_DATABASE", str, "",
           "where that is kept (SQLAlchemy URL); empty: beside an SQLite database of the pool, in "
           "PostgreSQL itself"),
    Option("logs-size", "POOLHAND_LOGS_SIZE", whole(1), "1024",
           "MiB of what apps print that are kept at most; the oldest goes first"),
    *POOL_TEE_OPTIONS,
    LOCKS,
    *chain_options(),
)  # fmt: skip
"""Every setting of a pool."""


def pool_settings(found: Settings) -> PoolSettings:
    """Return the typed settings from values of ``POOL_OPTIONS``.

    Raises:
        BadSetting: Something that does not fit together.
    """
    return PoolSettings(
        chain=replace(chain_settings(found), gas_tip_multiplier=found["gas-tip-multiplier"]),
        workerpool=found["pool-address"],
        wallet=wallet_path(found),
        password=found["wallet-password"],
        host=found["host"],
        port=found["port"],
        public_url=found["public-url"],
        results_url=found["results-url"],
        sms_url=found["sms-url"],
        database=found["database"],
        retention=found["retention"],
        start_block=found["start-block"],
        allowed=found["workers"],
        trusted=found["trusted-workers"],
        placement=PlacementRules(
            least_stake=found["least-stake"],
            take_up=Seconds(found["offer-seconds"]),
            trial=Seconds(found["trial-seconds"]),
            newcomers_slots=found["newcomer-slots"],
            most_backups=found["most-backups"],
        ),
        least_version=found["least-worker-version"],
        prices=found["prices"],
        highest_trust=Trust(found["highest-trust"]),
        markets=found["market"],
        worker_rpc=found["worker-rpc"],
        name=found["name"],
        about=found["about"],
        preflight=found["preflight"],
        spare_workers=found["spare-workers"],
        tasks_per_requester=found["tasks-per-requester"],
        orders_per_minute=found["orders-per-minute"],
        connections_per_address=found["connections-per-address"],
        logins_per_address=found["logins-per-address"],
        logins_at_once=found["logins-at-once"],
        sends_purchases=found["sends-purchases"],
        matches_requests=found["matches-requests"],
        purchase_fee=found["purchase-fee"],
        purchases_per_hour=found["purchases-per-hour"],
        all_purchases_per_hour=found["all-purchases-per-hour"],
        quick_finish=found["quick-finish"],
        batch_gas_share=found["batch-gas-share"],
        public_logs=found["public-logs"],
        logs_days=found["logs-days"],
        logs_database=found["logs-database"],
        logs_size=found["logs-size"],
        pccs_url=found["pccs-url"],
        simulated_tee=simulated_tee_file(found),
        quotes=quote_policy_of(found),
        locks=found["locks"],
    )
