"""Certificates and revocations of a simulated root, in the form that Intel gives its own.

Source: Intel SGX PCK Certificate and Certificate Revocation List Profile Specification (chain,
extensions 1.2.840.113741.1.13.1.*); RFC 5280.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID, ObjectIdentifier

from poolhand.domain.units import UnixSeconds

CERTIFICATE_DAYS: Final = 366 * 7
"""For which certificates are valid; what says that one is up to date is valid for 30 days."""
_SGX: Final = "1.2.840.113741.1.13.1"


@dataclass(frozen=True, slots=True)
class SimulatedAuthority:
    """A key with its certificate, and those of the authorities above it."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)
    certificate: x509.Certificate = field(repr=False)
    above: tuple[x509.Certificate, ...] = field(default=(), repr=False)

    @property
    def chain(self) -> str:
        """The certificate and those above it, PEM."""
        every = (self.certificate, *self.above)
        return "".join(each.public_bytes(Encoding.PEM).decode() for each in every)

    def signature(self, signed: bytes) -> bytes:
        """Return r ‖ s, 64 bytes."""
        numbers = decode_dss_signature(self.key.sign(signed, ec.ECDSA(hashes.SHA256())))
        return b"".join(each.to_bytes(32, "big") for each in numbers)


def simulated_authority(
    name: str,
    now: UnixSeconds,
    above: SimulatedAuthority | None = None,
    *,
    levels: int | None = None,
    extension: bytes | None = None,
) -> SimulatedAuthority:
    """Make a key and its certificate.

    Args:
        name: Of whose it is; ``Simulated`` is put before it.
        now: When it becomes valid.
        above: Who signs it; None: itself.
        levels: Of authorities that may be below it; None: it issues nothing.
        extension: Intel's own, of a machine (DER).
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(name)
    issuer = above.certificate.subject if above else subject
    signer = above.key if above else key
    begins = datetime.fromtimestamp(now, UTC)
    is_issuer = levels is not None
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=CERTIFICATE_DAYS))
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_usage(is_issuer=is_issuer), critical=True)
        .add_extension(x509.BasicConstraints(ca=is_issuer, path_length=levels), critical=True)
    )
    if extension is not None:
        made = made.add_extension(
            x509.UnrecognizedExtension(ObjectIdentifier(_SGX), extension), critical=False
        )
    certificate = made.sign(signer, hashes.SHA256())
    return SimulatedAuthority(key, certificate, _above(above))


def _above(above: SimulatedAuthority | None) -> tuple[x509.Certificate, ...]:
    return (above.certificate, *above.above) if above else ()


def _name(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, f"Simulated {name}"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Simulated, no hardware"),
        ]
    )


def _usage(*, is_issuer: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_issuer,
        content_commitment=not is_issuer,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_issuer,
        crl_sign=is_issuer,
        encipher_only=False,
        decipher_only=False,
    )


def revocations(
    authority: SimulatedAuthority,
    issued: UnixSeconds,
    expires: UnixSeconds,
    revoked: Collection[int] = (),
) -> bytes:
    """Return what an authority says of the certificates that it issued (CRL, DER).

    Args:
        authority: Who issued them.
        issued: When it becomes valid.
        expires: When the next is due.
        revoked: Serial numbers.
    """
    begins = datetime.fromtimestamp(issued, UTC)
    key = authority.key.public_key()
    made = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(begins)
        .next_update(datetime.fromtimestamp(expires, UTC))
        .add_extension(x509.CRLNumber(1), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key), critical=False)
    )
    for serial in revoked:
        one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(begins)
        made = made.add_revoked_certificate(one.build())
    return made.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.DER)


def machine_extension(svn: bytes, pce_svn: int, model: bytes) -> bytes:
    """Return what Intel's certificate of a machine says of it (DER).

    Args:
        svn: CPUSVN, 16 bytes, each one component's version.
        pce_svn: Of the enclave that certifies.
        model: FMSPC, 6 bytes.
    """
    components = [_pair(f"2.{place}", _integer(each)) for place, each in enumerate(svn, start=1)]
    levels = _der(
        0x30, *components, _pair("2.17", _integer(pce_svn)), _pair("2.18", _der(0x04, svn))
    )
    return _der(
        0x30,
        _pair("1", _der(0x04, secrets.token_bytes(16))),
        _pair("2", levels),
        _pair("3", _der(0x04, bytes(2))),
        _pair("4", _der(0x04, model)),
        _pair("5", _der(0x0A, b"\x00")),
    )


def _pair(oid: str, value: bytes) -> bytes:
    return _der(0x30, _oid(f"{_SGX}.{oid}"), value)


def _integer(number: int) -> bytes:
    return _der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _oid(dotted: str) -> bytes:
    first, second, *others = map(int, dotted.split("."))
    packed = bytes([40 * first + second])
    for each in others:
        digits = [each & 0x7F]
        while each := each >> 7:
            digits.append(0x80 | each & 0x7F)
        packed += bytes(reversed(digits))
    return _der(0x06, packed)


def _der(tag: int, *parts: bytes) -> bytes:
    inner = b"".join(parts)
    size = len(inner)
    if size < 0x80:
        return bytes([tag, size]) + inner
    told = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(told)]) + told + inner
