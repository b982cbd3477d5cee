"""A devnet's IPFS: what is added by Kubo's RPC is read at the gateway, by its address."""

from __future__ import annotations

import httpx
import pytest

from poolhand.devnet.ipfs_node import MOST_ADDED, file_of_form, file_server
from poolhand.domain.content_id import address_of_file
from poolhand.domain.errors import Malformed

ADD = "/api/v0/add?stream-channels=true&progress=false"


@pytest.fixture
async def http(tmp_path):
    transport = httpx.ASGITransport(file_server(tmp_path))
    async with httpx.AsyncClient(transport=transport, base_url="http://files.test") as made:
        yield made


async def test_what_is_added_is_read_by_its_address(http):
    for content in (b"", b"hello\r\n--world", bytes(300_000)):
        told = (await http.post(ADD, files={"file": ("a", content)})).json()
        name = str(address_of_file(content))
        assert told == {"Name": name, "Hash": name, "Size": str(len(content))}
        assert (await http.head(f"/ipfs/{name}")).status_code == 200
        assert (await http.get(f"/ipfs/{name}")).content == content


async def test_what_is_no_file_is_refused(http):
    assert (await http.post(ADD, content=b"?")).status_code == 400
    assert (await http.post(ADD, data={"a": "b"})).status_code == 400
    two = [("file", ("a", b"1")), ("file", ("b", b"2"))]
    assert (await http.post(ADD, files=two)).status_code == 400
    assert (await http.get(ADD)).status_code == 404
    large = {"file": ("", bytes(MOST_ADDED + 100_000))}
    assert (await http.post(ADD, files=large)).status_code == 413


def test_a_form_that_breaks_off_has_no_file():
    with pytest.raises(Malformed):
        file_of_form(b'--x\r\na; filename=""\r\n\r\ncut', "multipart/form-data; boundary=x")
