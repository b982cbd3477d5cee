"""What opens a task's data: datasets of a bulk beside, or without, one of the deal."""

from __future__ import annotations

import hashlib
from base64 import b64encode

import pytest
from Crypto.Cipher import AES
from Crypto.Util.Padding import pad

from poolhand.worker.tee.pre_compute import bring_data
from poolhand.worker.tee.stage_program import StageFailed

KEY = bytes(range(32))
ADDRESSES = ["0x" + f"{number:02x}" * 20 for number in (1, 2, 3)]


def shut(text):
    return bytes(16) + AES.new(KEY, AES.MODE_CBC, bytes(16)).encrypt(pad(text, 16))


@pytest.fixture
def stage(tmp_path):
    """Folders of what was fetched and of what is opened, and what a bulk of three is told."""
    fetched, into = tmp_path / "fetched", tmp_path / "in"
    fetched.mkdir()
    into.mkdir()
    told = {
        "SIGN_WORKER_ADDRESS": "0x" + "05" * 20,
        "SIGN_TEE_CHALLENGE_PRIVATE_KEY": "0x" + "07" * 32,
        "IEXEC_PRE_COMPUTE_OUT": str(into),
        "IS_DATASET_REQUIRED": "false",
        "IEXEC_INPUT_FILES_NUMBER": "0",
        "IEXEC_BULK_SLICE_SIZE": "3",
    }
    for number, name in enumerate(ADDRESSES, 1):
        content = shut(f"text {number}".encode())
        (fetched / name).write_bytes(content)
        told |= {
            f"IEXEC_DATASET_{number}_URL": f"/ipfs/{number}",
            f"IEXEC_DATASET_{number}_CHECKSUM": "0x" + hashlib.sha256(content).hexdigest(),
            f"IEXEC_DATASET_{number}_KEY": b64encode(KEY).decode(),
            f"IEXEC_DATASET_{number}_FILENAME": name,
        }
    return told, fetched, into


def opened(into):
    return {path.name: path.read_bytes() for path in into.iterdir()}


def test_every_dataset_of_a_slice_is_opened_but_for_those_that_the_deal_may_not_have(stage):
    told, fetched, into = stage
    unfit = {f"IEXEC_DATASET_2_{each}": "" for each in ("URL", "CHECKSUM", "KEY")}
    bring_data(told | unfit, None, fetched)
    assert opened(into) == {ADDRESSES[0]: b"text 1", ADDRESSES[2]: b"text 3"}


@pytest.mark.parametrize(
    ("content", "cause"),
    [(None, "DATASET_DOWNLOAD_FAILED"), (b"another", "INVALID_DATASET_CHECKSUM")],
)
def test_one_that_is_missing_or_another_ends_the_task_with_its_cause(stage, content, cause):
    told, fetched, _ = stage
    (fetched / ADDRESSES[1]).unlink()
    if content is not None:
        (fetched / ADDRESSES[1]).write_bytes(content)
    with pytest.raises(StageFailed, match=cause):
        bring_data(told, None, fetched)


def test_no_file_of_a_bulk_leaves_its_folder(stage):
    told, fetched, _ = stage
    with pytest.raises(StageFailed, match="DATASET_FILENAME_MISSING"):
        bring_data(told | {"IEXEC_DATASET_1_FILENAME": "../out"}, None, fetched)


@pytest.mark.parametrize("size", ["-1", "many", ""])
def test_a_size_that_is_none_is_no_bulk(stage, size):
    told, fetched, _ = stage
    with pytest.raises(StageFailed, match="FAILED_UNKNOWN_ISSUE"):
        bring_data(told | {"IEXEC_BULK_SLICE_SIZE": size}, None, fetched)
