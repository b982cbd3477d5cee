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


@pytest.mark.case("B1")
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("query returned more than 10000 results", -32005),
        ("block range is too wide", -32600),
        ("exceed maximum block range: 5000", -32701),
        ("Exceeded maximum block range: 1000", -32000),
        ("limit exceeded", -32005),
        ("eth_getLogs is limited to a 10,000 range", -32614),
        ("logs matched by query exceeds limit of 10000", -32000),
        ("requested too many blocks from 1 to 5000, maximum is set to 2048", -32000),
        ("query timeout exceeded. Consider reducing your block range.", -32000),
        (
            "Log response size exceeded. You can make eth_getLogs requests with up to a 2K range",
            -32602,
        ),
        ("ranges over 10000 blocks are not supported on freetier", 35),
        ("Response is too big", -32008),
        ("backend response too large", -32020),
        ("query exceeds max results 20000, retry with the range 1-500", -32602),
        ("context deadline exceeded", -32000),
        ("HTTP 413 (payload too large)", 413),
        ("", -32005),
    ],
)
def test_a_range_too_wide_is_an_answer(text, code):
    found = NodeRefusal.read("eth_getLogs", {"code": code, "message": text})
    assert found.too_wide
    assert not found.elsewhere
    assert not said(text, code).too_wide


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("rate limit exceeded", -32005),
        ("daily request count exceeded, request rate limited", -32005),
        ("Your app has exceeded its compute units per second capacity", 429),
        ("15/second request limit reached", -32007),
        ("You've exceeded the RPS limit available on the current plan", -32005),
        ("block range extends beyond current head block", -32602),
        ("One of the blocks specified in filter cannot be found.", -32000),
        ("the method eth_getLogs does not exist/is not available", -32601),
    ],
)
def test_a_node_that_cannot_tell_logs_now_is_not_asked_for_fewer(text, code):
    found = NodeRefusal.read("eth_getLogs", {"code": code, "message": text})
    assert not found.too_wide
    assert found.elsewhere


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
        ("known transaction: 0x12", "known"),
        ("tx already in mempool", "known"),
        ("nonce too low. allowed nonce range: 5 - 30, actual: 3", "nonce_used"),
        ("sender doesn't have enough funds to send tx", "no_funds"),
        ("[Request ID: 1] Insufficient funds for transfer", "no_funds"),
        ("Nonce too high. Provided nonce: 7, current nonce: 5", "later"),
        ("txpool is full", "later"),
        ("transaction type not supported", "wrong_kind"),
        ("type 2 transactions are not supported", "wrong_kind"),
    ],
)
def test_every_clients_words_are_known(text, meaning):
    found = said(text)
    names = ("known", "nonce_used", "no_funds", "price_too_low", "later", "wrong_kind")
    assert [name for name in names if getattr(found, name)] == [meaning]
    assert not found.elsewhere


def test_revert_data_is_found_wherever_a_node_puts_it():
    for data in ("0x0afd9382", {"data": "0x0afd9382"}, "Reverted 0x0afd9382"):
        assert said("execution reverted", 3, data).data == bytes.fromhex("0afd9382")
    assert said("execution reverted", 3).data == b""


def test_the_contracts_own_words_are_kept():
    assert said("execution reverted: wrong-token", 3).reason == "wrong-token"
    assert said("execution reverted", 3).reason == ""


@pytest.mark.parametrize("error", ["boom", ["x"], None, 7, {}, {"code": "-32005", "message": None}])
def test_an_error_of_any_form_is_read(error):
    assert isinstance(NodeRefusal.read("eth_method", error).text, str)
    assert NodeRefusal.read("eth_method", {"code": "-32005"}).node_code == -32005
    assert NodeRefusal.read("eth_method", "boom").text == "boom"


def test_what_stands_beneath_a_general_message_is_read_too():
    found = said("Internal error", -32603, {"message": "insufficient funds for gas"})
    assert found.no_funds
    assert not found.elsewhere


def test_a_message_is_well_formed_and_bounded():
    found = said("bad \ud800 " * 1000)
    found.text.encode()
    assert len(found.text) <= 500


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("call rate limit exhausted, retry in 10s", 10),
        ("Too many requests, please retry after 2.5 seconds", 2.5),
        ("try again in 300ms", 0.3),
        ("too many requests", 0),
    ],
)
def test_how_long_a_node_wants_to_be_left_alone_is_read(text, seconds):
    assert said(text, -32090).wait == seconds


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("the method eth_x does not exist/is not available", -32601),
        ("Method eth_feeHistory not supported", -32004),
        ("rpc method is not whitelisted", -32000),
        ("Unsupported method: eth_x", -32600),
        ("not implemented", -32000),
    ],
)
def test_a_missing_method_is_known_by_any_words(text, code):
    assert said(text, code).missing
    assert said(text, code).not_offered


def test_an_offchain_lookup_is_a_revert_like_any_other():
    """CCIP-read, by which a contract could send us to any URL, does not exist here."""
    found = said("execution reverted", 3, "0x556f1830" + "00" * 64)
    assert found.reverted
