"""Which hosts a worker's operator lets apps reach, and by what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from poolhand.domain.network_hosts import MOST_ALLOWED_HOSTS, NetworkHost, UnfitHost, read_hosts
from poolhand.domain.sandbox_level import SandboxLevel
from poolhand.settings.load import BadSetting, Option, Settings, size, words


@dataclass(frozen=True, slots=True)
class AppNetworkSettings:
    """What apps may reach where their orders ask for it.

    Attributes:
        hosts: Allowed.
        image: With Python, of the containers by which apps reach them; the engine has it already.
        most: Bytes that one app may send and get so.
    """

    hosts: tuple[NetworkHost, ...] = ()
    image: str = ""
    most: int = 1024**3


def _hosts(text: str) -> tuple[NetworkHost, ...]:
    try:
        return read_hosts(words(text), MOST_ALLOWED_HOSTS)
    except UnfitHost as fault:
        raise ValueError(str(fault)) from fault


APP_NETWORK_OPTIONS: Final[tuple[Option, ...]] = (
    Option("network-hosts", "POOLHAND_NETWORK_HOSTS", _hosts, "",
           "hosts that apps may reach, and nothing else, where their orders ask for them: name or "
           "name:port, separated by commas"),
    Option("network-image", "POOLHAND_NETWORK_IMAGE", str, "",
           "image with python3 that the engine has already, for the containers by which apps "
           "reach those hosts, such as python:3.13-alpine"),
    Option("network-size", "POOLHAND_NETWORK_SIZE", size, "1g",
           "most that one app may send to those hosts and get from them in all"),
)  # fmt: skip


def app_network_of(found: Settings) -> AppNetworkSettings:
    """Return the typed settings.

    Raises:
        BadSetting: Hosts are allowed, and nothing could let an app through to them.
    """
    hosts = found["network-hosts"]
    if not hosts or found["allow-network"]:
        return AppNetworkSettings(hosts, found["network-image"], found["network-size"])
    if found["sandbox"] == SandboxLevel.GVISOR:
        raise BadSetting(
            f"network-hosts ({found.origin('network-hosts')}): an app in gVisor has a loopback "
            "interface of its own and finds no way to hosts on it, so no task with hosts could run "
            "here: set sandbox to runc, or allow no hosts"
        )
    if not found["network-image"]:
        raise BadSetting(
            f"network-hosts ({found.origin('network-hosts')}): apps reach hosts by a container "
            "with Python beside them, and no image for that is named: pull one into the engine, "
            "such as python:3.13-alpine, and name it with network-image"
        )
    return AppNetworkSettings(hosts, found["network-image"], found["network-size"])
