"""Faults that pass are outlasted, faults that last are told with true advice."""

from __future__ import annotations

import socket
import time
from email.utils import formatdate
from ipaddress import ip_address
from urllib.parse import unquote

import pytest
from downloads import over_web
from hypothesis import given
from hypothesis import strategies as st
from raw_server import body, raw_server, redirect, said

from poolhand.transport.address_rule import AddressRule
from poolhand.transport.downloading import FetchRules
from poolhand.transport.errors import DownloadFailed, ForbiddenUri
from poolhand.transport.ipfs import ipfs_path

TEXT = b"It was the worst of times"
CONTENT = "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG"


class Waits(list):
    """How long was waited between tries; no time passes."""

    async def __call__(self, seconds):
        self.append(seconds)


@pytest.fixture
def waits():
    return Waits()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "data"


async def fetch(uri, target, waits, timeout=100, gateways=(), **parts):
    rules = FetchRules(
        AddressRule(allow_http=True, allow_private=True), ipfs_gateways=tuple(gateways)
    )
    fetcher = over_web(rules, pause=waits, **parts)
    return await fetcher.fetch(uri, str(target), 1000, timeout)


def first(count, fault, then=None):
    """Return a script that fails so many times, then serves."""
    left = [count]

    async def script(writer, head):
        left[0] -= 1
        await (fault if left[0] >= 0 else then or body(TEXT))(writer, head)

    return script


PASSING = {
    **{str(s): body(b"later", status=f"{s} X") for s in (408, 425, 429, 500, 502, 503, 504, 522)},
    "cut connection": said(b""),
    "truncated body": said(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort"),
    "truncated chunks": said(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"),
    "no HTTP": said(b"SSH-2.0-OpenSSH_9.2\r\n"),
}


@pytest.mark.case("D5")
@pytest.mark.parametrize("fault", PASSING)
async def test_a_passing_fault_is_outlasted(target, waits, fault):
    async with raw_server(first(3, PASSING[fault])) as server:
        await fetch(server.url(), target, waits)
    assert target.read_bytes() == TEXT
    assert waits == [0.5, 1.0, 2.0]


@pytest.mark.case("D5")
@pytest.mark.parametrize("told", ["20", "a date"])
async def test_a_server_is_left_alone_as_long_as_it_wants(target, waits, told):
    value = "20" if told == "20" else formatdate(time.time() + 20, usegmt=True)
    busy = body(b"", status="503 Busy", headers=f"Retry-After: {value}\r\n")
    async with raw_server(first(1, busy)) as server:
        await fetch(server.url(), target, waits)
    assert 10 < waits[0] <= 20, "a date has no fractions, and is a little nearer when it is read"


@pytest.mark.case("D5")
async def test_who_wants_more_time_than_there_is_is_not_waited_for(target, waits):
    busy = body(b"", status="429 Busy", headers="Retry-After: 3600\r\n")
    async with raw_server(busy) as server:
        with pytest.raises(DownloadFailed, match="asked again in 3600 s; no time is left"):
            await fetch(server.url(), target, waits)
    assert waits == []


@pytest.mark.case("D5")
async def test_tries_end_with_the_time_allowed(target, waits):
    async with raw_server(body(b"", status="503 Busy")) as server:
        with pytest.raises(DownloadFailed, match=r"answered 503; tried 5 times"):
            await fetch(server.url(), target, waits, timeout=10)
    assert waits == [0.5, 1.0, 2.0, 4.0]
    assert list(target.parent.iterdir()) == []


@pytest.mark.case("D5")
async def test_tries_end_at_last_however_much_time_there_is(target, waits):
    with pytest.raises(DownloadFailed, match="tried 11 times"):
        await fetch("http://127.0.0.1:9/f", target, waits, timeout=10**6)


@pytest.mark.case("D5")
async def test_a_hiccup_of_the_name_service_is_outlasted(target, waits):
    faults = [socket.gaierror(socket.EAI_AGAIN, "try again"), OSError("resolver gone")]

    async def resolver(_host, _port):
        if faults:
            raise faults.pop()
        return (ip_address("127.0.0.1"),)

    async with raw_server(body(TEXT)) as server:
        await fetch(server.url(host="data.test"), target, waits, resolver=resolver)
    assert len(waits) == 2


@pytest.mark.case("D5")
async def test_a_name_that_nobody_knows_is_not_asked_for_long(target, waits):
    async def resolver(_host, _port):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(DownloadFailed, match="Name or service not known"):
        await fetch("http://data.test/f", target, waits, 10**6, resolver=resolver)
    assert len(waits) == 2


@pytest.mark.case("D5")
@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "wants a login, 401.*for everybody"),
        (403, "does not give it to us, 403.*for everybody"),
        (404, "has no such file, 404.*publish it again"),
        (410, "gone for good, 410.*publish it again"),
        (418, "answered 418"),
    ],
)
async def test_a_lasting_fault_is_told_at_once_with_what_to_do(target, waits, status, words):
    async with raw_server(body(b"no", status=f"{status} No")) as server:
        with pytest.raises(DownloadFailed, match=words):
            await fetch(server.url(), target, waits)
        assert len(server.heads) == 1
    assert waits == []


