"""What a worker's signer signs: its logins, its uploads and its own transactions. Pure.

The process that asks may be anybody's by then: it talks to pools, data hosts and a container
engine. So nothing is signed because it is asked for; each rule refuses by its name.

Source: PoCo 6.x ABI (the methods); ADR 80 (the rules).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, NoReturn, TypeAlias

from eth_hash.auto import keccak

from poolhand.domain.errors import Refused
from poolhand.domain.ids import Address
from poolhand.domain.messages import LOGIN_LIFETIME, ResultUpload, WorkerLogin, pool_domain
from poolhand.domain.payout import check_payout_address
from poolhand.domain.transaction import UnsignedTransaction
from poolhand.domain.units import (
    WEI_PER_NANO_RLC,
    Gas,
    NanoRlc,
    UnixSeconds,
    Wei,
    show_gas_price,
    show_rlc,
)

MOST_DEPOSITS: Final = 1000
"""Transactions with deposits that one signer signs: it remembers each as long as it runs."""
LONGEST_LIFE: Final = 2 * LOGIN_LIFETIME
"""Seconds that a login or upload may be good for: one that is kept is soon worthless."""
MOST_GAS_SIGNED: Final = Gas(10_000_000)
"""Of one transaction: ten times what a worker's dearest takes, for chains that count more."""
MOST_DATA: Final = 131_072
"""Bytes that a transaction carries; nodes take no more."""
WORD_BYTES: Final = 32
"""Bytes of one argument."""
NO_RLC: Final = NanoRlc(0)

WorkerMessage: TypeAlias = WorkerLogin | ResultUpload
"""The typed messages that a worker signs."""


class Rule(StrEnum):
    """Why a request is outside the policy."""

    NOT_MET = "not-met"
    MESSAGE = "message"
    CHAIN = "chain"
    POOL = "pool"
    WALLET = "wallet"
    LIFE = "life"
    CONTRACT = "contract"
    METHOD = "method"
    ARGUMENTS = "arguments"
    VALUE = "value"
    GAS = "gas"
    PRICE = "price"
    DEPOSIT = "deposit"
    PAYOUT = "payout"


class OutsidePolicy(Refused):
    """The signer was asked for what a worker has no business to sign."""

    def __init__(self, rule: Rule, why: str, act: str = "") -> None:
        who = act or "if this worker is unmodified, report it; else take it off the network"
        super().__init__(f"the worker's signer did not sign ({rule}): {why}: {who}")
        self.rule = rule


@dataclass(frozen=True, slots=True)
class SigningPolicy:
    """What the operator agreed to, and what is known of the chain since the worker has met it.

    Attributes:
        wallet: Whose key it is.
        hub: The PoCo proxy.
        workerpool: The pool's contract.
        pool_url: The pool's URL in its normal form.
        native: Whether RLC is the chain's own coin; then gas is free.
        gas_price_cap: Most to pay (wei per gas).
        most_deposit: RLC that may become stake in all, while the signer runs.
        chain_id: None until the chain is met, where the settings name none.
        rlc: The token's contract; None on native chains, and until the chain is met.
        is_met: Whether the worker has told which chain it is on; it does so once.
        payout: To whom alone stake may be withdrawn; None: to nobody.
    """

    wallet: Address
    hub: Address
    workerpool: Address
    pool_url: str
    native: bool
    gas_price_cap: Wei
    most_deposit: NanoRlc
    chain_id: int | None = None
    rlc: Address | None = None
    is_met: bool = False
    payout: Address | None = None

    def met(self, chain_id: int, rlc: Address | None) -> SigningPolicy:
        """Return the policy on a chain, of which a worker tells once, before it meets strangers.

        Raises:
            OutsidePolicy: It is another chain than the settings name, or was told otherwise.
            BadPayoutAddress: What is paid out would go to nobody, or stay with the worker.
        """
        if self.is_met and (chain_id, rlc) != (self.chain_id, self.rlc):
            _refuse(Rule.CHAIN, "it was told of another chain before")
        if self.chain_id not in (None, chain_id):
            _refuse(Rule.CHAIN, f"the settings name chain {self.chain_id}, not {chain_id}")
        if (rlc is None) is not self.native or rlc in (self.wallet, self.hub):
            _refuse(Rule.CONTRACT, "this is not how RLC is kept on the chain of the settings")
        if self.payout is not None:
            check_payout_address(self.payout, self.wallet, self.hub, self.workerpool, rlc)
        return replace(self, chain_id=chain_id, rlc=rlc, is_met=True)


