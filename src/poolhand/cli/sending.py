"""``poolhand wallet send``: RLC or coin from the wallet to an address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from poolhand.cli.confirming import confirm
from poolhand.cli.funding import WalletWithoutRlc, where_from
from poolhand.domain.errors import BadAmount, NothingToMove, Refused
from poolhand.domain.ids import Address
from poolhand.domain.units import (
    COIN_UNITS,
    RLC_UNITS,
    NanoRlc,
    Wei,
    parse_coin,
    parse_rlc,
    show_coin,
    show_rlc,
)

if TYPE_CHECKING:
    from poolhand.cli.command_run import CommandRun
    from poolhand.cli.verb import Answer
    from poolhand.ports.chain import HubFacts
    from poolhand.requester.balances import Balances
    from poolhand.requester.requester import Requester

_UNIT: Final = re.compile(r"[A-Za-z]+$")


class WrongRecipient(Refused):
    """Money sent there would be lost, or the address was mistyped."""


class WalletWithoutCoin(Refused):
    """The wallet has less coin than is to be sent."""


@dataclass(frozen=True, slots=True)
class PaymentOrder:
    """What goes to whom: RLC or coin."""

    to: Address
    rlc: NanoRlc | None = None
    coin: Wei | None = None

    def __str__(self) -> str:
        if self.rlc is not None:
            return f"{show_rlc(self.rlc)} RLC"
        return f"{show_coin(self.coin or Wei(0))} coins of the chain"


def read_payment(words: list[str]) -> PaymentOrder:
    """Read ``1.5 RLC 0x…`` or ``0.01ETH 0x…``.

    Raises:
        BadAmount: No amount, or one that does not say of what.
        NothingToMove: An amount of 0.
        BadHex, WrongRecipient: No address, or one that is mistyped.
    """
    amount, to = " ".join(words[:-1]), recipient(words[-1])
    unit = _UNIT.search(amount)
    name = unit[0].lower() if unit else ""
    if name in RLC_UNITS:
        payment = PaymentOrder(to, rlc=parse_rlc(amount))
    elif name in COIN_UNITS:
        payment = PaymentOrder(to, coin=parse_coin(amount))
    else:
        raise BadAmount(amount, "say how much of what, and then to whom: '1.5 RLC', '0.01 ETH'")
    if not (payment.rlc or payment.coin):
        raise NothingToMove
    return payment


def recipient(text: str) -> Address:
    """Read an address that money goes to; upper and lower case must be as EIP-55 has them.

    Raises:
        BadHex: It is no address.
        WrongRecipient: Its check by upper and lower case fails, or it is the zero address.
    """
    address = Address.parse(text)
    digits = text[2:]
    if digits not in (digits.lower(), digits.upper()) and str(address)[2:] != digits:
        raise WrongRecipient(
            f"{text} is mistyped: its upper and lower case letters do not fit its digits; copy it "
            "again"
        )
    if address.is_zero:
        raise WrongRecipient("what is sent to the zero address is lost: name another")
    return address


def check_no_contract(to: Address, facts: HubFacts) -> None:
    """Check that money does not go to the hub or the token itself.

    Raises:
        WrongRecipient: It does, and would be lost.
    """
    if to in (facts.hub, facts.rlc):
        raise WrongRecipient(
            f"{to} is iExec's contract, and what is sent there is lost: to stake, use "
            "`poolhand account deposit`"
        )


async def send(command: CommandRun, payment: PaymentOrder, *, yes: bool) -> Answer:
    """Ask, send, and show what is left.

    Raises:
        WrongRecipient: The hub or the token itself: what is sent there is lost.
        WalletWithoutRlc, WalletWithoutCoin: The wallet has not so much.
        ConfirmationMissing: There is nobody to ask.
    """
    from poolhand.domain.onchain import TransferCoin, TransferRlc

    async with command.requester(signing=True) as requester:
        before = await requester.balances()
        _check(command, requester, payment, before)
        chain = requester.hub.facts.chain_id
        asked = f"send {payment} from {before.owner} to {payment.to} on chain {chain}"
        confirm(asked, yes=yes)
        if payment.rlc is not None:
            receipt = await requester.pay(TransferRlc(payment.to, payment.rlc))
        else:
            receipt = await requester.pay(TransferCoin(payment.to, payment.coin or Wei(0)))
        return _answer(payment, await requester.balances(), receipt)


def _check(command: CommandRun, requester: Requester, payment: PaymentOrder, has: Balances) -> None:
    facts = requester.hub.facts
    check_no_contract(payment.to, facts)
    if payment.rlc is not None and has.rlc < payment.rlc:
        source = where_from(facts.chain_id, has.owner, command.rpc_urls)
        raise WalletWithoutRlc(has.owner, has.rlc, payment.rlc, source)
    if payment.coin is not None and has.coin < payment.coin:
        raise WalletWithoutCoin(
            f"wallet {has.owner} has {show_coin(has.coin)} coins: send less, and leave some for gas"
        )


def _answer(payment: PaymentOrder, left: Balances, receipt: Any) -> Answer:
    from poolhand.cli.render import coin, pairs, receipt_members, receipt_row, rlc
    from poolhand.cli.verb import Answer

    members = {
        "to": str(payment.to),
        "sent_nrlc": payment.rlc,
        "sent_wei": payment.coin,
        "rlc_nrlc": left.rlc,
        "coin_wei": left.coin,
        "transaction": receipt_members(receipt),
    }
    rows = (
        ("sent", payment),
        ("to", payment.to),
        ("RLC left", rlc(left.rlc)),
        ("coin left", coin(left.coin)),
        ("transaction", receipt_row(receipt)),
    )
    return Answer(members, lambda: pairs(rows))