@pytest.mark.case("D5")
async def test_gateways_are_asked_again_when_one_may_answer_later(target, waits):
    async with (
        raw_server(body(b"", status="404 No")) as never,
        raw_server(first(2, body(b"", status="504 Slow"))) as slow,
    ):
        await fetch(f"/ipfs/{CONTENT}", target, waits, gateways=(never.url(""), slow.url("")))
        assert len(slow.heads) == 3
        with pytest.raises(DownloadFailed, match="no such file"):
            await fetch(f"/ipfs/{CONTENT}", target, waits, gateways=(never.url(""),))
    assert len(waits) == 2


@pytest.mark.case("D6")
@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("a file.txt", "a%20file.txt"),
        ("été/naïve.csv", "%C3%A9t%C3%A9/na%C3%AFve.csv"),
        ("a%20file.txt", "a%20file.txt"),
        ("100%.txt", "100%25.txt"),
        ("50%zz", "50%25zz"),
        ('say "hi"|<x>', "say%20%22hi%22%7C%3Cx%3E"),
        ("a+b&c=d;e,f@g", "a+b&c=d;e,f@g"),
        ("日本/語", "%E6%97%A5%E6%9C%AC/%E8%AA%9E"),
    ],
)
async def test_a_name_below_an_ipfs_folder_is_encoded(target, waits, name, asked):
    async with raw_server(body(TEXT)) as server:
        await fetch(f"/ipfs/{CONTENT}/{name}", target, waits, gateways=(server.url(""),))
        assert server.heads[0].startswith(f"GET /ipfs/{CONTENT}/{asked} HTTP")


@pytest.mark.case("D6")
@pytest.mark.parametrize(
    ("tail", "words"),
    [
        ("/../other", "leads out"),
        ("/%2e%2E/other", "leads out"),
        ("/a%2Fb", "leads out"),
        ("/a\\b", "leads out"),
        ("/a\nb", "control character"),
        ("/a%00b", "control character"),
        ("/a\ud800b", "control character"),
        ("/what?", "write them as %3F"),
        ("/no#1", "write them as %3F"),
    ],
)
async def test_a_name_that_cannot_be_meant_is_told(target, waits, tail, words):
    with pytest.raises(ForbiddenUri, match=words):
        await fetch(f"/ipfs/{CONTENT}{tail}", target, waits, gateways=("http://127.0.0.1:9",))


@pytest.mark.case("D6")
@pytest.mark.parametrize("uri", ["/ipfs/", "ipfs://short/a b", "/ipfs/a b"])
async def test_an_address_without_content_id_is_told(target, waits, uri):
    with pytest.raises(ForbiddenUri, match="names no IPFS content"):
        await fetch(uri, target, waits, gateways=("http://127.0.0.1:9",))


@pytest.mark.case("D6")
@pytest.mark.parametrize(
    ("path", "asked"),
    [("/a file", "/a%20file"), ("/été", "/%C3%A9t%C3%A9"), ("/a%20b?q=a b", "/a%20b?q=a%20b")],
)
async def test_a_url_and_a_redirect_are_encoded_too(target, waits, path, asked):
    async with raw_server(body(TEXT)) as last, raw_server(redirect(last.url(path))) as start:
        await fetch(last.url(path), target, waits)
        await fetch(start.url(), target, waits)
        assert [head.split()[1] for head in last.heads] == [asked, asked]


@pytest.mark.case("D6")
@given(st.lists(st.text(min_size=1), min_size=1, max_size=4))
def test_whatever_a_folder_holds_is_encoded_or_told(names):
    uri = f"/ipfs/{CONTENT}/" + "/".join(names)
    try:
        path = ipfs_path(uri)
    except ForbiddenUri as fault:
        str(fault).encode()
        return
    assert path.isascii()
    assert path.isprintable()
    assert " " not in path
    assert not {".", ".."} & set(unquote(path).split("/"))
