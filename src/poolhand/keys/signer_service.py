"""The signer at work: it answers one program, by its policy, until that program is gone."""

from __future__ import annotations

import time

from poolhand.domain.errors import BrokenPrecondition, PoolhandError
from poolhand.domain.ids import Address
from poolhand.domain.signing_policy import (
    SigningPolicy,
    check_message,
    check_session,
    check_transaction,
)
from poolhand.domain.units import NanoRlc, UnixSeconds
from poolhand.keys.signer_line import SignerLine
from poolhand.keys.wallet import Wallet
from poolhand.wire.signer_api import (
    Agreed,
    MeetChain,
    MessageSigned,
    NotSigned,
    SignerMessage,
    SignLogin,
    SignSession,
    SignTransaction,
    SignUpload,
    TransactionSigned,
)


class SignerService:
    """Signs what the policy lets it.

    Args:
        wallet: With the key.
        policy: What may be signed.
    """

    def __init__(self, wallet: Wallet, policy: SigningPolicy) -> None:
        self._wallet, self._policy = wallet, policy
        self._deposits: dict[int, NanoRlc] = {}

    @property
    def address(self) -> Address:
        """The wallet's address."""
        return self._wallet.address

    def serve(self, line: SignerLine) -> None:
        """Answer until the other end is closed; raises Malformed where it breaks the form."""
        while (asked := line.receive()) is not None:
            line.send(self.answer(asked))

    def answer(self, asked: SignerMessage) -> SignerMessage:
        """Return the answer to a request: a refusal where it is outside the policy."""
        try:
            return self._answer(asked)
        except PoolhandError as fault:
            return NotSigned(fault.code, str(fault), fault.exit_code)

    def _answer(self, asked: SignerMessage) -> SignerMessage:
        if isinstance(asked, (SignLogin, SignUpload)):
            check_message(self._policy, asked.message, UnixSeconds(int(time.time())))
            return MessageSigned(self._wallet.sign_message(asked.message))
        if isinstance(asked, SignSession):
            check_session(self._policy, asked.enclave)
            return MessageSigned(self._wallet.sign_session(asked.task_id, asked.enclave))
        if isinstance(asked, SignTransaction):
            deposited = check_transaction(self._policy, asked.transaction, self._deposits)
            signed = self._wallet.sign_transaction(asked.transaction)
            if deposited:
                before = self._deposits.get(asked.nonce, NanoRlc(0))
                self._deposits[asked.nonce] = max(before, deposited)
            return TransactionSigned(*signed)
        if isinstance(asked, MeetChain):
            self._policy = self._policy.met(asked.chain_id, asked.rlc)
            return Agreed()
        raise BrokenPrecondition(f"{type(asked).__name__} is no request to a signer at work")
