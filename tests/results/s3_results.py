"""A bucket of the tests' S3 server, as the results service uses it."""

from __future__ import annotations

from datetime import timedelta

from poolhand.store.s3_objects import S3Bucket, S3Objects
from s3_server import BUCKET, REGION, S3Server

SHORT = {
    "max_retries": 1,
    "retry_timeout": timedelta(seconds=2),
    "backoff": {
        "init_backoff": timedelta(milliseconds=20),
        "max_backoff": timedelta(milliseconds=20),
        "base": 2,
    },
}
"""So that a test of what is gone takes no longer than it must."""


def s3_objects(server: S3Server, prefix: str = "", retry=SHORT, **changes: str) -> S3Objects:
    """Open the bucket as its user, or as ``changes`` have it."""
    told = {
        "name": BUCKET,
        "prefix": prefix,
        "endpoint": server.endpoint,
        "region": REGION,
        "key_id": server.key_id,
        "secret": server.secret,
    }
    return S3Objects(S3Bucket(**told | changes), retry)
