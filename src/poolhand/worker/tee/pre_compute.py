"""Brings the data of a confidential task: checks and opens its dataset, and lays out input files.

The worker has downloaded all of it before, encrypted as it is; whether it is the right one is found
out here, by what the session tells. What is opened goes to ``/iexec_in``, which is in memory.

Source: services-api.md 8.1, 9.3 and 9.4.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Final

from Crypto.Cipher import AES
from Crypto.Util.Padding import unpad

from poolhand.domain.params import input_name
from poolhand.worker.tee.relay_line import FETCHED_FOLDER, RelayClient
from poolhand.worker.tee.stage_program import StageFailed, required, run_stage, signing_key

PRE_PREFIX: Final = "PRE_COMPUTE_"
_BLOCK, _KEY = 16, 32
_DECRYPTED_AT_ONCE: Final = 1024**2


def bring_data(told: Mapping[str, str], _relay: RelayClient, fetched: Path) -> None:
    """Check, open and lay out everything; raises StageFailed."""
    required(told, "SIGN_WORKER_ADDRESS", "WORKER_ADDRESS_MISSING")
    signing_key(told)
    into = Path(required(told, "IEXEC_PRE_COMPUTE_OUT", "OUTPUT_PATH_MISSING"))
    if not into.is_dir():
        raise StageFailed("OUTPUT_FOLDER_NOT_FOUND")
    is_required = required(told, "IS_DATASET_REQUIRED", "IS_DATASET_REQUIRED_MISSING")
    number = required(told, "IEXEC_INPUT_FILES_NUMBER", "INPUT_FILES_NUMBER_MISSING")
    if not number.isdecimal():
        raise StageFailed("INPUT_FILES_NUMBER_MISSING")
    if is_required == "true":
        _dataset(told, "IEXEC_DATASET_", fetched, into)
    _bulk(told, fetched, into)
    for each in range(1, int(number) + 1):
        missing = "AT_LEAST_ONE_INPUT_FILE_URL_MISSING"
        name = input_name(required(told, f"IEXEC_INPUT_FILE_URL_{each}", missing))
        try:
            shutil.copyfile(fetched / name, into / name)
        except OSError as fault:
            raise StageFailed("INPUT_FILE_DOWNLOAD_FAILED") from fault


def _bulk(told: Mapping[str, str], fetched: Path, into: Path) -> None:
    """Open the datasets of a slice; one without a URL is none that the deal may have."""
    size = told.get("IEXEC_BULK_SLICE_SIZE", "0")
    if not size.isdecimal():
        raise StageFailed("FAILED_UNKNOWN_ISSUE")
    for each in range(1, int(size) + 1):
        if told.get(f"IEXEC_DATASET_{each}_URL"):
            _dataset(told, f"IEXEC_DATASET_{each}_", fetched, into)


def _dataset(told: Mapping[str, str], of: str, fetched: Path, into: Path) -> None:
    """Open one dataset; ``of`` is how its variables begin."""
    required(told, f"{of}URL", "DATASET_URL_MISSING")
    key = required(told, f"{of}KEY", "DATASET_KEY_MISSING")
    checksum = required(told, f"{of}CHECKSUM", "DATASET_CHECKSUM_MISSING")
    name = required(told, f"{of}FILENAME", "DATASET_FILENAME_MISSING")
    if "/" in name:
        raise StageFailed("DATASET_FILENAME_MISSING")
    try:
        file = (fetched / name).open("rb")
    except OSError as fault:
        raise StageFailed("DATASET_DOWNLOAD_FAILED") from fault
    with file:
        if hashlib.file_digest(file, "sha256").hexdigest() != checksum.removeprefix("0x"):
            raise StageFailed("INVALID_DATASET_CHECKSUM")
        file.seek(0)
        try:
            with (into / name).open("wb") as plain:
                decrypt_dataset(file, plain, key)
        except ValueError as fault:
            raise StageFailed("DATASET_DECRYPTION_FAILED") from fault
        except OSError as fault:
            raise StageFailed("SAVING_PLAIN_DATASET_FAILED") from fault


def decrypt_dataset(hidden: BinaryIO, plain: BinaryIO, key: str) -> None:
    """Open a dataset: 16 bytes and then AES-256-CBC with PKCS#7, under a key in base64.

    Raises:
        ValueError: It does not open with that key.
        OSError: A disk refuses.
    """
    raw, first = b64decode(key, validate=True), hidden.read(_BLOCK)
    if len(raw) != _KEY:
        raise ValueError("the key has another length")
    cipher = AES.new(raw, AES.MODE_CBC, first)
    piece = hidden.read(_DECRYPTED_AT_ONCE)
    while True:
        after = hidden.read(_DECRYPTED_AT_ONCE)
        clear = cipher.decrypt(piece)
        if not after:
            plain.write(unpad(clear, _BLOCK))
            return
        plain.write(clear)
        piece = after


def main() -> int:
    """Be the service; returns its exit code."""
    os.umask(0o022)
    fetched = Path(FETCHED_FOLDER)
    return run_stage(PRE_PREFIX, lambda told, relay: bring_data(told, relay, fetched), os.environ)


if __name__ == "__main__":
    sys.exit(main())
