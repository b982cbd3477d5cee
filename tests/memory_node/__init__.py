"""A node in memory: the fake chain's rules behind the JSON-RPC, ABI and transactions of a real one.

What it reads and writes is spelled here from the specification and from nothing of
``poolhand.chain``'s codecs, so that a swapped member there is a difference here.
"""

from __future__ import annotations

from memory_node.link import Hurry, MemoryLink, linked
from memory_node.node import MemoryNode, RpcError
from memory_node.served import Provider, provider

__all__ = ["Hurry", "MemoryLink", "MemoryNode", "Provider", "RpcError", "linked", "provider"]