def check_message(policy: SigningPolicy, message: WorkerMessage, now: UnixSeconds) -> None:
    """Check a typed message.

    Raises:
        OutsidePolicy: It is not this worker's, for this pool, for now.
    """
    _check_met(policy)
    assert policy.chain_id is not None
    if type(message) not in (WorkerLogin, ResultUpload):
        _refuse(Rule.MESSAGE, f"a worker signs no {type(message).__name__}")
    if message.domain != pool_domain(policy.chain_id, policy.workerpool):
        _refuse(Rule.POOL, "it is for another chain or pool")
    if message.worker != policy.wallet:
        _refuse(Rule.WALLET, f"it speaks for {message.worker}")
    if isinstance(message, WorkerLogin) and message.url != policy.pool_url:
        _refuse(Rule.POOL, "it is a login at another URL than the settings name")
    if message.expiry > now + LONGEST_LIFE:
        _refuse(Rule.LIFE, f"it would be good for more than {LONGEST_LIFE} seconds")


def check_session(policy: SigningPolicy, enclave: Address) -> None:
    """Check that a worker asks for the session of a confidential task, in its own name.

    What is signed is also how a pool's owner lets a worker contribute: where both have one wallet,
    it lets that worker contribute what the enclave signs, which it may anyway.

    Raises:
        OutsidePolicy: There is no enclave.
    """
    _check_met(policy)
    if enclave.is_zero:
        _refuse(Rule.MESSAGE, "a session is asked for in the name of an enclave")


def check_transaction(
    policy: SigningPolicy, transaction: UnsignedTransaction, deposits: Mapping[int, NanoRlc]
) -> NanoRlc:
    """Check a transaction, and return what it deposits (nRLC).

    Args:
        policy: The rules.
        transaction: To be signed.
        deposits: What was signed before, by nonce: of several at one nonce one is mined at most.

    Raises:
        OutsidePolicy: It says by which rule.
    """
    _check_met(policy)
    if transaction.chain_id != policy.chain_id:
        _refuse(Rule.CHAIN, f"it is for chain {transaction.chain_id}")
    _check_fees(policy, transaction)
    deposited = _deposited(policy, transaction)
    if deposited is None:
        _check_work(policy, transaction)
        return NO_RLC
    if transaction.nonce not in deposits and len(deposits) >= MOST_DEPOSITS:
        _refuse(
            Rule.DEPOSIT,
            f"it signed {MOST_DEPOSITS} deposits since the worker started, and remembers no more",
            "deposit more at a time, or start the worker again",
        )
    others = sum(amount for nonce, amount in deposits.items() if nonce != transaction.nonce)
    if deposited + others > policy.most_deposit:
        _refuse(
            Rule.DEPOSIT,
            f"with it {show_rlc(NanoRlc(deposited + others))} RLC would have been deposited since "
            f"the worker started, and {show_rlc(policy.most_deposit)} RLC were agreed to",
            "deposit less, or start the worker again with a higher --most-deposit",
        )
    return deposited


def _check_met(policy: SigningPolicy) -> None:
    if not policy.is_met:
        _refuse(Rule.NOT_MET, "it was not told yet which chain the worker is on")


def _check_fees(policy: SigningPolicy, transaction: UnsignedTransaction) -> None:
    cap = 0 if policy.native else policy.gas_price_cap
    if transaction.max_fee > cap or (transaction.priority_fee or 0) > transaction.max_fee:
        _refuse(
            Rule.PRICE,
            f"it offers {show_gas_price(transaction.max_fee)} for gas, and the settings allow "
            f"{show_gas_price(Wei(cap))}",
        )
    if transaction.gas > MOST_GAS_SIGNED:
        _refuse(Rule.GAS, f"it may use {transaction.gas} gas, and {MOST_GAS_SIGNED} is the most")


