"""Which hosts an app may reach: names and ports, and nothing that could mean another place."""

from __future__ import annotations

import pytest

from poolhand.domain.network_hosts import UnfitHost, missing_hosts, read_host, read_hosts


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("data.example.org", "data.example.org:443"),
        ("DATA.Example.ORG:8443", "data.example.org:8443"),
        ("xn--bcher-kva.example:65535", "xn--bcher-kva.example:65535"),
        ("a.b.c.d.e-f.io:1", "a.b.c.d.e-f.io:1"),
    ],
)
def test_a_host_is_a_name_and_a_port(text, host):
    assert read_host(text) == host
    assert read_host(host) == host


@pytest.mark.parametrize(
    "text",
    [
        "", ":443", "localhost", "10.0.0.1", "10.0.0.1:443", "127.1", "0x7f.0x1", "2130706433",
        "[::1]:443", "::1", "1.2.3.4.example:", "example.org:0", "example.org:65536",
        "example.org:443:443", "example.org:+443", "example.org:４４３", "*.example.org",
        "bücher.example", "\u212a.example", "-a.example", "a-.example", "a..example", ".example", "example.org.",
        "user@example.org", "https://example.org", "example.org/x", "example.org:443\r\nX: y",
        "a b.example", "a" * 64 + ".example", ".".join(["a" * 60] * 5), "example.org:1" + "0" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_name_is_refused_with_how_to_write_one(text):
    with pytest.raises(UnfitHost, match="write"):
        read_host(text)


def test_hosts_are_read_once_each_and_bounded():
    assert read_hosts(["b.example", "a.example:1", "B.example:443"], 2) == (
        "a.example:1",
        "b.example:443",
    )
    with pytest.raises(UnfitHost, match="2 hosts are named: name 1 at most"):
        read_hosts(["b.example", "a.example"], 1)


def test_what_is_asked_and_not_allowed_is_missing():
    asked, allowed = read_hosts(["a.example", "b.example"], 9), read_hosts(["b.example"], 9)
    assert missing_hosts(asked, allowed) == ("a.example:443",)
    assert missing_hosts(allowed, asked) == ()
