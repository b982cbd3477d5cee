"""What enclaves are known not to keep, for whoever buys them.

Source: the papers of 2025 on WireTap (SGX, DDR4), Battering RAM (SGX and SEV-SNP, DDR4), TEE.fail
(SGX, TDX and SEV-SNP, DDR5): a device on the memory bus, put there by who owns the machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from poolhand.domain.tag import Tag
from poolhand.domain.trust import Trust, newcomers_needed

KNOWN_BREAKS: Final = "WireTap, Battering RAM, TEE.fail"
TWO_AGREE: Final = Trust(3)
"""The least trust that takes two workers, unless one has a score of 12: a weight of 3 suffices."""
BREAKS_TOLD: Final = (
    "Enclaves do not keep from whoever owns the machine what a device on its memory reads "
    f"({KNOWN_BREAKS}), and no quote tells of it."
)
"""For a page."""


def enclave_notes(tag: Tag, trust: Trust) -> Sequence[str]:
    """Say what a buyer of confidential tasks should know before they pay, a sentence each.

    Args:
        tag: Of the request.
        trust: Wanted.
    """
    if not tag.needs_tee:
        return ()
    told = (
        f"enclaves do not keep from whoever owns the machine what a device on its memory reads "
        f"({KNOWN_BREAKS}), and no quote tells of it: choose whose machines compute"
    )
    if newcomers_needed(trust) > 1:
        return (told,)
    return told, (
        f"one machine alone decides the result: --trust {TWO_AGREE} has two agree on it, and more "
        "is needed where workers have scores of 12 and more"
    )
