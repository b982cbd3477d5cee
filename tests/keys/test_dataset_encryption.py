"""Datasets encrypted as iExec's SDK does it: each opens what the other made."""

from __future__ import annotations

from base64 import b64decode
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from poolhand.keys.dataset_encryption import (
    DatasetNotOpened,
    UnfitDatasetKey,
    check_dataset_key,
    decrypt_dataset,
    encrypt_dataset,
    new_dataset_key,
)

MIB = 1024**2


def by_others(raw: bytes, key: str) -> bytes:
    """Open what 8.1 of the services' specification describes, with another library."""
    cipher = Cipher(algorithms.AES(b64decode(key)), modes.CBC(raw[:16])).decryptor()
    padded, unpadder = cipher.update(raw[16:]) + cipher.finalize(), PKCS7(128).unpadder()
    return unpadder.update(padded) + unpadder.finalize()


@pytest.mark.parametrize("size", [0, 6, 15, 16, 17, MIB - 1, MIB, MIB + 1, 3 * MIB])
def test_what_is_encrypted_opens_anywhere(tmp_path, size):
    clear, hidden, key = tmp_path / "d", tmp_path / "d.enc", new_dataset_key()
    clear.write_bytes(bytes(range(256)) * (size // 256) + bytes(size % 256))
    checksum = encrypt_dataset(clear, hidden, key)
    raw = hidden.read_bytes()
    assert len(key) == 44
    assert len(raw) == 16 + (size // 16 + 1) * 16
    assert checksum == sha256(raw).digest()
    assert by_others(raw, key) == clear.read_bytes() == decrypt_dataset(hidden, key)


def test_two_encryptions_have_nothing_in_common(tmp_path):
    clear, key = tmp_path / "d", new_dataset_key()
    clear.write_bytes(bytes(64))
    made = [tmp_path / "1.enc", tmp_path / "2.enc"]
    assert len({encrypt_dataset(clear, each, key) for each in made}) == 2
    raw = made[0].read_bytes()
    assert len({raw[at : at + 16] for at in range(0, len(raw), 16)}) == len(raw) // 16


@pytest.mark.parametrize("key", ["", "foo", "x" * 44, "AAAA", "A" * 43 + "\n"])
def test_what_is_no_key_is_refused_and_leaves_nothing(tmp_path, key):
    clear, hidden = tmp_path / "d", tmp_path / "d.enc"
    clear.write_bytes(b"secret")
    with pytest.raises(UnfitDatasetKey, match="44"):
        check_dataset_key(key)
    with pytest.raises(UnfitDatasetKey):
        encrypt_dataset(clear, hidden, key)
    assert [each.name for each in tmp_path.iterdir()] == ["d"]


def test_what_is_damaged_or_of_another_key_does_not_open(tmp_path):
    clear, hidden, key = tmp_path / "d", tmp_path / "d.enc", new_dataset_key()
    clear.write_bytes(b"x" * 15)
    encrypt_dataset(clear, hidden, key)
    (tmp_path / "short").write_bytes(hidden.read_bytes()[:-1])
    with pytest.raises(DatasetNotOpened):
        decrypt_dataset(tmp_path / "short", key)
