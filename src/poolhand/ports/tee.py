"""What workers and pools ask of the world for confidential tasks: sessions, secrets, quotes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from poolhand.domain.ids import Address, TaskId
from poolhand.domain.replicate.machine import Offer
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.tee.session import Service


@dataclass(frozen=True, slots=True)
class TeeServiceProgram:
    """A service before or after the app: its image, by digest, and the words that it starts."""

    image: str
    digest: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RelayedQuote:
    """A quote as it travels: its kind (``tdx`` or ``sgx``) and hexadecimal bytes."""

    kind: str
    quote: str


@dataclass(frozen=True, slots=True)
class ProvisionRequest:
    """What a program inside asks for: hexadecimal texts that a worker only carries."""

    kind: str
    quote: str
    public_key: str
    nonce: str


class TeeSessions(Protocol):
    """A secret management service, as a worker sees it."""

    async def program(self, service: Service) -> TeeServiceProgram:
        """Return what is to run before or after an app.

        Raises:
            Refused: There is no such service here.
            Unavailable: It does not answer.
        """

    async def open(self, offer: Offer, worker: Address) -> str:
        """Have a session made for a task, and return its id; an earlier one counts no more.

        Raises:
            SessionRefused: There is none; the error says why.
            Unavailable: It does not answer.
        """

    async def nonce(self, session: str) -> str:
        """Return a fresh nonce; raises as ``provision``."""

    async def provision(self, session: str, service: Service, asked: ProvisionRequest) -> str:
        """Return a service's environment, sealed (base64).

        Raises:
            Refused: What asks has not proved what it is, or asks again.
            Unavailable: It does not answer.
        """


@dataclass(frozen=True, slots=True)
class SecretTerms:
    """For whom a secret management service keeps secrets.

    Attributes:
        framework: Of the tasks.
        is_simulated: Whether it takes quotes of a simulated root, which prove nothing.
    """

    framework: TeeFramework
    is_simulated: bool


class TeeChallenges(Protocol):
    """A secret management service, as a pool sees it."""

    async def terms(self) -> SecretTerms:
        """Tell which tasks it is for.

        Raises:
            Refused: It opens no sessions.
            Unavailable: It does not answer.
        """

    async def challenge(self, task_id: TaskId) -> Address:
        """Return the address of a task's enclave, the same each time.

        Raises:
            Refused: It gives none for this task, as it sees the chain.
            Unavailable: It does not answer.
        """


class ServiceQuoter(Protocol):
    """Quotes what runs as a service of a task."""

    async def quote(self, program: TeeServiceProgram, report_data: bytes) -> RelayedQuote:
        """Quote a program over 64 bytes.

        Raises:
            Unavailable: This computer gives none now.
        """
