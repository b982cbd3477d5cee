"""Ways for apps to the hosts that their orders ask for and their operators allow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol


@dataclass(slots=True)
class TunnelReport:
    """What became of one connection.

    Attributes:
        host: ``name:port`` as the app asked; empty where it asked for none.
        address: Where the connection went; empty: nowhere.
        up, down: Bytes from the app, and to it.
        why: Why it was refused or cut; empty: one of both ends has ended it.
    """

    host: str = ""
    address: str = ""
    up: int = 0
    down: int = 0
    why: str = ""

    def sent(self, size: int) -> None:
        """Count bytes from the app."""
        self.up += size

    def got(self, size: int) -> None:
        """Count bytes to it."""
        self.down += size


class Tunnels(Protocol):
    """Serves connections of apps, each from its first byte to its last."""

    async def let_through(
        self, descriptor: int, app: int, hosts: tuple[str, ...], left: int
    ) -> TunnelReport:
        """Let an app through to one of some hosts, or tell it why not; cut where cancelled.

        Args:
            descriptor: Of its connection; it stays open here.
            app: Names it: its connections share what they may carry.
            hosts: Where it may go, ``name:port`` each.
            left: Bytes that it may still send and get.
        """


class NoTunnels:
    """Implements ``Tunnels`` where nothing is let through."""

    async def let_through(
        self,
        descriptor: int,  # noqa: ARG002 - the port's
        app: int,  # noqa: ARG002
        hosts: tuple[str, ...],  # noqa: ARG002
        left: int,  # noqa: ARG002
    ) -> TunnelReport:
        """Refuse."""
        return TunnelReport(why="nothing is let through here")


NO_TUNNELS: Final = NoTunnels()
