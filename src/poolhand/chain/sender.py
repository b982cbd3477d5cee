"""Sending the transactions of one wallet: each intention once, whatever crashes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

import structlog

from poolhand.chain.broadcast import REFUSALS, SendVerdict
from poolhand.chain.errors import SendRefused
from poolhand.chain.gas import GasRule, out_of_gas
from poolhand.chain.hub import PocoHub
from poolhand.chain.keeper import Keeper, Pen, Pending, nonce_at
from poolhand.chain.ledger import Ledger
from poolhand.chain.nonces import Nonces
from poolhand.chain.outbox import WalletOutbox
from poolhand.chain.quote import Quote, Quotes
from poolhand.chain.rpc import Rpc
from poolhand.chain.turns import Turns
from poolhand.chain.watcher import ChainWatcher
from poolhand.domain.errors import ChainUnreachable, EndsProgram, Refused, Unavailable
from poolhand.domain.gas_reserve import Means
from poolhand.domain.ids import Address, TxHash
from poolhand.domain.onchain import Call, Receipt, TransferCoin
from poolhand.domain.transaction import UnsignedTransaction
from poolhand.domain.units import Wei
from poolhand.observe.outage_log import OutageLog
from poolhand.ports.chain import FollowUp
from poolhand.ports.journal import DurableLog
from poolhand.ports.lead import UNFENCED, Fence
from poolhand.ports.signer import TransactionSigner

OVERTAKEN: Final = 8
"""Times that a transaction is given another nonce because a program that uses the wallet, too, was
faster; then its sender is told."""
PAUSE_BETWEEN_SENDER_TRIES: Final = 0.2
"""Seconds before a look is repeated that failed or left a doubt."""

_Lot: TypeAlias = Sequence[tuple[str, Quote]]
"""What is signed together, by purpose: a call, and what rests on it."""
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A purpose being sent: ``out`` is done once it is handed over, ``ending`` when mined."""

    out: asyncio.Future[TxHash]
    ending: asyncio.Task[Receipt]


