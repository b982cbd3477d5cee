"""Workers over fakes, without logs."""

from network.conftest import network, quiet

__all__ = ["network", "quiet"]
