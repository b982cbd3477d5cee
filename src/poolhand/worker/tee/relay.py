"""What serves a program inside a confidential container: quotes, and answers that we cannot read.

One unix socket per container, in a folder that it alone has. Whoever is inside is a stranger: lines
are bounded, as is their number, and what is told counts only if the enclave's key has signed it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from poolhand.domain.errors import (
    EndsProgram,
    Malformed,
    PeerFault,
    PoolhandError,
    Refused,
    Unavailable,
)
from poolhand.domain.hashes import eip191_hash
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.json_text import parse_json
from poolhand.domain.signatures import BadSignature, recover
from poolhand.domain.tee.enclave_signature import (
    BadEnclaveSignature,
    SignedComputed,
    callback_message,
    check_enclave_signature,
)
from poolhand.domain.tee.exit_causes import MOST_CAUSES
from poolhand.domain.tee.session import Service
from poolhand.ports.tee import (
    ProvisionRequest,
    ServiceQuoter,
    TeeServiceProgram,
    TeeSessions,
)
from poolhand.worker.tee.relay_line import (
    MOST_RELAY_LINE,
    RELAY_SOCKET,
    REPORT_DATA,
    packed_line,
    read_line,
)

MOST_RELAY_LINES: Final = 64
"""Questions of one container."""
LONGEST_RELAY_QUESTION: Final = 30.0
"""Seconds in which a question must come."""
MOST_CAUSE_WORD: Final = 100
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RelayedTask:
    """Whose containers are served: a task, its worker, and the address of its enclave's key."""

    task_id: TaskId
    worker: Address
    enclave: Address


@dataclass(slots=True)
class ServiceReport:
    """What a service said, and how the service that keeps secrets answered it.

    Attributes:
        causes: Told by the service, in their order.
        computed: The digest that it has signed.
        refusal: Why it was told no secrets; empty while nobody said no.
        is_away: Whether that was because nobody answered.
        asked: Questions so far.
    """

    causes: tuple[str, ...] = ()
    computed: SignedComputed | None = None
    refusal: str = ""
    is_away: bool = False
    asked: int = 0

    def note(self, fault: PoolhandError) -> None:
        """Remember why there are no secrets."""
        self.refusal, self.is_away = str(fault), isinstance(fault, Unavailable)


