"""The HTTP face of the results service: upload, download, what is in an archive, health."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi import Path as PathParameter
from fastapi.responses import StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import ClientDisconnect

from poolhand import __version__
from poolhand.domain.content_id import CONTENT_ID, ContentId
from poolhand.domain.errors import EndsProgram, PoolhandError, Refused
from poolhand.domain.ids import ZERO_ADDRESS, Address, DealId, TaskId
from poolhand.domain.units import UnixSeconds
from poolhand.ports.chain import HubFacts
from poolhand.ports.storage import Archive
from poolhand.results.intake import Intake
from poolhand.results.metrics import ResultsMetrics
from poolhand.results.ranges import asked_part
from poolhand.results.rules import ResultClaim
from poolhand.transport.asgi import service_router
from poolhand.wire.json_models import AddressText, TaskIdText
from poolhand.wire.results_api import FileInResult, ResultInfo, ResultsHealth, StoredResult

DRAINED: Final = 16 * 1024**2
"""Bytes of an unwanted body that are read all the same: who is cut off misses the answer."""
_ADDRESS = r"^0x[0-9a-fA-F]{40}$"
_HEX32 = r"^0x[0-9a-fA-F]{64}$"
_HEX65 = r"^0x[0-9a-fA-F]{130}$"
_ZIP: Final[dict[str, Any]] = {"content": {"application/zip": {"schema": {"type": "string"}}}}
_METRICS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "As Prometheus reads them.", "content": {"text/plain": {}}}
}
_ZIPPED: Final[dict[str, Any]] = {"required": True, **_ZIP}
_DOWNLOADED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The archive.", **_ZIP},
    206: {"description": "The part of it that was asked for.", **_ZIP},
}


class BrokenOff(Refused):
    """Who brings it left in the middle of the upload."""


def routes(
    intake: Intake, metrics: ResultsMetrics, facts: HubFacts, trouble: Callable[[], str]
) -> APIRouter:
    """Return every endpoint; ``trouble`` tells why the chain cannot be read, or nothing."""
    router = service_router()
    _uploads(router, intake, metrics)
    _downloads(router, intake, metrics)
    _health(router, metrics, facts, trouble)
    return router


def _uploads(router: APIRouter, intake: Intake, metrics: ResultsMetrics) -> None:
    @router.put("/v1/results/{task_id}", openapi_extra={"requestBody": _ZIPPED})
    async def put_result(
        request: Request,
        task_id: TaskIdText,
        deal_id: Annotated[str, Query(pattern=_HEX32)],
        index: Annotated[int, Query(ge=0, lt=2**63)],
        worker: AddressText,
        expiry: Annotated[int, Query(ge=0, lt=2**63)],
        poolhand_authorization: Annotated[str, Header(pattern=_HEX65)],
        poolhand_archive: Annotated[str, Header(pattern=_HEX32)],
        poolhand_signature: Annotated[str, Header(pattern=_HEX65)],
        poolhand_enclave: Annotated[str, Header(pattern=_ADDRESS)] = str(ZERO_ADDRESS),
    ) -> StoredResult:
        """Take the result archive (a zip) of a task from a worker that its pool authorized.

        ``Poolhand-Archive`` is the sha256 of the body, ``Poolhand-Authorization`` the pool owner's
        signature, ``Poolhand-Signature`` the worker's EIP-712 ``ResultUpload``; of a confidential
        task ``Poolhand-Enclave`` is the address that the authorization is for. Answers the link to
        put on chain.
        """
        claim = ResultClaim(
            task_id=TaskId.parse(task_id),
            deal_id=DealId.parse(deal_id),
            index=index,
            worker=Address.parse(worker),
            authorization=_unhex(poolhand_authorization),
            archive=_unhex(poolhand_archive),
            expiry=UnixSeconds(expiry),
            signature=_unhex(poolhand_signature),
            enclave=Address.parse(poolhand_enclave),
        )
        body = uploaded(request)
        try:
            link = await intake.upload(claim, body)
        except PoolhandError as fault:
            metrics.uploads.labels(fault.code).inc()
            raise
        finally:
            await drain(body)
        metrics.uploads.labels("stored").inc()
        return StoredResult(link=link)


async def uploaded(request: Request) -> AsyncIterator[bytes]:
    """Yield a body as it comes; raises BrokenOff."""
    try:
        async for chunk in request.stream():
            if chunk:
                yield chunk
    except ClientDisconnect as fault:
        raise BrokenOff("the upload broke off: send it again") from fault


async def drain(body: AsyncIterator[bytes]) -> None:
    """Read what is left of a body, to a bound."""
    left = DRAINED
    try:
        async for chunk in body:
            left -= len(chunk)
            if left < 0:
                return
    except EndsProgram:
        raise
    except Refused:
        return  # larger than any body may be, or gone: the answer itself says why


def _downloads(router: APIRouter, intake: Intake, metrics: ResultsMetrics) -> None:
    @router.head("/results/{task_id}", include_in_schema=False)
    @router.get("/results/{task_id}", include_in_schema=False)
    @router.head("/v1/results/{task_id}", response_class=Response)
    @router.get("/v1/results/{task_id}", response_class=Response, responses=_DOWNLOADED)
    async def get_result(request: Request, task_id: TaskIdText) -> Response:
        """Give the archive that the chain made the task's result; ranges are served."""
        archive = await intake.result(TaskId.parse(task_id))
        metrics.downloads.inc()
        return _given(request, intake, archive, "no-cache")

    @router.head("/ipfs/{content_id}", response_class=Response)
    @router.get("/ipfs/{content_id}", response_class=Response, responses=_DOWNLOADED)
    async def get_content(
        request: Request, content_id: Annotated[str, PathParameter(pattern=CONTENT_ID)]
    ) -> Response:
        """Give a result that lies in IPFS, as a gateway does; each block is checked by its hash.

        Nothing but results of this service is given.
        """
        content = ContentId.parse(content_id)
        archive = await intake.result_at(f"/ipfs/{content}")
        metrics.downloads.inc()
        return _given(request, intake, archive, "public, max-age=31536000, immutable")

    @router.get("/v1/results/{task_id}/info")
    async def get_info(task_id: TaskIdText) -> ResultInfo:
        """Tell what the archive is and holds (sizes in bytes)."""
        archive = await intake.result(TaskId.parse(task_id))
        return ResultInfo(
            task_id=archive.task_id,
            worker=archive.worker,
            digest=archive.digest,
            size=archive.size,
            sha256=archive.sha256.hex(),
            location=archive.location,
            stored_at=archive.stored_at,
            files=tuple(FileInResult(name=each.name, size=each.size) for each in archive.files),
        )


