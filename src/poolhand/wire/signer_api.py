"""What is said between a program and its signer: one request, one answer, in order.

There is no message for bytes to sign: the signer builds each digest itself from the members.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Final, TypeAlias

from poolhand.domain.ids import Address, TaskId, TxHash
from poolhand.domain.messages import Nonce, ResultUpload, WorkerLogin, pool_domain
from poolhand.domain.signing_policy import SigningPolicy, WorkerMessage
from poolhand.domain.transaction import UnsignedTransaction
from poolhand.domain.units import Gas, NanoRlc, UnixSeconds, Wei
from poolhand.wire.fields import (
    FLAG_FIELD,
    blob,
    fixed,
    integer,
    optional,
    sequence,
    text,
)
from poolhand.wire.own_line import LineCodec

MAX_SIGNER_FRAME: Final = 524_288
"""Bytes of one message: a transaction of the most data in hexadecimal, and room."""
LARGEST_WORD: Final = 2**256 - 1
LONGEST_TEXT: Final = 65_536
SIGNATURE: Final = 65

_ADDRESS: Final = fixed(Address)
_COUNT: Final = integer()
_WEI: Final = integer(LARGEST_WORD)
_TEXT: Final = text(LONGEST_TEXT)
_DATA: Final = blob(MAX_SIGNER_FRAME // 4)


@dataclass(frozen=True, slots=True)
class UnlockWallet:
    """The first message: which wallet, how its password is found, and what may be signed.

    Attributes:
        wallet: The keystore file.
        password: Itself, where the program was told it; null: see the others.
        password_pipe: Descriptor from which it is read to the end.
        password_file: Whose first line it is; '-' standard input; empty: it is asked for.
    """

    wallet: Annotated[str, _TEXT]
    password: Annotated[str | None, optional(_TEXT)] = field(repr=False)
    password_pipe: Annotated[int | None, optional(_COUNT)]
    password_file: Annotated[str, _TEXT]
    hub: Annotated[Address, _ADDRESS]
    workerpool: Annotated[Address, _ADDRESS]
    pool_url: Annotated[str, _TEXT]
    native: Annotated[bool, FLAG_FIELD]
    gas_price_cap: Annotated[Wei, _WEI]
    most_deposit: Annotated[NanoRlc, _COUNT]
    chain_id: Annotated[int | None, optional(_COUNT)]
    payout: Annotated[Address | None, optional(_ADDRESS)] = None

    def policy(self, wallet: Address) -> SigningPolicy:
        """Return what may be signed with the wallet that was opened."""
        return SigningPolicy(
            wallet,
            self.hub,
            self.workerpool,
            self.pool_url,
            self.native,
            self.gas_price_cap,
            self.most_deposit,
            self.chain_id,
            payout=self.payout,
        )


@dataclass(frozen=True, slots=True)
class WalletOpened:
    """The wallet is open; ``bounds`` names what the signer has given up."""

    address: Annotated[Address, _ADDRESS]
    bounds: Annotated[tuple[str, ...], sequence(_TEXT, 16)]


@dataclass(frozen=True, slots=True)
class MeetChain:
    """Which chain the worker is on; ``rlc`` is null where RLC is its coin. Answered by Agreed."""

    chain_id: Annotated[int, _COUNT]
    rlc: Annotated[Address | None, optional(_ADDRESS)]


@dataclass(frozen=True, slots=True)
class Agreed:
    """It is so."""


@dataclass(frozen=True, slots=True)
class SignLogin:
    """Sign a ``WorkerLogin``."""

    chain_id: Annotated[int, _COUNT]
    workerpool: Annotated[Address, _ADDRESS]
    worker: Annotated[Address, _ADDRESS]
    url: Annotated[str, _TEXT]
    nonce: Annotated[Nonce, fixed(Nonce)]
    challenge: Annotated[Nonce, fixed(Nonce)]
    expiry: Annotated[UnixSeconds, _COUNT]

    @property
    def message(self) -> WorkerMessage:
        """What is to be signed."""
        domain = pool_domain(self.chain_id, self.workerpool)
        return WorkerLogin(domain, self.worker, self.url, self.nonce, self.challenge, self.expiry)


@dataclass(frozen=True, slots=True)
class SignUpload:
    """Sign a ``ResultUpload``."""

    chain_id: Annotated[int, _COUNT]
    workerpool: Annotated[Address, _ADDRESS]
    worker: Annotated[Address, _ADDRESS]
    task_id: Annotated[TaskId, fixed(TaskId)]
    archive: Annotated[bytes, blob(32, exact=True)]
    expiry: Annotated[UnixSeconds, _COUNT]

    @property
    def message(self) -> WorkerMessage:
        """What is to be signed."""
        domain = pool_domain(self.chain_id, self.workerpool)
        return ResultUpload(domain, self.worker, self.task_id, self.archive, self.expiry)


@dataclass(frozen=True, slots=True)
class SignSession:
    """Sign that the wallet asks for the session of a confidential task."""

    task_id: Annotated[TaskId, fixed(TaskId)]
    enclave: Annotated[Address, _ADDRESS]


@dataclass(frozen=True, slots=True)
class MessageSigned:
    """A message's signature."""

    signature: Annotated[bytes, blob(SIGNATURE, exact=True)]


