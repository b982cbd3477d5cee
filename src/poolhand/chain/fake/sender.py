"""The fake chain's transactions: repeat-safe by purpose, like the real sender's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolhand.domain.errors import OutOfGas
from poolhand.domain.ids import Address
from poolhand.domain.onchain import Call, Receipt
from poolhand.domain.units import show_coin

if TYPE_CHECKING:
    from poolhand.chain.fake.chain import FakeChain, Mined, Sent


class FakeSender:
    """Implements ``ports.chain.TransactionSender`` for one wallet of a ``FakeChain``."""

    def __init__(
        self, chain: FakeChain, address: Address, purposes: dict[tuple[Address, str], Sent]
    ) -> None:
        self._chain, self._address, self._purposes = chain, address, purposes

    @property
    def address(self) -> Address:
        """The wallet."""
        return self._address

    async def send(self, purpose: str, call: Call) -> Receipt:
        """Send a call and wait until it is mined and succeeded; repeat-safe by ``purpose``.

        Raises:
            Reverted: Refused, before the pool or in its block.
            OutOfGas: The wallet's coin does not cover the gas.
            ChainUnreachable: During an outage.
        """
        self._chain.check_up()
        key = self._address, purpose
        sent = self._purposes.get(key)
        if sent is None or self._failed(sent):
            self._refuse_early(purpose, call)
            sent = self._purposes[key] = self._chain.submit(self._address, call)
            if self._chain.after_send:
                self._chain.after_send(self._address, purpose, call)
        return await self._ended(sent)

    def _failed(self, sent: Sent) -> bool:
        mined = self._chain.outcome(sent)
        return mined is not None and mined.refusal is not None

    def _refuse_early(self, purpose: str, call: Call) -> None:
        if self._chain.before_send:
            self._chain.before_send(self._address, purpose, call)
        self._chain.check(self._address, call)
        missing = self._chain.gas_missing(self._address)
        if missing:
            raise OutOfGas(
                f"wallet {self._address} cannot pay for {purpose}: "
                f"send it {show_coin(missing)} coins"
            )

    async def _ended(self, sent: Sent) -> Receipt:
        self._chain.rebroadcast(sent)
        while (mined := self._chain.outcome(sent)) is None:
            await self._chain.bell.wait()
            self._chain.rebroadcast(sent)
        return _receipt(mined)


def _receipt(mined: Mined) -> Receipt:
    if mined.refusal is not None:
        raise mined.refusal
    return mined.receipt
