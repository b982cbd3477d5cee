"""Downloads from strangers: what arrives, and above all what does not."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import subprocess
from hashlib import sha256
from ipaddress import ip_address

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raw_server import body, raw_server, redirect, said

from poolhand.transport.address_rule import AddressRule
from poolhand.transport.addresses import is_public
from poolhand.transport.errors import DownloadFailed, DownloadTooLarge, ForbiddenUri
from poolhand.transport.fetcher import FetchRules, SafeFetcher

OPEN = FetchRules(AddressRule(allow_http=True, allow_private=True))
HTTP = FetchRules(AddressRule(allow_http=True))
TEXT = b"It was the best of times"
LIMIT = 1000


@pytest.fixture
def target(tmp_path):
    folder = tmp_path / "input"
    folder.mkdir()
    return folder / "data"


async def at_once(_seconds):
    """Let no time pass between two tries."""


async def fetch(uri, target, rules=OPEN, *, limit=LIMIT, timeout=10, **parts):
    fetcher = SafeFetcher(rules, **{"pause": at_once, **parts})
    return await fetcher.fetch(uri, str(target), limit, timeout)


def nothing_left(target):
    return list(target.parent.iterdir()) == []


def resolver(*answers):
    """Resolve every name to the next of ``answers``; the last one repeats."""
    queue, asked = list(answers), []

    async def resolve(host, _port):
        asked.append(host)
        found = queue.pop(0) if len(queue) > 1 else queue[0]
        return tuple(ip_address(each) for each in found)

    resolve.asked = asked
    return resolve


# What arrives


async def test_a_file_is_stored_whole_and_its_sha256_returned(target):
    async with raw_server(body(TEXT)) as server:
        digest = await fetch(server.url(), target)
    assert digest == sha256(TEXT).hexdigest()
    assert target.read_bytes() == TEXT
    assert target.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in target.parent.iterdir()] == ["data"]


async def test_a_body_without_a_length_is_stored(target):
    async with raw_server(said(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + TEXT)) as server:
        await fetch(server.url(), target)
    assert target.read_bytes() == TEXT


async def test_a_second_download_replaces_the_first(target):
    target.write_bytes(b"old")
    async with raw_server(body(TEXT)) as server:
        await fetch(server.url(), target)
    assert target.read_bytes() == TEXT


async def test_a_failed_download_leaves_the_first_alone(target):
    target.write_bytes(b"old")
    async with raw_server(body(bytes(LIMIT + 1))) as server:
        with pytest.raises(DownloadTooLarge):
            await fetch(server.url(), target)
    assert target.read_bytes() == b"old"


async def test_a_redirect_is_followed(target):
    async with raw_server(body(TEXT)) as last, raw_server(redirect(last.url("/g"))) as first:
        await fetch(first.url(), target)
    assert target.read_bytes() == TEXT


async def test_nothing_of_ours_is_sent_along(target, monkeypatch, tmp_path):
    secret = tmp_path / "netrc"
    secret.write_text("machine 127.0.0.1 login me password hunter2")
    monkeypatch.setenv("NETRC", str(secret))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with raw_server(body(TEXT, headers="Set-Cookie: a=b\r\n")) as server:
        await fetch(server.url(), target)
    names = {line.partition(":")[0].lower() for line in server.heads[0].splitlines()[1:] if line}
    assert names == {"host", "accept", "accept-encoding", "connection", "user-agent"}
    assert "accept-encoding: identity" in server.heads[0].lower()


async def test_a_compressed_body_stays_as_it_is(target):
    bomb = gzip.compress(bytes(10**7))
    async with raw_server(body(bomb, headers="Content-Encoding: gzip\r\n")) as server:
        await fetch(server.url(), target, limit=len(bomb))
    assert target.read_bytes() == bomb


# Sizes and times


@pytest.mark.parametrize("claimed", [10**12, LIMIT + 1])
async def test_a_length_over_the_limit_is_refused_before_the_body(target, claimed):
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {claimed}\r\n\r\n".encode()
    async with raw_server(said(head)) as server:
        with pytest.raises(DownloadTooLarge):
            await fetch(server.url(), target)
    assert nothing_left(target)


async def test_an_endless_body_is_cut_at_the_limit(target):
    sent = 0

    async def endless(writer, _head):
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while True:
            writer.write(bytes(65536))
            sent += 65536
            await writer.drain()

    async with raw_server(endless) as server:
        with pytest.raises(DownloadTooLarge):
            await fetch(server.url(), target, limit=10**6)
    assert sent < 50 * 10**6
    assert nothing_left(target)


async def test_a_file_of_exactly_the_limit_is_taken(target):
    async with raw_server(body(bytes(LIMIT))) as server:
        await fetch(server.url(), target)
    assert target.stat().st_size == LIMIT


@pytest.mark.parametrize(
    "before", [b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", b"HTTP/1.1 2"]
)
async def test_a_slow_drip_is_cut_off_in_time(target, before):
    async def drip(writer, _head):
        writer.write(before)
        while True:
            writer.write(b"0")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with raw_server(drip) as server:
        with pytest.raises(DownloadFailed, match=r"not complete after 0\.3 s"):
            await fetch(server.url(), target, timeout=0.3)
    assert nothing_left(target)


async def test_a_body_shorter_than_its_length_fails(target):
    async with raw_server(said(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort")) as server:
        with pytest.raises(DownloadFailed):
            await fetch(server.url(), target)
    assert nothing_left(target)


@pytest.mark.parametrize(
    "answer",
    [
        body(b"gone", status="404 Not Found"),
        body(b"part", status="206 Partial Content"),
        body(b""),
        said(b""),
        said(b"SSH-2.0-OpenSSH_9.2\r\n"),
        said(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 10**6),
        redirect("/f"),
        redirect("http://[bad"),
        said(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"),
    ],
    ids=["404", "206", "empty", "hang-up", "not http", "endless head", "loop", "bad location",
         "no location"],
)  # fmt: skip
async def test_what_is_no_file_fails(target, answer):
    async with raw_server(answer) as server:
        with pytest.raises((DownloadFailed, ForbiddenUri)):
            await fetch(server.url(), target)
    assert nothing_left(target)


async def test_a_server_that_is_away_fails(target):
    with pytest.raises(DownloadFailed):
        await fetch("http://127.0.0.1:9/f", target)


# Addresses


@pytest.mark.parametrize(
    "uri",
    [
        "file:///proc/self/environ",
        "file://localhost/etc/passwd",
        "FILE:/etc/passwd",
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[fe80::1]/",
        "http://[fd00:ec2::254]/",
        "http://2130706433/",
        "http://0177.0.0.1/",
        "http://0x7f.1/",
        "http://127.1/",
        "http://0/",
        "http://0.0.0.0/",
        "http://10.1.2.3/",
        "http://172.16.0.1/",
        "http://192.168.1.1/",
        "http://100.64.0.1/",
        "http://100.100.100.200/",
        "http://168.63.129.16/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://localhost/",
        "http://user:password@192.0.2.1/",
        "ftp://192.0.2.1/f",
        "jar:file:///etc/passwd!/x",
        "data:text/plain,hello",
        "gopher://127.0.0.1/x",
        "//127.0.0.1/x",
        "/etc/passwd",
        "",
        "https://",
        "http://127.0.0.1:99999/",
        "ipfs://QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG/../../admin",
    ],
)
async def test_places_on_our_side_of_the_wall_are_forbidden(target, uri):
    with pytest.raises(ForbiddenUri):
        await fetch(uri, target, HTTP)
    assert nothing_left(target)


@pytest.mark.case("A1")
@pytest.mark.parametrize(
    "host",
    ["xn--", "xn--a", "xn--zzzzzzzzz9a", "a" * 64 + ".example", "\u202e.example", ".", "é" * 70],
)
async def test_a_host_name_that_nobody_may_have_is_no_way_to_end_a_program(target, host):
    with pytest.raises((ForbiddenUri, DownloadFailed)):
        await fetch(f"https://{host}/x", target, resolver=resolver([]))
    assert nothing_left(target)


@pytest.mark.case("A1")
@pytest.mark.parametrize("place", ["https://xn--/x", "//xn--a/", "https://[/", "https://a:b/"])
async def test_nor_is_a_redirect_to_one(target, place):
    async with raw_server(redirect(place)) as server:
        with pytest.raises((ForbiddenUri, DownloadFailed)):
            await fetch(server.url(), target)
    assert nothing_left(target)


URI_PIECES = ["https://", "http://", "file:", "/ipfs/", "Qm" + "a" * 44, "xn--", "\ud800", "\0", ".",
              "..", "[", "]", "@", ":", "99999", "%", "%00", "é", "/", "//", "?", "#", " ", "\\"]  # fmt: skip


@pytest.mark.case("A1")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(URI_PIECES), max_size=6).map("".join))
def test_any_text_is_fetched_or_refused_and_nothing_else(target, uri):
    with pytest.raises((ForbiddenUri, DownloadFailed)):
        asyncio.run(fetch(uri, target, FetchRules(), resolver=resolver([])))


async def test_plain_http_is_forbidden_unless_allowed(target):
    with pytest.raises(ForbiddenUri, match="plain http"):
        await fetch("http://192.0.2.1/f", target, FetchRules())


async def test_a_name_that_leads_to_a_private_address_is_forbidden(target):
    names = resolver(["93.184.216.34", "10.0.0.7"])
    with pytest.raises(ForbiddenUri, match=r"10\.0\.0\.7"):
        await fetch("https://data.example/f", target, FetchRules(), resolver=names)


async def test_a_redirect_into_the_wall_is_forbidden(target):
    """The first server passes for public: its gateway is the operator's own."""
    async with raw_server(body(TEXT)) as inner, raw_server(redirect(inner.url())) as gateway:
        rules = FetchRules(AddressRule(allow_http=True), ipfs_gateways=(gateway.url(""),))
        with pytest.raises(ForbiddenUri, match=r"127\.0\.0\.1"):
            await fetch("ipfs://QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG", target, rules)
    assert inner.heads == []
    assert nothing_left(target)


