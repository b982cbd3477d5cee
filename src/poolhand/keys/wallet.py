"""A wallet in memory: a key that can only sign what Poolhand built."""

from __future__ import annotations

from typing import Any, Final, NoReturn, Self, get_args

from coincurve import PrivateKey
from eth_hash.auto import keccak

from poolhand.domain.eip712 import Domain
from poolhand.domain.errors import BrokenPrecondition
from poolhand.domain.hashes import authorization_hash, challenge_request, eip191_hash
from poolhand.domain.ids import Address, TaskId, TxHash
from poolhand.domain.messages import TypedMessage
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.orders.model import Order
from poolhand.domain.result_key import ResultKeyText, pushed_hash
from poolhand.domain.sms_secret import PushedSecret, pushed_secret_hash
from poolhand.domain.transaction import UnsignedTransaction
from poolhand.keys.errors import NotAKey
from poolhand.keys.transactions import fields_of, signed_by, to_sign

_MESSAGES: Final = get_args(TypedMessage)
_ORDERS: Final = get_args(Order)


class Wallet:
    """One private key; implements ``ports.signer.Signer`` and ``TransactionSigner``.

    There is no method that signs bytes: a peer that could choose what is signed could spend the
    wallet's stake. The key is in no ``repr``, no pickle and no error message.
    """

    __slots__ = ("__address", "__key")

    def __init__(self, key: PrivateKey) -> None:
        self.__key = key
        self.__address = Address(keccak(key.public_key.format(compressed=False)[1:])[12:])

    @classmethod
    def from_key(cls, key: bytes) -> Self:
        """Make a wallet of a 32-byte private key.

        Raises:
            NotAKey: Not 32 bytes, zero, or not under the order of the curve.
        """
        if len(key) != 32:
            raise NotAKey
        try:
            return cls(PrivateKey(key))
        except ValueError:
            raise NotAKey from None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Make a wallet of a private key in hexadecimal, with or without 0x.

        Raises:
            NotAKey: Anything else; the message does not repeat the text.
        """
        try:
            raw = bytes.fromhex(text.strip().removeprefix("0x"))
        except ValueError:
            raise NotAKey from None
        return cls.from_key(raw)

    @classmethod
    def random(cls) -> Self:
        """Make a wallet of a fresh key from the system's randomness."""
        return cls(PrivateKey())

    @property
    def address(self) -> Address:
        """The wallet's address."""
        return self.__address

    def sign_order(self, domain: Domain, order: Order) -> bytes:
        """Sign an order (EIP-712); returns r ‖ s ‖ v, 65 bytes, v 27 or 28, low s.

        Raises:
            BrokenPrecondition: Not one of the four orders.
        """
        if not isinstance(order, _ORDERS):
            raise BrokenPrecondition(f"{type(order).__name__} is not an order")
        return self.__sign(order_hash(domain, order))

    def sign_message(self, message: TypedMessage) -> bytes:
        """Sign one of Poolhand's own typed messages (EIP-712); 65 bytes.

        Raises:
            BrokenPrecondition: Not one of the messages of ``domain.messages``.
        """
        if type(message) not in _MESSAGES:
            raise BrokenPrecondition(f"{type(message).__name__} is not a message of Poolhand's")
        return self.__sign(message.digest)

    def sign_authorization(self, worker: Address, task_id: TaskId, enclave: Address) -> bytes:
        """As pool owner, let a worker contribute (EIP-191 over the authorization hash)."""
        checked = authorization_hash(Address(worker), TaskId(task_id), Address(enclave))
        return self.__sign(eip191_hash(checked))

    def sign_challenge_request(self, task_id: TaskId) -> bytes:
        """As pool owner, ask for a task's enclave (EIP-191, services-api.md 4.4)."""
        return self.__sign(eip191_hash(challenge_request(TaskId(task_id))))

    def sign_session(self, task_id: TaskId, enclave: Address) -> bytes:
        """As worker, ask for the session of a confidential task (EIP-191, services-api.md 4.4)."""
        return self.sign_authorization(self.__address, task_id, enclave)

    def sign_result_key(self, value: ResultKeyText) -> bytes:
        """As beneficiary, hand in a key for results (EIP-191, ``domain.result_key``).

        Raises:
            BrokenPrecondition: Not the text of one.
        """
        if not isinstance(value, ResultKeyText):
            raise BrokenPrecondition(f"{type(value).__name__} is not a key for results")
        return self.__sign(pushed_hash(self.address, value))

    def sign_secret(self, secret: PushedSecret) -> bytes:
        """Put a secret into its place at a secret management service (EIP-191).

        Raises:
            BrokenPrecondition: Not one.
        """
        if type(secret) is not PushedSecret:
            raise BrokenPrecondition(f"{type(secret).__name__} is no secret in its place")
        return self.__sign(pushed_secret_hash(secret.place, secret.value))

    def sign_transaction(self, transaction: UnsignedTransaction) -> tuple[bytes, TxHash]:
        """Return the signed bytes to broadcast and their hash (type 2, or legacy with EIP-155)."""
        fields = fields_of(transaction)
        digest = keccak(to_sign(transaction, fields))
        raw = signed_by(transaction, fields, self.__key.sign_recoverable(digest, hasher=None))
        return raw, TxHash(keccak(raw))

    def __sign(self, digest: bytes) -> bytes:
        signature = self.__key.sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes([27 + signature[64]])

    def __repr__(self) -> str:
        return f"Wallet({self.address})"

    def __reduce__(self) -> NoReturn:
        raise BrokenPrecondition("a wallet is never pickled or copied: its key would leave")


def encrypted(wallet: Wallet, encrypt: Any) -> Any:
    """Hand the key to ``encrypt`` and to nothing else; for the keystore module alone."""
    key: PrivateKey = getattr(wallet, "_Wallet__key")  # noqa: B009 - mangled on purpose
    return encrypt(key.secret)