def _deposited(policy: SigningPolicy, transaction: UnsignedTransaction) -> NanoRlc | None:
    """Return what a deposit turns into stake (nRLC), None where it is no deposit."""
    if policy.native:
        if transaction.to != policy.hub or transaction.data != _DEPOSIT:
            return None
        amount, rest = divmod(transaction.value, WEI_PER_NANO_RLC)
        if rest:
            _refuse(Rule.VALUE, "it deposits a fraction of a nRLC")
        return NanoRlc(amount)
    if transaction.to != policy.rlc:
        return None
    if transaction.value:
        _refuse(Rule.VALUE, "it sends coin to the contract of RLC")
    amount = int.from_bytes(transaction.data[36:68], "big")
    if transaction.data != _approve_and_call(policy.hub, amount):
        _refuse(Rule.METHOD, "it is no deposit in the hub, and nothing else is done with RLC")
    return NanoRlc(amount)


def _check_work(policy: SigningPolicy, transaction: UnsignedTransaction) -> None:
    """Check a transaction that is no deposit: the hub's, or an empty one to the wallet itself."""
    if transaction.value:
        _refuse(Rule.VALUE, f"it sends {transaction.value} wei to {transaction.to}")
    if transaction.to == policy.wallet:
        if transaction.data:
            _refuse(Rule.METHOD, "it calls the wallet itself")
        return
    if transaction.to != policy.hub:
        _refuse(Rule.CONTRACT, f"it calls {transaction.to}, which is neither hub nor RLC")
    if transaction.data[:4] == _WITHDRAW_TO:
        _check_payout(policy, transaction.data)
        return
    sizes = _WORK.get(transaction.data[:4])
    if sizes is None:
        _refuse(Rule.METHOD, "it calls a method of the hub that no worker calls")
    least, most = sizes
    size = len(transaction.data) - 4
    if not least <= size <= most or size % WORD_BYTES:
        _refuse(Rule.ARGUMENTS, f"it has {size} bytes of arguments")


def _check_payout(policy: SigningPolicy, data: bytes) -> None:
    """Check that free stake is withdrawn to the one address that the operator has named."""
    if policy.payout is None:
        _refuse(Rule.PAYOUT, "it withdraws stake, and the settings name no payout-address")
    if data != _WITHDRAW_TO + data[4 : 4 + WORD_BYTES] + policy.payout.rjust(WORD_BYTES, b"\0"):
        _refuse(
            Rule.PAYOUT,
            f"it withdraws stake to another than {policy.payout}, which the settings name",
            "if payout-address was changed while a payment was under way, it is given up; else, if "
            "this worker is unmodified, report it",
        )


def _refuse(rule: Rule, why: str, act: str = "") -> NoReturn:
    raise OutsidePolicy(rule, why, act)


def _selector(signature: str) -> bytes:
    return keccak(signature.encode())[:4]


def _word(value: int) -> bytes:
    return value.to_bytes(WORD_BYTES, "big")


def _approve_and_call(spender: Address, amount: int) -> bytes:
    """Return the only call of RLC that there is: ``approveAndCall(hub, amount, "")``."""
    return (
        _APPROVE
        + spender.rjust(WORD_BYTES, b"\0")
        + _word(amount)
        + _word(3 * WORD_BYTES)
        + _word(0)
    )


_APPROVE: Final = _selector("approveAndCall(address,uint256,bytes)")
_DEPOSIT: Final = _selector("deposit()")
_WITHDRAW_TO: Final = _selector("withdrawTo(uint256,address)")
_WORK: Final[Mapping[bytes, tuple[int, int]]] = {
    _selector("contribute(bytes32,bytes32,bytes32,address,bytes,bytes)"): (
        8 * WORD_BYTES,
        32 * WORD_BYTES,
    ),
    _selector("contributeAndFinalize(bytes32,bytes32,bytes,bytes,address,bytes,bytes)"): (
        11 * WORD_BYTES,
        MOST_DATA - WORD_BYTES,
    ),
    _selector("reveal(bytes32,bytes32)"): (2 * WORD_BYTES, 2 * WORD_BYTES),
    _selector("claim(bytes32)"): (WORD_BYTES, WORD_BYTES),
}
"""Methods of the hub that a worker calls, with the bytes of arguments that they take."""
