"""Keystore files: the SDK's and geth's, ours for them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
from eth_account import Account

from poolhand.domain.ids import Address
from poolhand.keys import (
    KeystoreUnreadable,
    Wallet,
    WalletExists,
    WalletInUse,
    WalletLock,
    WalletNotFound,
    WrongPassword,
    create_wallet,
    import_wallet,
    list_wallets,
    open_wallet,
)

KEY = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d"
ADDRESS = "008aeeda4d805471df9b2a5b0f38a0c3bcba786b"
CHEAP = 1024

ETHERS_VECTOR = {
    # Web3 Secret Storage Definition, scrypt vector, with the capital that ethers writes.
    "Crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "83dbcc02d8ccb40e466191a123791e0e"},
        "ciphertext": "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
        "kdf": "scrypt",
        "kdfparams": {
            "dklen": 32,
            "n": 262144,
            "r": 1,
            "p": 8,
            "salt": "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19",
        },
        "mac": "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097",
    },
    "address": ADDRESS,
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version": 3,
}


def test_a_file_of_ethers_opens(tmp_path):
    path = tmp_path / "UTC--2026-01-01T00-00-00-000.000000000Z--x"
    path.write_text(json.dumps(ETHERS_VECTOR))
    assert open_wallet(path, tmp_path, "testpassword").address == Address.parse("0x" + ADDRESS)


def test_our_file_opens_elsewhere(tmp_path):
    stored = import_wallet(tmp_path, KEY, "pass wörd", cost=CHEAP)
    content = json.loads(stored.path.read_text())
    assert Account.decrypt(content, "pass wörd").hex() == KEY
    assert content["address"] == ADDRESS
    assert content["crypto"]["kdfparams"]["n"] == CHEAP


def test_the_cost_is_the_sdks_unless_told(tmp_path):
    content = json.loads(create_wallet(tmp_path, "p").path.read_text())
    parameters = content["crypto"]["kdfparams"]
    assert (parameters["n"], parameters["r"], parameters["p"]) == (131072, 8, 1)
    assert content["crypto"]["cipher"] == "aes-128-ctr"


def test_name_and_mode_are_the_sdks(tmp_path):
    stored = create_wallet(tmp_path / "deep" / "keystore", "p", cost=CHEAP)
    pattern = r"UTC--\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{3}\.000000000Z--" + str(stored.address)[2:]
    assert re.fullmatch(pattern, stored.path.name)
    assert stored.path.stat().st_mode & 0o777 == 0o600
    assert list(stored.path.parent.iterdir()) == [stored.path]


def test_wallets_are_listed_and_opened_by_address(tmp_path):
    first = create_wallet(tmp_path, "one", cost=CHEAP)
    second = create_wallet(tmp_path, "two", cost=CHEAP)
    (tmp_path / "UTC--rubbish").write_text("{}")
    (tmp_path / "notes.txt").write_text("hello")
    assert set(list_wallets(tmp_path)) == {first, second}
    assert open_wallet(second.address, tmp_path, "two").address == second.address
    assert open_wallet(str(first.address).lower(), tmp_path, "one").address == first.address


def test_an_absent_folder_has_no_wallets(tmp_path):
    assert list_wallets(tmp_path / "nowhere") == ()


def test_the_same_wallet_is_not_written_twice(tmp_path):
    import_wallet(tmp_path, KEY, "p", cost=CHEAP)
    with pytest.raises(WalletExists):
        import_wallet(tmp_path, "0x" + KEY, "other", cost=CHEAP)
    assert len(list_wallets(tmp_path)) == 1


def test_a_wrong_password_is_told(tmp_path):
    stored = create_wallet(tmp_path, "right", cost=CHEAP)
    with pytest.raises(WrongPassword):
        open_wallet(stored.path, tmp_path, "wrong")


@pytest.mark.parametrize("wanted", ["0x" + "11" * 20, "no/such/file", ""])
def test_an_unknown_wallet_is_told(tmp_path, wanted):
    with pytest.raises(WalletNotFound):
        open_wallet(wanted, tmp_path, "p")


def _without(path: str) -> dict:
    content = json.loads(json.dumps(ETHERS_VECTOR))
    here = content
    *above, last = path.split(".")
    for name in above:
        here = here[name]
    del here[last]
    return content


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"version":3}',
        '{"version":4}',
        '{"version":3,"crypto":7}',
        json.dumps(_without("Crypto.kdf")),
        json.dumps(_without("Crypto.mac")),
        json.dumps(_without("Crypto.kdfparams.salt")),
        json.dumps(ETHERS_VECTOR | {"address": "11" * 20}),
        json.dumps(ETHERS_VECTOR).replace("aes-128-ctr", "rot13").replace("scrypt", "rot13"),
    ],
)
def test_what_is_no_keystore_is_refused(tmp_path, content):
    path = tmp_path / "wallet.json"
    path.write_text(content)
    with pytest.raises(KeystoreUnreadable) as caught:
        open_wallet(path, tmp_path, "testpassword")
    assert str(path) in str(caught.value)


def test_a_wallet_is_held_once_per_machine(tmp_path):
    address = Wallet.from_key(bytes.fromhex(KEY)).address
    with WalletLock(tmp_path, address):
        with pytest.raises(WalletInUse) as caught:
            WalletLock(tmp_path, address).acquire()
        assert caught.value.holder == str(os.getpid())
        WalletLock(tmp_path, Address(b"\x01" * 20)).acquire()
    with WalletLock(tmp_path, address):
        pass


def test_a_dead_process_holds_nothing(tmp_path):
    program = (
        "import os, sys; from pathlib import Path\n"
        "from poolhand.keys import WalletLock; from poolhand.domain.ids import Address\n"
        "WalletLock(Path(sys.argv[1]), Address(bytes(20))).acquire(); os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    with WalletLock(tmp_path, Address(bytes(20))):
        pass
