"""A bucket: wrong credentials, no bucket, a store that goes; and no secret in what is said of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from s3_results import SHORT, s3_objects

from poolhand.ports.storage import StorageDown, StorageUnfit


async def said_at_start(objects) -> str:
    with pytest.raises(StorageUnfit) as fault:
        await objects.check()
    return str(fault.value)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"secret": "a wrong one"}, "SignatureDoesNotMatch"),
        ({"key_id": "AKIANOBODYATALL00000"}, "InvalidAccessKeyId"),
    ],
)
async def test_wrong_credentials_are_refused_at_the_start(s3, changes, why):
    told = await said_at_start(s3_objects(s3, **changes))
    assert f"refuses our credentials ({why})" in told
    assert "--storage-credentials" in told
    assert s3.secret not in told
    assert "a wrong one" not in told


async def test_a_user_without_rights_is_refused_at_the_start(s3):
    key_id, secret = s3.stranger
    told = await said_at_start(s3_objects(s3, key_id=key_id, secret=secret))
    assert "refuses our credentials (AccessDenied)" in told


async def test_a_bucket_that_is_missing_is_named_at_the_start(s3):
    told = await said_at_start(s3_objects(s3, name="elsewhere"))
    assert f"there is no bucket elsewhere at {s3.endpoint}" in told
    assert "--storage" in told


async def test_credentials_that_are_taken_away_are_the_operators_trouble(s3, tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    revoked = s3_objects(s3, secret="another")
    for work in (revoked.put("a", str(tmp_path / "a")), revoked.remove("a")):
        with pytest.raises(StorageDown, match="operator must put right ones"):
            await work
    with pytest.raises(StorageDown, match="operator must put right ones"):
        [_ async for _ in revoked.read("a", "", 0)]
    with pytest.raises(StorageDown, match="operator must put right ones"):
        [_ async for _ in revoked.names()]


async def test_a_store_that_is_gone_is_told_from_one_that_refuses(s3):
    with pytest.raises(StorageDown, match="does not answer"):
        await s3_objects(s3, endpoint="http://127.0.0.1:9").check()


async def test_a_file_that_somebody_removed_is_told(s3):
    with pytest.raises(StorageDown, match="has lost a file"):
        [_ async for _ in s3_objects(s3).read("never/there", "", 0)]


async def test_what_is_not_there_is_removed_all_the_same(s3):
    await s3_objects(s3).remove("never/there")


def test_a_bucket_tells_no_secret(s3):
    from poolhand.store.s3_objects import S3Bucket

    assert "hidden" not in repr(S3Bucket("name", "", "", "", "key", "hidden", "hidden"))


class Line:
    """Stands before a server, and cuts connections that have carried so many bytes to it."""

    def __init__(self, port: int) -> None:
        self.port, self.cuts, self.after = port, 0, 0
        self.carried = 0

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _carry(self, reader, writer) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.port)
        answers = asyncio.create_task(_pass(there, writer))
        try:
            while piece := await reader.read(65_536):
                self.carried += len(piece)
                if self.cuts and self.carried > self.after:
                    self.cuts -= 1
                    self.after += self.carried
                    break
                back.write(piece)
                await back.drain()
        finally:
            answers.cancel()
            for each in (back, writer):
                each.transport.abort()


async def _pass(reader, writer) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()


async def test_a_store_that_goes_in_the_middle_costs_a_part_and_no_archive(s3, tmp_path):
    content = bytes(range(256)) * 4096 * 20
    (tmp_path / "archive").write_bytes(content)
    line = Line(int(s3.endpoint.rpartition(":")[2]))
    line.cuts, line.after = 2, 9 * 1024**2
    async with line.open() as endpoint:
        retry = SHORT | {"max_retries": 4, "retry_timeout": SHORT["retry_timeout"] * 20}
        objects = s3_objects(s3, endpoint=endpoint, retry=retry)
        await objects.put("cut", str(tmp_path / "archive"))
        assert line.cuts == 0
        assert line.carried < 2 * len(content)
        pieces = [piece async for piece in objects.read("cut", "", 5, 3_000_000)]
    assert b"".join(pieces) == content[5:3_000_005]
    assert max(map(len, pieces)) < 4 * 1024**2
