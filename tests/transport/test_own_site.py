"""Whom a request names, and which site's page it comes from: asked on every bind."""

from __future__ import annotations

import pytest
from starlette.requests import HTTPConnection

from poolhand.transport.guards import ForeignHost
from poolhand.transport.own_site import OwnSite

SITE = OwnSite("https://pool.example:8443")


def asking(host, origin=None):
    headers = [(b"host", host.encode())]
    headers += [] if origin is None else [(b"origin", origin.encode())]
    return HTTPConnection({"type": "http", "headers": headers})


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("pool.example:8443", None),
        ("pool.example", "https://pool.example"),
        ("127.0.0.1:13000", "http://127.0.0.1:13000"),
        ("localhost", None),
        ("[::1]:13000", "http://[::1]:13000"),
        ("203.0.113.7:13000", "http://203.0.113.7:13000"),
    ],
)
def test_a_request_that_names_this_service_passes(host, origin):
    SITE.check(asking(host, origin))


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("evil.example", None),
        ("", None),
        ("[", None),
        ("pool.example.evil.example", None),
        ("pool.example", "https://evil.example"),
        ("pool.example", "null"),
        ("203.0.113.7", "https://pool.example"),
        ("127.0.0.1:13000", "http://localhost:13000"),
    ],
)
def test_another_name_or_another_sites_page_is_refused(host, origin):
    with pytest.raises(ForeignHost):
        SITE.check(asking(host, origin))
