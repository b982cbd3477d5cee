"""Why a pull failed: engines say it in free text, we in one of a few causes with advice that holds.

What an engine prints came from a registry, and that may be anybody's: it goes into this machine's
log and nowhere else. A cause is read from words of the engine's own; none found is told as such.

Source: messages of docker 20.10 to 28 and containerd (distribution, remotes/docker), registry 2.8.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class PullCause(Enum):
    """Causes; each value is what happened and who must do what."""

    PLATFORM = (
        "it is not built for this machine's processor",
        "the app's owner must build it for {platform}, push it and deploy the app again",
    )
    FORMAT = (
        "its manifest has a form that the engine does not run",
        "the app's owner must push a plain Docker or OCI image and deploy the app again",
    )
    CONFIG = (
        "its configuration (labels, variables, command) is larger than 256 KiB",
        "the app's owner must build it with a smaller one, push it and deploy the app again",
    )
    SIZE = (
        "it is larger than any that is run (8 GiB packed, 16 GiB or 500,000 files unpacked)",
        "the app's owner must build a smaller one, push it and deploy the app again",
    )
    DIGEST = (
        "what the registry delivered does not have the digest of the app",
        "the registry's operator must repair it, or the app's owner push the image again",
    )
    LOGIN = (
        "its registry shows it to nobody without a login, or does not have it",
        "the app's owner must make it public, or the worker's operator log in (docker login)",
    )
    LOGIN_REFUSED = (
        "its registry does not accept this worker's login",
        "the worker's operator must correct the login of that registry",
    )
    NOT_FOUND = (
        "its registry has no such image",
        "the app's owner must push it and deploy the app again with the right name and digest",
    )
    BUSY = (
        "its registry takes no more requests for now",
        "try again later; a login often raises the limit",
    )
    NETWORK = (
        "its registry was not reached, or the connection broke",
        "the worker's operator must see that this machine reaches the registry; try again later",
    )
    TOO_SLOW = (
        "it was not complete in time",
        "try again later, or the worker's operator must raise the time for pulls",
    )
    NO_ROOM = (
        "the engine's disk is full",
        "the worker's operator must free some space",
    )
    FORBIDDEN = (
        "this worker pulls nothing from that registry",
        "the app's owner must push it to a public one, or the worker's operator allow this one",
    )
    UNKNOWN = (
        "the engine did not pull it, for a reason of its own",
        "the worker's operator finds the engine's words in the worker's log",
    )

    @property
    def happened(self) -> str:
        """What happened, to go on from 'image … was not pulled:'."""
        return self.value[0]

    def advice(self, platform: str) -> str:
        """Who must do what; ``platform`` is this machine's, such as ``linux/amd64``."""
        return self.value[1].format(platform=platform)

    @property
    def is_lasting(self) -> bool:
        """Whether it will be so again at the next try, whoever tries."""
        return self in _LASTING


_LASTING: Final = frozenset(
    {
        PullCause.PLATFORM, PullCause.FORMAT, PullCause.DIGEST, PullCause.NOT_FOUND,
        PullCause.FORBIDDEN, PullCause.CONFIG, PullCause.SIZE,
    }
)  # fmt: skip
_WORDS: Final[tuple[tuple[PullCause, tuple[str, ...]], ...]] = (
    (PullCause.NO_ROOM, ("no space left on device", "disk quota exceeded")),
    (PullCause.PLATFORM, (
        "no matching manifest", "does not match the specified platform", "no match for platform",
        "image operating system", "cannot be used on this platform",
    )),
    (PullCause.DIGEST, (
        "verification failed for digest", "unexpected commit digest", "digest mismatch",
        "digest does not match", "failed precondition: unexpected commit size",
    )),
    (PullCause.FORMAT, (
        "mediatype", "media type", "unsupported manifest", "unsupported schema", "schema version",
        "invalid manifest", "unknown manifest class", "encountered remote", "not an image",
    )),
    (PullCause.BUSY, ("toomanyrequests", "too many requests", "rate limit")),
    (PullCause.LOGIN_REFUSED, ("incorrect username", "invalid username/password")),
    (PullCause.LOGIN, (
        "may require 'docker login'", "unauthorized", "authentication required", "denied",
        "no basic auth", "insufficient_scope", "insufficient scope", "forbidden",
    )),
    (PullCause.NOT_FOUND, (
        "manifest unknown", "name unknown", "name_unknown", "manifest_unknown", "not found",
        "does not exist", "no such image",
    )),
    (PullCause.NETWORK, (
        "dial tcp", "no such host", "connection refused", "connection reset", "i/o timeout",
        "tls", "x509", "eof", "timeout", "deadline exceeded", "server misbehaving",
        "network is unreachable", "no route to host", "http response to https client",
        "bad gateway", "service unavailable", "internal server error", "gateway timeout",
        "broken pipe", "request canceled",
    )),
)  # fmt: skip
"""First come, first served: what is surer stands above."""


def cause_of(status: int, message: str) -> PullCause:
    """Read a cause from an engine's answer.

    Args:
        status: Of HTTP, or of the step in a pull's progress.
        message: The engine's words.
    """
    text = message.lower()
    found = next((cause for cause, words in _WORDS if any(word in text for word in words)), None)
    if found is None and status == 404:
        return PullCause.NOT_FOUND
    return found or PullCause.UNKNOWN
