"""A server of the S3 protocol that checks who asks: moto, with its free calls used up.

It counts so many calls that need no credentials; with those a user with a key and a bucket are
made. From then on it checks every signature and every policy, as AWS does.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

REGION = "us-east-1"
BUCKET = "results"
FREE_CALLS = 6
"""Two users, two keys, a policy, a bucket."""
POLICY = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}


@dataclass(frozen=True)
class S3Server:
    """Where it answers, and a user who may write; ``stranger`` has a key and no rights."""

    endpoint: str
    key_id: str
    secret: str
    stranger: tuple[str, str]
    process: subprocess.Popen

    def url(self, prefix: str = "", bucket: str = BUCKET) -> str:
        return f"s3://{bucket}/{prefix}?endpoint={self.endpoint}&region={REGION}"

    def credentials(self, folder: Path, **changes: str) -> str:
        """Write a file of credentials as its user has one."""
        told = {"aws_access_key_id": self.key_id, "aws_secret_access_key": self.secret} | changes
        path = folder / "credentials"
        lines = ["[default]", *(f"{key} = {value}" for key, value in told.items())]
        path.write_text("\n".join(lines))
        path.chmod(0o600)
        return str(path)


@contextmanager
def s3_server() -> Iterator[S3Server]:
    port = _free_port()
    endpoint = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            env={"INITIAL_NO_AUTH_ACTION_COUNT": str(FREE_CALLS), "PATH": "/usr/bin:/bin"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            _await(endpoint, process, log)
            yield _furnished(endpoint, process)
        finally:
            process.terminate()
            process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _await(endpoint: str, process: subprocess.Popen, log) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            httpx.get(f"{endpoint}/moto-api/", trust_env=False)
        except httpx.TransportError:
            if process.poll() is not None or time.monotonic() > end:
                log.seek(0)
                raise AssertionError(f"moto did not start: {log.read()!r}") from None
        else:
            return


def _furnished(endpoint: str, process: subprocess.Popen) -> S3Server:
    with httpx.Client(base_url=endpoint, trust_env=False) as http:
        keys = [_user(http, name) for name in ("owner", "stranger")]
        policy = json.dumps({"Version": "2012-10-17", "Statement": [POLICY]})
        _iam(http, "PutUserPolicy", UserName="owner", PolicyName="all", PolicyDocument=policy)
        http.put(f"/{BUCKET}", headers=_signed("s3")).raise_for_status()
    return S3Server(endpoint, *keys[0], keys[1], process)


def _user(http: httpx.Client, name: str) -> tuple[str, str]:
    _iam(http, "CreateUser", UserName=name)
    told = _iam(http, "CreateAccessKey", UserName=name)
    key, secret = (
        re.search(f"<{member}>([^<]+)<", told)[1] for member in ("AccessKeyId", "SecretAccessKey")
    )
    return key, secret


def _iam(http: httpx.Client, action: str, **members: str) -> str:
    body = {"Action": action, "Version": "2010-05-08", **members}
    answer = http.post("/", data=body, headers=_signed("iam"))
    answer.raise_for_status()
    return answer.text


def _signed(service: str) -> dict[str, str]:
    """Name the service, as a signature would: the first calls need no right one."""
    scope = f"x/20260101/{REGION}/{service}/aws4_request"
    told = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
    return {"Authorization": told}
