"""Why four orders do not make a deal: a closed list, with who must do what about it.

Source: PoCo 6.x, IexecPoco1Facet.matchOrders, in its order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final


class Side(StrEnum):
    """Who can help a mismatch."""

    REQUESTER = "the requester"
    APP = "the app's owner"
    DATASET = "the dataset's owner"
    POOL = "the workerpool's owner"
    SIGNER = "the order's owner"


class Reason(IntEnum):
    """A condition of ``matchOrders``; up to 0xFF the value is NN of ``iExecV5-matchOrders-0xNN``.

    Names are the wire codes of the market and never change.
    """

    CATEGORY_DIFFERS = 0x00
    CATEGORY_UNKNOWN = 0x01
    TRUST_TOO_HIGH = 0x02
    APP_TOO_DEAR = 0x03
    DATASET_TOO_DEAR = 0x04
    WORKERPOOL_TOO_DEAR = 0x05
    TAG_NOT_OFFERED = 0x06
    APP_NOT_TEE = 0x07
    OTHER_APP = 0x10
    OTHER_DATASET = 0x11
    REQUEST_RESTRICTS_WORKERPOOL = 0x12
    APP_RESTRICTS_DATASET = 0x13
    APP_RESTRICTS_WORKERPOOL = 0x14
    APP_RESTRICTS_REQUESTER = 0x15
    DATASET_RESTRICTS_APP = 0x16
    DATASET_RESTRICTS_WORKERPOOL = 0x17
    DATASET_RESTRICTS_REQUESTER = 0x18
    WORKERPOOL_RESTRICTS_APP = 0x19
    WORKERPOOL_RESTRICTS_DATASET = 0x1A
    WORKERPOOL_RESTRICTS_REQUESTER = 0x1B
    APP_UNREGISTERED = 0x20
    APP_SIGNATURE = 0x21
    DATASET_UNREGISTERED = 0x30
    DATASET_SIGNATURE = 0x31
    WORKERPOOL_UNREGISTERED = 0x40
    WORKERPOOL_SIGNATURE = 0x41
    REQUEST_SIGNATURE = 0x50
    USED_UP = 0x60
    UNSIGNED = 0x100
    PAYER_STAKE_TOO_LOW = 0x101
    WORKERPOOL_STAKE_TOO_LOW = 0x102

    @property
    def code(self) -> int | None:
        """The contract's number; None where it says it otherwise (format, escrow)."""
        return self.value if self.value <= 0xFF else None

    @property
    def side(self) -> Side:
        """Who must act."""
        return _SAYINGS[self].side

    @property
    def sentence(self) -> str:
        """What is wrong, who must act and how."""
        return self.told("")

    def told(self, detail: str) -> str:
        """Return the sentence with the particulars of one case, if any."""
        saying = _SAYINGS[self]
        fact = f"{saying.fact} ({detail})" if detail else saying.fact
        return f"{fact}: {saying.side} must {saying.remedy}"


@dataclass(frozen=True, slots=True)
class _Saying:
    side: Side
    fact: str
    remedy: str


R, B = Reason, Side

