"""Why the contracts refuse: a leaf per guard, each also a ``Reverted``.

PoCo's guards carry no message, so these sentences are ours (``guards`` decides which applies). The
leaves that the pure layers speak of (``TaskNotActive``, ``DeadlineReached``, ``StakeTooLow``,
``AlreadyContributed``) are in ``domain.errors``.
"""

from __future__ import annotations

from poolhand.domain.errors import Raced, Refused, Reverted
from poolhand.domain.ids import Address, TxHash
from poolhand.domain.orders.reasons import MATCH_REASONS


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


class WrongChain(Refused):
    """An endpoint is of another chain."""

    def __init__(self, endpoint: str, wanted: int, found: int) -> None:
        super().__init__(
            f"RPC endpoint {endpoint} is of chain {found}, not {wanted}: name one of chain "
            f"{wanted}, or set the chain id to {found}"
        )
        self.wanted, self.found = wanted, found


class NoHub(Refused):
    """There is no PoCo hub at the address."""

    def __init__(self, hub: Address, why: str) -> None:
        super().__init__(
            f"there is no PoCo hub at {hub} ({why}): check the address and the chain it is of"
        )


class WrongMode(Refused):
    """The hub keeps RLC as a token and the settings say native, or the other way round."""

    def __init__(self, hub: Address, *, native: bool) -> None:
        told, found = ("native", "token") if native else ("token", "native")
        super().__init__(f"hub {hub} is in {found} mode, the settings say {told}: correct them")


class SendRefused(Refused):
    """A node will never take this transaction."""

    def __init__(self, purpose: str, text: str) -> None:
        super().__init__(
            f"{purpose} was not sent, the node refuses the transaction ({text}): nothing was "
            "spent; correct what it names"
        )
