"""Files in a bucket of an S3-compatible object store, by obstore.

A file goes up in parts of 8 MiB, four at a time, each with its sha256 and each tried again by
itself, so that a store that is gone for a moment costs a part and no archive; no file is in memory
as a whole. Its calls that block are made in threads of our own: what completes the others are
threads of Rust, one of which now and then ends the process with SIGABRT while the interpreter does
(4 of 25 times, 0.12.1 with Python 3.11.7). What the store says is never told as it stands: it may
hold parts of a signature.

Source: AWS S3 API, error codes; obstore 0.12.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from poolhand.domain.text import shown
from poolhand.ports.storage import StorageDown, StorageFull, StorageUnfit

PART_SIZE: Final = 8 * 1024**2
"""Bytes that go up at a time."""
CALLS_AT_ONCE: Final = 16
"""Calls under way together; more wait for one to end."""
PARTS_AT_ONCE: Final = 4
"""Parts of one file that are under way together."""
S3_PROBE: Final = "poolhand-probe"
"""Written and removed again when the service starts."""
_READ_AT_ONCE: Final = 256 * 1024
_RETRY: Final[Any] = {
    "max_retries": 8,
    "retry_timeout": timedelta(seconds=60),
    "backoff": {
        "init_backoff": timedelta(milliseconds=200),
        "max_backoff": timedelta(seconds=10),
        "base": 2,
    },
}
_CODE: Final = re.compile(r"<Code>([A-Za-z0-9.]{1,64})</Code>")
_STATUS: Final = re.compile(r"status code: (\d{3})")
_REFUSED: Final = {
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "ExpiredToken", "InvalidToken",
    "InvalidClientTokenId", "AuthorizationHeaderMalformed", "RequestTimeTooSkewed",
    "AllAccessDisabled", "AccountProblem",
}  # fmt: skip
"""What stores say of credentials that they do not take."""
_FULL: Final = {"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "EntityTooLarge"}


_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class S3Bucket:
    """Where files go, and who we are there.

    ``prefix`` comes before every name; ``endpoint`` is empty for AWS itself; ``region`` is what
    signatures name.
    """

    name: str
    prefix: str
    endpoint: str
    region: str
    key_id: str
    secret: str
    token: str = ""

    def __repr__(self) -> str:
        """Tell no secret."""
        return f"S3Bucket({self.name!r}, {self.prefix!r}, {self.endpoint!r})"


class S3Objects:
    """Implements ``ports.storage.ObjectStore``.

    Args:
        bucket: Which, and as whom.
        retry: How obstore tries again (its ``retry_config``).
    """

    def __init__(self, bucket: S3Bucket, retry: Any = None) -> None:
        self._where = f"bucket {bucket.name} at {bucket.endpoint or 'AWS'}"
        given = {
            "endpoint": bucket.endpoint,
            "session_token": bucket.token,
            "access_key_id": bucket.key_id,
            "secret_access_key": bucket.secret,
        }
        self._threads = ThreadPoolExecutor(CALLS_AT_ONCE, "s3")
        self._store = S3Store(
            bucket.name,
            prefix=bucket.prefix or None,
            region=bucket.region,
            checksum_algorithm="SHA256",
            client_options={
                "allow_http": bucket.endpoint.startswith("http://"),
                "connect_timeout": timedelta(seconds=10),
                "timeout": timedelta(seconds=120),
            },
            retry_config=retry or _RETRY,
            **{key: value for key, value in given.items() if value},  # type: ignore[arg-type]
        )

    async def check(self) -> None:
        """Write a small file and remove it.

        Raises:
            StorageUnfit: The store refuses the credentials, or has no such bucket.
            StorageDown: It does not answer.
        """
        with self._faults(StorageUnfit):
            await self._call(lambda: obstore.put(self._store, S3_PROBE, b"poolhand"))
            await self._call(lambda: obstore.delete(self._store, S3_PROBE))

    async def put(self, name: str, path: str) -> str:
        """Store a local file in parts."""

        def send() -> None:
            obstore.put(
                self._store, name, Path(path), chunk_size=PART_SIZE, max_concurrency=PARTS_AT_ONCE
            )

        with self._faults():
            await self._call(send)
        return ""

    async def read(
        self,
        name: str,
        location: str,  # noqa: ARG002 - of storages that have addresses of their own
        first: int,
        count: int | None = None,
    ) -> AsyncIterator[bytes]:
        """Yield bytes of a file."""
        if count == 0:
            return
        part: Any = {"offset": first} if count is None else (first, first + count)
        options: Any = {"range": part} if first or count else {}

        def begin() -> Any:
            return iter(obstore.get(self._store, name, options=options).stream(_READ_AT_ONCE))

        with self._faults():
            pieces = await self._call(begin)
            while (piece := await self._call(lambda: next(pieces, None))) is not None:
                yield bytes(piece)

    async def remove(self, name: str) -> None:
        """Delete a file; repeatable."""
        with self._faults(), suppress(_NoFile), self._missing():
            await self._call(lambda: obstore.delete(self._store, name))

    async def names(self) -> AsyncIterator[str]:
        """Yield the names of all files, a page of the store's list at a time."""
        with self._faults():
            pages = obstore.list(self._store)
            while (page := await self._call(lambda: next(pages, None))) is not None:
                for each in page:
                    yield each["path"]

    async def _call(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    @contextmanager
    def _missing(self) -> Iterator[None]:
        """Tell a file that is not there, which one may wish, from a bucket that is not."""
        try:
            yield
        except FileNotFoundError as fault:
            if _code(fault) == "NoSuchBucket":
                raise
            raise _NoFile from fault

    @contextmanager
    def _faults(self, unfit: type[StorageDown | StorageUnfit] = StorageDown) -> Iterator[None]:
        """Name what the store says; ``unfit`` is for what its operator must change."""
        try:
            yield
        except (BaseError, OSError) as fault:  # its own words may hold what is nobody's business
            raise self._named(fault, unfit) from None

    def _named(
        self, fault: Exception, unfit: type[StorageDown | StorageUnfit]
    ) -> StorageDown | StorageUnfit | StorageFull:
        code, status, where = _code(fault), _status(fault), self._where
        said, operator = code or f"HTTP {status}", "the results service's operator must"
        if code in _FULL or status == "507":
            return StorageFull(f"no room left in {where} ({said}): {operator} make some")
        if code == "NoSuchBucket":
            return unfit(f"there is no {where}: {operator} make it, or name another with --storage")
        if code in _REFUSED or status in ("401", "403"):
            return unfit(
                f"{where} refuses our credentials ({said}): {operator} put right ones, which may "
                "write there, into the file of --storage-credentials"
            )
        if isinstance(fault, FileNotFoundError):
            return StorageDown(f"{where} has lost a file: {operator} find what removes files there")
        why = said if code or status else _plain(fault)
        return StorageDown(
            f"{where} does not answer ({why}): {operator} see that it runs and is reached"
        )


class _NoFile(Exception):
    """A file is not there."""


def _code(fault: BaseException) -> str:
    found = _CODE.search(str(fault))
    return found[1] if found else ""


def _status(fault: BaseException) -> str:
    found = _STATUS.search(str(fault))
    return found[1] if found else ""


def _plain(fault: BaseException) -> str:
    """Return the first line of what went wrong, without an address or what was asked."""
    return shown(str(fault).partition("\n")[0].rpartition(" - ")[2], 120)