_SAYINGS: Final[Mapping[Reason, _Saying]] = {
    R.CATEGORY_DIFFERS: _Saying(
        B.REQUESTER,
        "request and workerpool order name different categories",
        "request the category that the workerpool order sells",
    ),
    R.CATEGORY_UNKNOWN: _Saying(
        B.REQUESTER, "no such category", "request a category that the hub knows"
    ),
    R.TRUST_TOO_HIGH: _Saying(
        B.REQUESTER,
        "the workerpool offers less trust than requested",
        "ask for less trust, or take another workerpool order",
    ),
    R.APP_TOO_DEAR: _Saying(
        B.REQUESTER, "the app costs more than the request pays", "raise the request's app price"
    ),
    R.DATASET_TOO_DEAR: _Saying(
        B.REQUESTER,
        "the dataset costs more than the request pays",
        "raise the request's dataset price",
    ),
    R.WORKERPOOL_TOO_DEAR: _Saying(
        B.REQUESTER,
        "the workerpool costs more than the request pays",
        "raise the request's workerpool price",
    ),
    R.TAG_NOT_OFFERED: _Saying(
        B.REQUESTER,
        "the workerpool order lacks a demanded tag",
        "take a workerpool order with every tag that app, dataset and request demand",
    ),
    R.APP_NOT_TEE: _Saying(
        B.REQUESTER,
        "a TEE is demanded but the app order is not for TEE",
        "take an app order with the tag tee, or demand none",
    ),
    R.OTHER_APP: _Saying(
        B.REQUESTER, "the request names another app", "take an order of the requested app"
    ),
    R.OTHER_DATASET: _Saying(
        B.REQUESTER,
        "the request names another dataset",
        "take an order of the requested dataset, or none if none is requested",
    ),
    R.REQUEST_RESTRICTS_WORKERPOOL: _Saying(
        B.REQUESTER,
        "the request is restricted to another workerpool",
        "take an order of that workerpool",
    ),
    R.APP_RESTRICTS_DATASET: _Saying(
        B.APP, "the app order is restricted to another dataset", "sign an order for this dataset"
    ),
    R.APP_RESTRICTS_WORKERPOOL: _Saying(
        B.APP,
        "the app order is restricted to another workerpool",
        "sign an order for this workerpool",
    ),
    R.APP_RESTRICTS_REQUESTER: _Saying(
        B.APP,
        "the app order is restricted to another requester",
        "sign an order for this requester",
    ),
    R.DATASET_RESTRICTS_APP: _Saying(
        B.DATASET, "the dataset order is restricted to another app", "sign an order for this app"
    ),
    R.DATASET_RESTRICTS_WORKERPOOL: _Saying(
        B.DATASET,
        "the dataset order is restricted to another workerpool",
        "sign an order for this workerpool",
    ),
    R.DATASET_RESTRICTS_REQUESTER: _Saying(
        B.DATASET,
        "the dataset order is restricted to another requester",
        "sign an order for this requester",
    ),
    R.WORKERPOOL_RESTRICTS_APP: _Saying(
        B.POOL, "the workerpool order is restricted to another app", "sign an order for this app"
    ),
    R.WORKERPOOL_RESTRICTS_DATASET: _Saying(
        B.POOL,
        "the workerpool order is restricted to another dataset",
        "sign an order for this dataset",
    ),
    R.WORKERPOOL_RESTRICTS_REQUESTER: _Saying(
        B.POOL,
        "the workerpool order is restricted to another requester",
        "sign an order for this requester",
    ),
    R.APP_UNREGISTERED: _Saying(
        B.APP, "the app is not registered", "deploy it: poolhand app deploy"
    ),
    R.APP_SIGNATURE: _Saying(
        B.APP, "the app order is not signed by the app's owner", "sign it with the owner's wallet"
    ),
    R.DATASET_UNREGISTERED: _Saying(
        B.DATASET, "the dataset is not registered", "deploy it: poolhand dataset deploy"
    ),
    R.DATASET_SIGNATURE: _Saying(
        B.DATASET,
        "the dataset order is not signed by the dataset's owner",
        "sign it with the owner's wallet",
    ),
    R.WORKERPOOL_UNREGISTERED: _Saying(
        B.POOL, "the workerpool is not registered", "create it: poolhand pool create"
    ),
    R.WORKERPOOL_SIGNATURE: _Saying(
        B.POOL,
        "the workerpool order is not signed by the pool's owner",
        "sign it with the owner's wallet",
    ),
    R.REQUEST_SIGNATURE: _Saying(
        B.REQUESTER,
        "the request order is not signed by the requester",
        "sign it with the wallet that it names",
    ),
    R.USED_UP: _Saying(B.SIGNER, "an order is used up or cancelled", "sign a new one"),
    R.UNSIGNED: _Saying(
        B.SIGNER, "an order carries no signature and none was left on chain", "sign it"
    ),
    R.PAYER_STAKE_TOO_LOW: _Saying(
        B.REQUESTER,
        "the payer's free stake is under the price of all tasks",
        "deposit RLC: poolhand account deposit",
    ),
    R.WORKERPOOL_STAKE_TOO_LOW: _Saying(
        B.POOL,
        "the pool owner's free stake is under 30 % of the workerpool price of all tasks",
        "deposit RLC: poolhand account deposit",
    ),
}

MATCH_REASONS: Final[Mapping[int, str]] = {
    reason.code: reason.sentence for reason in Reason if reason.code is not None
}
"""The codes ``iExecV5-matchOrders-0xNN`` as sentences."""
