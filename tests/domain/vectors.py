"""The test vectors of the specification (onchain.md, section 26): who, what and which hashes."""

from functools import cache

from eth_account import Account

from poolhand.domain.eip712 import order_domain
from poolhand.domain.ids import ZERO_ADDRESS as Z
from poolhand.domain.ids import Address, DealId, ResultDigest, TaskId
from poolhand.domain.orders.model import (
    AppOrder,
    DatasetOrder,
    RequestOrder,
    Salt,
    WorkerpoolOrder,
)
from poolhand.domain.tag import Tag
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc
from poolhand.keys.wallet import Wallet

HUB = Address.parse("0x5FC8d32690cc91D4c39d9d3abcBD16989F875707")
DOMAIN = order_domain(31337, HUB)
REQUESTER = Address.parse("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
SCHEDULER = Address.parse("0x976EA74026E726554dB657fA54763abd0C3a0aa9")
ENCLAVE = Address.parse("0x14dC79964da2C08b23698B3D3cc7Ca32193d9955")
WORKER = Address.parse("0xBcd4042DE499D14e55001CcbB24a551F3b954096")
APP, DATASET, POOL = (Address(bytes([byte]) * 20) for byte in (0xA1, 0xD2, 0xB3))
PARAMS = '{"iexec_args":"hello","iexec_result_storage_provider":"ipfs"}'
INFINITE = 9007199254740991


def salt(number):
    return Salt(number.to_bytes(32, "big"))


def tag(bits):
    return Tag(bits.to_bytes(32, "big"))


@cache
def wallet(index):
    """Return account ``index`` of the test mnemonic that Anvil and Hardhat publish."""
    Account.enable_unaudited_hdwallet_features()
    words = " ".join(["test"] * 11 + ["junk"])
    made = Account.from_mnemonic(words, account_path=f"m/44'/60'/0'/0/{index}")
    return Wallet.from_key(bytes(made.key))


APP_ORDER = AppOrder(APP, NanoRlc(3), 10, tag(0x09), Z, Z, Z, salt(1))
DATASET_ORDER = DatasetOrder(DATASET, NanoRlc(5), INFINITE, tag(0x03), APP, Z, REQUESTER, salt(2))
POOL_ORDER = WorkerpoolOrder(
    POOL, NanoRlc(100), 4, tag(0x09), 2, Trust(3), Z, Z, Z, salt(3)
)  # fmt: skip
REQUEST_ORDER = RequestOrder(
    APP, NanoRlc(3), DATASET, NanoRlc(5), POOL, NanoRlc(100), REQUESTER, 2, tag(0x09), 2, Trust(3),
    REQUESTER, Z, PARAMS, salt(4),
)  # fmt: skip

ORDERS = {
    "app": (APP_ORDER, 4),
    "dataset": (DATASET_ORDER, 5),
    "workerpool": (POOL_ORDER, 6),
    "request": (REQUEST_ORDER, 1),
}
"""Order and the index of who signs it."""

STRUCT_HASHES = {
    "app": "fcaf66b23cd7d6b726d666e053e17fb52c2c0e6ea4ce9fdbdc1bc415e4b1ea82",
    "dataset": "b66038cd15cfbab50e57588eccc4c74dabf8059017a89dcb5e5ee71af9f6c83c",
    "workerpool": "f10f080b99219688bc72aece41b45afded41ab53289d0278576315ffe8e89f7b",
    "request": "646142ca7977a86da249bd4b9534e5f45fd31c1da6c9d55e77b0f858cb9cddcd",
}
TYPED_HASHES = {
    "app": "26077a918db6aae9d07af998362e77a68c0ae9d7dc89418a83b00886eb849b55",
    "dataset": "ab500403215b64df0a63e3c9b47e21712bdcae6aafab54fa610fe48976e233e7",
    "workerpool": "3e2cb8033ec24d620fcf01d96749de01a4b6381b48e50813e522e1baf52739a2",
    "request": "f5f4fc92d45b84f2153e3032ba7bfe3e44cb605c92110e93655b4b081a594d5c",
}
SIGNATURES = {
    "app": "9c5a2557327f0d9b1c530ee70e9423f69b668cf9e5ba69665d1a3843021b59a6"
    "75055e271f82f7182644c54ec11d1fd77113178851682ad0875b8b362eb1e8621c",
    "dataset": "4fa64214995aff2a771ff8cea4cba27c9697256ab69997e27535cc2be6bfb8f8"
    "500a0bdbd9b3a622b540571772429e8255fab22f54e4366e2cb11f3473ac162f1b",
    "workerpool": "d0e64eb637d21b2549c46ded575e9ffdd7795eaec652ab0ad56e430eaf3d404d"
    "0583c6da9ca3bd5861d30b2929995c7f681fee2dbb6cd8862c1984d36fe053271c",
    "request": "a0f7be1864a01452dec5ba9faad755bd542cd8b9685915ab1ad3d3a08c504724"
    "3866b6e785ee246e4c7bbdbb3b8ed8a733980ede3509f75c91dd88e86daecd2e1b",
}

DEAL_ID = DealId.parse("0x6425c66a45c1a3cb68cf31aec61911dec94919f6a6628dde06d4c79c94582f9f")
TASK_ID = TaskId.parse("0x3a9070eb8ba780f3a76a3742fbe0e64427ee158e2d86754545a18111346dc91f")
DIGEST = ResultDigest.parse("0x1c8aff950685c2ed4bc3174f3472287b56d9517b9c948127319a09a7a36deac8")
