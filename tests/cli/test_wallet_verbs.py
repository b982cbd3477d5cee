"""Wallets on the command line: made, imported, named, and opened by a password."""

from __future__ import annotations

from cli_world import PASSWORD

KEY = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d"


def test_a_wallet_is_created_imported_listed_and_used(cli, tmp_path):
    secret, key = tmp_path / "secret", tmp_path / "key"
    secret.write_text("my password\n")
    key.write_text("0x" + KEY + "\n")
    made = cli("wallet", "create", "--password-file", str(secret), "--json").json
    known = cli(
        "wallet", "import", "--key-file", str(key), "--password-file", str(secret), "--json"
    ).json
    assert known["address"].lower() == "0x008aeeda4d805471df9b2a5b0f38a0c3bcba786b"
    listed = cli("wallet", "list", "--json").json
    assert {each["address"] for each in listed} == {made["address"], known["address"]}
    shown = cli("wallet", "show", "--wallet", known["address"], "--json").json
    assert shown["keystore"] == known["keystore"]
    again = cli("wallet", "import", "--key-file", str(key), "--password-file", str(secret))
    assert again.code == 2
    assert KEY not in again.err


def test_a_bad_key_is_not_repeated(cli, tmp_path):
    key = tmp_path / "key"
    key.write_text("deadbeef")
    ran = cli("wallet", "import", "--key-file", str(key), "--password-file", str(key), "--json")
    assert (ran.code, ran.error["code"]) == (2, "not-a-key")
    assert "deadbeef" not in ran.out


def test_a_wrong_password_is_told(cli, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text("nope")
    ran = cli("account", "deposit", "1", "--password-file", str(wrong), "--json")
    assert (ran.code, ran.error["code"]) == (2, "wrong-password")
    assert PASSWORD not in ran.out


def test_the_environment_knows_the_password_and_a_flag_overrides_it(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("POOLHAND_WALLET_PASSWORD", "nope")
    assert cli("account", "deposit", "1").code == 2
    good = tmp_path / "password"
    assert cli("account", "deposit", "1", "--password-file", str(good)).code == 0


def test_no_password_anywhere_is_told(cli, tmp_path):
    stored = cli("wallet", "show", "--json").json["keystore"]
    ran = cli("account", "deposit", "1", "--wallet", stored, "--json")
    assert (ran.code, ran.error["code"]) == (2, "password-missing")
    ran = cli("account", "deposit", "1", "--password-file", str(tmp_path / "no"), "--json")
    assert (ran.code, ran.error["code"]) == (2, "password-unreadable")


def test_an_account_of_the_devnet_by_name(cli):
    assert cli("wallet", "show", "--as", "requester").code == 0
    ran = cli("wallet", "show", "--as", "nobody", "--json")
    assert (ran.code, ran.error["code"]) == (2, "unknown-account")
    assert "requester" in ran.error["message"]


def test_a_wallet_that_is_not_there_is_named(cli):
    ran = cli("account", "show", "--wallet", "/no/such/file", "--json")
    assert (ran.code, ran.error["code"]) == (2, "wallet-not-found")