@dataclass(frozen=True, slots=True)
class SignTransaction:
    """Sign a transaction."""

    chain_id: Annotated[int, _COUNT]
    nonce: Annotated[int, _COUNT]
    to: Annotated[Address, _ADDRESS]
    value: Annotated[Wei, _WEI]
    data: Annotated[bytes, _DATA]
    gas: Annotated[Gas, _COUNT]
    max_fee: Annotated[Wei, _WEI]
    priority_fee: Annotated[Wei | None, optional(_WEI)]

    @property
    def transaction(self) -> UnsignedTransaction:
        """What is to be signed."""
        return UnsignedTransaction(
            self.chain_id,
            self.nonce,
            self.to,
            self.value,
            self.data,
            self.gas,
            self.max_fee,
            self.priority_fee,
        )


@dataclass(frozen=True, slots=True)
class TransactionSigned:
    """A transaction's bytes to broadcast, and their hash."""

    raw: Annotated[bytes, _DATA]
    tx_hash: Annotated[TxHash, fixed(TxHash)]


@dataclass(frozen=True, slots=True)
class NotSigned:
    """The request was refused; ``exit_code`` is for a program that ends of it."""

    code: Annotated[str, _TEXT]
    message: Annotated[str, _TEXT]
    exit_code: Annotated[int, integer(255)]


SignerMessage: TypeAlias = (
    UnlockWallet
    | WalletOpened
    | MeetChain
    | Agreed
    | SignLogin
    | SignUpload
    | SignSession
    | MessageSigned
    | SignTransaction
    | TransactionSigned
    | NotSigned
)
SIGNER_LINE: Final[LineCodec[SignerMessage]] = LineCodec(
    "signer",
    MAX_SIGNER_FRAME,
    (
        UnlockWallet,
        WalletOpened,
        MeetChain,
        Agreed,
        SignLogin,
        SignUpload,
        SignSession,
        MessageSigned,
        SignTransaction,
        TransactionSigned,
        NotSigned,
    ),
)
"""How they are written."""


def asking(message: WorkerMessage) -> SignLogin | SignUpload:
    """Return the request to sign a message; its domain's name and version are the signer's own."""
    place = message.domain.chain_id, message.domain.contract
    if isinstance(message, WorkerLogin):
        made = message
        return SignLogin(*place, made.worker, made.url, made.nonce, made.challenge, made.expiry)
    return SignUpload(*place, message.worker, message.task_id, message.archive, message.expiry)
