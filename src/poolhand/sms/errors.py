"""Why a secret is not taken, in words that tell a stranger nothing about what is kept."""

from __future__ import annotations

from poolhand.domain.errors import Refused


class NotAllowedToSet(Refused):
    """The signature is missing, malformed, of something else or of somebody else: all the same."""

    http_status = 401

    def __init__(self) -> None:
        super().__init__(
            "not signed by whoever may set this secret: the owner of the dataset or app on chain, "
            "or the address that it belongs to"
        )


class SecretTooLarge(Refused):
    """A secret is over the limit."""

    http_status = 413


class NotText(Refused):
    """A secret is no text."""


class NoSecretHere(Refused):
    """There is no such secret, or there cannot be."""

    http_status = 404

    def __init__(self) -> None:
        super().__init__("there is no such secret")


class OldResultKey(Refused):
    """A key for results was changed for another before; everybody can have its signature."""

    http_status = 409


class TooManyChanges(Refused):
    """One address sets secrets more often than is allowed."""

    http_status = 429
