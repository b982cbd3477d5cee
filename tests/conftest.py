"""Fixtures that several folders share."""

from __future__ import annotations

from chain_fixtures import anvil, anvil_world, deployed_chain

__all__ = ["anvil", "anvil_world", "deployed_chain"]
