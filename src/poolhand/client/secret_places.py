"""Which secret a program means: one of its runs by name, an app's, or a dataset's key."""

from __future__ import annotations

from poolhand.domain.errors import Refused
from poolhand.domain.ids import Address
from poolhand.domain.sms_secret import SecretKind, SecretPlace, check_requester_name


class OneSecretMeant(Refused):
    """No secret is named, or more than one."""

    def __init__(self) -> None:
        super().__init__(
            "name one secret: by `name` one of your runs, or its `app`, or its `dataset`"
        )


def secret_place(
    name: str, app: str | Address, dataset: str | Address, requester: Address
) -> SecretPlace:
    """Return where a secret lies.

    Args:
        name: Of a secret of the requester's.
        app: Whose developer's secret it is instead.
        dataset: Whose key it is instead.
        requester: Whose runs are told a secret that has a name.

    Raises:
        OneSecretMeant: None is named, or more than one.
        BadSecretName, BadHex: What is named is none.
    """
    if sum(map(bool, (name, app, dataset))) != 1:
        raise OneSecretMeant
    if name:
        check_requester_name(name)
        return SecretPlace(SecretKind.REQUESTER, requester, name)
    kind = SecretKind.APP if app else SecretKind.WEB3
    return SecretPlace(kind, Address.parse(str(app or dataset)))
