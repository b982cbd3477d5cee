"""A wallet whose key is in another process: the program asks, the signer signs or refuses."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol, Self, TypeVar

from poolhand.domain.eip712 import Domain
from poolhand.domain.errors import EndsProgram, Malformed, PeerFault, Refused, Unavailable
from poolhand.domain.ids import Address, TaskId, TxHash
from poolhand.domain.messages import ResultUpload, TypedMessage, WorkerLogin, pool_domain
from poolhand.domain.orders.model import Order
from poolhand.domain.transaction import UnsignedTransaction
from poolhand.keys.signer_line import SignerLine
from poolhand.wire.signer_api import (
    Agreed,
    MeetChain,
    MessageSigned,
    NotSigned,
    SignerMessage,
    SignSession,
    SignTransaction,
    TransactionSigned,
    UnlockWallet,
    WalletOpened,
    asking,
)

LONGEST_SIGNING: Final = 30.0
"""For one signature, which takes a millisecond: a signer that is silent for so long is stopped."""
LONGEST_SIGNER_END: Final = 5.0
"""For a signer to end once its line is closed."""
_MODULE: Final = "poolhand.cli.signer_program"
_KEPT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TERM", "PYTHONPATH", "LD_LIBRARY_PATH")
"""Of the environment, for the signer: what finds programs, files and words; no secret is there."""

AnswerT = TypeVar("AnswerT", bound=SignerMessage)


class SignerRefused(Refused):
    """The signer did not sign, or did not open the wallet; its own code and words are told."""

    def __init__(self, told: NotSigned) -> None:
        super().__init__(told.message)
        self._code = told.code
        self.exit_code = told.exit_code  # type: ignore[misc]

    @property
    def code(self) -> str:
        """The code of what the signer said."""
        return self._code


class NoSuchSignature(Refused):
    """A worker's signer was asked for a signature that no worker gives."""

    def __init__(self, what: str) -> None:
        super().__init__(f"a worker's signer signs no {what}: use the program that it belongs to")


