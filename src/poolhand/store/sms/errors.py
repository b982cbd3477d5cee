"""What can go wrong with kept secrets, and who must act."""

from __future__ import annotations

from poolhand.domain.errors import EndsProgram, Refused, Unavailable
from poolhand.domain.ids import Address


class SecretsLocked(EndsProgram, Refused):
    """Another service has the database open."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"the secrets' database {where} is open in another process: stop that one, or give "
            "this service another with --database"
        )


class SecretsLost(EndsProgram, Unavailable):
    """Another service has the database: its server was restarted, and forgot this one's lock."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"another service has taken the secrets' database {where}: nothing more is written by "
            "this one; stop the other and start this one again, or leave it to the other"
        )


class SecretsTooNew(EndsProgram, Refused):
    """A later version of Poolhand made its tables."""

    def __init__(self, where: str, told: str) -> None:
        super().__init__(
            f"the secrets' database {where} is of a later version of Poolhand ({told}): install "
            "that version, or a later one"
        )


class SecretsOfAnotherChain(EndsProgram, Refused):
    """It holds the secrets of another hub."""

    def __init__(self, chain_id: int, hub: Address) -> None:
        super().__init__(
            f"the database holds the secrets of another chain or hub than {hub} on chain "
            f"{chain_id}: name that chain, or another database with --database"
        )


class SecretsUnwritable(Unavailable):
    """The disk or the database refused to read or write; nothing was changed."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(
            f"the secrets' database {where} does not answer ({why}): check the disk or the "
            "database server, then try again"
        )


class WrongMasterKey(EndsProgram, Refused):
    """Secrets are sealed under another master key than the one that was given."""

    def __init__(self, given: str, known: str) -> None:
        super().__init__(
            f"the secrets are sealed under the master key {known}, and the one that was given is "
            f"{given}: give the other; nothing was changed"
        )


class SealBroken(EndsProgram, Refused):
    """What is kept does not open with its own key: it was altered, or put into another's place."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} does not open with its own key: the database was altered; stop the service "
            "and restore a backup (`poolhand sms restore`)"
        )


class NoSecretsYet(Refused):
    """No service has kept anything here."""

    def __init__(self) -> None:
        super().__init__(
            "no service has kept secrets there yet: name its --folder or --database, or start it "
            "(`poolhand sms serve`)"
        )


class SecretThere(Refused):
    """There is such a secret already."""

    http_status = 409


class NoSuchSecret(Refused):
    """There is no such secret."""

    http_status = 404


class NoRoomForSecrets(Unavailable):
    """As many secrets are kept as the operator allows."""

    http_status = 507
