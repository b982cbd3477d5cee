"""One program's way to a fake chain, with faults that are its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolhand.chain.fake.hub import FakeHub
from poolhand.chain.fake.sender import FakeSender
from poolhand.chain.fake.watcher import FakeWatcher
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import Address
from poolhand.ports.lead import UNFENCED, Fence
from poolhand.ports.signer import TransactionSigner

if TYPE_CHECKING:
    from poolhand.chain.fake.blocks import FakeBlock
    from poolhand.chain.fake.chain import FakeChain


class Reach:
    """Ports that share their faults: ``hub``, ``watcher`` and whatever ``sender`` makes.

    Attributes:
        chain: What lies at the end of it.
        outage: While True its ports raise ChainUnreachable and its watcher waits; so they do
            during an outage of the whole chain.
        lag: How many blocks behind the newest its reads are; that of the chain, if that is more.
        unreadable: Tasks, addresses and orders of which no endpoint tells; only the
            reads of many things know of them.
    """

    def __init__(self, chain: FakeChain) -> None:
        self.chain, self.outage, self.lag = chain, False, 0
        self.unreadable = set[object]()
        self.hub, self.watcher = FakeHub(self), FakeWatcher(self)

    def sender(
        self,
        wallet: Address | TransactionSigner,
        journal: object = None,
        fence: Fence = UNFENCED,
    ) -> FakeSender:
        """Return a sender for a wallet; see ``FakeChain.sender``."""
        del journal
        address = wallet if isinstance(wallet, Address) else wallet.address
        return FakeSender(self, address, fence)

    @property
    def is_up(self) -> bool:
        """Whether the chain answers."""
        return not (self.outage or self.chain.outage)

    @property
    def seen(self) -> FakeBlock:
        """The block that reads stand at."""
        return self.chain.seen(self.lag)

    def check_up(self) -> None:
        """Raise ChainUnreachable during an outage."""
        self.chain.check_up()
        if self.outage:
            raise ChainUnreachable("this program reaches no RPC endpoint: check its network")
