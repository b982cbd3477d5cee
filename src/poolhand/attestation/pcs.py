"""Collateral from Intel's provisioning service (PCS), or from a data centre's cache of it (PCCS).

What comes is nobody's word: each part is signed, and every quote that is judged by it has these
signatures verified. So what is kept on disk needs no protection but its bounds.

Source: Intel PCS API, version 4.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import httpx
import structlog
from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from poolhand.attestation.collateral import CollateralKey, QuoteCollateral
from poolhand.domain.errors import Malformed
from poolhand.domain.json_text import parse_json
from poolhand.domain.tee.refusal import CollateralMissing
from poolhand.domain.units import UnixSeconds
from poolhand.observe.private import private_folder, write_private
from poolhand.web.client import AnswerTooLarge, Caps, GoesElsewhere, NoAnswer, WebAnswer, ask

INTEL_PCS: Final = "https://api.trustedservices.intel.com"
COLLATERAL_FRESH_SECONDS: Final = 86_400
"""After which collateral is asked for again, long before it is stale."""
PCS_RETRY_SECONDS: Final = 300
"""After which a service that failed is asked again."""
MOST_KEPT_MODELS: Final = 256
"""Models of machines whose collateral is kept."""
_CAPS: Final = Caps(size=1024 * 1024, seconds=20.0)
_MODEL: Final = re.compile(r"[0-9A-F]{12}")
_AUTHORITIES: Final = ("processor", "platform")
_ROOT_REVOCATIONS: Final = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"

log = structlog.get_logger()


class PcsCollateral:
    """Collateral in memory, else on disk, else from the service; see ``CollateralSource``.

    Args:
        http: Asks it.
        folder: Where it is kept.
        url: Of the service.
    """

    def __init__(self, http: httpx.AsyncClient, folder: Path, url: str = INTEL_PCS) -> None:
        self._http, self._folder, self._url = http, folder, url.rstrip("/")
        self._kept: OrderedDict[CollateralKey, tuple[QuoteCollateral, UnixSeconds]] = OrderedDict()
        self._failed: OrderedDict[CollateralKey, UnixSeconds] = OrderedDict()
        self._asking = asyncio.Lock()

    async def collateral(self, key: CollateralKey, now: UnixSeconds) -> QuoteCollateral:
        """Return what quotes of this kind are judged by; it is stale only if none newer comes."""
        if not _MODEL.fullmatch(key.model) or key.authority not in _AUTHORITIES:
            raise CollateralMissing(f"no maker has a machine of model {key.model[:40]!r}")
        known = self._kept.get(key)
        if known is not None and _is_fresh(known, now):
            return known[0]  # whoever has what it needs waits for no other model's answer
        async with self._asking:  # one question, however many quotes wait for the answer
            known = self._kept.get(key) or await asyncio.to_thread(self._read, key)
            if known is not None and _is_fresh(known, now):
                self._keep(key, known)
                return known[0]
            try:
                return await self._refreshed(key, now)
            except CollateralMissing as fault:
                if known is None:
                    raise
                log.warning("collateral_not_refreshed", model=key.model, cause=str(fault))
                return known[0]

    async def _refreshed(self, key: CollateralKey, now: UnixSeconds) -> QuoteCollateral:
        if now < self._failed.get(key, UnixSeconds(-PCS_RETRY_SECONDS)) + PCS_RETRY_SECONDS:
            raise CollateralMissing("Intel's certificates could not be had a moment ago")
        try:
            found = await self._fetch(key)
        except (NoAnswer, AnswerTooLarge, GoesElsewhere, Malformed) as fault:
            self._failed[key] = now
            _bound(self._failed)
            raise CollateralMissing(
                f"{self._url} gives no certificates of model {key.model} ({fault}): see whether "
                "this machine reaches it, or name another by --pccs-url"
            ) from fault
        self._failed.pop(key, None)
        self._keep(key, (found, now))
        await asyncio.to_thread(self._write, key, found, now)
        log.info("collateral_fetched", model=key.model, expires=found.expires)
        return found

    def _keep(self, key: CollateralKey, known: tuple[QuoteCollateral, UnixSeconds]) -> None:
        self._kept[key] = known
        self._kept.move_to_end(key)
        _bound(self._kept)

    # ----------------------------------------------------------------------------------- the disk

    def _path(self, key: CollateralKey) -> Path:
        return self._folder / f"{key.kind}-{key.model}-{key.authority}.json"

    def _read(self, key: CollateralKey) -> tuple[QuoteCollateral, UnixSeconds] | None:
        with suppress(OSError, Malformed, ValueError, KeyError, TypeError):
            told = parse_json(self._path(key).read_text(encoding="utf-8"))
            return QuoteCollateral.of_json(told["collateral"]), UnixSeconds(int(told["at"]))
        return None

    def _write(self, key: CollateralKey, found: QuoteCollateral, now: UnixSeconds) -> None:
        path = self._path(key)
        try:
            private_folder(self._folder)
            told = {"at": now, "collateral": found.to_json()}
            write_private(path, json.dumps(told))
        except OSError as fault:
            log.warning("collateral_not_kept", file=str(path), cause=str(fault))

    # -------------------------------------------------------------------------------- the service

    async def _fetch(self, key: CollateralKey) -> QuoteCollateral:
        kind = key.kind.value
        revoked = await self._get(f"sgx/certification/v4/pckcrl?ca={key.authority}&encoding=der")
        levels = await self._get(f"{kind}/certification/v4/tcb?fmspc={key.model}")
        identity = await self._get(f"{kind}/certification/v4/qe/identity")
        signers = _header(identity, "SGX-Enclave-Identity-Issuer-Chain")
        tcb_info, tcb_signature = _signed(levels, "tcbInfo")
        qe_identity, qe_signature = _signed(identity, "enclaveIdentity")
        return QuoteCollateral.of_parts(
            pck_crl_issuer_chain=_header(revoked, "SGX-PCK-CRL-Issuer-Chain"),
            root_ca_crl=await self._root_revocations(signers),
            pck_crl=revoked.content,
            tcb_info_issuer_chain=_header(
                levels, "TCB-Info-Issuer-Chain", "SGX-TCB-Info-Issuer-Chain"
            ),
            tcb_info=tcb_info,
            tcb_info_signature=tcb_signature,
            qe_identity_issuer_chain=signers,
            qe_identity=qe_identity,
            qe_identity_signature=qe_signature,
        )

    async def _get(self, path: str) -> WebAnswer:
        return await self._ask(f"{self._url}/{path}")

    async def _ask(self, url: str) -> WebAnswer:
        answer = await ask(self._http, "GET", url, _CAPS)
        if not answer.is_success:
            raise Malformed(f"it answers {answer.status}")
        return answer

    async def _root_revocations(self, signers: str) -> bytes:
        """Return what the root has revoked: a PCCS has it, Intel another place."""
        if self._url != INTEL_PCS:
            answer = await self._get("sgx/certification/v4/rootcacrl")
            try:
                return bytes.fromhex(answer.content.decode())
            except ValueError:
                return answer.content
        return (await self._ask(_revocations_of(signers))).content


def _is_fresh(known: tuple[QuoteCollateral, UnixSeconds], now: UnixSeconds) -> bool:
    return now < min(known[1] + COLLATERAL_FRESH_SECONDS, known[0].expires)


def _bound(kept: OrderedDict[Any, Any]) -> None:
    while len(kept) > MOST_KEPT_MODELS:
        kept.popitem(last=False)


def _header(answer: WebAnswer, *names: str) -> str:
    found = next((answer.headers[each] for each in names if each in answer.headers), None)
    if found is None:
        raise Malformed(f"it does not say {names[0]}")
    return unquote(found)


def _signed(answer: WebAnswer, name: str) -> tuple[str, bytes]:
    """Return one signed part as it was signed, byte for byte, and its signature."""
    try:
        text = answer.content.decode()
        told = parse_json(text)
        signature = bytes.fromhex(told["signature"])
        start = text.index("{", text.index(f'"{name}"'))
        _, end = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, KeyError, TypeError, RecursionError) as fault:
        raise Malformed(f"its {name} cannot be read") from fault
    return text[start:end], signature


def _revocations_of(signers: str) -> str:
    """Return where the root says that its revocations are, which is Intel's usual place."""
    with suppress(ValueError, x509.ExtensionNotFound, IndexError, TypeError):
        root = x509.load_pem_x509_certificates(signers.encode())[-1]
        points = root.extensions.get_extension_for_oid(ExtensionOID.CRL_DISTRIBUTION_POINTS).value
        assert isinstance(points, x509.CRLDistributionPoints)
        for point in points:
            for each in point.full_name or ():
                if str(each.value).startswith("https://"):
                    return str(each.value)
    return _ROOT_REVOCATIONS