class SignerGone(EndsProgram, Unavailable):
    """The signer has ended or is silent: without it nothing that is owed can be paid."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"this program's signer {why}: start the program again; what it holds is journaled"
        )


class SignerMisspoke(EndsProgram, PeerFault):
    """The signer answered something else than was asked."""

    def __init__(self) -> None:
        super().__init__("this program's signer answered what was not asked: install it anew")


class FarEnd(Protocol):
    """Who is at the other end of the line."""

    @property
    def pid(self) -> int | None:
        """Its process; None where this program cannot see that."""

    def stop(self) -> None:
        """End what is silent, as far as it is in our hands."""

    def ended(self) -> str:
        """Wait for its end, the line being closed; returns how it ended."""


class ChildEnd:
    """A signer that this program has started."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """The signer's process."""
        return self._process.pid

    def stop(self) -> None:
        """Kill it."""
        self._process.kill()

    def ended(self) -> str:
        """Wait for its end; what does not end is killed."""
        try:
            code = self._process.wait(LONGEST_SIGNER_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        return f"(process {self.pid}) has ended {how}"


class ApartEnd:
    """A signer that somebody else has started, at a Unix socket."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def pid(self) -> None:
        """Nothing: it is in another container, or another user's."""

    def stop(self) -> None:
        """Leave it: it ends by itself once the line is closed."""

    def ended(self) -> str:
        """Tell that it has ended."""
        return f"(which was at {self._path}) has closed the line"


class OwnSigner:
    """A signer that serves this program alone; implements ``ports.signer.WalletKey``.

    It is asked by one thread alone, that of the event loop: between two requests the signer says
    nothing, so whatever comes then is its end.

    Args:
        end: The signer.
        line: To it.
        opened: What it said once the wallet was open.
    """

    def __init__(self, end: FarEnd, line: SignerLine, opened: WalletOpened) -> None:
        self._end, self._line, self._opened = end, line, opened
        line.wait_at_most(LONGEST_SIGNING)

    @classmethod
    def start(
        cls,
        asked: UnlockWallet,
        descriptors: Sequence[int] = (),
        meanwhile: Callable[[], None] = lambda: None,
    ) -> Self:
        """Start a signer, and wait until it has opened the wallet; it may ask at the terminal.

        Args:
            asked: Which wallet, and what it may sign.
            descriptors: That it is given.
            meanwhile: Called once it is at work on that.

        Raises:
            SignerRefused: The wallet was not opened: it says why.
            SignerGone: The signer ended before.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(  # noqa: S603 - ourselves
                (sys.executable, "-P", "-m", _MODULE, str(theirs.fileno())),
                pass_fds=(theirs.fileno(), *descriptors),
                env={name: os.environ[name] for name in _KEPT if name in os.environ},
            )
        line, end = SignerLine(ours), ChildEnd(process)
        try:
            with suppress(OSError):  # it has ended: the answer that is missing tells
                line.send(asked)
            meanwhile()
            return cls.greeted(end, line)
        except BaseException:
            line.close()
            end.ended()
            raise

    @classmethod
    def greeted(cls, end: FarEnd, line: SignerLine) -> Self:
        """Wait until a signer has opened the wallet.

        Raises:
            SignerRefused: The wallet was not opened: it says why.
            SignerGone: The signer ended before.
        """
        return cls(end, line, _expected(WalletOpened, _answer(end, line)))

    @property
    def address(self) -> Address:
        """The wallet's address."""
        return self._opened.address

    @property
    def pid(self) -> int | None:
        """The signer's process; None where it runs apart."""
        return self._end.pid

    @property
    def bounds(self) -> tuple[str, ...]:
        """What the signer has given up."""
        return self._opened.bounds

    def meet(self, chain_id: int, rlc: Address | None) -> None:
        """Tell which chain the program is on; once, before anything is signed.

        Raises:
            SignerRefused: It is another than the settings name.
        """
        self._ask(Agreed, MeetChain(chain_id, rlc))

    def sign_message(self, message: TypedMessage) -> bytes:
        """Have a login or an upload signed, see ``Signer.sign_message``.

        Raises:
            SignerRefused, NoSuchSignature: It is outside the signer's policy.
            SignerGone: No answer came.
        """
        if not isinstance(message, (WorkerLogin, ResultUpload)):
            raise NoSuchSignature(type(message).__name__)
        domain = message.domain
        if domain != pool_domain(domain.chain_id, domain.contract):
            raise NoSuchSignature(f"message of {domain.name}")
        return self._ask(MessageSigned, asking(message)).signature

    def sign_transaction(self, transaction: UnsignedTransaction) -> tuple[bytes, TxHash]:
        """Have a transaction signed, see ``TransactionSigner.sign_transaction``.

        Raises:
            SignerRefused: It is outside the signer's policy.
            SignerGone: No answer came: it was not sent, for the signature is not known here.
        """
        made = transaction
        fees = made.gas, made.max_fee, made.priority_fee
        asked = SignTransaction(made.chain_id, made.nonce, made.to, made.value, made.data, *fees)
        signed = self._ask(TransactionSigned, asked)
        return signed.raw, signed.tx_hash

    def sign_order(self, domain: Domain, order: Order) -> bytes:
        """Refuse: a worker signs no orders."""
        del domain
        raise NoSuchSignature(type(order).__name__)

    def sign_authorization(self, worker: Address, task_id: TaskId, enclave: Address) -> bytes:
        """Refuse: a worker authorizes nobody."""
        del worker, task_id, enclave
        raise NoSuchSignature("authorization")

    def sign_session(self, task_id: TaskId, enclave: Address) -> bytes:
        """Have it signed that this wallet asks for a session, see ``Signer.sign_session``.

        Raises:
            SignerRefused: It is outside the signer's policy.
            SignerGone: No answer came.
        """
        return self._ask(MessageSigned, SignSession(task_id, enclave)).signature

    async def ended(self) -> None:
        """Wait until the signer has ended; raises SignerGone then."""
        loop, gone = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._line.fileno(), gone.set)  # between two requests it says nothing
        try:
            await gone.wait()
        finally:
            loop.remove_reader(self._line.fileno())
        raise SignerGone(self._end.ended())

    def close(self) -> None:
        """End the signer."""
        self._line.close()
        self._end.ended()

    def __repr__(self) -> str:
        return f"OwnSigner({self.address})"

    def _ask(self, kind: type[AnswerT], asked: SignerMessage) -> AnswerT:
        try:
            self._line.send(asked)
        except OSError:
            raise SignerGone(self._end.ended()) from None
        return _expected(kind, _answer(self._end, self._line))


def _answer(end: FarEnd, line: SignerLine) -> SignerMessage:
    try:
        answer = line.receive()
    except TimeoutError:
        end.stop()
        raise SignerGone(f"gave no answer for {LONGEST_SIGNING:.0f} s") from None
    except OSError:
        raise SignerGone(end.ended()) from None
    except Malformed:
        raise SignerMisspoke from None
    if answer is None:
        raise SignerGone(end.ended())
    return answer


def _expected(kind: type[AnswerT], answer: SignerMessage) -> AnswerT:
    if isinstance(answer, NotSigned):
        raise SignerRefused(answer)
    if not isinstance(answer, kind):
        raise SignerMisspoke
    return answer