async def test_a_redirect_to_a_file_is_forbidden(target):
    async with raw_server(redirect("file:///etc/passwd")) as server:
        with pytest.raises(ForbiddenUri):
            await fetch(server.url(), target)


async def test_a_name_is_resolved_once_and_that_address_is_used(target):
    names = resolver(["127.0.0.1"], ["192.0.2.1"])
    async with raw_server(body(TEXT)) as server:
        await fetch(server.url(host="data.example"), target, resolver=names)
    assert names.asked == ["data.example"]
    assert f"Host: data.example:{server.port}" in server.heads[0]


async def test_the_next_address_is_tried_when_one_is_dead(target):
    names = resolver(["127.0.0.2", "127.0.0.1"])
    async with raw_server(body(TEXT), host="127.0.0.1") as server:
        await fetch(server.url(host="data.example"), target, resolver=names)
    assert target.read_bytes() == TEXT


@pytest.mark.parametrize("text", ["8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808"])
def test_the_internet_is_public(text):
    assert is_public(ip_address(text))


@given(st.ip_addresses(v=4).filter(lambda a: not is_public(a)))
def test_an_ipv6_cloak_does_not_make_an_address_public(address):
    for cloak in (f"::ffff:{address}", f"64:ff9b::{address}"):
        assert not is_public(ip_address(cloak))
    assert not is_public(ip_address(b"\x20\x02" + address.packed + bytes(10)))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture],
          deadline=None)  # fmt: skip
