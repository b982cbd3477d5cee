"""Questions to a provider behind a gateway on loopback."""

from __future__ import annotations

from poolhand.chain import abi
from poolhand.chain.link import Query
from poolhand.keys.wallet import Wallet

CHAIN_ID = Query("eth_chainId", (), abi.quantity)

BALANCE = Query("eth_getBalance", ("0x" + "11" * 20, "latest"), abi.quantity)

WALLET = Wallet.from_key(bytes([9] * 32))

OWN_WORDS = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "invalid request"}}


def one(answers):
    (answer,) = answers
    return answer
