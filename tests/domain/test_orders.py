"""Orders hash and sign as the contracts and the SDK do (specification, sections 1, 10 and 26)."""

import pytest
from vectors import DOMAIN, HUB, ORDERS, SIGNATURES, STRUCT_HASHES, TYPED_HASHES, wallet

from poolhand.domain.eip712 import StructType, order_domain
from poolhand.domain.ids import Address
from poolhand.domain.orders.eip712 import STRUCTS, order_hash
from poolhand.domain.orders.model import AppOrder, DatasetOrder, RequestOrder, WorkerpoolOrder
from poolhand.domain.signatures import recover

TYPE_HASHES = {
    AppOrder: "60815a0eeec47dddf1615fe53b31d016c31444e01b9d796db365443a6445d008",
    DatasetOrder: "6cfc932a5a3d22c4359295b9f433edff52b60703fa47690a04a83e40933dd47c",
    WorkerpoolOrder: "aa3429fb281b34691803133d3d978a75bb77c617ed6bc9aa162b9b30920022bb",
    RequestOrder: "f24e853034a3a450aba845a82914fbb564ad85accca6cf62be112a154520fae0",
}
LIVE_DOMAINS = [
    (
        134,
        "0x3eca1B216A7DF1C7689aEb259fFB83ADFB894E7f",
        "f2cbd98a556869939d25b73c3fa68ba45f19932f8c9a06f744c98290ed9ef860",
    ),
    (
        42161,
        "0x098bFCb1E50ebcA0BaA92C12eA0c3F045A1aD9f0",
        "3b211ab198ac0c745a332d34416d88c417c2f06a87bd9f0d2fdd37b242c75402",
    ),
    (
        421614,
        "0xB2157BF2fAb286b2A4170E3491Ac39770111Da3E",
        "de6e7a8f1c22386ba73ee5376e4ec7089a2d2b07ebbfce54d4cb386daa34cc92",
    ),
    (31337, str(HUB), "3a381c2b61f95eecc30cd1fa149a885c63820b699953cdfa94c38e311235e58f"),
]


@pytest.mark.parametrize(("chain_id", "hub", "separator"), LIVE_DOMAINS)
def test_the_domain_of_every_live_hub(chain_id, hub, separator):
    assert order_domain(chain_id, Address.parse(hub)).separator.hex() == separator


@pytest.mark.parametrize("kind", TYPE_HASHES)
def test_type_hashes(kind):
    assert STRUCTS[kind].type_hash.hex() == TYPE_HASHES[kind]


def test_a_domain_has_four_members():
    struct = StructType(
        "EIP712Domain",
        (
            ("string", "name"),
            ("string", "version"),
            ("uint256", "chainId"),
            ("address", "verifyingContract"),
        ),
    )
    expected = "8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f"
    assert struct.type_hash.hex() == expected
    assert struct.hash(("iExecODB", "5.0.0", 31337, HUB)) == DOMAIN.separator


@pytest.mark.parametrize("name", ORDERS)
def test_struct_and_typed_hashes(name):
    order, _ = ORDERS[name]
    typed = order_hash(DOMAIN, order)
    assert typed.hex() == TYPED_HASHES[name]
    assert DOMAIN.digest(bytes.fromhex(STRUCT_HASHES[name])) == typed


@pytest.mark.parametrize("name", ORDERS)
def test_signatures_are_the_sdks(name):
    order, index = ORDERS[name]
    signature = wallet(index).sign_order(DOMAIN, order)
    assert signature.hex() == SIGNATURES[name]
    assert recover(order_hash(DOMAIN, order), signature) == wallet(index).address
