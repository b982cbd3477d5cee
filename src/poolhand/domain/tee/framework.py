"""Frameworks in which confidential tasks run, as tags of orders name them.

Source: iExec SDK 9.0.1 (bits 1 to 3 beside bit 0), SMS 9.3 (names of frameworks in its paths).
"""

from __future__ import annotations

from enum import StrEnum

from poolhand.domain.errors import Refused
from poolhand.domain.tag import Tag


class EvidenceKind(StrEnum):
    """What a quote is about: an enclave within a program, or a whole virtual machine."""

    SGX = "sgx"
    TDX = "tdx"


class TeeFramework(StrEnum):
    """How a program gets into an enclave; the value is the SMS's word."""

    SCONE = "scone"
    GRAMINE = "gramine"
    TDX = "tdx"

    @property
    def tag(self) -> Tag:
        """What orders for it have: the framework's bit and bit 0."""
        return Tag.of(("tee", self.value))

    @property
    def evidence(self) -> EvidenceKind:
        """The kind of quote that its programs give."""
        return EvidenceKind.TDX if self is TeeFramework.TDX else EvidenceKind.SGX


class NoOneFramework(Refused):
    """A tag that asks for an enclave names none of the frameworks, or several."""

    def __init__(self, tag: Tag) -> None:
        named = ", ".join(tag.names) or "nothing"
        super().__init__(
            f"the tag asks for a confidential task and names {named}: "
            "name exactly one framework beside tee, as in tee,tdx"
        )


def framework_of(tag: Tag) -> TeeFramework | None:
    """Return the framework that a deal's tag asks for; None for a task of the usual kind.

    Raises:
        NoOneFramework: It asks for an enclave (bit 0) and names no framework, or more than one;
            or it names one without bit 0.
    """
    named = [each for each in TeeFramework if each.value in tag.names]
    if not named and not tag.needs_tee:
        return None
    if len(named) != 1 or not tag.needs_tee:
        raise NoOneFramework(tag)
    return named[0]
