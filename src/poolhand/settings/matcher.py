"""What whoever runs a matcher decides."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from poolhand.domain.units import Seconds
from poolhand.settings.chain import ChainSettings
from poolhand.settings.chains import chain_options, chain_settings
from poolhand.settings.load import BadSetting, Option, Settings, web_url, whole
from poolhand.settings.locks import DEFAULT_LOCKS, LOCKS
from poolhand.settings.wallets import wallet_options, wallet_path


@dataclass(frozen=True, slots=True)
class MatcherSettings:
    """One matcher.

    Attributes:
        chain: Where the hub is.
        market: Whose requests are matched.
        wallet: Keystore file of who pays the gas.
        password: Of the keystore; never shown.
        state: Folder of the journal: what was sent survives a crash there.
        most_matches, match_window: How many matches one requester is given in how long.
        locks: Where this machine's programs lock the wallets they use.
    """

    chain: ChainSettings
    market: str
    wallet: Path
    password: str = field(repr=False)
    state: Path = Path("matcher")
    most_matches: int = 60
    match_window: Seconds = Seconds(3600)
    locks: Path = DEFAULT_LOCKS


MATCHER_OPTIONS: Final[tuple[Option, ...]] = (
    Option("market", "POOLHAND_MARKET_URL", web_url, "", "URL of the market to match in"),
    *wallet_options("of who pays the gas", "POOLHAND_MATCHER_WALLET",
                    "POOLHAND_MATCHER_WALLET_PASSWORD"),
    Option("matcher-state", "POOLHAND_MATCHER_STATE", Path, "~/.poolhand/matcher",
           "folder of the journal"),
    Option("most-matches", "POOLHAND_MOST_MATCHES", whole(1), "60",
           "matches that one requester is given in the time of `match-window`"),
    Option("match-window", "POOLHAND_MATCH_WINDOW", whole(1), "3600",
           "seconds in which the matches of one requester are counted"),
    LOCKS,
    *chain_options(),
)  # fmt: skip
"""Every setting of a matcher."""


def matcher_settings(found: Settings) -> MatcherSettings:
    """Return the typed settings from values of ``MATCHER_OPTIONS``.

    Raises:
        BadSetting: No market or no wallet is named.
    """
    if not found["market"]:
        raise BadSetting("no market is named: give --market, or $POOLHAND_MARKET_URL")
    return MatcherSettings(
        chain=chain_settings(found),
        market=found["market"],
        wallet=wallet_path(found),
        password=found["wallet-password"],
        state=found["matcher-state"],
        most_matches=found["most-matches"],
        match_window=Seconds(found["match-window"]),
        locks=found["locks"],
    )
