"""An image that no worker could run is not deployed and not bought; private ones need a login."""

from __future__ import annotations

import asyncio
import base64
import json
import platform
from dataclasses import replace
from hashlib import sha256

import httpx
import pytest
from httpx._utils import URLPattern

from poolhand.appimage.reference import NoSuchImage, RegistryDown, ResolvedImage
from poolhand.domain.onchain import CreateApp
from poolhand.domain.platforms import linux_on, listed_platforms, platform_of, runs_on
from poolhand.requester.assets import app_of
from poolhand.requester.registry import WrongPlatform, demand_platform, resolve
from poolhand.requester.wish import Wish
from poolhand.settings.registries import RegistryLogin
from requester_market import client

NAME = "registry.test/owner/app:1"
HERE = linux_on(platform.machine())


def index(*platforms):
    entries = [
        {"platform": dict(zip(("os", "architecture"), p.split("/"), strict=True))}
        for p in platforms
    ]
    return {"manifests": [*entries, {"platform": {"os": "unknown", "architecture": "unknown"}}]}


class Shelf:
    """A registry with one image, as an httpx handler."""

    def __init__(self, manifest, config=None) -> None:
        self.config = json.dumps(config).encode()
        if config is not None:
            manifest = {
                **manifest,
                "config": {"digest": "sha256:" + sha256(self.config).hexdigest()},
            }
        self.manifest = json.dumps(manifest).encode()
        self.digest = sha256(self.manifest).digest()
        self.asked, self.elsewhere, self.secret = [], None, None

    def __call__(self, request):
        self.asked.append((str(request.url), request.headers.get("authorization")))
        if self.secret and request.headers.get("authorization") != self.secret:
            return httpx.Response(401, headers={"WWW-Authenticate": self.challenge})
        if "/blobs/" in request.url.path and self.elsewhere and request.url.host == "registry.test":
            return httpx.Response(307, headers={"Location": self.elsewhere})
        if "/blobs/" in request.url.path:
            return httpx.Response(200, content=self.config)
        headers = {"Docker-Content-Digest": "sha256:" + self.digest.hex()}
        return httpx.Response(200, content=self.manifest, headers=headers)

    async def demand(self, wanted=("linux/amd64",), name=NAME, **options):
        async with httpx.AsyncClient(transport=httpx.MockTransport(self)) as http:
            await demand_platform(http, ResolvedImage(name, self.digest), wanted, **options)

    async def resolve(self, **options):
        async with httpx.AsyncClient(transport=httpx.MockTransport(self)) as http:
            return await resolve(http, NAME, **options)


def single(architecture):
    return Shelf({"schemaVersion": 2}, {"os": "linux", "architecture": architecture})


@pytest.mark.case("D3")
@pytest.mark.parametrize("shelf", [Shelf(index("linux/arm64", "linux/arm")), single("arm64")])
async def test_an_image_for_other_processors_is_refused_and_they_are_named(shelf):
    with pytest.raises(
        WrongPlatform, match=r"built for linux/arm64.*workers run linux/amd64.*buildx"
    ) as caught:
        await shelf.demand()
    assert "owner/app" in str(caught.value)


@pytest.mark.case("D3")
@pytest.mark.parametrize("shelf", [Shelf(index("linux/arm64", "linux/amd64")), single("amd64")])
async def test_an_image_for_the_workers_processor_is_taken(shelf):
    await shelf.demand()


async def test_workers_of_another_kind_can_be_named():
    await single("arm64").demand(("linux/amd64", "linux/arm64"))


@pytest.mark.parametrize(
    "shelf",
    [Shelf({}), Shelf([]), Shelf({"config": {"digest": "../x"}}), Shelf({"config": 7}), Shelf({"manifests": []}),
     Shelf({}, {"os": "linux"}), Shelf({}, []), Shelf({"manifests": ["x", {"platform": 7}]})],
)  # fmt: skip
async def test_an_image_that_does_not_say_is_taken(shelf):
    await shelf.demand()


async def test_a_registry_that_does_not_answer_decides_nothing():
    async with httpx.AsyncClient(
        transport=httpx.MockTransport(lambda _: httpx.Response(503))
    ) as http:
        await demand_platform(http, ResolvedImage(NAME, bytes(32)), ("linux/amd64",))


async def test_in_a_registry_of_this_machine_its_own_processor_counts():
    architecture = HERE.partition("/")[2]
    await single(architecture).demand(("linux/s390x",), "127.0.0.1:5000/app:1")
    with pytest.raises(WrongPlatform):
        await single("s390x").demand(("linux/s390x",), "127.0.0.1:5000/app:1")


@pytest.mark.case("D3")
async def test_nothing_is_deployed_of_an_image_for_another_processor():
    shelf = single("arm64")
    async with httpx.AsyncClient(transport=httpx.MockTransport(shelf)) as http:
        with pytest.raises(WrongPlatform):
            await app_of(http, None, NAME, "")