class WalletSender:
    """Implements ``ports.chain.PostingSender``; ``run`` must be running.

    A transaction is durable before it is broadcast; once it may be out, only its own bytes or a
    replacement at its nonce ever follow. One wallet has one sender. Nonces are given without
    waiting for any node: one that is refused while later ones are out is filled.

    Args:
        confirmations: Blocks, its own included, before a transaction counts as mined.
        most_under_way: Transactions sent and not mined; others wait, those that end work first.
        fence: Asked before anything is broadcast, were it for the second time.
    """

    def __init__(
        self,
        rpc: Rpc,
        hub: PocoHub,
        watcher: ChainWatcher,
        wallet: TransactionSigner,
        journal: DurableLog,
        rule: GasRule,
        confirmations: int = 1,
        most_under_way: int = 128,
        fence: Fence = UNFENCED,
    ) -> None:
        self._rpc, self._hub, self._watcher, self._wallet = rpc, hub, watcher, wallet
        self._pen = Pen(wallet, Ledger(journal, wallet.address, hub.facts.chain_id))
        self._quotes = Quotes(rpc, hub, rule, wallet.address, lambda: watcher.window.tip)
        self._outbox = WalletOutbox(rpc, self._pen.ledger.durable, fence)
        self._turns, self._nonces = Turns(most_under_way), Nonces()
        own = self._pen, self._outbox, self._turns, self._nonces
        self._keeper = Keeper(rpc, watcher, self._quotes, *own, confirmations)
        self._outage = OutageLog(
            "transactions_unwatched",
            "transactions_watched",
            wallet=str(wallet.address),
            acts="operator of the RPC endpoint",
            next_step="bring it back; what was signed is kept and looked after by itself",
        )
        self._attempts: dict[str, _Attempt] = {}
        self._filling: dict[int, asyncio.Task[None]] = {}
        self._is_legacy = False
        self._recovered = False
        self._recovering, self._signing = asyncio.Lock(), asyncio.Lock()

    @property
    def address(self) -> Address:
        """The wallet."""
        return self._wallet.address

    @property
    def journal(self) -> DurableLog:
        """Where it writes down what it signs."""
        return self._pen.ledger.journal

    async def means(self) -> Means:
        """Return what the wallet has for gas, and what gas costs; raises ChainUnreachable."""
        return await self._quotes.means()

    async def send(self, purpose: str, call: Call, reserve: Wei = Wei(0)) -> Receipt:
        """Send a call and wait until it is mined and succeeded; repeat-safe by ``purpose``.

        Who stops waiting stops nothing: the next ``send`` of the purpose finds it.

        Raises:
            Reverted: Refused by the contract, before broadcast or on chain.
            OutOfGas: The wallet cannot pay, or not without touching ``reserve``; the message says
                how much to add.
            SendRefused: The node will never take it.
            Displaced: Another program used the nonce once the transaction may have been out.
            ChainUnreachable: No endpoint took it; whether it was mined is unknown.
        """
        ending = self._begin(purpose, call, (), reserve).ending
        try:
            return await asyncio.shield(ending)
        except asyncio.CancelledError:
            if ending.cancelled():
                raise _disconnected(purpose) from None
            raise

    async def post(
        self, purpose: str, call: Call, then: Sequence[FollowUp] = (), reserve: Wei = Wei(0)
    ) -> TxHash:
        """Hand a call and what follows it over together, see ``PostingSender.post``."""
        attempt = self._begin(purpose, call, then, reserve)
        ways: list[asyncio.Future[Any]] = [attempt.out, attempt.ending]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        if attempt.out.done():
            return attempt.out.result()
        if attempt.ending.cancelled():
            raise _disconnected(purpose)
        return attempt.ending.result().tx_hash  # raises what hindered it

    async def known(self, purpose: str) -> TxHash | None:
        """Return the transaction of a purpose, see ``PostingSender.known``."""
        await self._recover()
        if (pending := self._keeper.open.get(purpose)) is not None:
            return pending.last.tx_hash
        done = self._keeper.done.get(purpose)
        return done.tx_hash if done else None

    async def outcome(self, purpose: str) -> Receipt | None:
        """Wait until a purpose is mined, see ``PostingSender.outcome``."""
        await self._recover()
        pending = self._keeper.open.get(purpose)
        if pending is None:
            return self._keeper.done.get(purpose)
        return await asyncio.shield(pending.ended)

    async def run(self) -> None:
        """Look after what is under way, for ever."""
        heard, bell = -1, self._watcher.bell
        while True:
            try:
                await self._recover()
                if self._keeper.doubtful:
                    heard = await self._soon(heard)
                else:
                    heard = await bell.wait(heard)
                await self._keeper.look()
                self._close_gaps()
            except EndsProgram:
                raise
            except Unavailable as fault:
                self._outage.tell(fault)
                await self._soon(bell.rings)
                heard = -1
            else:
                self._outage.over()

    async def close(self) -> None:
        """Stop; what is under way is journaled and found again."""
        sending = [attempt.ending for attempt in self._attempts.values()]
        attempts = *sending, *self._filling.values()
        for attempt in attempts:
            attempt.cancel()
        await asyncio.gather(*attempts, return_exceptions=True)
        await self._outbox.close()

    def _attempted(self, purpose: str, ended: asyncio.Task[Receipt]) -> None:
        self._attempts.pop(purpose, None)
        if not ended.cancelled():
            ended.exception()  # the waiters were told, if any are left

    def _begin(self, purpose: str, call: Call, then: Sequence[FollowUp], reserve: Wei) -> _Attempt:
        """Send a purpose, unless that is under way."""
        attempt = self._attempts.get(purpose)
        if attempt is None:
            out: asyncio.Future[TxHash] = asyncio.get_running_loop().create_future()
            sending = asyncio.create_task(self._attempt(purpose, call, then, reserve, out))
            attempt = self._attempts[purpose] = _Attempt(out, sending)
            sending.add_done_callback(lambda ended: self._attempted(purpose, ended))
        return attempt

    async def _attempt(
        self,
        purpose: str,
        call: Call,
        then: Sequence[FollowUp],
        reserve: Wei,
        out: asyncio.Future[TxHash],
    ) -> Receipt:
        await self._recover()
        known = self._keeper.done.get(purpose)
        if known is not None:
            return known
        pending = self._keeper.open.get(purpose)
        if pending is None:
            pending = await self._in_turn(purpose, call, then, reserve)
        out.set_result(pending.last.tx_hash)
        receipt = await asyncio.shield(pending.ended)
        if not receipt.succeeded:
            raise await self._quotes.why(purpose, call, receipt.block)
        return receipt

    async def _in_turn(
        self, purpose: str, call: Call, then: Sequence[FollowUp], reserve: Wei
    ) -> Pending:
        """Quote and launch once there is room among what is under way."""
        await self._turns.wait(purpose, call)
        try:
            open_then = self._keeper.costs() if reserve else {}
            quote = await self._quotes.quote(purpose, call)
            lot = [(purpose, quote), *self._quotes.follow(quote, then)]
            async with self._signing:
                await asyncio.sleep(0)  # a signature takes half a millisecond: one per turn
            if reserve or then:  # from here to the signature nothing is awaited
                self._spare(lot, reserve, open_then)
            return await self._launch(lot)
        finally:
            if purpose not in self._keeper.open:
                self._turns.leave(purpose)

    async def _launch(self, lot: _Lot) -> Pending:
        """Give transactions their nonces, sign, journal and broadcast them."""
        purpose, quote = lot[0]
        pending, verdict, said = await self._first(lot)
        if verdict is SendVerdict.WRONG_KIND and pending.last.fees.priority_fee is not None:
            self._is_legacy = True
            pending, verdict, said = await self._first(lot)
        for _ in range(OVERTAKEN):
            if verdict is not SendVerdict.NONCE_LOST:
                break
            await self._overtaken(pending)
            pending, verdict, said = await self._first(lot)
        if verdict is SendVerdict.NO_FUNDS:
            raise out_of_gas(self.address, purpose, Wei(quote.cost))
        if verdict in REFUSALS:
            raise SendRefused(purpose, said)
        if verdict is SendVerdict.UNKNOWN:
            raise ChainUnreachable(f"whether {purpose} was sent is unknown: {said}")
        if verdict in (SendVerdict.NONCE_USED, SendVerdict.NONCE_LOST):
            pending.doubt()
            self._watcher.bell.ring()
        log.info("transaction_sent", purpose=purpose, tx=str(pending.last.tx_hash))
        return pending

    async def _overtaken(self, pending: Pending) -> None:
        """Forget a transaction that nobody has, for another program's has its nonce; look again.

        Its own nonce is not given out again, whatever a node that lags says.
        """
        self._keeper.drop(pending)
        log.info("nonce_overtaken", purpose=pending.last.purpose, nonce=pending.nonce)
        self._nonces.passed(await self._rpc.ask(nonce_at(self.address, "latest")))

    async def _first(self, lot: _Lot) -> tuple[Pending, SendVerdict, str]:
        """Sign, journal and broadcast; what is refused for good is forgotten at once.

        What rests on the call and is out from an earlier try stays as it is.
        """
        left = [each for each in lot if each[0] not in self._keeper.open]
        signed = [self._sign(*each) for each in left]
        told = await self._outbox.post_all([pending.last for pending in signed])
        refused = [
            one for one, (verdict, _) in zip(signed, told, strict=True) if verdict in REFUSALS
        ]
        for pending in refused:
            self._keeper.drop(pending)
            self._nonces.give_back(pending.nonce)
        if refused:
            self._close_gaps()
        return signed[0], *told[0]

    def _sign(self, purpose: str, quote: Quote) -> Pending:
        """Sign and journal at the next nonce; one that could not be written down is not used."""
        nonce = self._nonces.take()
        try:
            signed = self._pen.sign(purpose, self._transaction(quote, nonce))
        except BaseException:
            self._nonces.give_back(nonce)
            raise
        return self._keeper.take([signed])

    def _spare(self, lot: _Lot, reserve: Wei, open_then: Mapping[str, Wei]) -> None:
        """Refuse what would leave less than the reserve once all that is under way is paid.

        What was mined between the reading of the balance and now may be counted twice: then a
        little too much is asked for, for one block.
        """
        purpose, quote = lot[0]
        under_way = sum({**open_then, **self._keeper.costs()}.values()) if reserve else 0
        cost = sum(each.cost for _, each in lot)
        missing = cost + under_way + reserve - quote.held
        if missing > 0:
            raise out_of_gas(self.address, purpose, Wei(missing), reserve)

    def _close_gaps(self) -> None:
        """Fill nonces that were refused while later ones were out: those would wait for ever."""
        for nonce in self._nonces.gaps:
            if nonce not in self._filling:
                self._filling[nonce] = filling = asyncio.create_task(self._fill(nonce))
                filling.add_done_callback(partial(self._filled, nonce))

    def _filled(self, nonce: int, ended: asyncio.Task[None]) -> None:
        self._filling.pop(nonce, None)
        if not ended.cancelled() and (fault := ended.exception()) is not None:
            self._watcher.bell.crack(fault)  # a bug: whoever waits is told

    async def _fill(self, nonce: int) -> None:
        """Send nothing to ourselves at a nonce, unless something real took it meanwhile."""
        purpose = f"gap:{nonce}"
        try:
            quote = await self._quotes.quote(purpose, TransferCoin(self.address, Wei(0)))
            if nonce in self._nonces.gaps:
                await self._launch([(purpose, quote)])
        except EndsProgram:
            raise
        except (Refused, Unavailable) as fault:
            self._outage.tell(fault, nonce=nonce)  # the next block brings the next try

    def _transaction(self, quote: Quote, nonce: int) -> UnsignedTransaction:
        return UnsignedTransaction(
            chain_id=self._hub.facts.chain_id,
            nonce=nonce,
            to=quote.encoded.to,
            value=quote.encoded.value,
            data=quote.encoded.data,
            gas=quote.gas,
            max_fee=quote.fees.max_fee,
            priority_fee=None if self._is_legacy else quote.fees.priority_fee,
        )

    async def _recover(self) -> None:
        """Once: take up what an earlier run signed, broadcast what is unmined, settle the rest."""
        async with self._recovering:
            if self._recovered:
                return
            counts = [nonce_at(self.address, block) for block in ("latest", "pending")]
            mined, known = [await self._rpc.ask(count) for count in counts]
            found = self._pen.ledger.read().values()
            kept = sorted(found, key=lambda versions: versions[0].nonce)
            self._nonces.resume(known, [each[0].nonce for each in kept])
            taken = [self._keeper.take(versions) for versions in kept]
            await self._keeper.again(each for each in taken if each.nonce >= mined)
            await self._keeper.look()
            self._recovered = True
            log.info("transactions_recovered", wallet=str(self.address), found=len(kept))

    async def _soon(self, heard: int) -> int:
        """Wait for news, but not long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PAUSE_BETWEEN_SENDER_TRIES):
                await self._watcher.bell.wait(heard)
        return self._watcher.bell.rings


def _disconnected(purpose: str) -> ChainUnreachable:
    return ChainUnreachable(
        f"the chain was disconnected while {purpose} was under way: connect again and repeat it"
    )
