"""A cache of Intel's provisioning service (PCCS) that gives collateral of a test's choice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

import httpx

from local_http import Handler, serving
from poolhand.attestation.collateral import QuoteCollateral
from poolhand.domain.tee.framework import EvidenceKind


@dataclass
class MadePccs:
    """Answers as the API of version 4 does.

    Attributes:
        collateral: Given, by kind.
        asked: Paths that were asked for, in their order.
        down: Whether every answer is that it is away.
        odd: Answered to everything instead.
    """

    collateral: Mapping[EvidenceKind, QuoteCollateral]
    asked: list[str] = field(default_factory=list)
    down: bool = False
    odd: bytes | None = None

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer a request that went through no network."""
        status, body, headers = self.answered(request.url.path)
        return httpx.Response(status, content=body, headers=headers)

    def answered(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        """Return status, body and headers."""
        kind, _, name = path.strip("/").partition("/certification/v4/")
        self.asked.append(name)
        if self.down:
            return 503, b"", {}
        if self.odd is not None:
            return 200, self.odd, {}
        kinds = EvidenceKind(kind), *self.collateral
        parts = next(self.collateral[each] for each in kinds if each in self.collateral).parsed
        body, header, chain = {
            "pckcrl": (parts.pck_crl, "SGX-PCK-CRL", parts.pck_crl_issuer_chain),
            "tcb": (
                signed("tcbInfo", parts.tcb_info, parts.tcb_info_signature),
                "TCB-Info", parts.tcb_info_issuer_chain,
            ),
            "qe/identity": (
                signed("enclaveIdentity", parts.qe_identity, parts.qe_identity_signature),
                "SGX-Enclave-Identity", parts.qe_identity_issuer_chain,
            ),
            "rootcacrl": (parts.root_ca_crl.hex().encode(), "No", ""),
        }[name]  # fmt: skip
        return 200, body, {f"{header}-Issuer-Chain": quote(chain)}

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Serve it on loopback; yields the address."""
        answered = self.answered

        class Answers(Handler):
            def do_GET(self) -> None:  # noqa: N802 - the name that the library calls
                status, body, headers = answered(self.path.partition("?")[0])
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        with serving(Answers) as url:
            yield url


def signed(name: str, text: str, signature: bytes) -> bytes:
    """Return a part with its signature, as it was signed byte for byte."""
    return f'{{"{name}":{text},"signature":"{signature.hex()}"}}'.encode()
