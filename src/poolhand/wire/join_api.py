"""What a pool gives to computers that join it: files, each known by its hash, and who signed them.

``GET /join/manifest.json`` names them; their bytes are at the paths that it tells.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Annotated, Any

from pydantic import AfterValidator, Field, WithJsonSchema

from poolhand.domain.errors import PeerFault
from poolhand.domain.messages import JoinFiles, pool_domain
from poolhand.domain.signatures import BadSignature, recover
from poolhand.wire.json_models import JsonAddress, Told, Words

_SHA256 = r"[0-9a-f]{64}"
_SIGNATURE = r"0x[0-9a-f]{130}"


def _of_form(pattern: str, about: str) -> Any:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"it is no {about}")
        return text

    schema = {"type": "string", "pattern": f"^{pattern}$", "description": about}
    return AfterValidator(check), WithJsonSchema(schema)


Sha256Text = Annotated[str, *_of_form(_SHA256, "SHA-256 in hexadecimal, as sha256sum writes it")]
ChainId = Annotated[int, Field(ge=1, lt=2**63)]
"""Of a chain that is named: in settings 0 is any chain, whichever a node happens to be of."""
SignatureText = Annotated[str, *_of_form(_SIGNATURE, "signature, 65 bytes in hexadecimal")]


class NotTheOwnersFiles(PeerFault):
    """What a pool gives to workers is not what its owner signed."""


class JoinFile(Told):
    """A file to be installed or run; ``size`` in bytes, ``path`` below the pool's URL."""

    path: Words
    sha256: Sha256Text
    size: int

    @classmethod
    def of(cls, path: str, content: bytes) -> JoinFile:
        """Describe a file."""
        return cls(path=path, sha256=sha256(content).hexdigest(), size=len(content))


class JoinManifest(Told):
    """``GET /join/manifest.json``: by which files a worker joins this pool, signed by its owner.

    ``rpc`` is a node that workers without one of their own may use; empty where the chain is
    a public one. ``signature`` is of ``JoinFiles`` (EIP-712) under the pool's domain.
    """

    version: Words
    chain_id: ChainId
    hub: JsonAddress
    workerpool: JsonAddress
    owner: JsonAddress
    url: Words
    rpc: Words = ""
    wheel: JoinFile
    requirements: JoinFile
    script: JoinFile
    windows_script: JoinFile
    signature: SignatureText

    @property
    def message(self) -> JoinFiles:
        """What the owner signed."""
        return JoinFiles(
            pool_domain(self.chain_id, self.workerpool),
            self.version,
            self.hub,
            self.url,
            self.rpc,
            bytes.fromhex(self.wheel.sha256),
            bytes.fromhex(self.requirements.sha256),
            bytes.fromhex(self.script.sha256),
            bytes.fromhex(self.windows_script.sha256),
        )

    def check(self) -> None:
        """Check that the owner whom it names signed it; who owns the pool, the chain tells.

        Raises:
            NotTheOwnersFiles: Somebody else signed, or something else was signed.
        """
        try:
            signer = recover(self.message.digest, bytes.fromhex(self.signature[2:]))
        except BadSignature as fault:
            raise NotTheOwnersFiles(_refused(self.url, str(fault))) from fault
        if signer != self.owner:
            raise NotTheOwnersFiles(_refused(self.url, f"{signer} signed, not {self.owner}"))

    def check_script(self, content: bytes) -> None:
        """Check that a script is the one that was signed; raises NotTheOwnersFiles."""
        if sha256(content).hexdigest() != self.script.sha256:
            raise NotTheOwnersFiles(_refused(self.url, "the script is another one"))


def _refused(url: str, why: str) -> str:
    return (
        f"the pool at {url} gives files to workers that its owner did not sign ({why}): nothing "
        "was done; tell the pool's owner"
    )
