"""What a requester's programs need to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from poolhand.domain.platforms import WORKER_PLATFORMS
from poolhand.settings.chain import ChainSettings
from poolhand.settings.chains import chain_options, chain_settings
from poolhand.settings.home import at_home
from poolhand.settings.load import BadSetting, Option, Settings, load, web_url, words
from poolhand.settings.locks import DEFAULT_LOCKS, LOCKS
from poolhand.settings.registries import DOCKER_CONFIG, DOCKER_CONFIG_OPTION
from poolhand.settings.wallets import DEFAULT_KEYSTORE, KEYSTORE, PASSWORD_FILE

DEFAULT_STATE: Final = Path("~/.poolhand/requester")


@dataclass(frozen=True, slots=True)
class RequesterSettings:
    """One buyer of computation.

    Attributes:
        chain: Where the hub is.
        wallet: Keystore file, or the address of one in ``keystore``; None only reads the chain.
        password: Of the keystore; never shown.
        keystore: Folder in which addresses are looked up.
        pool_url: Where the workerpool sells its orders; None when orders come from elsewhere.
        market_url: Where orders of everybody are; None to use no market.
        pool_first: Whether the workerpool at ``pool_url`` is the one to buy from; else it is only
            asked where the market has nothing.
        results_url: Where results are downloaded; None asks the pool.
        sms_url: Where secrets are pushed; None asks the pool.
        state: Folder of the journals: what was signed and sent survives a crash there.
        locks: Where this machine's programs lock the wallets they use.
        platforms: What workers run: an image for none of these is not bought.
        docker_config: The file in which ``docker login`` keeps its logins; None: it is left alone.
    """

    chain: ChainSettings
    wallet: str | None = None
    password: str | None = field(default=None, repr=False)
    keystore: Path = DEFAULT_KEYSTORE
    pool_url: str | None = None
    market_url: str | None = None
    pool_first: bool = True
    results_url: str | None = None
    sms_url: str | None = None
    state: Path = DEFAULT_STATE
    locks: Path = DEFAULT_LOCKS
    platforms: tuple[str, ...] = WORKER_PLATFORMS
    docker_config: Path | None = None


REQUESTER_OPTIONS: Final = (
    *chain_options("POOLHAND_RPC"),
    Option("pool-url", "POOLHAND_POOL_URL", web_url, "", "URL of the workerpool to buy from"),
    Option("market", "POOLHAND_MARKET_URL", web_url, "", "URL of the market to buy and sell in"),
    Option("sms-url", "POOLHAND_SMS_URL", web_url, "", "URL of the secret management service"),
    Option("results-url", "POOLHAND_RESULTS_URL", web_url, "", "URL of the results service"),
    Option("wallet", "POOLHAND_WALLET", str, "", "keystore file, or address in the keystore"),
    KEYSTORE,
    PASSWORD_FILE,
    Option("password", "POOLHAND_WALLET_PASSWORD", str, "", "the wallet's password", secret=True),
    Option("state", "POOLHAND_STATE", Path, str(DEFAULT_STATE), "folder of the journals"),
    Option("platforms", "POOLHAND_PLATFORMS", words, ",".join(WORKER_PLATFORMS),
           "processors of the workers to buy from, separated by commas: an image for none of them "
           "is refused"),
    DOCKER_CONFIG_OPTION,
    LOCKS,
)  # fmt: skip
"""What the requester's commands understand, from flags, environment or file."""


def requester_settings(found: Settings, chain: ChainSettings) -> RequesterSettings:
    """Return a requester's settings, without a wallet.

    Args:
        found: With ``REQUESTER_OPTIONS``.
        chain: Where the hub is.
    """
    return RequesterSettings(
        chain=chain,
        keystore=found["keystore"],
        pool_url=found["pool-url"] or None,
        market_url=found["market"] or None,
        results_url=found["results-url"] or None,
        sms_url=found["sms-url"] or None,
        state=found["state"],
        locks=found["locks"],
        platforms=found["platforms"],
        docker_config=at_home(found["docker-config"]) / DOCKER_CONFIG,
    )


def session_settings(environ: Mapping[str, str], **told: str) -> RequesterSettings:
    """Return the settings of a buyer's program, in the words of the command line.

    Args:
        environ: Asked for what is not told, as the command line does (``os.environ``).
        told: ``chain``, ``rpc``, ``hub``, ``pool_url``, ``wallet``, ``password``, …: each option
            of ``REQUESTER_OPTIONS`` by its name with underscores.

    Raises:
        BadSetting: There is no such option, its value does not read, or no chain is named.
    """
    flags = {name.replace("_", "-"): value for name, value in told.items()}
    unknown = flags.keys() - {option.key for option in REQUESTER_OPTIONS}
    if unknown:
        raise BadSetting(f"a session has no setting '{min(unknown)}': see docs/settings.md")
    found = load(REQUESTER_OPTIONS, flags, environ)
    settings = requester_settings(found, chain_settings(found))
    return replace(settings, wallet=found["wallet"] or None, password=found["password"] or None)
