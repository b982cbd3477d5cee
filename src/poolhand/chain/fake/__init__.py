"""An in-memory PoCo: the contracts' rules, blocks mined by hand, faults on demand.

It passes the suite that the real contracts on Anvil pass (``tests/contract/test_hub_suite.py``).
"""

from __future__ import annotations

from poolhand.chain.fake.chain import FakeChain
from poolhand.chain.fake.sender import FakeSender

__all__ = ["FakeChain", "FakeSender"]
