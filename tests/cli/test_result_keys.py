"""Keys for encrypted results at the command line: made once, and told when something is missing."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from poolhand.cli.result_keys import KeyFileThere, NoKeyFile, new_keypair, opened
from poolhand.domain.computed import Computed, result_digest
from poolhand.domain.ids import TaskId
from poolhand.keys.result_encryption import encrypt_result, make_keypair
from poolhand.requester.archive import TargetExists


@pytest.fixture(scope="module")
def key(tmp_path_factory) -> Path:
    private, public = make_keypair(2048)
    path = tmp_path_factory.mktemp("keys") / "key.pem"
    path.write_bytes(private)
    path.with_name("key.pem.pub").write_bytes(public)
    return path


def encrypted(folder: Path, key: Path) -> Path:
    """Make an archive as it is downloaded."""
    clear, hidden = folder / "clear.zip", folder / "task.zip"
    computed = {"deterministic-output-path": "/iexec_out/result.txt"}
    with zipfile.ZipFile(clear, "w") as made:
        made.writestr("result.txt", "42")
        made.writestr("computed.json", json.dumps(computed))
    files = {"result.txt": hashlib.sha256(b"42").digest()}
    digest = result_digest(Computed("/iexec_out/result.txt", None), files, with_callback=False)
    public = key.with_name(f"{key.name}.pub").read_bytes()
    encrypt_result(clear, hidden, public, TaskId(bytes(32)), digest)
    return hidden


def test_a_pair_is_made_for_its_owner_alone_and_never_over_another(tmp_path):
    private, public = new_keypair(tmp_path / "deep" / "key.pem")
    assert private.stat().st_mode & 0o077 == 0
    assert b"PRIVATE" in private.read_bytes()
    assert b"BEGIN PUBLIC KEY" in public.read_bytes()
    before = private.read_bytes()
    with pytest.raises(KeyFileThere, match="--key"):
        new_keypair(private)
    assert private.read_bytes() == before


def test_an_archive_is_opened_beside_itself_and_never_over_another(tmp_path, key):
    archive = encrypted(tmp_path, key)
    target, digest = opened(archive, key, None)
    assert target == tmp_path / "task.decrypted.zip"
    assert target.read_bytes() == (tmp_path / "clear.zip").read_bytes()
    assert digest is not None
    with pytest.raises(TargetExists):
        opened(archive, key, None)
    assert opened(archive, key, tmp_path / "other.zip")[0] == tmp_path / "other.zip"


def test_what_is_missing_is_told_with_what_makes_it(tmp_path, key):
    with pytest.raises(NoKeyFile, match="task download"):
        opened(tmp_path / "none.zip", key, None)
    with pytest.raises(NoKeyFile, match="results keypair"):
        opened(encrypted(tmp_path, key), tmp_path / "no.pem", None)
