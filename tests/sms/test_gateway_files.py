"""Gateways of IPFS, asked one after the other."""

from __future__ import annotations

import httpx
import pytest

from poolhand.domain.content_id import address_of_file
from poolhand.sms.bulk_datasets import ContentAway
from poolhand.sms.gateway_files import GatewayFiles
from poolhand.wire.bulk import MOST_BULK_FILE

CONTENT = address_of_file(b"[]")


def files(answers):
    """Return files by gateways that answer so (status and body, or a fault), and who was asked."""
    asked = []

    def answer(request):
        asked.append(str(request.url))
        told = answers[request.url.host]
        if isinstance(told, Exception):
            raise told
        return httpx.Response(told[0], content=told[1])

    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return GatewayFiles(http, [f"http://{name}/" for name in answers]), asked


async def test_the_next_is_asked_where_one_does_not_give_it():
    some = {"a": httpx.ConnectError("down"), "b": (404, b""), "c": (200, bytes(MOST_BULK_FILE + 1))}
    found, asked = files({**some, "d": (200, b"[]"), "e": (200, b"?")})
    assert await found.read(CONTENT) == b"[]"
    assert asked == [f"http://{name}/ipfs/{CONTENT}" for name in "abcd"]
    with pytest.raises(ContentAway, match=r"a/: .*down.*HTTP 404"):
        await files(some)[0].read(CONTENT)
    with pytest.raises(ContentAway, match="--ipfs-gateways"):
        await files({})[0].read(CONTENT)


async def test_another_file_is_none_whoever_gives_it():
    """Kept, it would take the datasets from every task of its bulk."""
    found, asked = files({"a": (200, b"[1]"), "b": (200, b"[]")})
    assert await found.read(CONTENT) == b"[]"
    assert len(asked) == 2
    with pytest.raises(ContentAway, match="a/: another file"):
        await files({"a": (200, b"[1]")})[0].read(CONTENT)
