"""The worker's and the requester's view of a results service."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import httpx

from poolhand import __version__
from poolhand.domain.errors import Refused, Unavailable
from poolhand.domain.ids import TaskId
from poolhand.domain.json_text import parse_json
from poolhand.domain.messages import LOGIN_LIFETIME, ResultUpload
from poolhand.domain.replicate.machine import Offer
from poolhand.domain.retry_after import PASSING_STATUSES
from poolhand.domain.text import is_plain, shown
from poolhand.domain.units import UnixSeconds
from poolhand.ports.clock import Clock
from poolhand.ports.files import UploadRefused
from poolhand.ports.signer import Signer
from poolhand.transport.address_rule import AddressRule, CheckedTransport, ForbiddenAddress
from poolhand.transport.errors import HTTP_FAULTS
from poolhand.wire.handshake import PoolFacts

MAX_ANSWER: Final = 65_536
"""Bytes of an answer that is not an archive."""
MAX_LINK: Final = 2_048
"""Bytes of a result link."""
_CHUNK: Final = 256 * 1024
_TIMEOUT: Final = httpx.Timeout(30, connect=10, read=300)
"""Seconds; reading is long because the service looks into the archive before it answers."""


class ResultsDown(Unavailable):
    """The results service does not answer, or not sensibly."""


class ResultMissing(Refused):
    """The results service has no archive of the task; it says why."""


class ResultTooLarge(Refused):
    """The archive is larger than the caller takes."""


class HttpResults:
    """Implements ``ports.files.ResultsClient``.

    Args:
        url: Of the service.
        signer: The worker's wallet; signs each upload for 60 seconds.
        facts: Of the pool; binds the signature to it.
        clock: The system's, or a fake.
        rule: Where the service may be: it is the pool that says so.
        transport: Replaces the network in tests (``httpx.ASGITransport``).
    """

    def __init__(
        self,
        url: str,
        signer: Signer,
        facts: PoolFacts,
        clock: Clock,
        rule: AddressRule = AddressRule(),
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._url, self._signer, self._domain, self._clock = url, signer, facts.domain, clock
        self._rule, self._transport = rule, transport

    async def upload(self, offer: Offer, archive: str) -> str:
        """Store a result archive and return the link to put on chain (JSON text).

        Raises:
            UploadRefused: The service does not take it.
            ResultsDown: It does not answer, or asks to come back.
        """
        size, sha256 = await asyncio.to_thread(_measure, archive)
        request = {"deal_id": str(offer.deal_id), "index": str(offer.index)}
        signed = self._sign(offer, sha256)
        async with self._client() as client:
            try:
                async with client.stream(
                    "PUT",
                    f"/v1/results/{offer.task_id}",
                    params={**request, "worker": str(signed.worker), "expiry": str(signed.expiry)},
                    headers={
                        "Content-Type": "application/zip",
                        "Content-Length": str(size),
                        "Poolhand-Archive": "0x" + sha256.hex(),
                        "Poolhand-Authorization": "0x" + offer.authorization.hex(),
                        "Poolhand-Signature": "0x" + self._signer.sign_message(signed).hex(),
                    },
                    content=_chunks(archive),
                ) as answer:
                    status, text = answer.status_code, await _text(answer)
            except ForbiddenAddress as fault:
                raise UploadRefused(
                    f"no result is brought to {self._url} ({fault}): the pool's owner must give "
                    "a public https address, or this worker's operator allow this one"
                ) from fault
            except HTTP_FAULTS as fault:
                raise _down(self._url, fault) from fault
        if 200 <= status < 300:
            return _link(text, self._url)
        code, message = _fault(text, status)
        if status >= 500 or status in PASSING_STATUSES:
            raise ResultsDown(f"the results service at {self._url} asks to wait: {message}")
        raise UploadRefused(f"the results service refused ({code}): {message}")

    def _client(self) -> httpx.AsyncClient:
        """Return a client that follows no redirects, uses no proxy, and minds where it connects."""
        return httpx.AsyncClient(
            base_url=self._url,
            timeout=_TIMEOUT,
            transport=self._transport or CheckedTransport(self._rule),
            trust_env=False,
            headers={"User-Agent": f"poolhand/{__version__}"},
        )

    def _sign(self, offer: Offer, sha256: bytes) -> ResultUpload:
        expiry = UnixSeconds(self._clock.now() + LOGIN_LIFETIME)
        return ResultUpload(self._domain, self._signer.address, offer.task_id, sha256, expiry)


class ResultsReader:
    """A requester's view: downloads results.

    Args:
        http: Whose timeouts and connections are used; one that follows no redirects.
        url: Of the service.
        limit: Most bytes of an archive.
    """

    def __init__(self, http: httpx.AsyncClient, url: str, limit: int = 1024**3) -> None:
        self._http, self._url, self._limit = http, url.rstrip("/"), limit

    async def download(self, task_id: TaskId, target: str) -> str:
        """Write a task's archive to ``target``, whole or not at all; return its sha256 (hex).

        Raises:
            ResultMissing: There is none; the message says why.
            ResultTooLarge: Over ``limit`` bytes.
            ResultsDown: The service does not answer, or broke off.
        """
        part = Path(target + ".part")
        try:
            async with self._http.stream("GET", f"{self._url}/v1/results/{task_id}") as answer:
                await self._check(answer)
                sha256 = await self._save(answer, part)
                await asyncio.to_thread(part.replace, target)
        except HTTP_FAULTS as fault:
            raise _down(self._url, fault) from fault
        finally:
            await asyncio.to_thread(part.unlink, missing_ok=True)
        return sha256

    async def holds(self, task_id: TaskId) -> bool:
        """Tell whether there is a result to download (``ports.files.ResultsShelf``).

        Raises:
            ResultsDown: The service does not answer.
        """
        try:
            answer = await self._http.head(f"{self._url}/v1/results/{task_id}")
        except HTTP_FAULTS as fault:
            raise _down(self._url, fault) from fault
        if answer.status_code >= 500:
            raise ResultsDown(f"the results service at {self._url} asks to wait")
        return answer.status_code == 200

    async def _check(self, answer: httpx.Response) -> None:
        if answer.status_code == 200:
            return
        _, message = _fault(await _text(answer), answer.status_code)
        if answer.status_code >= 500:
            raise ResultsDown(f"the results service at {self._url} asks to wait: {message}")
        raise ResultMissing(f"no result at {self._url}: {message}")

    async def _save(self, answer: httpx.Response, part: Path) -> str:
        checksum, size = hashlib.sha256(), 0
        with part.open("wb") as file:
            async for chunk in answer.aiter_bytes(_CHUNK):
                size += len(chunk)
                if size > self._limit:
                    raise ResultTooLarge(f"the result is over {self._limit} bytes")
                await asyncio.to_thread(file.write, chunk)
                checksum.update(chunk)
        return checksum.hexdigest()


def _measure(path: str) -> tuple[int, bytes]:
    with Path(path).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
        return file.tell(), digest


async def _chunks(path: str) -> AsyncIterator[bytes]:
    with Path(path).open("rb") as file:  # noqa: ASYNC230 - reads go to a thread
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk


async def _text(answer: httpx.Response) -> str:
    """Read an answer; what is over ``MAX_ANSWER`` bytes is not looked at."""
    raw = b""
    async for chunk in answer.aiter_bytes():
        raw += chunk
        if len(raw) > MAX_ANSWER:
            return ""
    return raw.decode(errors="replace")


def _fault(text: str, status: int) -> tuple[str, str]:
    """Read code and message of an error."""
    try:
        members = parse_json(text)
        return shown(str(members["code"]), 64), shown(str(members["message"]), 512)
    except (ValueError, TypeError, KeyError):
        return f"http-{status}", f"HTTP {status}; is this really a results service?"


def _link(text: str, url: str) -> str:
    """Read the result link, which our own transaction will carry: a short JSON text of two members.

    Raises:
        ResultsDown: It is anything else.
    """
    try:
        link = parse_json(text)["link"]
        fits = len(link.encode()) <= MAX_LINK and is_plain(link)
        members = parse_json(link) if fits else None
    except (ValueError, TypeError, KeyError, AttributeError):
        members = None
    if not isinstance(members, dict) or members.keys() != {"storage", "location"}:
        raise ResultsDown(f"the results service at {url} answered something that is no result link")
    return str(link)


def _down(url: str, fault: Exception) -> ResultsDown:
    return ResultsDown(
        f"the results service at {url} does not answer ({str(fault) or type(fault).__name__}): "
        "check its URL, or wait until the pool's owner has started it"
    )
