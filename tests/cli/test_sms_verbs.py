"""Verbs that put a secret management service in order, typed as its page has them."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing

import pytest

from poolhand.cli.main import run
from poolhand.domain.ids import Address
from poolhand.domain.result_key import RESULT_KEY_NAME, ResultKeyText
from poolhand.domain.sms_secret import SecretKind, SecretPlace
from poolhand.keys.wallet import Wallet
from poolhand.settings.sms import MasterKeySource, SecretsAddress
from poolhand.sms.keeping import open_secrets
from poolhand.store.sms.secrets import KeptSecret, SecretStore

WALLET = Wallet.from_key(b"\x03" * 32)
OTHER = Wallet.from_key(b"\x04" * 32)


@pytest.fixture
def typed(tmp_path, monkeypatch, capsys):
    for name in ("FOLDER", "DATABASE", "MASTER_KEY", "MASTER_KEY_FILE", "MASTER_KEY_COMMAND"):
        monkeypatch.delenv(f"POOLHAND_SMS_{name}", raising=False)
    monkeypatch.setenv("POOLHAND_SMS_FOLDER", str(tmp_path / "sms"))

    def say(*words, code=0):
        assert run(["sms", *map(str, words), "--json"]) == code
        told = capsys.readouterr()
        answer = json.loads(told.out)
        return answer if code == 0 else answer["error"]

    return say


def served(folder, key, value: bytes | None = None):
    """Be the service for a moment; returns what it has for the wallet."""
    at = SecretsAddress(folder, f"sqlite:///{folder / 'sms.db'}", MasterKeySource(key))
    with closing(open_secrets(at)) as database:
        database.claim(1, Address(b"\x01" * 20))
        store = SecretStore(database, "tdx", 1, 99)
        place = SecretPlace(SecretKind.WEB2, WALLET.address, RESULT_KEY_NAME)
        if value is not None:
            asyncio.run(store.add(place, KeptSecret(value, b""), ""))
        found = asyncio.run(store.value(place))
        return found and found.value


def test_keys_are_made_changed_and_copied(typed, tmp_path):
    first, second = tmp_path / "keys" / "1.key", tmp_path / "keys" / "2.key"
    name = typed("new-key", first)["name"]
    assert typed("new-key", first, code=2)["code"] == "master-key-there"
    assert typed("audit", code=2)["code"] == "bad-setting"
    assert typed("audit", "--master-key-file", first, code=2)["code"] == "no-secrets-yet"
    assert served(tmp_path / "sms", first, b"v") == b"v"
    assert typed("rotate-key", "--master-key-file", first) == {
        "resealed": 1, "keys_dropped": 1, "master": name, "resumed": False,
    }  # fmt: skip
    renamed = typed("new-key", second)["name"]
    again = typed("rotate-key", "--master-key-file", first, "--new-master-key-file", second)
    assert again["master"] == renamed != name
    assert served(tmp_path / "sms", second) == b"v"
    assert typed("backup", tmp_path / "b.bak", "--master-key-file", first, code=2)["code"] == (
        "wrong-master-key"
    )
    assert typed("backup", tmp_path / "b.bak", "--master-key-file", second)["secrets"] == 1
    again = ("restore", tmp_path / "b.bak", "--folder", tmp_path / "again", "--master-key-file")
    assert typed(*again, first, code=2)["code"] == "wrong-master-key"
    assert typed(*again, second)["secrets"] == 1
    assert served(tmp_path / "again", second) == b"v"
    acts = [each["act"] for each in typed("audit", "--master-key-file", second)["audit"]]
    assert acts == ["backed up", "keys rotated", "keys rotated", "added"]


def test_keys_for_results_are_taken_over_as_their_owners_signed_them(typed, tmp_path):
    key, old = tmp_path / "keys" / "1.key", tmp_path / "result-keys"
    typed("new-key", key)
    served(tmp_path / "sms", key)
    old.mkdir()
    signature = WALLET.sign_result_key(ResultKeyText("a key"))
    for owner in (WALLET, OTHER):
        told = {"value": "a key", "signature": signature.hex(), "replaced": []}
        (old / f"0x{owner.address.hex()}.json").write_text(json.dumps(told))
    take = ("import-result-keys", old, "--master-key-file", key)
    assert typed(*take) == {"taken": 1, "there_already": 0, "unfit": 1}
    assert typed(*take) == {"taken": 0, "there_already": 1, "unfit": 1}
    assert served(tmp_path / "sms", key) == b"a key"
