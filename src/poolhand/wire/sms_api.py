"""The secret management service's answers, described once; its secrets are plain text.

Source: services-api.md 4.1.
"""

from __future__ import annotations

from poolhand.wire.json_models import JsonAddress, Sentence, Told, Words


class SmsFault(Told):
    """Why a secret of an app or a requester is not set, as iExec's own service tells it, and ours.

    ``error`` and ``data`` are iExec's, ``code`` and ``message`` what every service here answers.
    """

    code: Words
    message: Words
    data: None
    error: tuple[Words, ...]


class SmsHealth(Told):
    """``GET /health``: ``ok`` is false while the chain cannot be read; ``chain`` says why."""

    ok: bool
    version: Sentence
    chain_id: int
    hub: JsonAddress
    framework: Words
    chain: Sentence | None = None


class TeeStageProperties(Told):
    """What runs before or after an app: an image, by digest, and what its measurement must be."""

    image: str
    fingerprint: str
    entrypoint: str = ""
    heapSizeInBytes: int = 0  # noqa: N815 - iExec's name


class TeeProperties(Told):
    """``GET /tee/properties/{framework}``: what runs around an app in one framework.

    ``simulated`` is ours: quotes of this framework's services are taken from a simulated root.
    """

    teeFramework: str  # noqa: N815 - iExec's names
    teeFrameworkVersion: str  # noqa: N815
    preComputeProperties: TeeStageProperties  # noqa: N815
    postComputeProperties: TeeStageProperties  # noqa: N815
    lasImage: str | None = None  # noqa: N815
    simulated: bool = False


class ToldSession(Told):
    """The inner part of an opened session."""

    sessionId: str  # noqa: N815 - iExec's names
    secretProvisioningUrl: str  # noqa: N815


class OpenedSession(Told):
    """``POST /tee/sessions``: a session, and where its services prove themselves."""

    data: ToldSession


class AuthorizationSignature(Told):
    """A signature as iExec's services write it."""

    value: str = ""


class TeeAuthorization(Told):
    """What a pool's owner lets a worker do; members may lack, and are refused by name then."""

    chainTaskId: str = ""  # noqa: N815 - iExec's names
    dealId: str = ""  # noqa: N815
    taskIndex: int = -1  # noqa: N815
    workerWallet: str = ""  # noqa: N815
    enclaveChallenge: str = ""  # noqa: N815
    signature: AuthorizationSignature = AuthorizationSignature()


class ProvisionAsked(Told):
    """What a program inside shows; each is judged as it is, unfit texts like wrong ones."""

    kind: str = ""
    quote: str = ""
    publicKey: str = ""  # noqa: N815
    nonce: str = ""


class Provisioned(Told):
    """A service's environment, sealed to the key that its quote names (base64)."""

    sealed: str


class ToldNonce(Told):
    """A nonce for one proof."""

    nonce: str
