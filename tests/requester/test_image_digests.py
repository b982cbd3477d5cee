"""From an image name to its digest, with registries that behave in every way."""

from __future__ import annotations

from hashlib import sha256

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from asked_registry import MANIFEST, registry
from poolhand.appimage.reference import (
    BadImageName,
    ImageReference,
    NoSuchImage,
    RegistryDown,
    ResolvedImage,
)
from poolhand.requester.registry import resolve
from requester_market import IMAGE, client

DIGEST = sha256(MANIFEST).digest()


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("ubuntu", "docker.io/library/ubuntu:latest"),
        ("owner/app:1.0", "docker.io/owner/app:1.0"),
        ("docker.io/ubuntu:24.04", "docker.io/library/ubuntu:24.04"),
        ("localhost/app", "localhost/app:latest"),
        ("127.0.0.1:5000/a/b/c:x", "127.0.0.1:5000/a/b/c:x"),
        ("ghcr.io/o/a@sha256:" + "0" * 64, "ghcr.io/o/a"),
        ("ghcr.io/o/a:1@sha256:" + "0" * 64, "ghcr.io/o/a:1"),
    ],
)
def test_a_name_is_completed_as_docker_does(text, whole):
    assert str(ImageReference.parse(text)) == whole


@pytest.mark.parametrize(
    "text", ["", "UPPER/case", "a b", "app:", "app:-x", "http://x/y", "a@sha256:12", "a//b", "../a"]
)
def test_what_is_no_name_is_said(text):
    with pytest.raises(BadImageName):
        ImageReference.parse(text)


@pytest.mark.parametrize(
    ("name", "api"),
    [
        ("ubuntu", "https://registry-1.docker.io"),
        ("127.0.0.1:5000/a", "http://127.0.0.1:5000"),
        ("localhost:5000/a", "http://localhost:5000"),
        ("127.0.0.1.evil.com/a", "https://127.0.0.1.evil.com"),
        ("ghcr.io/o/a", "https://ghcr.io"),
    ],
)
def test_only_loopback_is_asked_without_tls(name, api):
    assert ImageReference.parse(name).api == api


async def test_the_registry_tells_the_digest():
    async with client(**{"127_0_0_1": registry()}) as http:
        assert await resolve(http, IMAGE) == ResolvedImage(IMAGE, DIGEST)


async def test_a_registry_without_the_header_is_read_and_hashed():
    async with client(**{"127_0_0_1": registry()}) as http:
        found = await resolve(http, IMAGE.replace("1.0", "bare"))
    assert found.digest == DIGEST


async def test_a_digest_in_the_name_needs_no_registry():
    async with client() as http:
        found = await resolve(http, "example.com/a:1@sha256:" + "ab" * 32)
    assert found == ResolvedImage("example.com/a:1", bytes.fromhex("ab" * 32))


async def test_a_missing_image_is_named_with_what_to_do():
    async with client(**{"127_0_0_1": registry()}) as http:
        with pytest.raises(
            NoSuchImage, match=r"image 127\.0\.0\.1:5000/foo:1 does not exist in the registry"
        ):
            await resolve(http, "127.0.0.1:5000/foo:1")
        with pytest.raises(NoSuchImage, match="docker push"):
            await resolve(http, IMAGE.replace("1.0", "2.0"))


async def test_a_registry_that_is_away_is_named():
    async with client() as http:
        with pytest.raises(RegistryDown, match=r"127\.0\.0\.1:5000/foo:1 does not answer"):
            await resolve(http, "127.0.0.1:5000/foo:1")


@pytest.mark.parametrize("status", [429, 500, 503, 302])
async def test_a_registry_in_trouble_is_no_missing_image(status):
    app = FastAPI()

    @app.api_route("/{path:path}", methods=["GET", "HEAD"])
    async def trouble(path: str) -> Response:
        return Response(status_code=status)

    async with client(registry_test=app) as http:
        with pytest.raises(RegistryDown, match=str(status)):
            await resolve(http, "registry.test/a:1")


def guarded(realm: str, token: str = "t0ken") -> FastAPI:
    app = FastAPI()

    @app.get("/token")
    async def give(service: str, scope: str) -> dict[str, str]:
        assert (service, scope) == ("registry", "repository:owner/app:pull")
        return {"token": token}

    @app.api_route("/v2/{path:path}", methods=["GET", "HEAD"])
    async def manifest(path: str, request: Request) -> Response:
        assert path == "owner/app/manifests/1"
        if request.headers.get("authorization") != "Bearer t0ken":
            challenge = (
                f'Bearer realm="{realm}",service="registry",scope="repository:owner/app:pull"'
            )
            return JSONResponse({}, 401, {"WWW-Authenticate": challenge})
        assert "application/vnd.oci.image.index.v1+json" in request.headers["accept"]
        return Response(headers={"Docker-Content-Digest": "sha256:" + "cd" * 32})

    return app


async def test_a_token_is_fetched_for_a_public_image():
    async with client(registry_test=guarded("https://registry.test/token")) as http:
        found = await resolve(http, "registry.test/owner/app:1")
    assert found.digest == bytes.fromhex("cd" * 32)


async def test_a_private_image_is_not_found():
    app = guarded("https://registry.test/token", token="wrong")
    async with client(registry_test=app) as http:
        with pytest.raises(NoSuchImage, match="private"):
            await resolve(http, "registry.test/owner/app:1")


@pytest.mark.parametrize("realm", ["http://evil.test/token", "https://[", "http://evil.test:b"])
async def test_a_token_is_not_asked_for_in_the_clear_nor_where_nothing_can_be(realm):
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        challenge = f'Bearer realm="{realm}",service="registry"'
        return httpx.Response(401, headers={"WWW-Authenticate": challenge})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        with pytest.raises(NoSuchImage, match="login"):
            await resolve(http, "registry.test/owner/app:1")
    assert asked == ["registry.test"]
