"""A key that signs typed protocol messages and transactions we built, and nothing else."""

from __future__ import annotations

from typing import Protocol

from poolhand.domain.eip712 import Domain
from poolhand.domain.ids import Address, TaskId, TxHash
from poolhand.domain.messages import TypedMessage
from poolhand.domain.orders.model import Order
from poolhand.domain.transaction import UnsignedTransaction


class Signer(Protocol):
    """One wallet. There is deliberately no way to sign bytes that a peer supplies."""

    @property
    def address(self) -> Address:
        """The wallet's address."""

    def sign_order(self, domain: Domain, order: Order) -> bytes:
        """Sign an order (EIP-712); returns r ‖ s ‖ v, 65 bytes."""

    def sign_message(self, message: TypedMessage) -> bytes:
        """Sign one of Poolhand's own typed messages (EIP-712); 65 bytes."""

    def sign_authorization(self, worker: Address, task_id: TaskId, enclave: Address) -> bytes:
        """As pool owner, let a worker contribute (EIP-191 over the authorization hash)."""

    def sign_session(self, task_id: TaskId, enclave: Address) -> bytes:
        """As worker, ask for the session of a confidential task (EIP-191 over the same hash)."""


class TransactionSigner(Protocol):
    """The same wallet, for the chain adapter alone."""

    @property
    def address(self) -> Address:
        """The wallet's address."""

    def sign_transaction(self, transaction: UnsignedTransaction) -> tuple[bytes, TxHash]:
        """Return the signed bytes to broadcast and their hash."""


class WalletKey(Signer, TransactionSigner, Protocol):
    """The whole wallet, for a program that signs messages and sends transactions."""
