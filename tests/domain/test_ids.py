"""Ids have one length, one meaning and one spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.errors import BadHex
from poolhand.domain.ids import Address, FixedBytes, OrderHash, ResultDigest, TaskId, TxHash
from poolhand.domain.messages import Nonce
from poolhand.domain.orders.model import Salt
from poolhand.domain.tag import Tag

KINDS = [Address, TaskId, OrderHash, ResultDigest, TxHash, Nonce, Salt, Tag]
EIP_55 = [
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0xde709f2102306220921060314715629080e2fb77",
]


@pytest.mark.parametrize("text", EIP_55)
def test_addresses_are_shown_with_their_checksum(text):
    for spelling in (text, text.lower(), "0x" + text[2:].upper()):
        assert str(Address.parse(spelling)) == text


@given(data=st.data(), kind=st.sampled_from(KINDS))
def test_what_is_shown_is_read(kind, data):
    value = kind(data.draw(st.binary(min_size=kind.size, max_size=kind.size)))
    assert kind.parse(str(value)) == value
    assert repr(value) == f"{kind.__name__}({value})"
    assert str(value).lower().startswith(value.short[:-1])


@pytest.mark.parametrize("kind", KINDS)
def test_another_length_is_refused(kind):
    for size in (0, kind.size - 1, kind.size + 1):
        with pytest.raises(BadHex, match=kind.what):
            kind(bytes(size))
        with pytest.raises(BadHex, match=str(2 * kind.size)):
            kind.parse("0x" + "00" * size)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0x",
        "ab" * 20,
        "0x" + "zz" * 20,
        "0x" + "ab " * 20,
        "0x" + " ab" * 20,
        "0x\n" + "ab" * 20,
        "0x" + "ab" * 20 + " ",
        " 0x" + "ab" * 20,
    ],
)
def test_any_other_spelling_is_refused(text):
    with pytest.raises(BadHex):
        Address.parse(text)


def test_the_zero_address_means_nobody():
    assert Address(bytes(20)).is_zero
    assert not Address(bytes(19) + b"\x01").is_zero


def test_ids_are_bytes():
    assert issubclass(FixedBytes, bytes)
    assert {Address(b"a" * 20): 1}[Address(b"a" * 20)] == 1
