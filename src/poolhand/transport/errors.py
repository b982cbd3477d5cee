"""What can go wrong with a download, and who fixes it."""

from __future__ import annotations

from typing import Final

from poolhand.domain.errors import Refused, Unavailable

MAX_ERROR_SHOWN: Final = 300
CHECK: Final = "check that its owner still publishes it and that this machine reaches the server"


def shown(text: str) -> str:
    """Return a stranger's text fit for a message: short, and ASCII without control characters."""
    return ascii(text[:MAX_ERROR_SHOWN])[1:-1] + "..." * (len(text) > MAX_ERROR_SHOWN)


class ForbiddenUri(Refused):
    """This worker downloads nothing from there.

    Attributes:
        why: What is wrong with it.
    """

    def __init__(self, uri: str, why: str) -> None:
        self.why = why
        super().__init__(
            f"{shown(uri)} is not downloaded ({shown(why)}): publish the file under a public https "
            "or /ipfs/ address, or let the worker's operator allow this one"
        )


class DownloadTooLarge(Refused):
    """The file is larger than the operator allows."""

    def __init__(self, uri: str, limit: int) -> None:
        super().__init__(
            f"{shown(uri)} has more than {limit} bytes: use a smaller file, or let the worker's "
            "operator raise the limit"
        )


class FileUnwritten(Unavailable):
    """The file could not be laid down: the disk that it was brought to is full or broken.

    Args:
        uri: What the order says.
        why: What the system said.
    """

    def __init__(self, uri: str, why: str) -> None:
        self.why = why
        super().__init__(
            f"{shown(uri)} was not kept ({shown(why)}): the worker's operator must free some space "
            "on its disk, or repair it"
        )


class FetcherLost(Unavailable):
    """What downloads for this worker did not last: nothing is known of the file.

    Args:
        uri: What the order says.
        why: What became of it.
    """

    def __init__(self, uri: str, why: str) -> None:
        super().__init__(
            f"{shown(uri)} was not downloaded ({shown(why)}): the worker's operator must find in "
            "its log (fetcher_ended) and in the system's what ends that process, such as too "
            "little memory"
        )


class DownloadFailed(Unavailable):
    """The file did not arrive.

    Args:
        uri: What the order says.

    Attributes:
        why: What happened.
        act: Who must do what.
    """

    def __init__(self, uri: str, why: str, act: str = CHECK) -> None:
        self.why, self.act = why, act
        super().__init__(f"{shown(uri)} was not downloaded ({shown(why)}): {act}")
