"""What enclaves are known not to keep, for whoever buys them.

Source: the papers of 2025 on WireTap (SGX, DDR4), Battering RAM (SGX and SEV-SNP, DDR4), TEE.fail
(SGX, TDX and SEV-SNP, DDR5): a device on the memory bus, put there by who owns the machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from poolhand.domain.tag import Tag
from poolhand.domain.trust import Trust

KNOWN_BREAKS: Final = "WireTap, Battering RAM, TEE.fail"


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
    if trust > 1:
        return (told,)
    return told, "one machine alone decides the result: --trust 2 and more has others agree to it"
