"""Hosts that apps may reach: written by name, and never without what lets apps through."""

from __future__ import annotations

import pytest
from test_programs import made

from poolhand.settings.load import BadSetting


def test_no_app_reaches_anything_unless_its_operator_says_so():
    assert made().app_network.hosts == ()


def test_hosts_are_read_as_their_operator_writes_them():
    network = made(
        POOLHAND_NETWORK_HOSTS=" B.example:8443, a.example ,a.example:443",
        POOLHAND_NETWORK_IMAGE="python:3.13-alpine",
        POOLHAND_NETWORK_SIZE="100m",
    ).app_network
    assert network.hosts == ("a.example:443", "b.example:8443")
    assert (network.image, network.most) == ("python:3.13-alpine", 100 * 1024**2)


@pytest.mark.parametrize(
    ("hosts", "image", "words"),
    [
        ("a.example", "", "name it with network-image"),
        ("10.0.0.1", "python", "names no host"),
        ("*.example", "python", "names no host"),
        ("a.example:0", "python", "names no port"),
        (",".join(f"h{n}.example" for n in range(65)), "python", "64 at most"),
    ],
)
def test_what_would_let_nobody_through_or_anybody_is_refused(hosts, image, words):
    with pytest.raises(BadSetting, match=words):
        made(POOLHAND_NETWORK_HOSTS=hosts, POOLHAND_NETWORK_IMAGE=image)


def test_hosts_are_refused_where_apps_are_to_run_in_gvisor():
    wanted = {"POOLHAND_NETWORK_HOSTS": "a.example", "POOLHAND_NETWORK_IMAGE": "python"}
    with pytest.raises(BadSetting, match="set sandbox to runc"):
        made(**wanted, POOLHAND_SANDBOX="gvisor")
    assert made(**wanted, POOLHAND_SANDBOX="auto").app_network.hosts
    made(**wanted, POOLHAND_SANDBOX="gvisor", POOLHAND_ALLOW_NETWORK="true")


def test_whoever_gives_apps_the_whole_network_needs_no_proxy():
    settings = made(POOLHAND_NETWORK_HOSTS="a.example", POOLHAND_ALLOW_NETWORK="true")
    assert settings.app_network.hosts == ("a.example:443",)
