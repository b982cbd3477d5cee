"""Packs the result of a confidential task, encrypts it where that is asked for, and signs it.

What leaves is an archive, for whoever may have it, and the digest signed by the key of the
enclave's challenge; the worker brings both away.

Source: services-api.md 8.2, 8.3, 9.3 and 9.4.
"""

from __future__ import annotations

import os
import sys
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from poolhand.domain.computed import COMPUTED_FILE, OUTPUT_FOLDER, NoResult
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.tee.enclave_signature import (
    SignedComputed,
    callback_message,
    enclave_message,
)
from poolhand.keys.result_encryption import (
    ResultTooLargeToEncrypt,
    UnfitResultKey,
    encrypt_result,
    read_public_key,
)
from poolhand.worker.archive import pack
from poolhand.worker.outputs import Outputs, read_outputs
from poolhand.worker.result_files import result_files
from poolhand.worker.tee.relay_line import PACKED_ARCHIVE, PACKED_FOLDER, RelayClient
from poolhand.worker.tee.stage_program import StageFailed, required, run_stage, signing_key

POST_PREFIX: Final = "POST_COMPUTE_"
LONGEST_RESULT_NAME: Final = 31
"""Characters of a file's name in a result, as iExec's own services have it."""


def bring_result(told: Mapping[str, str], relay: RelayClient, out: Path, packed: Path) -> None:
    """Pack, encrypt, sign and hand over; raises StageFailed."""
    task_id = TaskId.parse(told["IEXEC_TASK_ID"])
    worker = Address.parse(required(told, "SIGN_WORKER_ADDRESS", "WORKER_ADDRESS_MISSING"))
    key = signing_key(told)
    pem = _key_of(told)
    outputs = _outputs(out, with_callback=told.get("RESULT_STORAGE_CALLBACK") == "true")
    _pack(out, packed, pem, task_id, outputs)
    signed = SignedComputed(
        task_id,
        outputs.digest,
        key.sign(enclave_message(worker, task_id, outputs.digest)),
        callback_data=outputs.callback_data or b"",
    )
    authorization = key.sign(callback_message(worker, task_id))
    try:
        relay.ask(
            tell="computed",
            computed=signed.dump().decode(),
            authorization=f"0x{authorization.hex()}",
        )
    except OSError as fault:
        raise StageFailed("SEND_COMPUTED_FILE_FAILED") from fault


def _key_of(told: Mapping[str, str]) -> bytes | None:
    """Return the beneficiary's public key (PEM); None: the result stays open."""
    if told.get("RESULT_ENCRYPTION") != "true":
        return None
    text = required(told, "RESULT_ENCRYPTION_PUBLIC_KEY", "ENCRYPTION_PUBLIC_KEY_MISSING")
    try:
        pem = b64decode(text, validate=True)
        read_public_key(pem)
    except (ValueError, UnfitResultKey) as fault:
        raise StageFailed("MALFORMED_ENCRYPTION_PUBLIC_KEY") from fault
    return pem


def _outputs(out: Path, *, with_callback: bool) -> Outputs:
    try:
        names = [name.rpartition("/")[2] for name, _ in result_files(out)]
        if any(len(each) > LONGEST_RESULT_NAME for each in names):
            raise StageFailed("TOO_LONG_RESULT_FILE_NAME")
        if COMPUTED_FILE not in names:
            raise StageFailed("COMPUTED_FILE_NOT_FOUND")
        return read_outputs(out, with_callback=with_callback)
    except (NoResult, OSError) as fault:
        raise StageFailed("RESULT_DIGEST_COMPUTATION_FAILED") from fault


def _pack(out: Path, packed: Path, pem: bytes | None, task_id: TaskId, outputs: Outputs) -> None:
    """Leave one archive; an open one that is to be encrypted stays in memory, and goes."""
    target = packed / PACKED_ARCHIVE
    clear = target if pem is None else packed / ".clear.zip"
    try:
        pack(out, clear)
    except (NoResult, OSError) as fault:
        raise StageFailed("OUT_FOLDER_ZIP_FAILED") from fault
    if pem is None:
        return
    try:
        encrypt_result(clear, target, pem, task_id, outputs.digest)
    except (ResultTooLargeToEncrypt, UnfitResultKey, OSError) as fault:
        raise StageFailed("ENCRYPTION_FAILED") from fault
    finally:
        clear.unlink(missing_ok=True)


def main() -> int:
    """Be the service; returns its exit code."""
    os.umask(0o022)
    out, packed = Path(OUTPUT_FOLDER), Path(PACKED_FOLDER)

    def work(told: Mapping[str, str], relay: RelayClient) -> None:
        bring_result(told, relay, out, packed)

    return run_stage(POST_PREFIX, work, os.environ)


if __name__ == "__main__":
    sys.exit(main())
