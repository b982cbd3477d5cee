"""Keystores and password files that other programs and editors wrote, at the command line."""

from __future__ import annotations

import json

import pytest

from poolhand.keys.keystore import import_wallet
from poolhand.keys.named import PasswordUnreadable, read_password

KEY = bytes([1] * 32).hex()
PASSWORD = "pässword"


@pytest.fixture
def untold(tmp_path):
    """A keystore file as ``cast wallet import`` leaves it: no address, a name of its own."""
    stored = import_wallet(tmp_path / "keystore", KEY, PASSWORD, cost=1024)
    content = json.loads(stored.path.read_text())
    del content["address"]
    path = stored.path.rename(stored.path.with_name("deployer"))
    path.write_text(json.dumps(content))
    return path, str(stored.address)


def secret(folder, raw):
    path = folder / "secret.txt"
    path.write_bytes(raw)
    return str(path)


@pytest.mark.case("C1")
def test_a_wallet_whose_file_tells_no_address_is_listed_and_shown(cli, untold):
    path, _ = untold
    assert cli("wallet", "list", "--json").json == [{"address": None, "keystore": str(path)}]
    listed = cli("wallet", "list")
    assert "deployer" in listed.out
    assert "told once it is opened" in listed.out
    shown = cli("wallet", "show", "--wallet", str(path))
    assert (shown.code, "deployer" in shown.out) == (0, True)


def test_a_list_without_a_wallet_says_so_and_how_to_make_one(cli, tmp_path):
    told = cli("wallet", "list", "--keystore", str(tmp_path / "none")).out
    assert (
        told.split()
        == f"no wallet in {tmp_path}/none: make one with `poolhand wallet create`".split()
    )


@pytest.mark.case("C1")
def test_the_requesters_verbs_use_a_wallet_whose_file_tells_no_address(cli, untold, tmp_path):
    path, address = untold
    named = "--wallet", str(path), "--password-file", secret(tmp_path, PASSWORD.encode())
    assert cli("account", "show", *named, "--json").json["address"] == address
    wrong = "--wallet", str(path), "--password-file", secret(tmp_path, b"another")
    refused = cli("account", "show", *wrong, "--json")
    assert (refused.code, refused.error["code"]) == (2, "wrong-password")


@pytest.mark.case("C3")
@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\nnot this\n"])
@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_password_file_is_read_as_any_editor_saves_it(tmp_path, coding, ending):
    assert read_password(secret(tmp_path, (PASSWORD + ending).encode(coding))) == PASSWORD


@pytest.mark.case("C3")
def test_a_password_file_without_mark_in_utf_16_is_read(tmp_path):
    assert read_password(secret(tmp_path, "sesame\r\n".encode("utf-16-le"))) == "sesame"


@pytest.mark.case("C3")
def test_a_password_file_in_another_encoding_is_told_by_name(tmp_path):
    path = secret(tmp_path, PASSWORD.encode("latin-1"))
    with pytest.raises(PasswordUnreadable, match="neither UTF-8 nor UTF-16") as caught:
        read_password(path)
    assert path in str(caught.value)


def test_spaces_of_a_password_are_part_of_it(tmp_path):
    assert read_password(secret(tmp_path, b" two words \r\n")) == " two words "
