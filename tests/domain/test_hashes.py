"""Ids, results, seals and authorizations (specification, sections 13 and 26)."""

from contextlib import suppress

import pytest
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st
from vectors import (
    DEAL_ID,
    DIGEST,
    DOMAIN,
    ENCLAVE,
    REQUEST_ORDER,
    SCHEDULER,
    TASK_ID,
    WORKER,
    wallet,
)

from poolhand.domain.hashes import (
    authorization_hash,
    deal_id,
    eip191_hash,
    result_hash,
    result_seal,
    task_id,
)
from poolhand.domain.ids import ZERO_ADDRESS, Address, TaskId
from poolhand.domain.messages import Nonce, PoolProof, ResultUpload, WorkerLogin, pool_domain
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.signatures import BadSignature, check_authorization, recover, widen
from poolhand.domain.units import UnixSeconds

HASH = "f5ccbe36a37cd09da6f85528f2e951923a9ccb90eddebb3cdb5363eacb76ff99"
SEAL = "977f54a14b81b299cf9ef7a424ec353ec73e6f2da7f13bfaa59937e42778f623"
AUTHORIZATIONS = [
    (
        ZERO_ADDRESS,
        "0b90e8c34c056ff59227020a318deea0132695f0aec2e984e3273788889467cd",
        (
            "5a113837a85872867738e07f4b1154f5d7505b3878eff07098edaadef1962e04"
            "24cddfe165062e874722013a0a47c1dbc812121e07f36a48f318263b100198b21c"
        ),
    ),
    (
        ENCLAVE,
        "15c0526aea9ee0db8fc94e736f713b218b5567a4e7dde91c0596756321c62e12",
        (
            "5a9cff440ed27b002b825c4cfe22a296a296175b6b6efb47af4838e1b0aca036"
            "5173042c19e9634452fb8f45f0cee2d1d81e8e3cafeaf1afce5c9671ea04b99b1c"
        ),
    ),
]
ENCLAVE_SIGNATURE = (
    "52b7e53bc342adefdf6b0f6b88051dbe56db60cb8dfedc1beda10e46e9e1c936"
    "14d926ce9c2f9401d5f4334fec909baeab8acdbe38b350dc3cfcfc50629fff311b"
)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def test_deal_and_task_ids():
    assert deal_id(order_hash(DOMAIN, REQUEST_ORDER), 0) == DEAL_ID
    assert task_id(DEAL_ID, 1) == TASK_ID


def test_a_result_is_hidden_and_sealed():
    assert keccak(b"hello") == DIGEST
    assert result_hash(TASK_ID, DIGEST).hex() == HASH
    assert result_seal(WORKER, TASK_ID, DIGEST).hex() == SEAL


def test_a_seal_cannot_be_reused_by_another_worker_or_for_another_task():
    other_task = TaskId(b"\x01" * 32)
    seals = {
        result_seal(worker, task, DIGEST)
        for worker in (WORKER, SCHEDULER)
        for task in (TASK_ID, other_task)
    }
    assert len(seals) == 4


@pytest.mark.parametrize(("enclave", "message", "signature"), AUTHORIZATIONS)
def test_authorizations_are_the_schedulers(enclave, message, signature):
    assert authorization_hash(WORKER, TASK_ID, enclave).hex() == message
    signed = wallet(6).sign_authorization(WORKER, TASK_ID, enclave)
    assert signed.hex() == signature
    check_authorization(signed, SCHEDULER, WORKER, TASK_ID, enclave)


@pytest.mark.parametrize(
    ("owner", "worker", "task", "enclave"),
    [
        (WORKER, WORKER, TASK_ID, ZERO_ADDRESS),
        (SCHEDULER, SCHEDULER, TASK_ID, ZERO_ADDRESS),
        (SCHEDULER, WORKER, TaskId(bytes(32)), ZERO_ADDRESS),
        (SCHEDULER, WORKER, TASK_ID, ENCLAVE),
    ],
)
def test_an_authorization_is_for_one_worker_task_and_enclave(owner, worker, task, enclave):
    signed = bytes.fromhex(AUTHORIZATIONS[0][2])
    with pytest.raises(BadSignature):
        check_authorization(signed, owner, worker, task, enclave)


def test_an_enclaves_signature_is_recovered():
    message = keccak(bytes.fromhex(HASH) + bytes.fromhex(SEAL))
    expected = "8919494fc003e8240c0580142627b43c25e24f9f62f0ea705d926f4373af005c"
    assert message.hex() == expected
    assert recover(eip191_hash(message), bytes.fromhex(ENCLAVE_SIGNATURE)) == ENCLAVE


def _mutated(signature):
    s = int.from_bytes(signature[32:64], "big")
    high = signature[:32] + (ORDER - s).to_bytes(32, "big")
    yield high + bytes([27 + 28 - signature[64]])
    yield signature[:64]
    yield signature[:64] + bytes([signature[64] - 27])
    yield signature + b"\0"
    yield b""
    yield bytes(64) + b"\x1b"
    yield b"\xff" * 32 + signature[32:]


@pytest.mark.parametrize("bad", list(_mutated(bytes.fromhex(ENCLAVE_SIGNATURE))))
def test_a_malleable_or_misshapen_signature_is_refused(bad):
    with pytest.raises(BadSignature):
        recover(bytes(32), bad)


@given(st.binary(min_size=32, max_size=32))
def test_a_compact_signature_widens_to_the_long_one(deal):
    signed = wallet(6).sign_authorization(WORKER, TaskId(deal), ZERO_ADDRESS)
    second = int.from_bytes(signed[32:64], "big") | (signed[64] - 27) << 255
    assert widen(signed[:32] + second.to_bytes(32, "big")) == signed
    assert widen(signed) == signed


@given(st.binary(max_size=70), st.binary(min_size=32, max_size=32))
def test_no_bytes_make_recovery_fail_otherwise(signature, digest):
    with suppress(BadSignature):
        assert isinstance(recover(digest, signature), Address)


def test_messages_bind_every_member_and_the_pool():
    pools = [pool_domain(chain, Address(pool * 20)) for chain in (1, 2) for pool in (b"a", b"b")]
    digests = {WorkerLogin(p, WORKER, "u", *_nonces(), UnixSeconds(1)).digest for p in pools}
    domain = pools[0]
    first, second = _nonces()
    digests |= {
        WorkerLogin(domain, SCHEDULER, "u", first, second, UnixSeconds(1)).digest,
        WorkerLogin(domain, WORKER, "v", first, second, UnixSeconds(1)).digest,
        WorkerLogin(domain, WORKER, "u", second, first, UnixSeconds(1)).digest,
        WorkerLogin(domain, WORKER, "u", first, second, UnixSeconds(2)).digest,
        PoolProof(domain, WORKER, first, second, UnixSeconds(1)).digest,
        PoolProof(domain, WORKER, second, first, UnixSeconds(1)).digest,
        ResultUpload(domain, WORKER, TASK_ID, first, UnixSeconds(1)).digest,
        ResultUpload(domain, WORKER, TASK_ID, second, UnixSeconds(1)).digest,
    }
    assert len(digests) == 12


def _nonces():
    return Nonce(b"\x01" * 32), Nonce(b"\x02" * 32)
