"""Verbs of secrets at the command line: files made and read, nothing secret in a command's words."""

from __future__ import annotations

import json

import pytest

from poolhand.cli.dataset_keys import read_key
from poolhand.cli.main import run
from poolhand.cli.secret_texts import UnreadableSecret, secret_text
from poolhand.client.dataset_files import NoDatasetFile
from poolhand.keys.dataset_encryption import UnfitDatasetKey, decrypt_dataset


def test_a_dataset_is_encrypted_beside_its_key_and_never_over_another(tmp_path, capsys):
    file = tmp_path / "d.txt"
    file.write_text("hidden")
    assert run(["dataset", "encrypt", str(file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    key = tmp_path / "d.txt.key"
    assert told["key"] == str(key)
    assert key.stat().st_mode & 0o077 == 0
    assert decrypt_dataset(tmp_path / "d.txt.enc", read_key(key)) == b"hidden"
    before = key.read_text()
    (tmp_path / "d.txt.enc").unlink()
    assert run(["dataset", "encrypt", str(file), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "dataset-file-there"
    assert key.read_text() == before


def test_a_key_is_read_from_a_file_that_has_one(tmp_path):
    with pytest.raises(NoDatasetFile):
        read_key(tmp_path / "none")
    (tmp_path / "other").write_text("no key")
    with pytest.raises(UnfitDatasetKey):
        read_key(tmp_path / "other")


def test_a_secret_is_read_without_the_newline_that_editors_put(tmp_path):
    file = tmp_path / "secret"
    for written in ("s3cret é", "s3cret é\n", "s3cret é\r\n"):
        file.write_bytes(written.encode())
        assert secret_text(str(file)) == "s3cret é"
    file.write_bytes(b"\xff")
    with pytest.raises(UnreadableSecret):
        secret_text(str(file))


def test_secrets_need_a_service_that_keeps_them(cli):
    address = "0x4f1c3a7b9d2e8f60514233241506f7e8d9cabbcd"
    failed = cli("dataset", "check-secret", address, "--json")
    assert failed.code == 2
    assert "--sms-url" in failed.out
