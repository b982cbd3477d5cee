"""Why an archive is not taken or not given."""

from __future__ import annotations

from poolhand.domain.errors import Refused, Unavailable
from poolhand.ports.files import UploadRefused


class NotAuthorized(UploadRefused):
    """The pool's owner did not let this worker do this task, or the worker did not sign."""


class UploadExpired(UploadRefused):
    """The worker's signature is stale, or lives longer than is allowed."""


class OtherPool(UploadRefused):
    """The deal belongs to a pool that this service does not serve."""


class WrongMoment(UploadRefused):
    """The task cannot take a result any more, or not from this worker."""

    http_status = 409


class DigestDiffers(UploadRefused):
    """The archive is not what the chain says the result is."""

    http_status = 409


class TooManyArchives(UploadRefused):
    """Too many archives wait for the chain to decide."""

    http_status = 409


class NoRoomForWorker(Unavailable):
    """One worker's archives for which the chain has not decided are at the operator's limit."""

    http_status = 507


class NoRoomLeft(Unavailable):
    """All archives together are at the operator's limit."""

    http_status = 507


class ArchiveTooLarge(UploadRefused):
    """Over a limit of bytes or files; ``--max-…`` settings of the service."""

    http_status = 413


class UnsafeArchive(UploadRefused):
    """The archive could harm whoever unpacks it, or is no archive."""

    http_status = 400


class NotYetOnChain(Unavailable):
    """The chain, as this service sees it, does not show what the worker relies on: try again."""


class NoResultHere(Refused):
    """No archive of this task."""

    http_status = 404


class ResultPending(NoResultHere):
    """Archives came, but the chain has not decided which is the result."""


class TaskFailed(NoResultHere):
    """The task ended without a result."""
