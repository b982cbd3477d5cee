"""Downloads from, and uploads to, places that nobody vouches for."""

from __future__ import annotations

from typing import Protocol

from poolhand.domain.errors import Refused
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.replicate.machine import Offer
from poolhand.domain.result_key import ResultKey
from poolhand.domain.units import Seconds


class UploadRefused(Refused):
    """The results service does not take an archive; the message says why."""

    http_status = 403


class Fetcher(Protocol):
    """Downloads a URI that an untrusted order names."""

    async def fetch(self, uri: str, target: str, limit: int, timeout: Seconds) -> str:
        """Stream a file to ``target`` and return its sha256 (64 hexadecimal digits).

        Repeatable: ``target`` appears whole or not at all.

        Raises:
            ForbiddenUri: Scheme or resolved address is not allowed here.
            DownloadTooLarge: More than ``limit`` bytes.
            DownloadFailed: Not found, refused, broken off, or longer than ``timeout``.
            FileUnwritten: The disk of ``target`` is full or broken.
            FetcherLost: What downloads for this worker has died each time.
        """


class ResultsClient(Protocol):
    """A worker's view of the results service."""

    async def upload(self, offer: Offer, archive: str) -> str:
        """Store a result archive (a local file) and return the link to put on chain (JSON text).

        Repeatable: the same archive again gives the same link.

        Raises:
            UploadRefused: Not authorized, digest differs from the chain, too large, unsafe.
            Unavailable: The service does not answer, or has not yet seen our reveal.
        """

    async def key_of(self, owner: Address) -> ResultKey | None:
        """Return the key that results for ``owner`` are encrypted to; None where there is none.

        Its owner has signed it: the service could give no other.

        Raises:
            Unavailable: The service does not answer, or with what is no key.
        """


class ResultsShelf(Protocol):
    """The pool's view of the results service."""

    async def location(self, task_id: TaskId) -> str | None:
        """Tell where the archive that the chain has proved lies; None where none is stored.

        Raises:
            Unavailable: The service does not answer.
        """
