"""Where a download may go: addresses in every spelling, names, redirects, certificates."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from ipaddress import ip_address

import pytest
from downloads import LIMIT, TEXT, nothing_left, over_web, resolver
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raw_server import body, raw_server, redirect

from many import examples
from poolhand.transport.address_rule import AddressRule
from poolhand.transport.addresses import is_public
from poolhand.transport.downloading import FetchRules
from poolhand.transport.errors import DownloadFailed, ForbiddenUri

HTTP = FetchRules(AddressRule(allow_http=True))


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
async def test_places_on_our_side_of_the_wall_are_forbidden(fetch, target, uri):
    with pytest.raises(ForbiddenUri):
        await fetch(uri, target, HTTP)
    assert nothing_left(target)


@pytest.mark.case("A1")
@pytest.mark.parametrize(
    "host",
    ["xn--", "xn--a", "xn--zzzzzzzzz9a", "a" * 64 + ".example", "\u202e.example", ".", "é" * 70],
)
async def test_a_host_name_that_nobody_may_have_is_no_way_to_end_a_program(fetch, target, host):
    with pytest.raises((ForbiddenUri, DownloadFailed)):
        await fetch(f"https://{host}/x", target, resolver=resolver([]))
    assert nothing_left(target)


@pytest.mark.case("A1")
@pytest.mark.parametrize("place", ["https://xn--/x", "//xn--a/", "https://[/", "https://a:b/"])
async def test_nor_is_a_redirect_to_one(fetch, target, place):
    async with raw_server(redirect(place)) as server:
        with pytest.raises((ForbiddenUri, DownloadFailed)):
            await fetch(server.url(), target)
    assert nothing_left(target)


URI_PIECES = ["https://", "http://", "file:", "/ipfs/", "Qm" + "a" * 44, "xn--", "\ud800", "\0", ".",
              "..", "[", "]", "@", ":", "99999", "%", "%00", "é", "/", "//", "?", "#", " ", "\\"]  # fmt: skip


@pytest.mark.case("A1")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(URI_PIECES), max_size=6).map("".join))
def test_any_text_is_fetched_or_refused_and_nothing_else(fetch, target, uri):
    with pytest.raises((ForbiddenUri, DownloadFailed)):
        asyncio.run(fetch(uri, target, FetchRules(), resolver=resolver([])))


async def test_plain_http_is_forbidden_unless_allowed(fetch, target):
    with pytest.raises(ForbiddenUri, match="plain http"):
        await fetch("http://192.0.2.1/f", target, FetchRules())


async def test_a_name_that_leads_to_a_private_address_is_forbidden(fetch, target):
    names = resolver(["93.184.216.34", "10.0.0.7"])
    with pytest.raises(ForbiddenUri, match=r"10\.0\.0\.7"):
        await fetch("https://data.example/f", target, FetchRules(), resolver=names)


async def test_a_redirect_into_the_wall_is_forbidden(fetch, target):
    """The first server passes for public: its gateway is the operator's own."""
    async with raw_server(body(TEXT)) as inner, raw_server(redirect(inner.url())) as gateway:
        rules = FetchRules(AddressRule(allow_http=True), ipfs_gateways=(gateway.url(""),))
        with pytest.raises(ForbiddenUri, match=r"127\.0\.0\.1"):
            await fetch("ipfs://QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG", target, rules)
    assert inner.heads == []
    assert nothing_left(target)


async def test_a_redirect_to_a_file_is_forbidden(fetch, target):
    async with raw_server(redirect("file:///etc/passwd")) as server:
        with pytest.raises(ForbiddenUri):
            await fetch(server.url(), target)


async def test_a_name_is_resolved_once_and_that_address_is_used(fetch, target):
    names = resolver(["127.0.0.1"], ["192.0.2.1"])
    async with raw_server(body(TEXT)) as server:
        await fetch(server.url(host="data.example"), target, resolver=names)
    assert names.asked == ["data.example"]
    assert f"Host: data.example:{server.port}" in server.heads[0]


async def test_the_next_address_is_tried_when_one_is_dead(fetch, target):
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


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture],
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

    fetcher = over_web(HTTP, resolver=nowhere)
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


async def test_tls_is_checked_against_the_name_not_the_address(fetch, target, certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    here, rules = resolver(["127.0.0.1"]), FetchRules(AddressRule(allow_private=True))
    async with raw_server(body(TEXT), tls=context) as server:
        good, bad = (server.url(host=h, scheme="https") for h in ("data.example", "other.example"))
        await fetch(good, target, rules, resolver=here, trust=certificate[0])
        assert target.read_bytes() == TEXT
        with pytest.raises(DownloadFailed, match="CERTIFICATE_VERIFY_FAILED"):
            await fetch(bad, target, rules, resolver=here, trust=certificate[0])
        with pytest.raises(DownloadFailed, match="CERTIFICATE_VERIFY_FAILED"):
            await fetch(good, target, rules, resolver=here)
