"""Whether a machine's certificates lead to who certifies machines, before anything is asked for it.

What quotes are judged by is had from a service, by model. A stranger could name any model, and have
the service asked without end; so its certificates must lead to the maker's root first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from poolhand.domain.tee.refusal import AttestationRefused, RefusalReason

INTEL_ROOT_KEY: Final = bytes.fromhex(
    "040ba9c4c0c0c86193a3fe23d6b02cda10a8bbd4e88e48b4458561a36e705525f5"
    "67918e2edc88e40d860bd0cc4ee26aacc988e505a953558c453f6b0904ae7394"
)
"""Public key (P-256, uncompressed point) of "Intel SGX Root CA"."""


def check_certified(certificates: Sequence[x509.Certificate], root: bytes | None) -> None:
    """Check that each certificate is issued by the next, and the last one is the root.

    Times and revocations are not looked at: the quote's verification does that.

    Args:
        certificates: Of a quote, the machine's first.
        root: Certificate (DER) that the last must be; None: it must have Intel's key.

    Raises:
        AttestationRefused: They lead elsewhere.
    """
    if not _is_root(certificates[-1], root):
        raise _elsewhere("its root is neither Intel's nor one that was named to this verifier")
    issuers = [*certificates[1:], certificates[-1]]
    for issued, issuer in zip(certificates, issuers, strict=True):
        try:
            issued.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            raise _elsewhere("its certificates do not lead to the root that it names") from None


def _is_root(last: x509.Certificate, root: bytes | None) -> bool:
    if root is not None:
        return last.public_bytes(Encoding.DER) == root
    try:
        key = last.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    except ValueError:  # a key of another kind
        return False
    return key == INTEL_ROOT_KEY


def _elsewhere(why: str) -> AttestationRefused:
    return AttestationRefused(RefusalReason.ROOT_NOT_TRUSTED, why)
