"""The worker's and the requester's view of a results service."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import httpx

from poolhand.domain.errors import Refused, Unavailable
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.json_text import parse_json
from poolhand.domain.messages import LOGIN_LIFETIME, ResultUpload
from poolhand.domain.replicate.machine import Offer
from poolhand.domain.result_key import ResultKey
from poolhand.domain.result_link import location_at
from poolhand.domain.retry_after import PASSING_STATUSES
from poolhand.domain.signatures import BadSignature
from poolhand.domain.text import is_plain, shown
from poolhand.domain.units import UnixSeconds
from poolhand.ports.clock import Clock
from poolhand.ports.files import UploadRefused
from poolhand.ports.signer import Signer
from poolhand.transport.address_rule import AddressRule, ForbiddenAddress, guarded_client
from poolhand.transport.again import Sleep, a_few_times, again
from poolhand.transport.byte_rate import ByteRate
from poolhand.web.client import (
    BODY_READ_SIZE,
    AnswerTooLarge,
    Caps,
    Incoming,
    NoAnswer,
    ask,
    opened,
)
from poolhand.wire.handshake import PoolFacts
from poolhand.wire.json_models import ServiceFault
from poolhand.wire.results_api import StoredResult, ToldResultKey

MAX_RESULTS_ANSWER: Final = 65_536
"""Bytes of an answer that is not an archive."""
MAX_LINK: Final = 2_048
"""Bytes of a result link."""
LOOKED_INTO: Final = 300.0
"""Seconds until an upload is answered: the service looks into the archive before it does."""
LONGEST_DOWNLOAD: Final = 6 * 3600.0
"""Seconds for a download, however slowly it comes."""
_LOCATION: Final = re.compile(r"[!#-\[\]-~]{1,1024}")
"""What may stand in a link: no space, quote or backslash."""
_UPLOAD: Final = Caps(MAX_RESULTS_ANSWER, seconds=None)
_HEAD: Final = Caps(MAX_RESULTS_ANSWER, seconds=60)


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
        pace: Of what is brought there.
    """

    def __init__(
        self,
        url: str,
        signer: Signer,
        facts: PoolFacts,
        clock: Clock,
        rule: AddressRule = AddressRule(),
        transport: httpx.AsyncBaseTransport | None = None,
        pace: ByteRate = ByteRate(),
    ) -> None:
        self._pace = pace
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
        url = location_at(self._url, offer.task_id)
        try:
            async with self._client() as http:
                answer = await ask(
                    http,
                    "PUT",
                    url,
                    _UPLOAD,
                    params={
                        **request,
                        "worker": str(signed.worker),
                        "expiry": str(signed.expiry),
                    },
                    headers={
                        "Content-Type": "application/zip",
                        "Content-Length": str(size),
                        "Poolhand-Archive": "0x" + sha256.hex(),
                        "Poolhand-Authorization": "0x" + offer.authorization.hex(),
                        "Poolhand-Signature": "0x" + self._signer.sign_message(signed).hex(),
                        **_enclave(offer),
                    },
                    content=self._pace.paced(_chunks(archive)),
                )
        except ForbiddenAddress as fault:
            raise UploadRefused(
                f"no result is brought to {self._url} ({fault}): the pool's owner must give "
                "a public https address, or this worker's operator allow this one"
            ) from fault
        except (NoAnswer, AnswerTooLarge) as fault:
            raise _down(self._url, fault) from fault
        if answer.is_success:
            return _link(answer.content, self._url)
        code, message = _fault(answer.content, answer.status)
        if answer.status >= 500 or answer.status in PASSING_STATUSES:
            raise ResultsDown(f"the results service at {self._url} asks to wait: {message}")
        raise UploadRefused(f"the results service refused ({code}): {message}")

    async def key_of(self, owner: Address) -> ResultKey | None:
        """Return the key that results for ``owner`` are encrypted to; None where there is none.

        Raises:
            ResultsDown: The service does not answer, or with what is no key of that owner.
        """
        try:
            async with self._client() as http:
                return await result_key_at(http, self._url, owner)
        except ForbiddenAddress as fault:
            raise ResultsDown(f"{self._url} is not asked for a key ({fault})") from fault

    def _client(self) -> httpx.AsyncClient:
        """Return a client that minds where it connects."""
        if self._transport is not None:
            return httpx.AsyncClient(transport=self._transport, trust_env=False)
        return guarded_client(self._rule, read=LOOKED_INTO)

    def _sign(self, offer: Offer, sha256: bytes) -> ResultUpload:
        expiry = UnixSeconds(self._clock.now() + LOGIN_LIFETIME)
        return ResultUpload(self._domain, self._signer.address, offer.task_id, sha256, expiry)


async def result_key_at(http: httpx.AsyncClient, url: str, owner: Address) -> ResultKey | None:
    """Ask a results service for the key that results for ``owner`` are encrypted to.

    Raises:
        ResultsDown: It does not answer, or with what is no key of that owner.
    """
    try:
        answer = await ask(http, "GET", f"{url.rstrip('/')}/v1/result-keys/{owner}", _HEAD)
    except (NoAnswer, AnswerTooLarge) as fault:
        raise _down(url, fault) from fault
    if answer.status == 404:
        return None
    try:
        told = ToldResultKey.model_validate(parse_json(answer.content))
        key = ResultKey(owner, told.value, bytes.fromhex(told.signature.removeprefix("0x")))
        key.check()
    except (ValueError, BadSignature) as fault:
        raise ResultsDown(
            f"the results service at {shown(url, 200)} answered something that is no key of {owner}"
        ) from fault
    return key


