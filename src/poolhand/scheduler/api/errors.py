"""What the pool's API refuses of itself."""

from __future__ import annotations

from poolhand.domain.errors import Refused, Unavailable


class NotKnown(Refused):
    """The pool has no such thing."""

    http_status = 404


class NotReadYet(Unavailable):
    """The pool was told of a deal, cannot read it, and tries again."""


class NotPublic(Refused):
    """The pool keeps this to itself."""

    http_status = 403
