"""Four orders that match, all signed here: whoever measures owns the app, the pool and the purse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from poolhand.domain.eip712 import Domain
from poolhand.domain.ids import ZERO_ADDRESS, Address
from poolhand.domain.orders.model import (
    NO_DATASET_ORDER,
    AppOrder,
    MatchOrders,
    RequestOrder,
    Salt,
    Signed,
    WorkerpoolOrder,
)
from poolhand.domain.tag import NO_TAG
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc
from poolhand.keys.wallet import Wallet

FREE: Final = NanoRlc(0)


@dataclass(frozen=True)
class Market:
    """What is sold: an app for nothing, and a pool's time at a price per task; ``owner`` has both.

    ``category`` is the tasks': from its period follow their deadlines.
    """

    domain: Domain
    app: Address
    workerpool: Address
    owner: Wallet
    requester: Wallet
    price: NanoRlc
    category: int = 0

    def bag(self, tasks: int, trust: int, number: int) -> MatchOrders:
        """Return the purchase of so many tasks; ``number`` tells it from others."""
        z, salt, price = ZERO_ADDRESS, Salt(number.to_bytes(32, "big")), self.price
        requester, owner, domain = self.requester, self.owner, self.domain
        app = AppOrder(self.app, FREE, tasks, NO_TAG, z, z, z, salt)
        pool = WorkerpoolOrder(
            self.workerpool, price, tasks, NO_TAG, self.category, Trust(trust), z, z, z, salt
        )
        request = RequestOrder(
            self.app, FREE, z, FREE, self.workerpool, price, requester.address, tasks, NO_TAG,
            self.category, Trust(trust), requester.address, z, '{"iexec_args":"hello"}', salt,
        )  # fmt: skip
        return MatchOrders(
            app=Signed(app, owner.sign_order(domain, app)),
            dataset=Signed(NO_DATASET_ORDER, b""),
            workerpool=Signed(pool, owner.sign_order(domain, pool)),
            request=Signed(request, requester.sign_order(domain, request)),
        )
