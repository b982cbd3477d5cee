"""Quotes in the forms of real machines, signed by keys of a simulated one.

Source: Intel SGX ECDSA Quote Library, appendix A (quote version 3); Intel TDX DCAP Quoting Library,
appendix A.3 (version 4). Numbers are little-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from Crypto.Hash import SHA256
from Crypto.PublicKey import ECC
from Crypto.Signature import DSS

from poolhand.domain.tee.framework import EvidenceKind
from poolhand.domain.tee.measurement import Measurement

INTEL_QE: Final = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
"""Whose form of a quote it is; a verifier knows no other."""
QE_SIGNER: Final = sha256(b"poolhand simulated quoting enclave").digest()
"""MRSIGNER of the simulated quoting enclave."""
QE_PRODUCTS: Final = {EvidenceKind.SGX: 1, EvidenceKind.TDX: 2}
QE_VERSION: Final = 8
QE_ATTRIBUTES: Final = bytes([0x11]) + bytes(15)
MACHINE_SVN: Final = bytes([7] * 16)
"""Versions of what a simulated machine consists of."""
PCE_SVN: Final = 13
_VERSIONS: Final = {EvidenceKind.SGX: (3, 0x00), EvidenceKind.TDX: (4, 0x81)}
_P256: Final = 2
_CHAIN, _QE_REPORT = 5, 6
_ENCLAVE_FLAGS: Final = 0b101
"""Initialized, 64 bits."""
_SEPT_VE_DISABLE: Final = 1 << 28
_SGX_DEBUG, _TDX_DEBUG = 0b10, 0b1


@dataclass(frozen=True, slots=True)
class QuotingKeys:
    """What a simulated machine quotes with.

    Attributes:
        machine: Key of its certificate (PCK).
        attestation: Key of its quoting enclave.
        chain: Its certificate and those above it, PEM.
    """

    machine: ECC.EccKey = field(repr=False)
    attestation: ECC.EccKey = field(repr=False)
    chain: bytes = field(repr=False)


def _signature(key: ECC.EccKey, signed: bytes) -> bytes:
    """Sign with ECDSA over P-256 and SHA-256; returns r ‖ s, 64 bytes, as quotes have it."""
    return bytes(DSS.new(key, "fips-186-3").sign(SHA256.new(signed)))


def _public(key: ECC.EccKey) -> bytes:
    """Return x ‖ y, 64 bytes."""
    return int(key.pointQ.x).to_bytes(32, "big") + int(key.pointQ.y).to_bytes(32, "big")


def simulated_quote(
    keys: QuotingKeys, measured: Measurement, report_data: bytes, *, debug: bool = False
) -> bytes:
    """Return a quote.

    Args:
        keys: Of the machine.
        measured: What it says that runs there.
        report_data: 64 bytes.
        debug: Whether the enclave's owner can read it.
    """
    kind = measured.kind
    version, tee = _VERSIONS[kind]
    header = struct.pack("<HHIHH16s20s", version, _P256, tee, QE_VERSION, PCE_SVN, INTEL_QE, b"")
    is_sgx = kind is EvidenceKind.SGX
    body = (
        _enclave(measured, report_data, debug) if is_sgx else _guest(measured, report_data, debug)
    )
    signed = header + body
    own = _signature(keys.attestation, signed) + _public(keys.attestation)
    about = _quoting_enclave(keys, kind) + struct.pack("<HI", _CHAIN, len(keys.chain)) + keys.chain
    if not is_sgx:
        about = struct.pack("<HI", _QE_REPORT, len(about)) + about
    return signed + struct.pack("<I", len(own + about)) + own + about


def _quoting_enclave(keys: QuotingKeys, kind: EvidenceKind) -> bytes:
    """Return its report, signed by the machine, with data that the report binds to its key."""
    data = bytes(range(32))
    bound = sha256(_public(keys.attestation) + data).digest() + bytes(32)
    report = _report(QE_ATTRIBUTES, bytes(32), QE_SIGNER, QE_PRODUCTS[kind], QE_VERSION, bound)
    return report + _signature(keys.machine, report) + struct.pack("<H", len(data)) + data


def _enclave(measured: Measurement, report_data: bytes, debug: bool) -> bytes:
    attributes = bytes([_ENCLAVE_FLAGS | _SGX_DEBUG * debug]) + bytes(15)
    return _report(
        attributes,
        measured.code,
        measured.signer,
        measured.product,
        measured.security_version,
        report_data,
    )


def _report(
    attributes: bytes, code: bytes, signer: bytes, product: int, version: int, report_data: bytes
) -> bytes:
    """Return the 384 bytes of an enclave's report."""
    return struct.pack(
        "<16sI28s16s32s32s32s96sHH60s64s",
        *(MACHINE_SVN, 0, b"", attributes, code, b"", signer, b""),
        *(product, version, b"", report_data),
    )


def _guest(measured: Measurement, report_data: bytes, debug: bool) -> bytes:
    """Return the 584 bytes of a TDX guest's report."""
    attributes = (_SEPT_VE_DISABLE | _TDX_DEBUG * debug).to_bytes(8, "little")
    svn = bytes([MACHINE_SVN[0], 0, *MACHINE_SVN[2:]])
    return struct.pack(
        "<16s48s48s8s8s8s48s48s48s48s48s48s48s48s64s",
        *(svn, b"", measured.signer, b"", attributes, bytes([0xE7]), measured.code),
        *(b"", b"", b"", *measured.registers, report_data),
    )
