"""The chain: PoCo's contracts over JSON-RPC, or played in memory (``poolhand.chain.fake``)."""

from __future__ import annotations

from poolhand.chain.connect import Chain, connect

__all__ = ["Chain", "connect"]
