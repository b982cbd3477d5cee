"""Orders as the iExec SDK writes them: read strictly, written the same."""

import json
import math
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.eip712 import order_domain
from poolhand.domain.errors import Malformed
from poolhand.domain.ids import Address
from poolhand.domain.orders.eip712 import CHAIN_NAMES, order_hash
from poolhand.domain.orders.model import (
    NO_DATASET_ORDER,
    AppOrder,
    DatasetOrder,
    RequestOrder,
    Salt,
    Signed,
    WorkerpoolOrder,
)
from poolhand.domain.signatures import recover
from poolhand.domain.tag import Tag
from poolhand.wire.order_json import MAX_PARAMS, MAX_UINT256, decode_order, encode_order

GOLDEN = json.loads(
    (Path(__file__).parents[1] / "golden" / "orders_sdk.json").read_text(encoding="utf-8")
)
KINDS = [AppOrder, DatasetOrder, WorkerpoolOrder, RequestOrder]
HUB = order_domain(31337, Address.parse("0x5FC8d32690cc91D4c39d9d3abcBD16989F875707"))

NUMBERS = st.integers(0, MAX_UINT256)
ADDRESSES = st.binary(min_size=20, max_size=20).map(Address)
WORDS = st.binary(min_size=32, max_size=32)
SIGNATURES = st.just(b"") | st.binary(min_size=64, max_size=65)
MEMBERS = {
    "price": NUMBERS,
    "app_max_price": NUMBERS,
    "dataset_max_price": NUMBERS,
    "workerpool_max_price": NUMBERS,
    "volume": NUMBERS,
    "category": NUMBERS,
    "trust": NUMBERS,
    "tag": WORDS.map(Tag),
    "salt": WORDS.map(Salt),
    "params": st.text(st.characters(codec="utf-8"), max_size=40),
}


def signed(kind):
    names = kind.__dataclass_fields__
    order = st.builds(kind, **{name: MEMBERS.get(name, ADDRESSES) for name in names})
    return st.builds(Signed, order, SIGNATURES)


@pytest.mark.parametrize("kind", KINDS)
def test_the_sdks_order_comes_back_member_for_member(kind):
    golden = GOLDEN[kind.__name__]
    assert encode_order(decode_order(kind, golden)) == golden
    assert list(golden) == [*CHAIN_NAMES[kind], "sign"]


def test_the_sdks_signature_is_its_signers():
    read = decode_order(RequestOrder, GOLDEN["RequestOrder"])
    assert recover(order_hash(HUB, read.order), read.signature) == read.order.requester


@given(st.one_of(*map(signed, KINDS)))
def test_what_is_written_is_read(order):
    written = json.loads(json.dumps(encode_order(order)))
    assert decode_order(type(order.order), written) == order


@given(st.one_of(*map(signed, KINDS)))
def test_json_numbers_and_other_capitals_mean_the_same(order):
    written = encode_order(order)
    marketed = {
        name: int(value) if value.isdecimal() and name != "params" else value
        for name, value in written.items()
    }
    lowered = {
        name: value.lower() if name != "params" and isinstance(value, str) else value
        for name, value in marketed.items()
    }
    assert decode_order(type(order.order), marketed) == order
    assert decode_order(type(order.order), lowered) == order


def test_no_dataset_is_the_sdks_empty_order():
    written = encode_order(Signed(NO_DATASET_ORDER, b""))
    assert {written["datasetprice"], written["volume"]} == {"0"}
    assert written["sign"] == "0x"
    assert decode_order(DatasetOrder, written) == Signed(NO_DATASET_ORDER, b"")


BAD = [
    ("appprice", value)
    for value in (-1, "-1", "+1", "1.0", 1.0, math.nan, True, None, "", " 1", "1 ", "0x1", "1_0",
                  "١", "1e3", MAX_UINT256 + 1, str(MAX_UINT256 + 1), "9" * 5000, [1])
] + [
    ("app", value)
    for value in ("", "0x", "ab" * 20, "0x" + "ab" * 19, "0x" + "ab" * 21, 5, None, "0x" + "zz" * 20,
                  "0xA1a1a1A1A1A1A1A1A1a1a1a1a1a1A1A1a1A1a1a1", "app.eth")
] + [
    ("tag", value) for value in ("0x", "0x09", 9, ["tee"], None, "0x" + "00" * 33)
] + [
    ("sign", value) for value in (None, "", "ab", "0xabc", "0x" + "ab" * 5000, 1, "0x 00")
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_member_of_the_wrong_form_is_refused_by_name(name, value):
    with pytest.raises(Malformed, match=rf"^{name}: "):
        decode_order(AppOrder, {**GOLDEN["AppOrder"], name: value})


@pytest.mark.parametrize("value", ["\ud800", "x" * (MAX_PARAMS + 1), {"iexec_args": "x"}, None])
def test_params_that_cannot_be_hashed_or_stored_are_refused(value):
    with pytest.raises(Malformed, match=r"^params: "):
        decode_order(RequestOrder, {**GOLDEN["RequestOrder"], "params": value})


@pytest.mark.parametrize("kind", KINDS)
def test_every_member_is_needed_and_no_other_is_taken(kind):
    golden = GOLDEN[kind.__name__]
    for name in golden:
        with pytest.raises(Malformed, match=f"'{name}' is missing"):
            decode_order(kind, {key: value for key, value in golden.items() if key != name})
    with pytest.raises(Malformed, match="'note' is unknown"):
        decode_order(kind, {**golden, "note": "x"})


@pytest.mark.parametrize("raw", [None, [], "x", 1, [GOLDEN["AppOrder"]]])
def test_what_is_no_object_is_refused(raw):
    with pytest.raises(Malformed, match="AppOrder: expected an object"):
        decode_order(AppOrder, raw)


def test_an_order_is_not_taken_for_another():
    with pytest.raises(Malformed):
        decode_order(AppOrder, GOLDEN["DatasetOrder"])


@given(st.dictionaries(st.sampled_from([*GOLDEN["AppOrder"], "x"]), st.none() | st.text()))
def test_anything_is_read_or_malformed(members):
    with suppress(Malformed):
        decode_order(AppOrder, {**GOLDEN["AppOrder"], **members})
