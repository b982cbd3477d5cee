"""What runs in an enclave, as its processor measured it.

Source: Intel SGX, ECDSA Quote Library (report body: MRENCLAVE, MRSIGNER, ISVPRODID, ISVSVN);
Intel TDX DCAP Quoting Library, appendix 3 (MRTD, RTMR0 to RTMR3).
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256, sha384
from typing import Final

from poolhand.domain.errors import Refused
from poolhand.domain.tee.framework import EvidenceKind, TeeFramework

CODE_SIZES: Final = {EvidenceKind.SGX: 32, EvidenceKind.TDX: 48}
"""Bytes of the main measurement: MRENCLAVE, MRTD."""
REGISTERS: Final = 4
"""Run-time registers of a TDX guest, of 48 bytes each."""


class BadMeasurement(Refused):
    """A measurement has a length that no enclave of its kind has."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one enclave, or one TDX guest, is.

    Attributes:
        kind: SGX or TDX.
        code: MRENCLAVE (32 bytes) or MRTD (48 bytes).
        registers: RTMR0 to RTMR3 of a TDX guest, 48 bytes each; none of an enclave.
        signer: MRSIGNER (32 bytes), who built the enclave; MRSIGNERSEAM of a TDX module (48).
        product: ISVPRODID of an enclave.
        security_version: ISVSVN of an enclave.
    """

    kind: EvidenceKind
    code: bytes
    registers: tuple[bytes, ...] = ()
    signer: bytes = b""
    product: int = 0
    security_version: int = 0

    def __post_init__(self) -> None:
        """Check the lengths.

        Raises:
            BadMeasurement: One does not fit the kind.
        """
        if len(self.code) != CODE_SIZES[self.kind]:
            size = CODE_SIZES[self.kind]
            raise BadMeasurement(
                f"{len(self.code)} bytes are no measurement of {self.kind}, which has {size}"
            )
        if any(len(each) != CODE_SIZES[EvidenceKind.TDX] for each in self.registers):
            raise BadMeasurement("a run-time register has 48 bytes")

    @property
    def fingerprint(self) -> str:
        """The main measurement as hexadecimal digits without 0x, as apps carry it on chain."""
        return self.code.hex()


@dataclass(frozen=True, slots=True)
class ExpectedMeasurement:
    """What a measurement has to be; what is None may be anything.

    Attributes:
        kind: SGX or TDX.
        code: MRENCLAVE or MRTD.
        registers: RTMR0 and on; as many are compared as are named, and None among them is any.
        signer: MRSIGNER.
        product: ISVPRODID.
        least_security_version: ISVSVN may not be under it.
    """

    kind: EvidenceKind
    code: bytes | None = None
    registers: tuple[bytes | None, ...] = ()
    signer: bytes | None = None
    product: int | None = None
    least_security_version: int = 0

    @classmethod
    def of(cls, measured: Measurement) -> ExpectedMeasurement:
        """Return the expectation of exactly that code, with its registers."""
        return cls(measured.kind, measured.code, measured.registers)

    def is_of(self, found: Measurement) -> bool:
        """Tell whether an enclave is what is expected, whatever its versions."""
        if found.kind is not self.kind or self.code not in (None, found.code):
            return False
        if self.signer not in (None, found.signer):
            return False
        if len(self.registers) > len(found.registers):
            return False
        pairs = zip(self.registers, found.registers, strict=False)
        return all(wanted in (None, had) for wanted, had in pairs)


def measure_service(
    framework: TeeFramework, image_digest: str, entrypoint: tuple[str, ...] = ()
) -> Measurement:
    """Measure a service as the simulation does, where no processor measures it.

    Args:
        framework: In which it runs.
        image_digest: Of its image, ``sha256:`` and 64 digits.
        entrypoint: Its command, word by word.
    """
    told = b"".join(
        len(each).to_bytes(4, "big") + each
        for each in (
            b"poolhand simulated measurement",
            framework.value.encode(),
            image_digest.encode(),
            *(word.encode() for word in entrypoint),
        )
    )
    kind = framework.evidence
    return Measurement(
        kind=kind,
        code=(sha256 if kind is EvidenceKind.SGX else sha384)(told).digest(),
        registers=(bytes(CODE_SIZES[kind]),) * REGISTERS if kind is EvidenceKind.TDX else (),
        signer=bytes(CODE_SIZES[kind]),
    )