def _given(request: Request, intake: Intake, archive: Archive, cached: str) -> Response:
    etag = f'"{archive.sha256.hex()}"'
    part = asked_part(request.headers, archive.size, etag)
    headers = {
        "ETag": etag,
        "Content-Location": archive.location,
        "Accept-Ranges": "bytes",
        "Content-Length": str(part.count),
        "Content-Disposition": f'attachment; filename="{archive.task_id}.zip"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": cached,
        **part.headers,
    }
    if request.method == "HEAD":
        return Response(None, part.status, headers, "application/zip")
    body = intake.stream(archive, part)
    return StreamingResponse(body, part.status, headers, "application/zip")


def _health(
    router: APIRouter, metrics: ResultsMetrics, facts: HubFacts, trouble: Callable[[], str]
) -> None:
    @router.get("/health")
    async def health() -> ResultsHealth:
        """Tell that the service is up, of which chain, and why that cannot be read, if so."""
        told = trouble()
        return ResultsHealth(
            ok=not told,
            version=__version__,
            chain_id=facts.chain_id,
            hub=facts.hub,
            chain=told or None,
        )

    @router.get("/metrics", response_class=Response, responses=_METRICS)
    async def show_metrics() -> Response:
        """Serve Prometheus metrics."""
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _unhex(text: str) -> bytes:
    return bytes.fromhex(text[2:])
