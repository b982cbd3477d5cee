"""What nodes say, and what we make of it."""

from __future__ import annotations

import pytest

from poolhand.chain.refusal import NodeRefusal


def said(text: str, code: int = -32000, data: object = None) -> NodeRefusal:
    return NodeRefusal.read("eth_method", {"code": code, "message": text, "data": data})


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("execution reverted: iExecV5-matchOrders-0x03", 3),
        ("execution reverted", -32000),
        ("VM execution error.", -32015),
        ("EVM error InvalidFEOpcode", -32603),
    ],
)
def test_a_revert_is_the_contracts_answer(text, code):
    assert said(text, code).reverted
    assert not said(text, code).elsewhere


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("rate limit exceeded", -32005),
        ("Too Many Requests", 429),
        ("unknown block", -32000),
        ("header not found", -32000),
        ("Resource not found", -32001),
        ("missing trie node 12ab", -32000),
        ("Internal error", -32603),
        ("the method eth_x does not exist", -32601),
    ],
)
def test_another_endpoint_is_asked_when_this_one_cannot(text, code):
    assert said(text, code).elsewhere
    assert not said(text, code).reverted


@pytest.mark.parametrize(
    "text",
    [
        "query returned more than 10000 results",
        "block range is too wide",
        "exceed maximum block range: 5000",
    ],
)
def test_a_range_too_wide_is_an_answer(text):
    assert not said(text, -32005).elsewhere


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("already known", "known"),
        ("transaction already imported", "known"),
        ("AlreadyKnown", "known"),
        ("Transaction with the same hash was already imported.", "known"),
        ("nonce too low", "nonce_used"),
        ("nonce too low: next nonce 5, tx nonce 3", "nonce_used"),
        ("OldNonce", "nonce_used"),
        ("insufficient funds for gas * price + value", "no_funds"),
        ("Insufficient funds for gas * price + value", "no_funds"),
        ("Upfront cost exceeds account balance", "no_funds"),
        ("replacement transaction underpriced", "price_too_low"),
        ("max fee per gas less than block base fee", "price_too_low"),
        ("FeeTooLow, MaxFeePerGas too low", "price_too_low"),
    ],
)
def test_every_clients_words_are_known(text, meaning):
    found = said(text)
    names = ("known", "nonce_used", "no_funds", "price_too_low")
    assert [name for name in names if getattr(found, name)] == [meaning]
    assert not found.elsewhere


def test_revert_data_is_found_wherever_a_node_puts_it():
    for data in ("0x0afd9382", {"data": "0x0afd9382"}, "Reverted 0x0afd9382"):
        assert said("execution reverted", 3, data).data == bytes.fromhex("0afd9382")
    assert said("execution reverted", 3).data == b""


def test_the_contracts_own_words_are_kept():
    assert said("execution reverted: wrong-token", 3).reason == "wrong-token"
    assert said("execution reverted", 3).reason == ""
