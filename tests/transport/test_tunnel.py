"""What an app reaches: the hosts of its list, at the addresses that were judged, and no more."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address

import pytest

from poolhand.transport.address_rule import AddressRule
from poolhand.transport.tunnel import LONGEST_TUNNEL_HEAD, ByteBudget, Tunnel

PLENTY = 10**9
ANYWHERE = AddressRule(allow_private=True)
PUBLIC = AddressRule()


class There:
    """A host that echoes, at an address that a resolver tells; counts who came."""

    def __init__(self):
        self.came, self.asked, self.found = 0, [], ["127.0.0.1"]
        self.port = 0

    async def resolve(self, host, port):
        self.asked.append((host, port))
        return tuple(ip_address(each) for each in self.found)

    async def echo(self, reader, writer):
        self.came += 1
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    @property
    def host(self):
        return f"there.example:{self.port}"


@pytest.fixture
async def there():
    made = There()
    server = await asyncio.start_server(made.echo, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


@asynccontextmanager
async def app(there, rule=ANYWHERE, left=PLENTY, **bounds):
    """An app's connection to a tunnel; yields its two ends and what will be reported."""
    reports = asyncio.get_running_loop().create_future()
    budget = left if isinstance(left, ByteBudget) else ByteBudget(left)

    async def serve(reader, writer):
        tunnel = Tunnel(reader, writer, {there.host}, rule, there.resolve, budget, **bounds)
        reports.set_result(await tunnel.serve())

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    yield reader, writer, reports
    writer.close()
    server.close()


async def said(there, words, **how):
    """Say something as an app; returns what it is told, and what is reported."""
    async with app(there, **how) as (reader, writer, reports), asyncio.timeout(30):
        writer.write(words)
        told = await reader.read()
        return told, await reports


def connect(host, more=""):
    return f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode()


async def test_bytes_pass_both_ways_and_are_counted(there):
    async with app(there) as (reader, writer, reports), asyncio.timeout(30):
        writer.write(connect(there.host) + b"first ")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        writer.write(b"second")
        writer.write_eof()
        assert await reader.read() == b"first second"
        report = await reports
    assert (report.host, report.address, report.up, report.down) == (
        there.host,
        "127.0.0.1",
        12,
        12,
    )
    assert (report.why, there.asked) == ("", [("there.example", there.port)])


@pytest.mark.parametrize(
    "host",
    ["other.example:443", "there.example:25", "there.example", "127.0.0.1:{port}", "127.1:{port}",
     "[::1]:{port}", "169.254.169.254:80", "localhost:{port}", "2130706433:{port}",
     "there.example.:{port}", "x@there.example:{port}", "there.example:{port}:1", "*:*", "there.example:0{port}"],
)  # fmt: skip
async def test_no_other_place_is_looked_up_or_reached(there, host):
    told, report = await said(there, connect(host.format(port=there.port)))
    assert told.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert (there.asked, there.came, report.address) == ([], 0, "")
    assert report.why


@pytest.mark.parametrize(
    "found",
    [["127.0.0.1"], ["10.0.0.1"], ["169.254.169.254"], ["::1"], ["fd00::1"], ["100.64.0.1"],
     ["::ffff:127.0.0.1"], ["168.63.129.16"], ["93.184.216.34", "127.0.0.1"]],
)  # fmt: skip
async def test_a_name_that_leads_into_our_side_of_a_wall_is_not_followed(there, found):
    there.found = found
    told, report = await said(there, connect(there.host), rule=PUBLIC)
    assert told.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert "not a public address" in report.why
    assert there.came == 0


async def test_a_name_is_looked_up_once_so_no_second_answer_leads_elsewhere(there):
    """The connection goes to the judged address: here nothing takes one, and none is asked anew."""
    there.found = ["203.0.113.1"]
    answers = iter([("127.0.0.2",), ("127.0.0.1",)])

    async def rebinding(host, port):
        there.asked.append(host)
        return tuple(map(ip_address, next(answers)))

    there.resolve = rebinding
    told, _ = await said(there, connect(there.host))
    assert told.startswith(b"HTTP/1.1 504 Gateway Timeout\r\n")
    assert (len(there.asked), there.came) == (1, 0)


async def test_the_next_address_is_tried_where_one_takes_no_connection(there):
    there.found = ["127.0.0.2", "127.0.0.1"]
    async with app(there) as (reader, writer, reports), asyncio.timeout(30):
        writer.write(connect(there.host))
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
        assert (await reports).address == "127.0.0.1"


async def test_a_name_that_nobody_knows_is_told(there):
    async def unknown(host, port):
        raise OSError("unknown name")

    there.resolve = unknown
    told, report = await said(there, connect(there.host))
    assert told.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert "unknown name" in report.why


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (b"GET http://there.example/ HTTP/1.1\r\nHost: there.example\r\n\r\n", 405),
        (b"POST http://there.example/ HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", 405),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
        (b"\x05\x01\x00\r\n\r\n", 400),
        (connect("there.example:443 x"), 400),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", 400),
        (b"CONNECT " + b"a" * 2 * LONGEST_TUNNEL_HEAD, 400),
        (connect("a:1", "X: " + "y" * 2 * LONGEST_TUNNEL_HEAD + "\r\n"), 400),
        (connect("a:1", "X: y\r\n" * LONGEST_TUNNEL_HEAD), 400),
    ],
)  # fmt: skip
async def test_what_is_no_request_to_connect_is_refused(there, words, status):
    told, report = await said(there, words)
    assert told.startswith(b"HTTP/1.1 %d " % status)
    assert (there.asked, report.address) == ([], "")


async def test_who_speaks_slowly_is_cut_off(there):
    async with app(there, request=0.3) as (reader, writer, reports), asyncio.timeout(30):
        while not reports.done():
            writer.write(b"C")
            await asyncio.sleep(0.01)
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
        assert "no request in 0.3 s" in (await reports).why


async def test_who_says_nothing_for_long_is_cut_off(there):
    async with app(there, silence=0.3) as (reader, writer, reports), asyncio.timeout(30):
        writer.write(connect(there.host))
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.read() == b""
        assert (await reports).why == "no byte for 0.3 s"


async def test_all_connections_of_an_app_share_its_bytes(there):
    budget, whys = ByteBudget(1000), []
    for size in (200, 299, 2):
        async with app(there, left=budget) as (reader, writer, reports), asyncio.timeout(30):
            writer.write(connect(there.host))
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"x" * size)
            writer.write_eof()
            await reader.read()
            whys.append((await reports).why)
    assert whys[:2] == ["", ""]
    assert "used up" in whys[2]


async def test_an_app_that_leaves_leaves_nothing(there):
    async with app(there) as (_, writer, reports), asyncio.timeout(30):
        writer.close()
        report = await reports
    assert replace(report, why="") == replace(report, host="", address="", up=0, down=0, why="")
