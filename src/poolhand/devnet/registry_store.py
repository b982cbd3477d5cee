"""Where the devnet's registry keeps images: blobs by digest, manifests and tags by repository.

Source: OCI Distribution Specification 1.1, "Pull" and "Push" (grammar of names, tags, digests).
Every word of a request is checked against its grammar before a path is made of it, so no request
reaches a file outside the store.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from poolhand.domain.errors import Refused

REPOSITORY_NAME: Final = re.compile(
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
)
TAG: Final = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
PUSHED_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
UPLOAD: Final = re.compile(r"[0-9a-f]{32}")
NAME_LIMIT: Final = 255


class RegistryRefused(Refused):
    """A request the registry cannot serve; ``kind`` is the error code of the specification."""

    def __init__(self, kind: str, status: int, message: str) -> None:
        super().__init__(message)
        self.kind, self.status = kind, status


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest as stored: its digest, media type and bytes."""

    digest: str
    media_type: str
    content: bytes


class ImageStore:
    """A folder of images. Uploads that were not finished before are dropped at the start."""

    def __init__(self, folder: Path) -> None:
        self._blobs = folder / "blobs"
        self._uploads = folder / "uploads"
        self._repositories = folder / "repositories"
        shutil.rmtree(self._uploads, ignore_errors=True)
        for each in (self._blobs, self._uploads, self._repositories):
            each.mkdir(parents=True, exist_ok=True)

    def blob(self, name: str, digest: str) -> Path:
        """Return the file of a blob.

        Raises:
            RegistryRefused: Not a name, not a digest, or no such blob.
        """
        self._repository(name)
        path = self._blob_path(digest)
        if not path.is_file():
            raise RegistryRefused("BLOB_UNKNOWN", 404, f"no blob {digest}")
        return path

    def has_blob(self, digest: str) -> bool:
        """Whether the blob is here; False for what is no digest."""
        return PUSHED_DIGEST.fullmatch(digest) is not None and self._blob_path(digest).is_file()

    def start_upload(self, name: str) -> str:
        """Begin an upload; returns its id."""
        self._repository(name)
        upload = secrets.token_hex(16)
        (self._uploads / upload).touch()
        return upload

    def open_upload(self, name: str, upload: str) -> BinaryIO:
        """Open an upload at its end, to write more."""
        return self._upload(name, upload).open("ab")

    def upload_size(self, name: str, upload: str) -> int:
        """Return how many bytes have arrived."""
        return self._upload(name, upload).stat().st_size

    def drop_upload(self, name: str, upload: str) -> None:
        """Forget an upload."""
        self._upload(name, upload).unlink()

    def finish_upload(self, name: str, upload: str, digest: str) -> None:
        """Make an upload a blob, if its content has the digest.

        Raises:
            RegistryRefused: It has not, or there is no such upload. A wrong one is dropped.
        """
        path, goal = self._upload(name, upload), self._blob_path(digest)
        with path.open("rb") as file:
            found = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
        if found != digest:
            path.unlink()
            raise RegistryRefused("DIGEST_INVALID", 400, f"content is {found}, not {digest}")
        path.replace(goal)

    def manifest(self, name: str, reference: str) -> Manifest:
        """Return a manifest by tag or digest.

        Raises:
            RegistryRefused: Not a name or reference, or unknown.
        """
        repository = self._repository(name)
        unknown = RegistryRefused("MANIFEST_UNKNOWN", 404, f"no manifest {name}:{reference}")
        try:
            digest = self._resolve(repository, reference)
            media_type = self._type_path(repository, digest).read_text(encoding="utf-8")
            return Manifest(digest, media_type, self._blob_path(digest).read_bytes())
        except FileNotFoundError:
            raise unknown from None

    def put_manifest(self, name: str, reference: str, media_type: str, content: bytes) -> str:
        """Store a manifest whose parts are all here; returns its digest.

        Raises:
            RegistryRefused: Not JSON, a part is missing, or not of the digest it is put under.
        """
        repository = self._repository(name)
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        if PUSHED_DIGEST.fullmatch(reference) and reference != digest:
            raise RegistryRefused("DIGEST_INVALID", 400, f"content is {digest}, not {reference}")
        tag = None if reference == digest else _checked(TAG, reference, "MANIFEST_INVALID")
        missing = [part for part in _parts(content) if not self.has_blob(part)]
        if missing:
            raise RegistryRefused("MANIFEST_BLOB_UNKNOWN", 404, f"push {missing[0]} first")
        self._write(self._blob_path(digest), content)
        self._write(self._type_path(repository, digest), media_type.encode())
        if tag is not None:
            self._write(repository / "_tags" / tag, digest.encode())
        return digest

    def tags(self, name: str) -> list[str]:
        """List a repository's tags in order.

        Raises:
            RegistryRefused: No such repository.
        """
        repository = self._repository(name)
        if not (repository / "_manifests").is_dir():
            raise RegistryRefused("NAME_UNKNOWN", 404, f"no repository {name}")
        return sorted(path.name for path in (repository / "_tags").glob("*"))

    def _resolve(self, repository: Path, reference: str) -> str:
        if PUSHED_DIGEST.fullmatch(reference):
            return reference
        tag = _checked(TAG, reference, "MANIFEST_INVALID")
        return (repository / "_tags" / tag).read_text(encoding="ascii")

    def _repository(self, name: str) -> Path:
        if len(name) > NAME_LIMIT:
            raise RegistryRefused("NAME_INVALID", 400, "the repository's name is too long")
        return self._repositories / _checked(REPOSITORY_NAME, name, "NAME_INVALID")

    def _upload(self, name: str, upload: str) -> Path:
        self._repository(name)
        path = self._uploads / _checked(UPLOAD, upload, "BLOB_UPLOAD_INVALID")
        if not path.is_file():
            raise RegistryRefused("BLOB_UPLOAD_UNKNOWN", 404, f"no upload {upload}")
        return path

    def _blob_path(self, digest: str) -> Path:
        return self._blobs / _checked(PUSHED_DIGEST, digest, "DIGEST_INVALID").partition(":")[2]

    def _type_path(self, repository: Path, digest: str) -> Path:
        return repository / "_manifests" / digest.partition(":")[2]

    def _write(self, path: Path, content: bytes) -> None:
        """Write a small file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._uploads / secrets.token_hex(16)
        draft.write_bytes(content)
        draft.replace(path)


def _checked(grammar: re.Pattern[str], word: str, kind: str) -> str:
    if grammar.fullmatch(word) is None:
        raise RegistryRefused(kind, 400, f"{word[:80]!r} is not what the registry takes here")
    return word


def _parts(content: bytes) -> Iterator[str]:
    """Yield the digests a manifest or an index points to; what has ``urls`` lives elsewhere."""
    invalid = RegistryRefused("MANIFEST_INVALID", 400, "the manifest is no JSON object of its kind")
    try:
        members: Any = json.loads(content)
        listed = [*members.get("layers", []), *members.get("manifests", [])]
        config = [members["config"]] if "config" in members else []
        yield from [str(part["digest"]) for part in config + listed if "urls" not in part]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise invalid from None