@given(
    uri=st.text(max_size=60)
    | st.builds(
        "{}{}{}".format,
        st.sampled_from(["http://", "https://", "ipfs://", "/ipfs/", "file:", "file://"]),
        st.text(max_size=40),
        st.sampled_from(["", "/x", "?q", "@", "\0"]),
    )
)
def test_no_uri_does_worse_than_a_refusal(uri, tmp_path):
    async def nowhere(_host, _port):
        raise OSError("no such name")

    fetcher = SafeFetcher(FetchRules(AddressRule(allow_http=True)), nowhere)
    with pytest.raises((ForbiddenUri, DownloadFailed)) as caught:
        asyncio.run(fetcher.fetch(uri, str(tmp_path / "x"), LIMIT, 5))
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for data.example, signed by itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=data.example",
         "-addext", "subjectAltName=DNS:data.example", "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


async def test_tls_is_checked_against_the_name_not_the_address(target, certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    trust = ssl.create_default_context(cafile=certificate[0])
    here, rules = resolver(["127.0.0.1"]), FetchRules(AddressRule(allow_private=True))
    async with raw_server(body(TEXT), tls=context) as server:
        good, bad = (server.url(host=h, scheme="https") for h in ("data.example", "other.example"))
        await fetch(good, target, rules, resolver=here, trust=trust)
        assert target.read_bytes() == TEXT
        with pytest.raises(DownloadFailed, match="CERTIFICATE_VERIFY_FAILED"):
            await fetch(bad, target, rules, resolver=here, trust=trust)
        with pytest.raises(DownloadFailed, match="CERTIFICATE_VERIFY_FAILED"):
            await fetch(good, target, rules, resolver=here)


# IPFS and files

CONTENT = "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG"


@pytest.mark.parametrize("uri", [f"/ipfs/{CONTENT}", f"ipfs://{CONTENT}", f"/ipfs/{CONTENT}/a/b"])
async def test_ipfs_gateways_are_tried_in_order(target, uri):
    async with raw_server(body(b"no", status="504 No")) as bad, raw_server(body(TEXT)) as good:
        gateways = ("http://127.0.0.1:9", bad.url("/"), good.url(""))
        await fetch(uri, target, FetchRules(ipfs_gateways=gateways))
    assert target.read_bytes() == TEXT
    assert bad.heads[0].startswith(f"GET /ipfs/{CONTENT}")
    assert len(good.heads) == 1


async def test_a_silent_gateway_leaves_time_for_the_next(target):
    silence = asyncio.Event()

    async def never(_writer, _head):
        await silence.wait()

    async with raw_server(never) as bad, raw_server(body(TEXT)) as good:
        rules = FetchRules(ipfs_gateways=(bad.url(""), good.url("")))
        await fetch(f"/ipfs/{CONTENT}", target, rules, timeout=1)
    assert target.read_bytes() == TEXT


@pytest.mark.parametrize("gateways", [(), ("http://127.0.0.1:9",)])
async def test_ipfs_without_a_working_gateway_fails(target, gateways):
    with pytest.raises(DownloadFailed, match=r"gateway|9"):
        await fetch(f"/ipfs/{CONTENT}", target, FetchRules(ipfs_gateways=gateways))


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "allowed"
    made.mkdir()
    (made / "a file").write_bytes(TEXT)
    (made / "way out").symlink_to("/etc/passwd")
    return made


async def test_a_file_below_an_allowed_folder_is_copied(target, folder):
    rules = FetchRules(allow_files=(folder,))
    digest = await fetch(f"file://{folder}/a%20file", target, rules)
    assert (digest, target.read_bytes()) == (sha256(TEXT).hexdigest(), TEXT)


async def test_a_file_is_bounded_too(target, folder):
    rules = FetchRules(allow_files=(folder,))
    with pytest.raises(DownloadTooLarge):
        await fetch(f"file://{folder}/a%20file", target, rules, limit=len(TEXT) - 1)
    assert nothing_left(target)


@pytest.mark.parametrize(
    "tail", ["/way%20out", "/../outside", "/%2e%2e/outside", "", "-sibling/x", "/a%20file%00"]
)
async def test_no_way_leads_out_of_an_allowed_folder(target, folder, tail):
    (folder.parent / "outside").write_bytes(TEXT)
    (folder.parent / "allowed-sibling").mkdir()
    (folder.parent / "allowed-sibling" / "x").write_bytes(TEXT)
    with pytest.raises(ForbiddenUri):
        await fetch(f"file://{folder}{tail}", target, FetchRules(allow_files=(folder,)))