class ArchiveReader:
    """A requester's view: downloads results from wherever their links say that they lie.

    Args:
        http: Whose connections are used, and whose time-outs between two bytes.
        limit: Most bytes of an archive.
        pause: Lets time pass before a try more where the service is away; None: one try.
    """

    def __init__(
        self, http: httpx.AsyncClient, limit: int = 1024**3, pause: Sleep | None = None
    ) -> None:
        self._http, self._pause, self._caps = http, pause, Caps(limit, LONGEST_DOWNLOAD)

    async def download(self, location: str, target: str) -> str:
        """Write the archive at a URL to ``target``, whole or not at all; return its sha256 (hex).

        Raises:
            ResultMissing: There is none; the message says why.
            ResultTooLarge: Over ``limit`` bytes.
            ResultsDown: The service does not answer, or broke off.
        """

        async def once() -> str:
            return await self._download(location, Path(target))

        if self._pause is None:
            return await once()
        return await again(once, ResultsDown, a_few_times, self._pause)

    async def _download(self, location: str, target: Path) -> str:
        part = target.with_name(target.name + ".part")
        try:
            async with opened(self._http, "GET", location, self._caps) as answer:
                if answer.status != 200:
                    raise _missing(
                        location, answer.status, await answer.content(MAX_RESULTS_ANSWER)
                    )
                sha256 = await _save(answer, part)
            await asyncio.to_thread(part.replace, target)
        except NoAnswer as fault:
            raise _down(location, fault) from fault
        except AnswerTooLarge as fault:
            raise ResultTooLarge(f"the result is {fault}: it is not kept") from fault
        finally:
            await asyncio.to_thread(part.unlink, missing_ok=True)
        return sha256


class HttpShelf:
    """The pool's view of its results service (``ports.files.ResultsShelf``).

    Args:
        http: Whose connections and time-outs are used.
        url: Of the service.
    """

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self._http, self._url = http, url.rstrip("/")

    async def location(self, task_id: TaskId) -> str | None:
        """Tell where there is a result to download; None where there is none.

        Raises:
            ResultsDown: The service does not answer, or with something that is no location.
        """
        asked = location_at(self._url, task_id)
        try:
            answer = await ask(self._http, "HEAD", asked, _HEAD)
        except NoAnswer as fault:
            raise _down(self._url, fault) from fault
        if answer.status >= 500:
            raise ResultsDown(f"the results service at {self._url} asks to wait")
        if answer.status != 200:
            return None
        told = answer.headers.get("content-location", asked)
        if not _LOCATION.fullmatch(told):
            raise ResultsDown(f"the results service at {self._url} told what is no location")
        return told


def _missing(location: str, status: int, content: bytes) -> ResultsDown | ResultMissing:
    _, message = _fault(content, status)
    if status >= 500:
        return ResultsDown(f"the results service asks to wait: {message} ({shown(location, 200)})")
    return ResultMissing(f"no result at {shown(location, 200)}: {message}")


def _measure(path: str) -> tuple[int, bytes]:
    with Path(path).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
        return file.tell(), digest


async def _chunks(path: str) -> AsyncIterator[bytes]:
    with Path(path).open("rb") as file:  # noqa: ASYNC230 - reads go to a thread
        while chunk := await asyncio.to_thread(file.read, BODY_READ_SIZE):
            yield chunk


async def _save(answer: Incoming, part: Path) -> str:
    checksum = hashlib.sha256()
    with part.open("wb") as file:
        async for piece in answer.pieces():
            await asyncio.to_thread(file.write, piece)
            checksum.update(piece)
    return checksum.hexdigest()


def _fault(content: bytes, status: int) -> tuple[str, str]:
    """Read code and message of an error."""
    try:
        told = ServiceFault.model_validate(parse_json(content))
        return shown(told.code, 64), shown(told.message, 512)
    except ValueError:
        return f"http-{status}", f"HTTP {status}; is this really a results service?"


def _enclave(offer: Offer) -> dict[str, str]:
    """Name whose result it is, of a confidential task."""
    return {} if offer.enclave.is_zero else {"Poolhand-Enclave": str(offer.enclave)}


def _link(content: bytes, url: str) -> str:
    """Read the result link, which our own transaction will carry: a short JSON text of two members.

    Raises:
        ResultsDown: It is anything else.
    """
    try:
        link = StoredResult.model_validate(parse_json(content)).link
        fits = len(link.encode()) <= MAX_LINK and is_plain(link)
        members = parse_json(link) if fits else None
    except ValueError:
        members = None
    if not isinstance(members, dict) or members.keys() != {"storage", "location"}:
        raise ResultsDown(f"the results service at {url} answered something that is no result link")
    return link


def _down(url: str, fault: Exception) -> ResultsDown:
    return ResultsDown(
        f"the results service at {shown(url, 200)} does not answer ({fault}): "
        "check its URL, or wait until the pool's owner has started it"
    )
