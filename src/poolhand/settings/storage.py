"""Where a results service keeps archives, chosen by a URL; who it is there, from a file.

No credential is in the URL or in a flag, where whoever lists processes would read it.
"""

from __future__ import annotations

import configparser
import re
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Self
from urllib.parse import parse_qsl, urlsplit

from poolhand.settings.load import BadSetting, web_url

DISK: Final = "disk"
S3: Final = "s3"
IPFS: Final = "ipfs"
MOST_CREDENTIALS: Final = 65_536
"""Bytes of a file of credentials."""
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX: Final = re.compile(r"(?:[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*)?")
_FORMS: Final = "write disk, s3://BUCKET/PREFIX?endpoint=URL&region=NAME, or ipfs+http://HOST:PORT"


@dataclass(frozen=True, slots=True)
class StorageChoice:
    """One storage.

    Attributes:
        kind: ``disk``, ``s3`` or ``ipfs``.
        url: As it was written; it holds no secret.
        bucket, prefix, endpoint, region: Of an object store; no endpoint: AWS itself.
        rpc: Where an IPFS node answers.
        key_id, secret, token: Who we are at an object store.
        authorization: The header of that name for an IPFS node; empty: none.
    """

    kind: str = DISK
    url: str = DISK
    bucket: str = ""
    prefix: str = ""
    endpoint: str = ""
    region: str = "us-east-1"
    rpc: str = ""
    key_id: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    authorization: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URL; raises ValueError where it names no storage, or a secret."""
        text = text.strip()
        if text in ("", DISK):
            return cls()
        parts = urlsplit(text)
        if "@" in parts.netloc:
            raise ValueError(
                "it holds a password, which others would read: --storage-credentials names a file"
            )
        if parts.scheme == S3:
            return cls._s3(text)
        if parts.scheme in ("ipfs+http", "ipfs+https") and parts.hostname:
            if parts.query or parts.fragment:
                raise ValueError("the address of an IPFS node has no '?' or '#'")
            return cls(kind=IPFS, url=text, rpc=text.removeprefix("ipfs+").rstrip("/"))
        raise ValueError(_FORMS)

    @classmethod
    def _s3(cls, text: str) -> Self:
        parts = urlsplit(text)
        asked = dict(parse_qsl(parts.query, keep_blank_values=True))
        if unknown := sorted(asked.keys() - {"endpoint", "region"}):
            raise ValueError(f"'{unknown[0]}' is unknown: there are endpoint and region")
        prefix = parts.path.strip("/")
        if not _BUCKET.fullmatch(parts.netloc):
            raise ValueError("a bucket has 3 to 63 small letters, digits, dots and hyphens")
        if not _PREFIX.fullmatch(prefix) or {".", ".."} & set(prefix.split("/")):
            raise ValueError("a prefix has letters, digits and . _ - between slashes")
        endpoint = web_url(asked.get("endpoint", "")).rstrip("/")
        if "@" in endpoint:
            raise ValueError(
                "the endpoint holds a password: --storage-credentials names a file for it"
            )
        region = asked.get("region") or "us-east-1"
        return cls(S3, text, parts.netloc, prefix, endpoint, region)

    @property
    def name(self) -> str:
        """What tells this storage from others."""
        return self.url

    def with_credentials(self, path: str) -> Self:
        """Return the same storage with what a file says of who we are there.

        Raises:
            BadSetting: The file cannot be read, others may read it, or something is missing.
        """
        told = _read(Path(path)) if path else configparser.ConfigParser(interpolation=None)
        if self.kind == S3:
            found = told["default"] if told.has_section("default") else {}
            key_id = found.get("aws_access_key_id", "")
            secret = found.get("aws_secret_access_key", "")
            if not (key_id and secret):
                raise BadSetting(
                    "storage-credentials: s3:// needs aws_access_key_id and aws_secret_access_key "
                    "under [default]: write them into a file, and name it with "
                    "--storage-credentials"
                )
            token = found.get("aws_session_token", "")
            return replace(self, key_id=key_id, secret=secret, token=token)
        if self.kind == IPFS and told.has_section("ipfs"):
            return replace(self, authorization=told["ipfs"].get("authorization", ""))
        return self


def _read(path: Path) -> configparser.ConfigParser:
    told = configparser.ConfigParser(interpolation=None)
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise BadSetting(
                f"storage-credentials: others may read {path}: run `chmod 600 {path}`, and change "
                "the credentials if they have"
            )
        with path.open(encoding="utf-8") as file:
            told.read_string(file.read(MOST_CREDENTIALS))
    except OSError as fault:
        raise BadSetting(f"storage-credentials: cannot read {path}: {fault.strerror}") from fault
    except (configparser.Error, UnicodeDecodeError):
        raise BadSetting(
            f"storage-credentials: {path} is not written as ~/.aws/credentials: correct it"
        ) from None
    return told
