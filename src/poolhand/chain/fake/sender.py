"""The fake chain's transactions: repeat-safe by purpose, like the real sender's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from poolhand.chain.gas import out_of_gas
from poolhand.domain.gas_reserve import Means
from poolhand.domain.ids import Address, TxHash
from poolhand.domain.onchain import Call, Receipt
from poolhand.domain.units import Wei
from poolhand.ports.chain import FollowUp
from poolhand.ports.lead import UNFENCED, Fence

if TYPE_CHECKING:
    from poolhand.chain.fake.blocks import MinedCall, Sent
    from poolhand.chain.fake.reach import Reach


class FakeSender:
    """Implements ``ports.chain.PostingSender`` for one wallet of a ``FakeChain``.

    What a wallet has sent is remembered by the chain object, which outlives the program.
    """

    def __init__(self, reach: Reach, address: Address, fence: Fence = UNFENCED) -> None:
        self._reach, self._chain, self._address = reach, reach.chain, address
        self._fence = fence

    @property
    def address(self) -> Address:
        """The wallet."""
        return self._address

    async def means(self) -> Means:
        """Return coin and the price of gas; without a cap that is all that is ever offered."""
        self._reach.check_up()
        price, cap = self._chain.gas_price, self._chain.gas_cap
        most = price if cap is None else cap
        coin = self._reach.seen.state.coin_of(self._address)
        return Means(coin, min(price, most), most, price)

    async def send(self, purpose: str, call: Call, reserve: Wei = Wei(0)) -> Receipt:
        """Send a call and wait until it is mined and succeeded; repeat-safe by ``purpose``.

        Raises:
            Reverted: Refused, before the pool or in its block.
            OutOfGas: The wallet's coin does not cover the gas, or not without the reserve.
            ChainUnreachable: During an outage.
        """
        return await self._ended(self._handed_over(purpose, call, (), reserve))

    async def post(
        self, purpose: str, call: Call, then: Sequence[FollowUp] = (), reserve: Wei = Wei(0)
    ) -> TxHash:
        """Put a call and what follows it into the pool together, see ``PostingSender.post``."""
        return self._handed_over(purpose, call, then, reserve).tx_hash

    async def known(self, purpose: str) -> TxHash | None:
        """Return the transaction of a purpose, see ``PostingSender.known``."""
        sent = self._chain.purposes.get((self._address, purpose))
        return None if sent is None or self._failed(sent) else sent.tx_hash

    async def outcome(self, purpose: str) -> Receipt | None:
        """Wait until a purpose is mined, see ``PostingSender.outcome``."""
        sent = self._chain.purposes.get((self._address, purpose))
        return None if sent is None else (await self._mined(sent)).receipt

    def _handed_over(
        self, purpose: str, call: Call, then: Sequence[FollowUp], reserve: Wei
    ) -> Sent:
        """Put transactions into the pool, unless the first of them was before.

        A crash after one of them leaves those before it to the network: the worst there is.
        """
        self._reach.check_up()
        key = self._address, purpose
        sent = self._chain.purposes.get(key)
        if sent is not None and not self._failed(sent):
            return sent
        self._refuse_early(purpose, call, reserve)
        self._fence.check()
        for each in then:
            self._put(purpose, call, self._chain.take)
            purpose, call = each.purpose, each.call
        self._put(purpose, call, self._chain.submit)
        return self._chain.purposes[key]

    def _put(self, purpose: str, call: Call, put: Callable[[Address, Call], Sent]) -> None:
        self._chain.purposes[self._address, purpose] = put(self._address, call)
        if self._chain.after_send:
            self._chain.after_send(self._address, purpose, call)

    async def keep(self) -> None:
        """Send again what nodes forgot and what a re-organisation took back, for ever.

        What was refused on chain is forgotten, as the real sender does; so a node that mines it
        after all does so unasked.
        """
        while True:
            await self._chain.bell.wait()
            if not self._reach.is_up:
                continue
            for key, sent in tuple(self._chain.purposes.items()):
                if key[0] != self._address:
                    continue
                if self._failed(sent):
                    self._chain.purposes.pop(key)
                else:
                    self._rebroadcast(sent)

    def _rebroadcast(self, sent: Sent) -> None:
        self._fence.check()
        self._chain.rebroadcast(sent)

    def _failed(self, sent: Sent) -> bool:
        mined = self._chain.outcome(sent)
        return mined is not None and mined.refusal is not None

    def _refuse_early(self, purpose: str, call: Call, reserve: Wei) -> None:
        if self._chain.before_send:
            self._chain.before_send(self._address, purpose, call)
        self._chain.check(self._address, call, self._reach.lag)
        missing = self._chain.gas_missing(self._address, reserve)
        if missing:
            raise out_of_gas(self._address, purpose, missing, reserve)

    async def _ended(self, sent: Sent) -> Receipt:
        return _receipt(await self._mined(sent))

    async def _mined(self, sent: Sent) -> MinedCall:
        self._rebroadcast(sent)
        while not self._reach.is_up or (mined := self._chain.outcome(sent)) is None:
            await self._chain.bell.wait()
            if self._reach.is_up:
                self._rebroadcast(sent)
        return mined


def _receipt(mined: MinedCall) -> Receipt:
    if mined.refusal is not None:
        mined.refusal.is_mined = True
        raise mined.refusal
    return mined.receipt