@pytest.mark.case("D3")
async def test_an_app_for_another_processor_is_not_bought(market):
    shelf, chain = single("vax"), market.settings.chain
    market.http = client(pool_test=market.pool.app())
    market.http._mounts[URLPattern("all://127.0.0.1")] = httpx.MockTransport(shelf)
    at_home = replace(chain, rpc_urls=("http://127.0.0.1:8545",))
    market.settings = replace(market.settings, chain=at_home)
    app = CreateApp(market.wallet.address, "vax", b"127.0.0.1:5000/owner/vax:1.0", shelf.digest)
    created = (await market.chain.sender(market.wallet).send("app", app)).created
    with pytest.raises(WrongPlatform, match="linux/vax"):
        await market.requester().buy(Wish(created))
    assert market.deals == 0


# ------------------------------------------------------------------------------- blobs and logins


async def test_a_config_that_lies_elsewhere_is_fetched_without_what_lets_us_in():
    shelf = single("arm64")
    shelf.elsewhere = "https://cdn.test/blobs/x"
    with pytest.raises(WrongPlatform):
        await shelf.demand()
    assert [url for url, _ in shelf.asked][-1] == "https://cdn.test/blobs/x"
    assert shelf.asked[-1][1] is None


@pytest.mark.parametrize(
    "place", ["http://cdn.test/blobs/x", "file:///etc/passwd", "https://10.0.0.1/blobs/x"]
)
async def test_a_registry_sends_us_nowhere_that_we_do_not_go(place):
    shelf = single("arm64")
    shelf.elsewhere = place

    async def allows(url):
        return url.startswith("https://") and "10.0.0.1" not in url

    await shelf.demand(allows=allows)
    assert all("registry.test" in url for url, _ in shelf.asked)


def known(registry):
    async def find(asked):
        return RegistryLogin(asked, "me", "secret") if asked == registry else None

    return find


BASIC = "Basic " + base64.b64encode(b"me:secret").decode()


@pytest.mark.case("D8")
async def test_a_private_registry_gets_dockers_login():
    shelf = single("amd64")
    shelf.secret, shelf.challenge = BASIC, 'Basic realm="x"'
    assert (await shelf.resolve(login_of=known("registry.test"))).digest == shelf.digest
    with pytest.raises(NoSuchImage, match=r"docker login registry\.test"):
        await shelf.resolve()
    with pytest.raises(NoSuchImage, match=r"docker login registry\.test"):
        await shelf.resolve(login_of=known("other.test"))


@pytest.mark.case("D8")
async def test_a_token_is_asked_for_with_dockers_login():
    shelf, given = single("amd64"), []

    def answer(request):
        if request.url.path == "/token":
            given.append(request.headers.get("authorization"))
            right = given[-1] == BASIC
            return httpx.Response(200, json={"token": "t"}) if right else httpx.Response(401)
        return shelf(request)

    shelf.secret = "Bearer t"
    shelf.challenge = 'Bearer realm="https://auth.test/token",service="s"'
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        assert (await resolve(http, NAME, known("registry.test"))).digest == shelf.digest
        with pytest.raises(RegistryDown):
            await resolve(http, NAME)
    assert given == [BASIC, None]


@pytest.mark.case("D8")
async def test_a_login_that_is_refused_is_told():
    def answer(request):
        if request.url.path == "/token":
            return httpx.Response(401)
        return httpx.Response(
            401, headers={"WWW-Authenticate": 'Bearer realm="https://auth.test/token"'}
        )

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        with pytest.raises(NoSuchImage, match="does not accept your login"):
            await resolve(http, NAME, known("registry.test"))


async def test_a_registry_that_sends_without_end_is_left():
    def answer(_request):
        return httpx.Response(200, content=bytes(5 * 2**20))

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        with pytest.raises(RegistryDown, match="more than a manifest"):
            await resolve(http, NAME)


# ------------------------------------------------------------------------------------------ pure


def test_platforms_are_read_from_an_index_without_attestations():
    assert listed_platforms(index("linux/amd64", "linux/amd64", "linux/arm64")) == (
        "linux/amd64",
        "linux/arm64",
    )
    assert listed_platforms({"schemaVersion": 2}) is None
    assert platform_of({"os": "linux", "architecture": 7}) == ""


@pytest.mark.parametrize(
    ("built", "wanted", "runs"),
    [((), ("linux/amd64",), True), (("linux/amd64",), ("linux/amd64",), True),
     (("linux/arm64",), ("linux/amd64",), False), (("windows/amd64",), ("linux/amd64",), False)],
)  # fmt: skip
def test_what_is_built_for_nobody_runs_nowhere(built, wanted, runs):
    assert runs_on(built, wanted) is runs
    assert linux_on("x86_64") == "linux/amd64"
    assert linux_on("riscv64") == "linux/riscv64"


class Dribble(httpx.AsyncByteStream):
    """A body of which there is always a byte more."""

    async def __aiter__(self):
        while True:
            yield b" "
            await asyncio.sleep(0)


async def test_a_registry_that_dribbles_holds_a_buyer_up_no_longer_than_a_silent_one():
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Dribble()))
    async with httpx.AsyncClient(transport=transport, timeout=0.05) as http, asyncio.timeout(60):
        with pytest.raises(RegistryDown, match="does not answer"):
            await resolve(http, NAME)
        await demand_platform(http, ResolvedImage(NAME, bytes(32)), ("linux/amd64",))
