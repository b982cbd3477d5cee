"""Encrypted results: one key opens them, every other does not, and all of them come out."""

from __future__ import annotations

import io
import json
import zipfile
from functools import cache

import pytest
from Crypto.PublicKey import RSA
from hypothesis import given, settings
from hypothesis import strategies as st

from many import examples
from poolhand.domain.encrypted_result import ENCRYPTED_FILES, is_encrypted_result, told_digest
from poolhand.domain.ids import ResultDigest, TaskId
from poolhand.keys import result_encryption
from poolhand.keys.result_encryption import (
    ResultNotOpened,
    ResultTooLargeToEncrypt,
    UnfitResultKey,
    decrypt_result,
    encrypt_result,
    make_keypair,
)

TASK, DIGEST = TaskId(bytes([1] * 32)), ResultDigest(bytes([2] * 32))


@cache
def pair(number: int = 0) -> tuple[bytes, bytes]:
    return make_keypair(2048)


def there_and_back(folder, content: bytes, private: bytes | None = None) -> bytes:
    clear, hidden, again = (folder / name for name in ("clear", "hidden", "again"))
    again.unlink(missing_ok=True)
    clear.write_bytes(content)
    encrypt_result(clear, hidden, pair()[1], TASK, DIGEST)
    decrypt_result(hidden, again, private or pair()[0])
    return again.read_bytes()


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 2**20 - 1, 2**20, 2**20 + 1, 3 * 2**20])
def test_what_is_encrypted_comes_out_whole(tmp_path, size):
    content = bytes(n % 251 for n in range(size))
    assert there_and_back(tmp_path, content) == content
    assert sorted(each.name for each in tmp_path.iterdir()) == ["again", "clear", "hidden"]


@settings(max_examples=examples(25))
@given(content=st.binary(max_size=100))
def test_any_bytes_come_out_and_none_of_them_is_seen(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("any")
    assert there_and_back(folder, content) == content
    assert len(set(content)) < 8 or content not in (folder / "hidden").read_bytes()


def test_the_archive_has_the_form_that_sdks_read_and_tells_the_digest(tmp_path):
    there_and_back(tmp_path, b"secret")
    with zipfile.ZipFile(tmp_path / "hidden") as made:
        assert set(made.namelist()) == ENCRYPTED_FILES
        assert len(made.read("aes-key.rsa")) == 256
        assert len(made.read("iexec_out.zip.aes")) == 32
        assert told_digest(made.read("computed.json")) == DIGEST
        assert is_encrypted_result(made.namelist())


def test_another_key_does_not_open_it(tmp_path):
    with pytest.raises(ResultNotOpened, match="not to this key"):
        there_and_back(tmp_path, b"secret", pair(1)[0])
    assert not (tmp_path / "again").exists()


def zipped(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no zip",
        zipped({"aes-key.rsa": bytes(256)}),
        zipped({"aes-key.rsa": bytes(256), "iexec_out.zip.aes": bytes(64)}),
        zipped({"aes-key.rsa": bytes(5000), "iexec_out.zip.aes": bytes(64)}),
    ],
)
def test_what_is_no_encrypted_result_is_refused(tmp_path, content):
    (tmp_path / "hidden").write_bytes(content)
    with pytest.raises(ResultNotOpened):
        decrypt_result(tmp_path / "hidden", tmp_path / "again", pair()[0])
    assert not (tmp_path / "again").exists()


def test_an_archive_that_broke_off_is_refused(tmp_path):
    there_and_back(tmp_path, b"x" * 1000)
    with zipfile.ZipFile(tmp_path / "hidden") as made:
        files = {name: made.read(name) for name in made.namelist()}
    files["iexec_out.zip.aes"] = files["iexec_out.zip.aes"][:-5]
    (tmp_path / "hidden").write_bytes(zipped(files))
    with pytest.raises(ResultNotOpened):
        decrypt_result(tmp_path / "hidden", tmp_path / "other", pair()[0])


@pytest.mark.parametrize(
    "key",
    [
        b"",
        b"-----BEGIN PUBLIC KEY-----",
        pair()[0],
        RSA.generate(1024).public_key().export_key(),
    ],
)
def test_what_is_no_public_key_encrypts_nothing(tmp_path, key):
    (tmp_path / "clear").write_bytes(b"x")
    with pytest.raises(UnfitResultKey):
        encrypt_result(tmp_path / "clear", tmp_path / "hidden", key, TASK, DIGEST)
    assert not (tmp_path / "hidden").exists()


def test_a_public_key_opens_nothing(tmp_path):
    with pytest.raises(UnfitResultKey, match="private one"):
        there_and_back(tmp_path, b"x", pair()[1])


def test_what_no_sdk_would_open_is_not_encrypted(tmp_path):
    clear = tmp_path / "clear"
    with clear.open("wb") as file:
        file.truncate(result_encryption.MOST_ENCRYPTED)
    with pytest.raises(ResultTooLargeToEncrypt, match="write less"):
        encrypt_result(clear, tmp_path / "hidden", pair()[1], TASK, DIGEST)


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[]", b'{"result-digest": 1}', json.dumps({"result-digest": "0x12"}).encode()]
)  # fmt: skip
def test_a_file_that_tells_no_digest_is_refused(text):
    from poolhand.domain.computed import NoResult

    with pytest.raises(NoResult):
        told_digest(text)
