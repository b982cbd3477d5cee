"""Keystore files: the SDK's and geth's, ours for them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from unicodedata import normalize

import pytest
from eth_account import Account
from eth_keyfile.keyfile import create_keyfile_json

from poolhand.domain.ids import Address
from poolhand.keys.errors import (
    KeystoreUnreadable,
    WalletExists,
    WalletInUse,
    WalletNotFound,
    WrongPassword,
)
from poolhand.keys.keystore import create_wallet, import_wallet, open_wallet
from poolhand.keys.lock import WalletLock, verb_of
from poolhand.keys.reading import password_bytes
from poolhand.keys.stored import find_wallet, list_wallets
from poolhand.keys.wallet import Wallet
from poolhand.settings.home import NoSuchHome

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


def test_who_holds_a_wallet_is_named_by_what_was_typed(tmp_path, monkeypatch):
    typed = ["/usr/bin/poolhand", "pool", "serve", "--password", "sesame"]
    monkeypatch.setattr(sys, "argv", typed)
    address = Address(b"\x02" * 20)
    told = rf"in use by process {os.getpid()} \(`poolhand pool serve`\): stop that process"
    with WalletLock(tmp_path, address), pytest.raises(WalletInUse, match=told):
        WalletLock(tmp_path, address).acquire()
    assert "sesame" not in (tmp_path / f"{address}.lock").read_text()
    assert verb_of(["/usr/bin/poolhand", "run", "docker.io/x:1"]) == "run"
    assert verb_of(["pytest", "pool", "serve"]) == verb_of([]) == ""


def test_a_dead_process_holds_nothing(tmp_path):
    program = (
        "import os, sys; from pathlib import Path\n"
        "from poolhand.keys.lock import WalletLock; from poolhand.domain.ids import Address\n"
        "WalletLock(Path(sys.argv[1]), Address(bytes(20))).acquire(); os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    with WalletLock(tmp_path, Address(bytes(20))):
        pass


# ------------------------------------------------------- files as other programs write them


def _foreign(folder, name: str, password: bytes, key: str = KEY, *, kdf="scrypt", **members):
    """Write a keystore as another program would; ``address=None`` leaves the address out."""
    content = create_keyfile_json(bytes.fromhex(key), password, 3, kdf, CHEAP)
    content.update(members)
    path = folder / name
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))
    return path


@pytest.mark.case("C1")
def test_a_file_without_address_is_listed_by_its_name_and_opens(tmp_path):
    path = _foreign(tmp_path, "deployer", b"p", address=None)
    (listed,) = list_wallets(tmp_path)
    assert (listed.address, listed.path, listed.name) == (None, path, "deployer")
    assert find_wallet(path, tmp_path) == listed
    assert str(open_wallet(path, tmp_path, "p").address).lower() == "0x" + ADDRESS


@pytest.mark.case("C1")
def test_a_wallet_that_is_not_found_by_address_may_be_in_a_file_that_tells_none(tmp_path):
    _foreign(tmp_path, "deployer", b"p", address=None)
    with pytest.raises(WalletNotFound, match="1 files there do not tell their address"):
        open_wallet("0x" + ADDRESS, tmp_path, "p")


@pytest.mark.case("C1")
@pytest.mark.parametrize("spelled", ["0x" + ADDRESS, ADDRESS.upper(), f" {ADDRESS}\n"])
def test_an_address_is_known_however_it_is_spelled(tmp_path, spelled):
    path = _foreign(tmp_path, "a.json", b"p", address=spelled)
    assert find_wallet("0x" + ADDRESS, tmp_path).path == path


@pytest.mark.case("C1")
def test_every_version_3_file_of_the_folder_is_listed_and_nothing_else(tmp_path):
    keys = [bytes([number] * 32).hex() for number in range(1, 5)]
    wanted = [
        _foreign(tmp_path, "UTC--2026-01-02T03-04-05.000000000Z--ab", b"p", keys[0]),
        _foreign(tmp_path, "wallet.json", b"p", keys[1]),
        _foreign(tmp_path, "no-ending", b"p", keys[2], kdf="pbkdf2"),
        _foreign(tmp_path, "text version", b"p", keys[3], version="3"),
    ]
    for name in (".hidden", "wallet.json~", "wallet.json.bak", "#wallet.json#"):
        _foreign(tmp_path, name, b"p", keys[1])
    (tmp_path / "sub").mkdir()
    _foreign(tmp_path / "sub", "inner.json", b"p")
    for name, text in {
        "compose.json": '{"version": 3, "services": {}}',
        "list.json": "[3]",
        "validator.json": '{"version": 4, "crypto": {}}',
        "deep.json": "[" * 60_000,
        "binary": "\0\1\2",
    }.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "huge.json").write_text(" " * 70_000)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    assert sorted(each.path for each in list_wallets(tmp_path)) == sorted(wanted)


def test_the_oldest_file_is_listed_first_whatever_its_name(tmp_path):
    new = _foreign(tmp_path, "a.json", b"p", bytes([1] * 32).hex())
    old = _foreign(tmp_path, "UTC--2020-01-02T03-04-05.000000000Z--z", b"p", bytes([2] * 32).hex())
    oldest = _foreign(tmp_path, "z.json", b"p", bytes([3] * 32).hex())
    os.utime(oldest, (10**9, 10**9))
    assert [each.path for each in list_wallets(tmp_path)] == [oldest, old, new]


def test_a_validators_key_is_told_by_name(tmp_path):
    path = tmp_path / "validator.json"
    path.write_text('{"version": 4, "crypto": {}}')
    with pytest.raises(KeystoreUnreadable, match="validator's key"):
        open_wallet(path, tmp_path, "p")


@pytest.mark.case("C2")
@pytest.mark.parametrize("form", [None, "NFC", "NFD", "NFKC", "NFKD"])
@pytest.mark.parametrize("password", ["pässwörd", "ﬁne ½ Å", "пароль", "密码", "e\u0301\u00e9"])
def test_a_password_opens_what_any_program_made_of_it(tmp_path, form, password):
    made = normalize(form, password) if form else password
    path = _foreign(tmp_path, "w.json", made.encode())
    assert open_wallet(path, tmp_path, password).address
    with pytest.raises(WrongPassword):
        open_wallet(path, tmp_path, password + "x")


@pytest.mark.case("C2")
def test_bytes_of_a_terminal_that_is_not_utf_8_stay_what_they_were(tmp_path):
    path = _foreign(tmp_path, "w.json", "pässword".encode("latin-1"))
    typed = "pässword".encode("latin-1").decode("utf-8", "surrogateescape")
    assert open_wallet(path, tmp_path, typed).address


@pytest.mark.case("C2")
def test_a_password_that_is_no_text_is_wrong_and_nothing_else(tmp_path):
    path = _foreign(tmp_path, "w.json", b"p")
    with pytest.raises(WrongPassword):
        open_wallet(path, tmp_path, "\ud800")
    assert create_wallet(tmp_path, "\ud800", cost=CHEAP).address


@pytest.mark.case("C2")
def test_a_password_is_tried_once_where_all_its_forms_are_one(tmp_path):
    assert password_bytes("plain") == [b"plain"]
    assert password_bytes("é")[0] == "é".encode()


@pytest.mark.case("C3")
@pytest.mark.parametrize("coding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_keystore_is_read_in_any_encoding_of_unicode(tmp_path, coding):
    path = _foreign(tmp_path, "w.json", b"p")
    path.write_bytes(path.read_text().encode(coding))
    assert open_wallet(path, tmp_path, "p").address
    assert [each.path for each in list_wallets(tmp_path)] == [path]


@pytest.mark.case("C3")
def test_a_keystore_in_another_encoding_is_told_by_name(tmp_path):
    path = tmp_path / "w.json"
    path.write_bytes(b'{"version": 3, "note": "\xe4"}')
    with pytest.raises(KeystoreUnreadable, match="neither UTF-8 nor UTF-16") as caught:
        open_wallet(path, tmp_path, "p")
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("kdf", "parameters"),
    [
        ("scrypt", {"n": 2**30, "r": 8, "p": 1}),
        ("scrypt", {"n": 2**17, "r": 2**20, "p": 1}),
        ("scrypt", {"n": 2**10, "r": 8, "p": 2**20}),
        ("scrypt", {"n": 2**20, "r": 8, "p": 1, "dklen": 16}),
        ("scrypt", {"n": 3, "r": 8, "p": 1}),
        ("scrypt", {"n": "many", "r": 8, "p": 1}),
        ("pbkdf2", {"c": 10**10, "prf": "hmac-sha256"}),
        ("pbkdf2", {"c": 1, "prf": "hmac-rot13"}),
    ],
)
def test_an_absurd_cost_is_refused_before_it_is_paid(tmp_path, kdf, parameters):
    content = json.loads(_foreign(tmp_path, "w.json", b"p", kdf=kdf).read_text())
    content["crypto"]["kdfparams"].update(parameters)
    path = tmp_path / "w.json"
    path.write_text(json.dumps(content))
    started = time.process_time()
    with pytest.raises(KeystoreUnreadable):
        open_wallet(path, tmp_path, "p")
    assert time.process_time() - started < 1


@pytest.mark.parametrize("cipher", ["aes-128-cbc", "AES-256-CTR", None, 7])
def test_another_cipher_is_told_and_opens_no_other_wallet(tmp_path, cipher):
    path = _foreign(tmp_path, "w.json", b"p")
    content = json.loads(path.read_text())
    content.pop("address", None)
    content["crypto"]["cipher"] = cipher
    path.write_text(json.dumps(content))
    with pytest.raises(KeystoreUnreadable, match="its cipher is"):
        open_wallet(path, tmp_path, "p")


# ------------------------------------------------------------ another wallet opened unnoticed


@pytest.mark.parametrize(
    "iv", ["", "00", None, 7, "zz" * 16, "11" * 15, "11" * 17, "0x" + "1" * 31]
)
def test_a_vector_that_is_not_whole_opens_no_other_wallet(tmp_path, iv):
    path = _foreign(tmp_path, "deployer", b"p", address=None)
    content = json.loads(path.read_text())
    content["crypto"]["cipherparams"]["iv"] = iv
    path.write_text(json.dumps(content))
    with pytest.raises(KeystoreUnreadable, match="its iv is no hexadecimal number of 16 bytes"):
        open_wallet(path, tmp_path, "p")


def test_an_altered_vector_is_found_by_the_address(tmp_path):
    path = _foreign(tmp_path, "deployer", b"p")
    content = json.loads(path.read_text())
    content["crypto"]["cipherparams"]["iv"] = "11" * 16
    path.write_text(json.dumps(content))
    with pytest.raises(KeystoreUnreadable, match="its address is not that of its key"):
        open_wallet(path, tmp_path, "p")


@pytest.mark.parametrize("address", ["0x12", "11" * 21, 7, ["x"], {}, "\x1b[31m"])
def test_an_address_that_is_none_is_refused_and_not_taken_for_left_out(tmp_path, address):
    path = _foreign(tmp_path, "deployer", b"p", address=address)
    with pytest.raises(KeystoreUnreadable, match="its address is ") as caught:
        open_wallet(path, tmp_path, "p")
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("address", ["", None])
def test_an_address_that_is_left_out_is_none_at_all(tmp_path, address):
    path = _foreign(tmp_path, "deployer", b"p", address=address)
    assert str(open_wallet(path, tmp_path, "p").address).lower() == "0x" + ADDRESS


def test_a_home_that_nobody_has_is_told(tmp_path):
    for way in (open_wallet, lambda *told: find_wallet(*told[:2])):
        with pytest.raises(NoSuchHome, match="give the path without ~"):
            way("~nobody-of-this-name/x", tmp_path, "p")
