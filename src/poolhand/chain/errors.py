"""Why the contracts refuse: a leaf per guard, each also a ``Reverted``.

PoCo's guards carry no message, so these sentences are ours (``guards`` decides which applies). The
leaves that the pure layers speak of (``TaskNotActive``, ``DeadlineReached``, ``StakeTooLow``,
``AlreadyContributed``) are in ``domain.errors``.
"""

from __future__ import annotations

from typing import Final

from poolhand.domain.errors import Raced, Refused, Reverted
from poolhand.domain.ids import TxHash


class AlreadyInitialized(Reverted, Raced):
    """The task is on chain already; nothing is left to do."""


class AlreadyRevealed(Reverted, Raced):
    """This worker's reveal is on chain already; nothing is left to do."""


class NotRevealable(Reverted, Raced):
    """The task is not being revealed, or this worker has nothing to reveal in it."""


class NotFinalizable(Reverted, Raced):
    """The task is not revealing, or reveals are outstanding before their deadline."""


class NotReopenable(Reverted, Raced):
    """Somebody revealed, or may still reveal."""


class NotClaimable(Reverted, Raced):
    """The task has ended, was never initialised, or its final deadline is not reached."""


class NotAlone(Reverted, Raced):
    """Another worker contributed first; contributeAndFinalize is for the only one."""


class TrustTooHigh(Reverted, Refused):
    """contributeAndFinalize is for deals of trust 1."""


class UnknownDeal(Reverted, Refused):
    """No such deal, or no such task in it."""


class NotPoolOwner(Reverted, Refused):
    """Only who owned the workerpool at matching may do this."""


class BadAuthorization(Reverted, Refused):
    """The pool owner did not sign that this worker may contribute."""


class BadEnclave(Reverted, Refused):
    """The enclave challenge is missing, or its signature is not the enclave's."""


class DigestMismatch(Reverted, Refused):
    """The digest is not the one contributed."""


class CallbackMismatch(Reverted, Refused):
    """The callback data is not what was agreed on."""


class BalanceTooLow(Reverted, Refused):
    """Not that much RLC to deposit, withdraw or send."""


class AssetExists(Reverted, Refused):
    """The same owner has registered exactly this before."""


class NotOwner(Reverted, Refused):
    """Only the owner of the asset may do this."""


class BadPolicy(Reverted, Refused):
    """A scheduler's share above 100 %."""


class OrdersRefused(Reverted, Refused):
    """``matchOrders`` found the orders unfit for one another; ``number`` is the contract's."""

    def __init__(self, number: int, message: str = "") -> None:
        reason = message or MATCH_REASONS.get(number, "orders do not match")
        super().__init__(f"orders refused by the hub (0x{number:02x}): {reason}")
        self.number = number


class OrderUnsigned(Reverted, Refused):
    """An order carries no signature and none was left on chain."""


class UnexplainedRevert(Reverted, Raced):
    """No guard we know explains it; ``data`` is what the contract returned."""

    def __init__(self, what: str, data: bytes, text: str = "") -> None:
        told = f"'{text}'" if text else f"data 0x{data.hex()}"
        super().__init__(
            f"{what} was refused by the contract ({told}) though no guard we know forbids it: "
            "read the task again; if it persists, report it with this message"
        )
        self.data = data


class Displaced(Raced):
    """Another program used the nonce: the wallet sends from elsewhere too."""

    def __init__(self, purpose: str, nonce: int, tx_hash: TxHash) -> None:
        super().__init__(
            f"{purpose} (transaction {tx_hash}) was displaced: nonce {nonce} was used by another "
            "program. Give each program its own wallet; then look at the chain and try again"
        )
        self.nonce = nonce


MATCH_REASONS: Final = {
    0x00: "request and workerpool order name different categories",
    0x01: "no such category",
    0x02: "the workerpool offers less trust than requested",
    0x03: "the app costs more than the request pays",
    0x04: "the dataset costs more than the request pays",
    0x05: "the workerpool costs more than the request pays",
    0x06: "the workerpool order lacks a demanded tag",
    0x07: "a TEE is demanded but the app order is not for TEE",
    0x10: "the request names another app",
    0x11: "the request names another dataset",
    0x12: "the request is restricted to another workerpool",
    0x13: "the app order is restricted to another dataset",
    0x14: "the app order is restricted to another workerpool",
    0x15: "the app order is restricted to another requester",
    0x16: "the dataset order is restricted to another app",
    0x17: "the dataset order is restricted to another workerpool",
    0x18: "the dataset order is restricted to another requester",
    0x19: "the workerpool order is restricted to another app",
    0x1A: "the workerpool order is restricted to another dataset",
    0x1B: "the workerpool order is restricted to another requester",
    0x20: "the app is not registered",
    0x21: "the app order is not signed by the app's owner",
    0x30: "the dataset is not registered",
    0x31: "the dataset order is not signed by the dataset's owner",
    0x40: "the workerpool is not registered",
    0x41: "the workerpool order is not signed by the pool's owner",
    0x50: "the request order is not signed by the requester",
    0x60: "an order is used up or cancelled",
}
"""The codes ``iExecV5-matchOrders-0xNN`` as sentences."""