class ServiceRelay:
    """Serves one container.

    Args:
        task: Whose it is.
        session: Its session.
        service: What it is there.
        program: What runs in it, for a quote.
        sessions: Where secrets are.
        quoter: Quotes.
    """

    def __init__(
        self,
        task: RelayedTask,
        session: str,
        service: Service,
        program: TeeServiceProgram,
        sessions: TeeSessions,
        quoter: ServiceQuoter,
    ) -> None:
        self._task, self._session, self._service = task, session, service
        self._program, self._sessions, self._quoter = program, sessions, quoter
        self.report = ServiceReport()

    @asynccontextmanager
    async def open_in(self, folder: Path) -> AsyncIterator[None]:
        """Serve a socket in a folder until the end of the context."""
        place = _socket_in(folder)
        server = await asyncio.start_unix_server(self._serve, place, limit=MOST_RELAY_LINE)
        try:
            _open_to_all(place)
            yield
        finally:
            server.close()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(LONGEST_RELAY_QUESTION):
                raw = await reader.readline()
            writer.write(packed_line(await self.answer(raw)))
            await writer.drain()
        except (OSError, ValueError, asyncio.LimitOverrunError):
            pass  # whoever asked is gone, or wrote what is no line: nobody waits for an answer
        finally:
            writer.close()

    async def answer(self, raw: bytes) -> Mapping[str, str]:
        """Answer one line; a refusal is an answer."""
        self.report.asked += 1
        try:
            if self.report.asked > MOST_RELAY_LINES:
                raise Malformed("too many questions")
            return await self._answer(read_line(raw))
        except EndsProgram:
            raise
        except (Refused, PeerFault, Unavailable) as fault:
            log.warning(
                "tee_relay_refused",
                task_id=str(self._task.task_id), service=self._service, cause=str(fault),
            )  # fmt: skip
            return {"refused": str(fault)}

    async def _answer(self, told: Mapping[str, str]) -> Mapping[str, str]:
        kinds: dict[str, Callable[[Mapping[str, str]], Awaitable[Mapping[str, str]]]] = {
            "nonce": self._nonce,
            "quote": self._quote,
            "provision": self._provision,
            "causes": self._causes,
            "computed": self._computed,
        }
        work = kinds.get(told.get("ask", told.get("tell", "")))
        if work is None:
            raise Malformed("nobody here knows what that asks for")
        try:
            return await work(told)
        except KeyError as fault:
            raise Malformed(f"a line of the relay lacks {fault}") from fault

    async def _nonce(self, _told: Mapping[str, str]) -> Mapping[str, str]:
        return {"nonce": await self._secrets(self._sessions.nonce(self._session))}

    async def _quote(self, told: Mapping[str, str]) -> Mapping[str, str]:
        data = _hexadecimal(told["reportData"])
        if len(data) != REPORT_DATA:
            raise Malformed(f"report data have {REPORT_DATA} bytes")
        made = await self._quoter.quote(self._program, data)
        return {"kind": made.kind, "quote": made.quote}

    async def _provision(self, told: Mapping[str, str]) -> Mapping[str, str]:
        asked = ProvisionRequest(told["kind"], told["quote"], told["publicKey"], told["nonce"])
        asking = self._sessions.provision(self._session, self._service, asked)
        return {"sealed": await self._secrets(asking)}

    async def _secrets(self, asking: Awaitable[str]) -> str:
        """Await an answer of the secrets' service, and remember why there is none."""
        try:
            return await asking
        except (Refused, PeerFault, Unavailable) as fault:
            self.report.note(fault)
            raise

    async def _causes(self, told: Mapping[str, str]) -> Mapping[str, str]:
        self._check(told)
        try:
            said = [str(each["cause"]) for each in parse_json(told["causes"].encode())]
        except (ValueError, TypeError, KeyError) as fault:
            raise Malformed("the causes do not read") from fault
        if self.report.causes or not said:
            raise Malformed("causes are told once, and there is one at least")
        self.report.causes = tuple(each[:MOST_CAUSE_WORD] for each in said[:MOST_CAUSES])
        return {"told": "causes"}

    async def _computed(self, told: Mapping[str, str]) -> Mapping[str, str]:
        self._check(told)
        task = self._task
        if self._service is not Service.POST_COMPUTE or self.report.computed is not None:
            raise Malformed("a result is told once, by what packs it")
        signed = SignedComputed.parse(told["computed"].encode(), task.task_id)
        check_enclave_signature(
            signed.signature, task.enclave, task.worker, task.task_id, signed.digest
        )
        self.report.computed = signed
        return {"told": json.dumps(str(task.task_id))}

    def _check(self, told: Mapping[str, str]) -> None:
        """Check that the enclave's key signs for what is told; raises BadEnclaveSignature."""
        task = self._task
        digest = eip191_hash(callback_message(task.worker, task.task_id))
        try:
            signer = recover(digest, _hexadecimal(told["authorization"]))
        except BadSignature as fault:
            raise BadEnclaveSignature(str(fault)) from fault
        if signer != task.enclave:
            raise BadEnclaveSignature(f"told by {signer}, the enclave is {task.enclave}")


def _socket_in(folder: Path) -> Path:
    """Return where the socket goes, with nothing there."""
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / RELAY_SOCKET
    place.unlink(missing_ok=True)
    return place


def _open_to_all(place: Path) -> None:
    """Let every user of the container speak: its image chooses whom its program runs as."""
    place.chmod(0o666)
    place.parent.chmod(0o755)


def _hexadecimal(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError as fault:
        raise Malformed("that is not hexadecimal") from fault
