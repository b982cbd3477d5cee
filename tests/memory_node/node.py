"""The node: blocks of a fake chain, a pool of real transactions, JSON-RPC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from memory_node.calldata import Undecodable, read_call
from memory_node.logs import fits, logs_of
from memory_node.transactions import Tx
from memory_node.views import Reverted as ViewReverted
from memory_node.views import error_data, view
from poolhand.chain.errors import (
    AssetExists,
    BalanceTooLow,
    NotOwner,
    OrdersRefused,
    OrderUnsigned,
)
from poolhand.chain.fake import FakeChain
from poolhand.chain.fake.apply import apply
from poolhand.chain.fake.bell import FakeBell
from poolhand.chain.fake.blocks import FakeBlock, MinedCall, Sent
from poolhand.domain.errors import Reverted, StakeTooLow
from poolhand.domain.ids import Address, TxHash
from poolhand.domain.onchain import Call, Deposit
from poolhand.domain.orders.model import MatchOrders, SponsorMatch
from poolhand.domain.units import Wei

GWEI = 10**9
GAS = 100_000
"""What every call is said to take."""


class RpcError(Exception):
    """What a node answers instead of a result."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message, "data": data}


class MemoryNode:
    """A node over a fake chain, which it mines: in token mode, with real transactions.

    Attributes:
        automine: Mine a block at each transaction that is taken.
        base_fee: Of blocks to come (wei per gas).
        is_london: Whether blocks have a base fee and transactions may be of type 2.
        lacks: Methods that do not exist here, and ``blockHash`` and ``pending``.
        refuse: Called with (method, params) first; raises RpcError to refuse.
        asked: Every method asked, in order.
    """

    def __init__(self, chain: FakeChain | None = None) -> None:
        self.chain = chain or FakeChain(automine=False)
        self.automine, self.base_fee, self.tip, self.is_london = True, GWEI, GWEI, True
        self.lacks: set[str] = set()
        self.refuse: Callable[[str, list], None] = lambda _method, _params: None
        self.asked: list[str] = []
        self.pool: dict[tuple[Address, int], Tx] = {}
        self.taken: list[Tx] = []
        self.bell = FakeBell()
        self._known: dict[tuple[Address, int], Tx] = {}
        self._base_fees: dict[str, int] = {}

    # ------------------------------------------------------------------------ arranging

    def mine(self, seconds: int = 1, blocks: int = 1) -> None:
        """Mine blocks; the first takes what is payable at the base fee."""
        for number in range(blocks):
            ready = self._ready() if number == 0 else []
            for tx in ready:
                del self.pool[tx.sender, tx.nonce]
                self._known[tx.sender, tx.nonce] = tx
                self.chain.pool.append(Sent(tx.sender, tx.nonce, self._call(tx)))
            head = self.chain.mine(seconds)
            self._base_fees[str(head.block_hash)] = self.base_fee
            for tx in ready:
                paid = GAS * min(tx.max_fee, self.base_fee + (tx.tip or tx.max_fee))
                self.chain.fund(tx.sender, coin=Wei(-paid))
        self.bell.ring()

    def reorg(self, depth: int = 1, *, forget: bool = False) -> None:
        """Replace blocks by others without their transactions, which wait again or are lost."""
        gone = [mined.sent for block in self.blocks[-depth:] for mined in block.mined]
        self.chain.reorg(depth, forget=True, include=False)
        if not forget:
            self.pool.update({(s.sender, s.nonce): self._known[s.sender, s.nonce] for s in gone})
        self.bell.ring()

    def drop(self) -> None:
        """Forget what waits."""
        self.pool.clear()
        self.bell.ring()

    async def pooled(self, count: int) -> None:
        """Wait until so many transactions wait."""
        while len(self.pool) < count:
            await self.bell.wait()

    @property
    def blocks(self) -> list[FakeBlock]:
        return list(self.chain.blocks())

    def sent_by(self, sender: Address) -> int:
        """How many transactions of a wallet are mined."""
        return sum(mined.sent.sender == sender for mined in self.chain.mined())

    def _ready(self) -> list[Tx]:
        found: list[Tx] = []
        for sender in dict.fromkeys(sender for sender, _ in self.pool):
            nonce = self.sent_by(sender)
            while (tx := self.pool.get((sender, nonce))) and tx.max_fee >= self.base_fee:
                found.append(tx)
                nonce += 1
        return found

    def _call(self, tx: Tx) -> Call:
        return read_call(tx.to, tx.value, tx.data, self.chain.facts)

    # ------------------------------------------------------------------------ answering

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer one request."""
        method, params = request["method"], list(request.get("params") or [])
        self.asked.append(method)
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": request.get("id")}
        try:
            self.refuse(method, params)
            return {**answer, "result": self._found(method)(*params)}
        except RpcError as fault:
            return {**answer, "error": fault.error}

    def _found(self, method: str) -> Callable[..., Any]:
        found = getattr(self, f"_{method}", None)
        if found is None or method in self.lacks:
            raise RpcError(-32601, f"the method {method} does not exist/is not available")
        return found

    def _eth_chainId(self) -> str:  # noqa: N802
        return hex(self.chain.facts.chain_id)

    def _eth_gasPrice(self) -> str:  # noqa: N802
        return hex(self.base_fee + self.tip)

    def _eth_maxPriorityFeePerGas(self) -> str:  # noqa: N802
        return hex(self.tip)

    def _eth_feeHistory(self, count: str, _newest: str, percentiles: list) -> Any:  # noqa: N802
        rewards = [[hex(self.tip) for _ in percentiles] for _ in range(int(count, 16))]
        return {"oldestBlock": "0x0", "baseFeePerGas": [], "gasUsedRatio": [], "reward": rewards}

    def _eth_getBalance(self, owner: str, at: Any) -> str:  # noqa: N802
        return hex(self._at(at).state.coin_of(Address.parse(owner)))

    def _eth_getTransactionCount(self, owner: str, at: Any) -> str:  # noqa: N802
        sender = Address.parse(owner)
        count = self.sent_by(sender)
        if at == "pending":
            if "pending" in self.lacks:
                raise RpcError(-32602, "invalid argument 1: unsupported block tag pending")
            while (sender, count) in self.pool:
                count += 1
        return hex(count)

    def _eth_getBlockByNumber(self, at: Any, _full: bool) -> Any:  # noqa: N802
        if at != "latest" and int(at, 16) >= len(self.blocks):
            return None
        head = self._at(at).head
        raw = {
            "number": hex(head.number),
            "hash": str(head.block_hash),
            "parentHash": str(head.parent_hash),
            "timestamp": hex(head.timestamp),
        }
        fee = self._base_fees.get(raw["hash"], self.base_fee)
        return {**raw, "baseFeePerGas": hex(fee)} if self.is_london else raw

    def _eth_call(self, call: dict, at: Any) -> str:
        block, to = self._at(at), Address.parse(call["to"])
        data = bytes.fromhex(call.get("data", "0x")[2:])
        try:
            return "0x" + view(self.chain.facts, block.state, to, data).hex()
        except ViewReverted:
            raise RpcError(3, "execution reverted", "0x") from None
        except Undecodable:
            self._try(call, block)
            return "0x"

    def _eth_estimateGas(self, call: dict, *at: Any) -> str:  # noqa: N802
        if at and "estimate at" in self.lacks:
            raise RpcError(-32602, "too many arguments, want at most 1")
        self._try(call, self._at(at[0] if at else "latest"))
        return hex(GAS)

    def _try(self, call: dict, block: FakeBlock) -> None:
        facts, sender = self.chain.facts, Address.parse(call["from"])
        value, data = int(call.get("value", "0x0"), 16), bytes.fromhex(call["data"][2:])
        if value > block.state.coin_of(sender):
            raise RpcError(-32000, "insufficient funds for transfer")
        try:
            asked = read_call(Address.parse(call["to"]), value, data, facts)
            moment = block.head.timestamp
            apply(block.state.copy(), self.chain.domain, sender, asked, moment)
        except Undecodable:
            raise RpcError(3, "execution reverted", "0x") from None
        except Reverted as fault:
            text = said_by_contracts(asked, fault)
            message = f"execution reverted: {text}" if text else "execution reverted"
            raise RpcError(3, message, "0x" + error_data(text).hex()) from None

    def _eth_getLogs(self, asked: dict) -> list[dict]:  # noqa: N802
        return [
            log
            for block in self._wanted(asked)
            for log in logs_of(self.chain.facts, block, self._names())
            if fits(log, asked)
        ]

    def _wanted(self, asked: dict) -> list[FakeBlock]:
        if "blockHash" in asked:
            return [self._at({"blockHash": asked["blockHash"]})]
        first, last = int(asked["fromBlock"], 16), int(asked["toBlock"], 16)
        return self.blocks[first : last + 1]

    def _names(self) -> dict[TxHash, str]:
        return {mined.sent.tx_hash: self._name(mined.sent) for mined in self.chain.mined()}

    def _name(self, sent: Sent) -> str:
        """Return a transaction's hash; the fake chain's own, for what came another way."""
        known = self._known.get((sent.sender, sent.nonce))
        return known.hash if known else str(sent.tx_hash)

    def _eth_getTransactionReceipt(self, tx_hash: str) -> Any:  # noqa: N802
        for block in self.blocks:
            for mined in block.mined:
                if self._name(mined.sent) == tx_hash:
                    tx = self._known[mined.sent.sender, mined.sent.nonce]
                    return self._receipt(block, mined, tx)
        return None

    def _receipt(self, block: FakeBlock, mined: MinedCall, tx: Tx) -> dict:
        logs = logs_of(self.chain.facts, block, self._names())
        fee = self._base_fees.get(str(block.head.block_hash), self.base_fee)
        return {
            "transactionHash": tx.hash,
            "from": str(tx.sender),
            "blockNumber": hex(block.head.number),
            "blockHash": str(block.head.block_hash),
            "status": hex(mined.refusal is None),
            "gasUsed": hex(GAS),
            "effectiveGasPrice": hex(min(tx.max_fee, fee + (tx.tip or tx.max_fee))),
            "logs": [log for log in logs if log["transactionHash"] == tx.hash],
        }

    def _eth_sendRawTransaction(self, raw: str) -> str:  # noqa: N802
        tx = Tx.read(bytes.fromhex(raw[2:]))
        self._check(tx)
        self.pool[tx.sender, tx.nonce] = tx
        self.taken.append(tx)
        if self.automine:
            self.mine()
        self.bell.ring()
        return tx.hash

    def _check(self, tx: Tx) -> None:
        if tx.chain_id != self.chain.facts.chain_id:
            raise RpcError(-32000, "invalid chain id for signer")
        if tx.tip is not None and not self.is_london:
            raise RpcError(-32000, "transaction type not supported")
        if tx.nonce < self.sent_by(tx.sender):
            raise RpcError(-32000, "nonce too low")
        other = self.pool.get((tx.sender, tx.nonce))
        if other is not None and other.raw == tx.raw:
            raise RpcError(-32000, "already known")
        if other is not None and not tx.outbids(other):
            raise RpcError(-32000, "replacement transaction underpriced")
        if tx.cost > self.chain.state.coin_of(tx.sender):
            raise RpcError(-32000, "insufficient funds for gas * price + value")

    def _at(self, at: Any) -> FakeBlock:
        if isinstance(at, dict):
            if "blockHash" in self.lacks:
                raise RpcError(
                    -32602, "invalid argument: cannot unmarshal object into block number"
                )
            found = [b for b in self.blocks if str(b.head.block_hash) == at["blockHash"]]
            if not found:
                raise RpcError(-32000, "header for hash not found")
            return found[0]
        if at in ("latest", "pending"):
            return self.blocks[-1]
        if int(at, 16) >= len(self.blocks):
            raise RpcError(-32000, "unknown block")
        return self.blocks[int(at, 16)]


def said_by_contracts(call: Call, fault: Reverted) -> str:
    """Return what the real contracts say when they refuse: mostly nothing."""
    if isinstance(fault, OrdersRefused):
        return f"iExecV5-matchOrders-0x{fault.number:02x}"
    if isinstance(fault, OrderUnsigned):
        return "invalid-signature-format"
    if isinstance(fault, AssetExists):
        return "Create2: Failed on deploy"
    if isinstance(fault, NotOwner):
        return "caller is not the owner"
    if isinstance(fault, StakeTooLow) and isinstance(call, MatchOrders | SponsorMatch):
        return "IexecEscrow: Transfer amount exceeds balance"
    if isinstance(fault, BalanceTooLow) and isinstance(call, Deposit):
        return "failled-transferFrom"
    return ""
