"""To whom a worker pays out what it earns, as its operator says."""

from __future__ import annotations

from typing import Final

from poolhand.domain.ids import Address
from poolhand.domain.payout import BadPayoutAddress, check_payout_address
from poolhand.settings.chains import chain_settings
from poolhand.settings.load import BadSetting, Option, Settings, address_or_none

PAYOUT_ADDRESS: Final = Option(
    "payout-address", "POOLHAND_PAYOUT_ADDRESS", address_or_none, "",
    "address to which the worker pays out what it has earned beyond the stake that it keeps "
    "(payout-keep); its key is needed nowhere here; empty: earnings stay stake",
)  # fmt: skip


def payout_address(found: Settings) -> Address | None:
    """Return whom earnings are paid out to.

    Raises:
        BadSetting: Nobody would have them.
    """
    to: Address | None = found["payout-address"]
    if to is None:
        return None
    try:
        check_payout_address(to, None, chain_settings(found).hub, found["pool-address"], None)
    except BadPayoutAddress as fault:
        raise BadSetting(f"payout-address ({found.origin('payout-address')}): {fault}") from None
    return to
