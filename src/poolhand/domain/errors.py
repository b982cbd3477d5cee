"""Every error Poolhand raises on purpose, by who must act.

::

    PoolhandError
    ├─ Refused      the caller asked wrongly        -> exit 2 / HTTP 4xx, do not retry
    ├─ PeerFault    the other side broke protocol   -> exit 3 / HTTP 400, log, maybe blame
    ├─ Unavailable  the world is out of reach       -> exit 4 / HTTP 503, retry with backoff
    ├─ Raced        the chain moved under us        -> exit 5 / HTTP 409, re-read, decide again
    └─ Bug          an invariant of ours is broken  -> exit 70, nobody handles it

Who catches what was not to be expected of one task ends that task (``observe.fault_boundary``);
what is an ``EndsProgram`` as well concerns every task, and ends the program.

A leaf has a stable ``code`` (its wire name) and a message that says what happened, who must act
and how. Leaves that belong to one module only (orders, wire, chain) are declared there, under one
of these five.
"""

from __future__ import annotations

import errno
from typing import ClassVar, Final


class PoolhandError(Exception):
    """Root of the tree; ``str()`` is a sentence fit for a person."""

    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500

    @property
    def code(self) -> str:
        """The stable wire name: the class name in kebab case."""
        name = type(self).__name__
        return "".join("-" + c.lower() if c.isupper() else c for c in name).lstrip("-")

    @property
    def told(self) -> str:
        """All that a person should read: the sentence, and the notes that were added to it."""
        return "\n".join((str(self), *getattr(self, "__notes__", ())))


class Refused(PoolhandError):
    """The caller asked wrongly; the same request will be refused again."""

    exit_code = 2
    http_status = 400


class PeerFault(PoolhandError):
    """The other side broke the protocol."""

    exit_code = 3
    http_status = 400


class Unavailable(PoolhandError):
    """Something out there does not answer; trying later may help."""

    exit_code = 4
    http_status = 503


class Raced(PoolhandError):
    """The chain moved between our look and our act."""

    exit_code = 5
    http_status = 409


class Bug(PoolhandError):
    """An invariant of ours is broken; only boundaries between tasks stop it, and write it down."""

    exit_code = 70
    http_status = 500


class EndsProgram(PoolhandError):
    """Mixed into every leaf that is about a whole program: its journal or its lock.

    Without its journal a program may not act for any task; whatever else the work of one task
    raises is that task's.
    """


def ends_program(fault: BaseException) -> bool:
    """Whether what was raised while one task was worked on concerns the whole program.

    So do cancellation, the interpreter's own ways to end, and a group with any of these in it.
    """
    if isinstance(fault, BaseExceptionGroup):
        return any(map(ends_program, fault.exceptions))
    return isinstance(fault, EndsProgram) or not isinstance(fault, Exception)


class BadAmount(Refused):
    """An amount could not be read."""

    def __init__(self, text: str, wanted: str = "write it with its unit") -> None:
        super().__init__(f"'{text[:60]}' is not such an amount: {wanted}")


class NothingToDeposit(Refused):
    """A deposit of nothing, which would cost gas and change nothing."""

    def __init__(self) -> None:
        super().__init__("a deposit of 0 RLC changes nothing: name an amount above 0")


class NothingToMove(Refused):
    """A withdrawal or a payment of nothing, which would cost gas and change nothing."""

    def __init__(self) -> None:
        super().__init__("an amount of 0 moves nothing and costs gas: name one above 0")


class BadHex(Refused):
    """A hexadecimal value has the wrong length or alphabet."""

    def __init__(self, what: str, text: str, size: int) -> None:
        super().__init__(f"'{text}' is not {what}: expected 0x and {2 * size} hexadecimal digits")


class Malformed(PeerFault):
    """Bytes from a peer do not decode into what the protocol says."""


class IllegalTransition(PeerFault):
    """A status was reported that cannot follow the current one."""

    def __init__(self, start: object, finish: object) -> None:
        super().__init__(f"{finish} cannot follow {start}")
        self.start, self.finish = start, finish


class ChainUnreachable(Unavailable):
    """No RPC endpoint answered."""


class RuntimeDown(Unavailable):
    """The container engine does not answer."""


_OF_THE_MACHINE: Final = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ENOMEM, errno.EMFILE, errno.ENFILE}
)


def is_machines_fault(fault: OSError) -> bool:
    """Tell whether this machine's disk or memory failed, whatever a stranger brought to it."""
    return fault.errno in _OF_THE_MACHINE


class Reverted(PoolhandError):
    """Mixed into every leaf that says why the contracts refuse a transaction.

    Who must act differs from revert to revert, so a leaf is a ``Reverted`` and one of the five:
    ``except Reverted`` takes any, ``except Raced`` those where the chain moved.

    Attributes:
        is_mined: Whether the refused transaction is in a block; a re-organisation may then put it
            into another one, where it succeeds. Else it was never sent.
    """

    is_mined: bool = False


class StakeTooLow(Reverted, Refused):
    """The account's free stake is under what the deal locks."""


class TaskNotActive(Reverted, Raced):
    """The task left ACTIVE before our transaction."""


class DeadlineReached(Reverted, Raced):
    """Block time passed the deadline of the action."""


class AlreadyContributed(Reverted, Raced):
    """This worker's contribution is already on chain."""


class OutOfGas(Refused):
    """The wallet cannot pay for the transaction."""


class BrokenPrecondition(Bug):
    """Code of ours was called in a state that its caller had to exclude."""
