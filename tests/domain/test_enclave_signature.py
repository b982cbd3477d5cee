"""The enclave's signature, against the vectors of the specification; causes of its services."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.domain.vectors import ENCLAVE, SCHEDULER, WORKER

from poolhand.domain.ids import ResultDigest, TaskId
from poolhand.domain.tee.enclave_signature import (
    BadEnclaveSignature,
    SignedComputed,
    check_enclave_signature,
    enclave_message,
)
from poolhand.domain.tee.exit_causes import SERVICE_CAUSES, sentence, told_cause
from poolhand.domain.tee.session import Service

TASK = TaskId.parse("0x3a9070eb8ba780f3a76a3742fbe0e64427ee158e2d86754545a18111346dc91f")
DIGEST = ResultDigest.parse("0x1c8aff950685c2ed4bc3174f3472287b56d9517b9c948127319a09a7a36deac8")
MESSAGE = "8919494fc003e8240c0580142627b43c25e24f9f62f0ea705d926f4373af005c"
SIGNATURE = bytes.fromhex(
    "52b7e53bc342adefdf6b0f6b88051dbe56db60cb8dfedc1beda10e46e9e1c936"
    "14d926ce9c2f9401d5f4334fec909baeab8acdbe38b350dc3cfcfc50629fff311b"
)
SIGNED = SignedComputed(TASK, DIGEST, SIGNATURE, "/iexec_out/result.txt")


def test_an_enclave_signs_hash_and_seal():
    assert enclave_message(WORKER, TASK, DIGEST).hex() == MESSAGE
    check_enclave_signature(SIGNATURE, ENCLAVE, WORKER, TASK, DIGEST)


@pytest.mark.parametrize(
    ("signature", "enclave", "worker", "digest"),
    [
        (SIGNATURE, SCHEDULER, WORKER, DIGEST),
        (SIGNATURE, ENCLAVE, SCHEDULER, DIGEST),
        (SIGNATURE, ENCLAVE, WORKER, ResultDigest(bytes(31) + b"1")),
        (SIGNATURE[:-1], ENCLAVE, WORKER, DIGEST),
        (bytes(65), ENCLAVE, WORKER, DIGEST),
    ],
)
def test_nothing_else_is_signed_by_it(signature, enclave, worker, digest):
    with pytest.raises(BadEnclaveSignature):
        check_enclave_signature(signature, enclave, worker, TASK, digest)


@given(st.text(max_size=40), st.binary(max_size=40))
def test_a_signed_digest_reads_as_it_was_written(path, data):
    written = SignedComputed(TASK, DIGEST, SIGNATURE, path, data)
    assert SignedComputed.parse(written.dump(), TASK) == written


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{}",
        b"{" * 100_000,
        SignedComputed(TASK, ResultDigest(bytes(32)), SIGNATURE).dump(),
        SignedComputed(TASK, DIGEST, SIGNATURE[1:]).dump(),
        SignedComputed(TaskId(bytes(32)), DIGEST, SIGNATURE).dump(),
        SIGNED.dump().replace(b"0x52", b"0xzz"),
    ],
)
def test_anything_else_is_no_signed_digest(raw):
    with pytest.raises(BadEnclaveSignature):
        SignedComputed.parse(raw, TASK)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(raw):
    with suppress(BadEnclaveSignature):
        SignedComputed.parse(raw, TASK)


@pytest.mark.parametrize(
    ("service", "exit_code", "said", "cause"),
    [
        (Service.PRE_COMPUTE, 1, ("PRE_COMPUTE_DATASET_DOWNLOAD_FAILED",),
         "PRE_COMPUTE_DATASET_DOWNLOAD_FAILED"),
        (Service.PRE_COMPUTE, 1, (), "PRE_COMPUTE_FAILED_UNKNOWN_ISSUE"),
        (Service.PRE_COMPUTE, 1, ("<script>", "PRE_COMPUTE_TIMEOUT"), "PRE_COMPUTE_TIMEOUT"),
        (Service.POST_COMPUTE, 1, ("PRE_COMPUTE_TIMEOUT",), "POST_COMPUTE_FAILED_UNKNOWN_ISSUE"),
        (Service.POST_COMPUTE, 2, ("POST_COMPUTE_TIMEOUT",), "POST_COMPUTE_EXIT_REPORTING_FAILED"),
        (Service.POST_COMPUTE, 3, (), "POST_COMPUTE_TASK_ID_MISSING"),
        (Service.POST_COMPUTE, 137, (), "POST_COMPUTE_FAILED_UNKNOWN_ISSUE"),
        (Service.PRE_COMPUTE, None, (), "PRE_COMPUTE_FAILED_UNKNOWN_ISSUE"),
    ],
)  # fmt: skip
def test_a_service_is_believed_only_what_is_its_own(service, exit_code, said, cause):
    assert told_cause(service, exit_code, said) == cause


def test_every_cause_has_one_sentence():
    assert {len(each) for each in SERVICE_CAUSES.values()} == {25, 20}
    for causes in SERVICE_CAUSES.values():
        for cause in causes:
            assert sentence(cause).startswith(f"{cause}: the program that ")
    assert sentence("else") == "else"
