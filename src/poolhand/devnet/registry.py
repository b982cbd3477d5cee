"""A loopback OCI registry, enough for ``docker push`` and ``docker pull`` by tag and digest.

Source: OCI Distribution Specification 1.1 (end-1 to end-8b, end-10 to end-14, without deletion of
what was pushed). Docker takes registries on 127.0.0.0/8 without TLS.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final, Self

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route, Router

from poolhand.devnet.ports import LOOPBACK_ADDRESS, free_port
from poolhand.devnet.registry_store import ImageStore, RegistryRefused
from poolhand.transport.listen import bind, port_of, serve_on

MANIFEST_LIMIT: Final = 4 * 2**20
"""Bytes of one manifest, as the specification recommends."""
REGISTRY_HEADERS: Final = {"Docker-Distribution-API-Version": "registry/2.0"}


class Registry:
    """A registry that serves a folder; an async context manager.

    Attributes:
        host: ``127.0.0.1:PORT``, as image names begin with it.
    """

    def __init__(self, folder: Path, *, port: int = 0) -> None:
        """Describe a registry.

        Args:
            folder: Of its images; made when missing.
            port: Wished for; another is taken when it is in use. 0: any.
        """
        self._folder, self._port = folder, port
        self._serving: asyncio.Task[None] | None = None

    @property
    def host(self) -> str:
        """Host and port."""
        return f"{LOOPBACK_ADDRESS}:{self._port}"

    async def __aenter__(self) -> Self:
        app = registry_app(ImageStore(self._folder))
        listener = bind(
            LOOPBACK_ADDRESS, free_port(self._port)
        )  # from here on connections wait for us
        self._port = port_of(listener)
        self._serving = asyncio.create_task(serve_on(app, listener))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.wait([self._serving])


def registry_app(store: ImageStore) -> Starlette:
    """Return the application that serves a store."""
    endpoints = _Endpoints(store)
    routes = [
        Route("/v2/", endpoints.ping, methods=["GET"]),
        Route("/v2/{name:path}/tags/list", endpoints.tags, methods=["GET"]),
        Route("/v2/{name:path}/blobs/uploads/", endpoints.start, methods=["POST"]),
        Route("/v2/{name:path}/blobs/uploads/{upload}", endpoints.upload_status, methods=["GET"]),
        Route("/v2/{name:path}/blobs/uploads/{upload}", endpoints.append, methods=["PATCH"]),
        Route("/v2/{name:path}/blobs/uploads/{upload}", endpoints.finish, methods=["PUT"]),
        Route("/v2/{name:path}/blobs/uploads/{upload}", endpoints.drop, methods=["DELETE"]),
        Route("/v2/{name:path}/blobs/{digest}", endpoints.blob, methods=["GET"]),
        Route("/v2/{name:path}/manifests/{reference}", endpoints.manifest, methods=["GET"]),
        Route("/v2/{name:path}/manifests/{reference}", endpoints.put_manifest, methods=["PUT"]),
    ]
    app = Starlette(exception_handlers={RegistryRefused: _refusal})
    app.router = Router(routes, redirect_slashes=False)
    return app


class _Endpoints:
    """The endpoints."""

    def __init__(self, store: ImageStore) -> None:
        self._store = store

    async def ping(self, _: Request) -> Response:
        return JSONResponse({}, headers=REGISTRY_HEADERS)

    async def tags(self, request: Request) -> Response:
        name = request.path_params["name"]
        return JSONResponse({"name": name, "tags": self._store.tags(name)})

    async def blob(self, request: Request) -> Response:
        digest = request.path_params["digest"]
        path = self._store.blob(request.path_params["name"], digest)
        headers = {"Docker-Content-Digest": digest}
        return FileResponse(path, media_type="application/octet-stream", headers=headers)

    async def start(self, request: Request) -> Response:
        """Begin an upload; answer a mount, or take the whole blob, where asked to."""
        name, asked = request.path_params["name"], request.query_params
        mounted = asked.get("mount", "")
        if self._store.has_blob(mounted):
            self._store.blob(name, mounted)
            return self._created(name, mounted)
        upload = self._store.start_upload(name)
        if "digest" not in asked:
            return self._going_on(name, upload)
        await self._receive(request, name, upload)
        return await self._finished(name, upload, asked["digest"])

    async def append(self, request: Request) -> Response:
        name, upload = _upload(request)
        start = request.headers.get("content-range", "").partition("-")[0]
        if start.isdecimal() and int(start) != self._store.upload_size(name, upload):
            raise RegistryRefused("BLOB_UPLOAD_INVALID", 416, "chunks must come in order")
        await self._receive(request, name, upload)
        return self._going_on(name, upload)

    async def finish(self, request: Request) -> Response:
        name, upload = _upload(request)
        await self._receive(request, name, upload)
        return await self._finished(name, upload, request.query_params.get("digest", ""))

    async def upload_status(self, request: Request) -> Response:
        name, upload = _upload(request)
        return self._going_on(name, upload, status=204)

    async def drop(self, request: Request) -> Response:
        self._store.drop_upload(*_upload(request))
        return Response(status_code=204)

    async def manifest(self, request: Request) -> Response:
        name, reference = request.path_params["name"], request.path_params["reference"]
        found = self._store.manifest(name, reference)
        headers = {"Docker-Content-Digest": found.digest}
        return Response(found.content, media_type=found.media_type, headers=headers)

    async def put_manifest(self, request: Request) -> Response:
        name, reference = request.path_params["name"], request.path_params["reference"]
        media_type = request.headers.get("content-type", "").partition(";")[0].strip()
        content = b""
        async for chunk in request.stream():
            content += chunk
            if len(content) > MANIFEST_LIMIT:
                raise RegistryRefused("SIZE_INVALID", 413, "the manifest is over 4 MiB")
        digest = self._store.put_manifest(name, reference, media_type, content)
        headers = {"Location": f"/v2/{name}/manifests/{digest}", "Docker-Content-Digest": digest}
        return Response(status_code=201, headers=headers)

    async def _receive(self, request: Request, name: str, upload: str) -> None:
        try:
            with self._store.open_upload(name, upload) as file:
                async for chunk in request.stream():
                    file.write(chunk)
        except ClientDisconnect:
            raise RegistryRefused("BLOB_UPLOAD_INVALID", 400, "the client went away") from None

    async def _finished(self, name: str, upload: str, digest: str) -> Response:
        await asyncio.to_thread(self._store.finish_upload, name, upload, digest)
        return self._created(name, digest)

    def _created(self, name: str, digest: str) -> Response:
        headers = {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest}
        return Response(status_code=201, headers=headers)

    def _going_on(self, name: str, upload: str, status: int = 202) -> Response:
        last = max(self._store.upload_size(name, upload) - 1, 0)
        headers = {
            "Location": f"/v2/{name}/blobs/uploads/{upload}",
            "Docker-Upload-UUID": upload,
            "Range": f"0-{last}",
        }
        return Response(status_code=status, headers=headers)


def _upload(request: Request) -> tuple[str, str]:
    return request.path_params["name"], request.path_params["upload"]


async def _refusal(_: Request, fault: Exception) -> Response:
    assert isinstance(fault, RegistryRefused)
    error = {"code": fault.kind, "message": str(fault), "detail": None}
    return JSONResponse({"errors": [error]}, status_code=fault.status, headers=REGISTRY_HEADERS)
