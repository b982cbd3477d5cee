"""One rule for every address that a stranger names (A8, A9)."""

from __future__ import annotations

from ipaddress import ip_address

import httpx
import pytest
from raw_server import body, raw_server

from poolhand.domain.ids import DealId, TaskId
from poolhand.domain.replicate.machine import Flow, Offer
from poolhand.keys.wallet import Wallet
from poolhand.ports.files import UploadRefused
from poolhand.transport.address_rule import (
    OPEN_RULE,
    AddressRule,
    CheckedTransport,
    ForbiddenAddress,
    check_image_registry,
    rule_for,
)
from poolhand.transport.clock import ManualClock
from poolhand.transport.results_client import HttpResults, ResultsDown
from poolhand.wire.handshake import PoolFacts

STRICT = AddressRule()


def at(*addresses):
    """Return a resolver for which every name is there, and a list of what it was asked."""
    asked = []

    async def resolve(host, port):
        asked.append((host, port))
        if not addresses:
            raise OSError("unknown name")
        return tuple(map(ip_address, addresses))

    resolve.asked = asked
    return resolve


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://results.example/v1", "plain http"),
        ("ftp://results.example/", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("https://user:word@results.example/", "password"),
        ("https:///v1", "no host"),
        ("https://[::1", "no URL"),
        ("http://127.0.0.1:1", "plain http"),
    ],
)
def test_only_https_to_a_host_is_gone_to(url, why):
    with pytest.raises(ForbiddenAddress, match=why):
        STRICT.place(url)


@pytest.mark.case("A8", "A9")
@pytest.mark.parametrize("port", ["0", "65536", "67911", "9" * 40])
async def test_a_port_that_nobody_has_is_forbidden_in_words(port):
    with pytest.raises(ForbiddenAddress, match="has no port"):
        await check_image_registry(f"r.example:{port}", STRICT, frozenset(), at("1.1.1.1"))
    with pytest.raises(ForbiddenAddress, match="has no port"):
        async with httpx.AsyncClient(transport=CheckedTransport(STRICT, at("1.1.1.1"))) as client:
            await client.get(f"https://r.example:{port}/")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "192.168.0.1",
        "::1",
        "fd00::1",
        "::ffff:10.0.0.1",
        "192.0.0.192",
        "fec0::1",
        "3fff::1",
        "64:ff9b:1::1",
    ],
)
async def test_a_name_at_a_closed_address_is_forbidden_and_allowed_by_name(address):
    with pytest.raises(ForbiddenAddress, match="not a public address"):
        await STRICT.addresses("results.example", 443, at("1.1.1.1", address))
    for hosts in ("results.example", "results.example:443"):
        named = rule_for(allow_private=False, hosts=(hosts.upper(),))
        assert await named.addresses("results.example", 443, at(address))
        with pytest.raises(ForbiddenAddress):
            await named.addresses("other.example", 443, at(address))
    port_alone = rule_for(allow_private=False, hosts=("results.example:443",))
    with pytest.raises(ForbiddenAddress):
        await port_alone.addresses("results.example", 8443, at(address))
    assert await OPEN_RULE.addresses("results.example", 443, at(address))


async def test_a_name_without_an_address_is_no_refusal():
    async def nowhere(_host, _port):
        return ()

    with pytest.raises(OSError, match="no address"):
        await STRICT.addresses("results.example", 443, nowhere)


@pytest.mark.case("A9")
async def test_a_request_goes_to_the_checked_address_under_the_name_that_was_asked_for():
    async with raw_server(body(b"ok")) as server:
        named = rule_for(allow_private=False, hosts=(f"results.example:{server.port}",))
        resolver = at("127.0.0.9", "127.0.0.1")
        transport = CheckedTransport(named, resolver)
        async with httpx.AsyncClient(transport=transport) as http:
            answer = await http.put(server.url(host="results.example"), content=b"archive")
        assert answer.text == "ok"
        assert f"host: results.example:{server.port}" in server.heads[0].lower()
        assert resolver.asked == [("results.example", server.port)]


@pytest.mark.case("A9")
async def test_a_request_to_a_closed_address_is_not_even_sent():
    async with raw_server(body(b"ok")) as server:
        async with httpx.AsyncClient(transport=CheckedTransport(STRICT)) as http:
            for url in (server.url(), server.url(scheme="https"), server.url(host="localhost")):
                with pytest.raises(ForbiddenAddress):
                    await http.put(url, content=b"archive")
        assert server.heads == []


@pytest.mark.case("A9")
async def test_an_upload_to_a_private_place_is_refused_and_not_sent(tmp_path):
    archive = tmp_path / "archive.zip"
    archive.write_bytes(b"archive")
    wallet = Wallet.from_key(bytes([2] * 32))
    offer = Offer(TaskId(bytes(32)), DealId(bytes(32)), 0, Flow.STANDARD, bytes(65))
    async with raw_server(body(b"{}")) as server:
        facts = PoolFacts(1, wallet.address, wallet.address, "http://pool.example")
        url = f"http://127.0.0.1:{server.port}"
        client = HttpResults(url, wallet, facts, ManualClock(), STRICT)
        with pytest.raises(UploadRefused, match="plain http is not allowed"):
            await client.upload(offer, str(archive))
        assert server.heads == []
        named = HttpResults(
            url, wallet, facts, ManualClock(), rule_for(allow_private=False, hosts=("127.0.0.1",))
        )
        with pytest.raises(ResultsDown, match="no result link"):
            await named.upload(offer, str(archive))
        assert len(server.heads) == 1


async def test_an_unknown_name_is_a_connection_that_fails():
    async with httpx.AsyncClient(transport=CheckedTransport(STRICT, at())) as http:
        with pytest.raises(httpx.ConnectError, match="unknown name"):
            await http.get("https://results.example/")


@pytest.mark.case("A8")
@pytest.mark.parametrize(
    "registry",
    ["127.0.0.1:39555", "localhost:5000", "10.0.0.1", "[::1]:5000", "169.254.169.254:80"],
)
async def test_no_engine_is_sent_to_a_closed_address(registry):
    with pytest.raises(ForbiddenAddress, match="not a public address"):
        await check_image_registry(registry, STRICT, frozenset(), at("127.0.0.1"))
    named = rule_for(allow_private=False, hosts=(registry,))
    await check_image_registry(registry, named, frozenset(), at("127.0.0.1"))


@pytest.mark.case("A8")
async def test_an_operators_list_of_registries_is_the_only_ones():
    allowed = frozenset({"docker.io", "registry.lan:5000"})
    await check_image_registry("docker.io", STRICT, allowed, at())
    await check_image_registry("Registry.lan:5000", STRICT, allowed, at("10.0.0.1"))
    for other in ("ghcr.io", "registry.lan", "registry.lan:5001"):
        with pytest.raises(ForbiddenAddress, match="not among the registries"):
            await check_image_registry(other, STRICT, allowed, at("1.1.1.1"))
    with pytest.raises(ForbiddenAddress, match="not among"):
        await check_image_registry("docker.io", STRICT, frozenset({"ghcr.io"}), at())


async def test_a_public_registry_is_fine_and_the_usual_one_is_not_looked_up():
    resolver = at("1.1.1.1")
    for registry in ("docker.io", "ghcr.io", "registry.example:5000"):
        await check_image_registry(registry, STRICT, frozenset(), resolver)
    assert resolver.asked == [("ghcr.io", 443), ("registry.example", 5000)]
