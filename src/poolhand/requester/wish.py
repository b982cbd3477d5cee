"""What somebody wants computed, and the four orders that this comes to."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Final

from eth_hash.auto import keccak

from poolhand.domain.errors import Refused
from poolhand.domain.ids import ZERO_ADDRESS, Address
from poolhand.domain.network_hosts import NetworkHost
from poolhand.domain.orders.choosing import Bundle
from poolhand.domain.orders.model import (
    AppOrder,
    DatasetOrder,
    RequestOrder,
    Salt,
    Signed,
    WorkerpoolOrder,
)
from poolhand.domain.params import DealParams
from poolhand.domain.sms_secret import check_requester_name
from poolhand.domain.tag import NO_TAG, Tag
from poolhand.domain.tee.framework import NoOneFramework, framework_of
from poolhand.domain.tee.session import MOST_REQUESTER_SECRETS
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc
from poolhand.requester.spending_wallet import Fingerprint

MOST_SECRET_NUMBER: Final = 9_999


class BadWish(Refused):
    """What is wanted contradicts itself or the protocol."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A bag of equal tasks.

    Attributes:
        app, dataset: Contracts; the zero address is no dataset.
        args: Command line of the app.
        inputs: URLs that the workers download.
        trust: Wanted confidence, 1 − 1/trust.
        tasks: How many.
        category: Of running time, an index of the hub's.
        tag: Demands on the workers.
        callback: Contract that gets the result; zero for none.
        beneficiary: Whose the result is; the requester's when None.
        max_price: Most to pay for one task, all included (nRLC); None accepts any.
        workerpool: The one to buy from; zero for any.
        budget: Most to pay for all tasks together (nRLC); None accepts any. It is no part of what
            is wished: a purchase that was begun under another one is the same.
        hosts: That the app is to reach besides its inputs.
        encrypted: Whether workers encrypt the result to the key of the beneficiary.
        secrets: Numbers (1 to 9999), by which an app asks for secrets of the requester's, and names
            of these: told to confidential tasks alone.
        accepts_simulated_tee: Whether a confidential task may go to a pool whose enclaves are
            simulated and keep nothing secret. No part of what is wished, as ``budget``.
        app_order, dataset_order, workerpool_order: Signed by the owners of what is not ours; what
            is not given is asked of a pool or of a market.

    Raises:
        BadWish, BadSecretName, UnfitParams: Nobody could sell it.
    """

    app: Address
    _: KW_ONLY
    dataset: Address = ZERO_ADDRESS
    args: str = ""
    inputs: tuple[str, ...] = ()
    trust: Trust = Trust(1)
    tasks: int = 1
    category: int = 0
    tag: Tag = NO_TAG
    callback: Address = ZERO_ADDRESS
    beneficiary: Address | None = None
    max_price: NanoRlc | None = None
    app_order: Signed[AppOrder] | None = None
    dataset_order: Signed[DatasetOrder] | None = None
    workerpool_order: Signed[WorkerpoolOrder] | None = None
    workerpool: Address = field(default=ZERO_ADDRESS, repr=False)
    budget: NanoRlc | None = field(default=None, repr=False)
    hosts: tuple[NetworkHost, ...] = field(default=(), repr=False)
    encrypted: bool = field(default=False, repr=False)
    secrets: tuple[tuple[int, str], ...] = field(default=(), repr=False)
    accepts_simulated_tee: bool = field(default=False, repr=False)

    def __post_init__(self) -> None:
        if self.tasks < 1:
            raise BadWish(f"{self.tasks} tasks cannot be bought: ask for one at least")
        if self.trust < 0 or self.category < 0:
            raise BadWish("trust and category are whole numbers from 0 on")
        try:
            framework_of(self.tag)
        except NoOneFramework as fault:
            raise BadWish(str(fault)) from fault
        if self.secrets and not self.tag.needs_tee:
            raise BadWish(
                "secrets are told to confidential tasks alone: ask for one, as in --tag tee,tdx"
            )
        if any(not 1 <= number <= MOST_SECRET_NUMBER for number, _ in self.secrets):
            raise BadWish(f"secrets of a run have numbers from 1 to {MOST_SECRET_NUMBER}")
        if len(self.secrets) > MOST_REQUESTER_SECRETS:
            raise BadWish(
                f"a program is told {MOST_REQUESTER_SECRETS} secrets at most: put several into one"
            )
        for _, name in self.secrets:
            check_requester_name(name)
        DealParams.parse(self.params)

    @property
    def fingerprint(self) -> Fingerprint:
        """Name this wish: equal wishes have equal names.

        What a wish could not say in earlier versions counts where it is said: their purchases that
        a crash interrupted are found.
        """
        told = "" if self.workerpool.is_zero else f"of {self.workerpool}"
        told += f"to {','.join(self.hosts)}" if self.hosts else ""
        told += "encrypted" if self.encrypted else ""
        told += f"with {self.secrets}" if self.secrets else ""
        return Fingerprint(keccak(f"{self!r}{told}".encode()))

    @property
    def most_per_task(self) -> NanoRlc | None:
        """Most to pay for one task (nRLC), by its own limit and by what all may cost."""
        if self.budget is None:
            return self.max_price
        share = NanoRlc(self.budget // self.tasks)
        return share if self.max_price is None else min(share, self.max_price)

    @property
    def params(self) -> str:
        """The text of the request order that the workers read."""
        named = {str(number): name for number, name in self.secrets}
        told = DealParams(
            self.args or None, self.inputs, self.encrypted, hosts=self.hosts, secrets=named
        )
        return told.dump()


def own_app_order(wish: Wish, owner: Address, salt: Salt) -> AppOrder:
    """Sell ourselves our own app, for nothing."""
    return AppOrder(
        app=wish.app,
        price=NanoRlc(0),
        volume=wish.tasks,
        tag=wish.tag,
        dataset_restrict=ZERO_ADDRESS,
        workerpool_restrict=ZERO_ADDRESS,
        requester_restrict=owner,
        salt=salt,
    )


def own_dataset_order(wish: Wish, owner: Address, salt: Salt) -> DatasetOrder:
    """Sell ourselves our own dataset, for nothing."""
    return DatasetOrder(
        dataset=wish.dataset,
        price=NanoRlc(0),
        volume=wish.tasks,
        tag=NO_TAG,
        app_restrict=wish.app,
        workerpool_restrict=ZERO_ADDRESS,
        requester_restrict=owner,
        salt=salt,
    )


def asked_by(requester: Address, wish: Wish, salt: Salt) -> RequestOrder:
    """Ask for the wish, of the pool that it names if it names one, and pay nothing yet."""
    return RequestOrder(
        app=wish.app,
        app_max_price=NanoRlc(0),
        dataset=wish.dataset,
        dataset_max_price=NanoRlc(0),
        workerpool=wish.workerpool,
        workerpool_max_price=NanoRlc(0),
        requester=requester,
        volume=wish.tasks,
        tag=wish.tag,
        category=wish.category,
        trust=wish.trust,
        beneficiary=requester if wish.beneficiary is None else wish.beneficiary,
        callback=wish.callback,
        params=wish.params,
        salt=salt,
    )


def request_order(wish: Wish, requester: Address, salt: Salt, bundle: Bundle) -> RequestOrder:
    """Ask for the wish at exactly the prices of a bundle, from exactly its pool."""
    return replace(
        asked_by(requester, wish, salt),
        app_max_price=bundle.app.price,
        dataset_max_price=bundle.dataset.price,
        workerpool=bundle.pool.resource,
        workerpool_max_price=bundle.pool.price,
    )
