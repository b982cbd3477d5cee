"""Wallets sign what Poolhand built, and nothing that a peer supplies."""

from __future__ import annotations

import copy
import inspect
import pickle
import typing

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.errors import BrokenPrecondition
from poolhand.domain.ids import ZERO_ADDRESS, Address, TaskId
from poolhand.domain.messages import Nonce, ResultUpload, WorkerLogin, pool_domain
from poolhand.domain.signatures import check_authorization, recover
from poolhand.domain.transaction import UnsignedTransaction
from poolhand.domain.units import Gas, UnixSeconds, Wei
from poolhand.keys.errors import NotAKey
from poolhand.keys.wallet import Wallet
from poolhand.ports.signer import Signer, TransactionSigner

KEY = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
POOL = Address(b"\xb3" * 20)


@pytest.fixture
def wallet() -> Wallet:
    return Wallet.from_key(KEY)


def test_the_address_is_that_of_the_key(wallet):
    assert str(wallet.address) == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


def test_it_fits_both_ports(wallet):
    signer: Signer = wallet
    sender: TransactionSigner = wallet
    assert signer.address == sender.address


def test_no_public_method_signs_bytes_of_the_callers_choice():
    """Each parameter is a typed struct or an id of fixed meaning; none is bytes or text."""
    allowed = {"Domain", "Order", "TypedMessage", "UnsignedTransaction", "Address", "TaskId"}
    allowed |= {"ResultKeyText", "PushedSecret"}
    signing = {name for name in vars(Wallet) if name.startswith("sign")}
    assert signing == {
        *("sign_order", "sign_message", "sign_authorization", "sign_transaction"),
        *("sign_result_key", "sign_secret", "sign_session", "sign_challenge_request"),
    }
    for name in signing:
        parameters = list(inspect.signature(getattr(Wallet, name)).parameters.values())[1:]
        assert {parameter.annotation for parameter in parameters} <= allowed, name
    public = {name for name in vars(Wallet) if not name.startswith("_")}
    assert public - signing == {"from_key", "parse", "random", "address"}


@pytest.mark.parametrize("smuggled", [b"\x01" * 32, "text", type("M", (), {"digest": b"1" * 32})()])
def test_what_is_no_message_is_not_signed(wallet, smuggled):
    with pytest.raises(BrokenPrecondition):
        wallet.sign_message(smuggled)
    with pytest.raises(BrokenPrecondition):
        wallet.sign_order(pool_domain(1, POOL), smuggled)
    with pytest.raises(BrokenPrecondition):
        wallet.sign_result_key(smuggled)
    with pytest.raises(BrokenPrecondition):
        wallet.sign_secret(smuggled)


def test_a_subclass_of_a_message_is_not_signed(wallet):
    class Evil(ResultUpload):
        @property
        def digest(self) -> bytes:
            return b"\x07" * 32

    evil = Evil(pool_domain(1, POOL), POOL, TaskId(bytes(32)), bytes(32), UnixSeconds(1))
    with pytest.raises(BrokenPrecondition):
        wallet.sign_message(evil)


def test_messages_recover_to_the_wallet(wallet):
    nonce = Nonce(b"\x01" * 32)
    login = WorkerLogin(
        pool_domain(31337, POOL), wallet.address, "http://pool", nonce, nonce, UnixSeconds(9)
    )
    assert recover(login.digest, wallet.sign_message(login)) == wallet.address


def test_the_authorization_is_the_one_the_contract_wants():
    """Vector of the specification, section 26 (scheduler i=6, worker i=10)."""
    Account.enable_unaudited_hdwallet_features()
    words = "test test test test test test test test test test test junk"
    owner = Wallet.from_key(Account.from_mnemonic(words, account_path="m/44'/60'/0'/0/6").key)
    worker = Address.parse("0xBcd4042DE499D14e55001CcbB24a551F3b954096")
    task = TaskId.parse("0x3a9070eb8ba780f3a76a3742fbe0e64427ee158e2d86754545a18111346dc91f")
    signature = owner.sign_authorization(worker, task, ZERO_ADDRESS)
    assert signature.hex() == (
        "5a113837a85872867738e07f4b1154f5d7505b3878eff07098edaadef1962e04"
        "24cddfe165062e874722013a0a47c1dbc812121e07f36a48f318263b100198b21c"
    )
    check_authorization(signature, owner.address, worker, task)


@given(st.integers(min_value=1, max_value=2**250), st.binary(min_size=32, max_size=32))
def test_every_signature_has_a_low_s_and_recovers(number, task):
    wallet = Wallet.from_key(number.to_bytes(32, "big"))
    signature = wallet.sign_authorization(POOL, TaskId(task), ZERO_ADDRESS)
    check_authorization(signature, wallet.address, POOL, TaskId(task))


@pytest.mark.parametrize("priority", [None, Wei(2)])
def test_a_transaction_is_the_wallets_and_what_we_built(wallet, priority):
    built = UnsignedTransaction(
        31337, 7, POOL, Wei(5), b"\x01\x02", Gas(21000), Wei(1000), priority
    )
    raw, tx_hash = wallet.sign_transaction(built)
    assert Account.recover_transaction(raw) == str(wallet.address)
    assert len(tx_hash) == 32
    assert (raw[0] == 2) is (priority is not None)


NUMBER = st.one_of(st.sampled_from([0, 1, 127, 128, 255, 256]), st.integers(0, 2**64))


@given(
    chain=st.integers(1, 2**40),
    nonce=st.integers(0, 2**40),
    value=NUMBER,
    data=st.one_of(st.binary(max_size=70), st.sampled_from([b"\x7f", b"\x80", b"x" * 70_000])),
    gas=NUMBER,
    fee=NUMBER,
    tip=st.none() | NUMBER,
)
def test_a_transactions_bytes_are_those_of_eth_account(chain, nonce, value, data, gas, fee, tip):
    built = UnsignedTransaction(chain, nonce, POOL, value, data, gas, fee, tip)
    fees = (
        {"gasPrice": fee}
        if tip is None
        else {"type": 2, "maxFeePerGas": fee, "maxPriorityFeePerGas": tip}
    )
    fields = {
        "chainId": chain,
        "nonce": nonce,
        "to": str(POOL),
        "value": value,
        "data": data,
        "gas": gas,
    }
    theirs = Account.sign_transaction(fields | fees, KEY)
    raw, tx_hash = Wallet.from_key(KEY).sign_transaction(built)
    assert (raw, tx_hash) == (bytes(theirs.raw_transaction), bytes(theirs.hash))


def test_the_key_is_in_no_text_and_no_copy(wallet):
    assert KEY.hex() not in repr(wallet) + str(wallet) + f"{wallet!r:>99}"
    assert not hasattr(wallet, "__dict__")
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(BrokenPrecondition):
            leak(wallet)


@pytest.mark.parametrize("text", ["", "0x", "zz" * 32, "00" * 32, "ff" * 32, "ab" * 31, "ab" * 33])
def test_what_is_no_key_is_refused_without_being_repeated(text):
    with pytest.raises(NotAKey) as caught:
        Wallet.parse(text)
    assert len(text) < 3 or text not in str(caught.value)
    assert caught.value.__cause__ is None


def test_keys_are_read_with_and_without_prefix(wallet):
    assert Wallet.parse(KEY.hex()).address == wallet.address
    assert Wallet.parse(f" 0x{KEY.hex()}\n").address == wallet.address


def test_the_port_promises_what_the_wallet_has():
    for port in (Signer, TransactionSigner):
        for name in typing.get_type_hints(port) | vars(port):
            if not name.startswith("_"):
                assert hasattr(Wallet, name)
