"""An image is built over a base and pushed: the same bytes every time, or a refusal before that."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from hashlib import sha256

import httpx
import pytest
from wheelhouse import Index, Shop, wheel

from poolhand import Image
from poolhand.appimage.base import FalseRegistry, UnfitBase
from poolhand.appimage.building import ImageBuilder
from poolhand.appimage.image import UnfitImage
from poolhand.appimage.layers import Text
from poolhand.appimage.pushing import PushRefused
from poolhand.appimage.reference import BadImageName, NoSuchImage, RegistryDown
from poolhand.devnet.registry_store import RegistryRefused
from poolhand.settings.registries import RegistryLogin

TO = "127.0.0.1:5000/you/app:1.0"


@pytest.fixture
def shop(tmp_path):
    found = Shop(tmp_path / "registry")
    found.put_base(tmp_path)
    return found


@pytest.fixture
def index(tmp_path):
    place = tmp_path / "index"
    place.mkdir()
    return Index(place)


@pytest.fixture
async def builder(shop, index):
    async with shop.client() as http:
        yield ImageBuilder(http, base_of=shop.base_of, wheels=index)


@pytest.fixture
def image(tmp_path):
    (tmp_path / "app.py").write_text("print('computed')\n")
    return Image.python("3.12").copy(tmp_path / "app.py")


async def build(builder, image, tmp_path, name="built"):
    place = tmp_path / name
    place.mkdir()
    return await builder.build(image, place)


def pulled(shop, reference=TO):
    """Return an image as whoever pulls it sees it: configuration, and files by their names."""
    name, _, tag = reference.partition("/")[2].rpartition(":")
    manifest = json.loads(shop.store.manifest(name, tag).content)
    config = json.loads(shop.store.blob(name, manifest["config"]["digest"]).read_bytes())
    files = {}
    for layer, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
        content = shop.store.blob(name, layer["digest"]).read_bytes()
        assert len(content) == layer["size"]
        plain = gzip.decompress(content)
        assert "sha256:" + sha256(plain).hexdigest() == diff_id
        with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
            for each in archive:
                read = archive.extractfile(each)
                files["/" + each.name] = (each.mode, read.read() if read else None)
    return config, files


async def test_what_was_described_is_pulled(shop, index, builder, image, tmp_path):
    wheel(
        index.folder,
        "tool",
        files={"tool-1.0.dist-info/entry_points.txt": "[console_scripts]\ntool = tool:main\n"},
    )
    described = image.pip("tool").env(LEVEL="9").text("data/words.txt", "a b")
    built = await build(builder, described, tmp_path)
    published = await builder.push(built, TO)
    assert published.reference == TO
    assert published.digest == built.digest
    config, files = pulled(shop)
    assert config["os"] == "linux"
    assert config["config"]["Entrypoint"] == ["python3", "/app/app.py"]
    assert config["config"]["WorkingDir"] == "/app"
    assert "Cmd" not in config["config"]
    environment = dict(each.split("=", 1) for each in config["config"]["Env"])
    assert environment["PYTHONPATH"] == "/opt/poolhand/packages"
    assert environment["PATH"] == "/opt/poolhand/bin:/usr/local/bin:/bin"
    assert environment["LEVEL"] == "9"
    assert files["/app/app.py"] == (0o644, b"print('computed')\n")
    assert files["/app/data/words.txt"][1] == b"a b"
    assert files["/opt/poolhand/packages/tool.py"][1] == b"VERSION = '1.0'\n"
    assert files["/opt/poolhand/bin/tool"][0] == 0o755
    assert b"from tool import main" in files["/opt/poolhand/bin/tool"][1]
    assert files["/etc/base"][1] == b"python 3.12.4"


async def test_the_same_inputs_give_the_same_digest_whenever(builder, index, image, tmp_path):
    wheel(index.folder, "tool")
    first = await build(builder, image.pip("tool"), tmp_path, "1")
    os.utime(tmp_path / "app.py", (1, 1))
    again = await build(builder, image.pip("tool"), tmp_path, "2")
    assert (first.manifest, first.config) == (again.manifest, again.config)
    (tmp_path / "app.py").write_text("print('another')\n")
    other = await build(builder, image.pip("tool").copy(tmp_path / "app.py"), tmp_path, "3")
    assert other.layers[0].digest == first.layers[0].digest  # packages are not pushed again
    assert other.digest != first.digest


async def test_what_the_registry_has_is_not_sent_again(shop, builder, image, tmp_path):
    built = await build(builder, image, tmp_path)
    await builder.push(built, TO)
    assert ("POST", "/v2/you/app/blobs/uploads/") in shop.requests
    shop.requests.clear()
    again = await builder.push(built, TO)
    assert again.digest == built.digest
    assert {method for method, _ in shop.requests} == {"HEAD", "PUT"}


async def test_a_push_tells_how_far_it_is(shop, image, tmp_path, monkeypatch):
    told = []
    (tmp_path / "large.bin").write_bytes(os.urandom(70 * 1024**2))
    async with shop.client() as http:
        builder = ImageBuilder(http, base_of=shop.base_of, told=told.append)
        large = image.copy(tmp_path / "large.bin").entrypoint("true")
        await builder.push(await build(builder, large, tmp_path), TO)
    assert [each for each in told if each.startswith("layer 2 of 2: 64 MiB of 70")]
    assert told[0] == "base: 127.0.0.1:5000/python:3.12"


async def test_a_base_of_another_registry_is_copied_and_checked(shop, image, tmp_path):
    other = Shop(tmp_path / "elsewhere")

    async def answer(request):
        return await (other if request.url.port == 5001 else shop).handle(request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        builder = ImageBuilder(http, base_of=shop.base_of)
        built = await build(builder, image, tmp_path)
        layer = built.base_layers[0]
        blob = shop.store.blob("python", layer.digest)
        honest = blob.read_bytes()
        for false in (b"another".ljust(layer.size), honest[:-1], honest + b"more"):
            blob.write_bytes(false)
            with pytest.raises((FalseRegistry, RegistryDown)):
                await builder.push(built, "127.0.0.1:5001/you/app:1.0")
            assert not other.store.has_blob(layer.digest)
        blob.write_bytes(honest)
        await builder.push(built, "127.0.0.1:5001/you/app:1.0")
        assert pulled(other)[1]["/etc/base"][1] == b"python 3.12.4"


async def test_a_file_that_was_changed_meanwhile_is_no_part_of_it(builder, image, tmp_path):
    (tmp_path / "app.py").write_text("print('changed!')\n")
    with pytest.raises(UnfitImage, match="anew"):
        await build(builder, image, tmp_path)
    (tmp_path / "app.py").write_text("")
    with pytest.raises(UnfitImage, match="anew"):
        await build(builder, image, tmp_path, "again")
    (tmp_path / "app.py").unlink()
    with pytest.raises(UnfitImage, match="anew"):
        await build(builder, image, tmp_path, "gone")


async def test_a_base_with_another_python_is_refused(shop, builder, image, tmp_path):
    shop.put_base(tmp_path, tag="3.13", python="3.1.3")
    with pytest.raises(UnfitBase, match=r"has Python 3\.1\.3, and 3\.13 is wanted"):
        await build(builder, Image.python("3.13").text("main.py", ""), tmp_path)


@pytest.mark.parametrize(
    ("file", "has"),
    [("/usr/local/bin/python3.12", True), ("/opt/bin/python3.12", True), ("/bin/python3", False),
     ("/usr/bin/python3.120", False), ("/usr/bin/xpython3.12", False)],
)  # fmt: skip
async def test_a_base_that_says_nothing_is_looked_through(shop, builder, tmp_path, file, has):
    files = {file: Text("program"), "/usr/lib/large": Text("x" * 100_000)}
    base = shop.put_base(tmp_path, tag="silent", python="", files=files)
    image = Image.python("3.12", base=base).text("main.py", "")
    if has:
        assert (await build(builder, image, tmp_path)).digest
    else:
        with pytest.raises(UnfitBase, match=r"none of its layers has a program python3\.12"):
            await build(builder, image, tmp_path)


async def test_a_silent_base_that_is_no_archive_is_refused(shop, builder, tmp_path):
    base = shop.put_base(tmp_path, tag="silent", python="")
    manifest = json.loads(shop.store.manifest("python", "silent").content)
    for content in (b"no archive", gzip.compress(b"x" * 700), gzip.compress(b"x" * 9000)[:-9]):
        digest = "sha256:" + sha256(content).hexdigest()
        manifest["layers"][0] |= {"digest": digest, "size": len(content)}
        shop.put("python", "silent", json.dumps(manifest).encode(), [content])
        image = Image.python("3.12", base=base).text("main.py", "")
        with pytest.raises(UnfitBase, match="no archive"):
            await build(builder, image, tmp_path, digest[-8:])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda config: config.update(architecture="arm64"), "built for linux/arm64"),
        (lambda config: config.update(rootfs=7), "its layers"),
        (lambda config: config.update(config={"Env": "A=1"}), "no list of texts"),
        (lambda config: config.update(config={"Env": [7]}), "no list of texts"),
        (lambda config: config.update(config={"User": ["root"]}), "no text"),
        (lambda config: config["rootfs"].update(diff_ids=[]), "not those of its configuration"),
        (lambda config: config["rootfs"].update(diff_ids=["../x"]), "not known"),
    ],
)
async def test_a_base_of_another_shape_is_refused(shop, builder, tmp_path, change, told):
    manifest = json.loads(shop.store.manifest("python", "3.12").content)
    config = json.loads(shop.store.blob("python", manifest["config"]["digest"]).read_bytes())
    change(config)
    content = json.dumps(config).encode()
    manifest["config"]["digest"] = "sha256:" + sha256(content).hexdigest()
    shop.put("python", "3.12", json.dumps(manifest).encode(), [content])
    with pytest.raises(UnfitBase, match=told):
        await build(builder, Image.python("3.12").text("main.py", ""), tmp_path)


@pytest.mark.parametrize(
    "layer",
    [{"urls": ["https://elsewhere.example"]}, {"size": "7"}, {"size": -1}, {"size": True},
     {"digest": "sha256:../.."}, {"mediaType": "text/plain"}, {"size": 9 * 1024**3}],
)  # fmt: skip
async def test_a_base_whose_layers_are_none_is_refused(shop, builder, tmp_path, layer):
    manifest = json.loads(shop.store.manifest("python", "3.12").content)
    manifest["layers"][0].update(layer)
    shop.store._repositories.joinpath("python").mkdir(exist_ok=True)
    answer = httpx.Response(200, content=json.dumps(manifest).encode())
    shop.refuses["GET", "/v2/python/manifests/"] = answer
    with pytest.raises(UnfitBase):
        await build(builder, Image.python("3.12").text("main.py", ""), tmp_path)


async def test_a_base_that_is_not_what_its_digest_says_is_refused(shop, builder, tmp_path):
    manifest = shop.store.manifest("python", "3.12").content
    pinned = f"{shop.host}/python@sha256:{sha256(manifest).hexdigest()}"
    image = Image.python("3.12", base=pinned).text("main.py", "")
    await build(builder, image, tmp_path)
    shop.refuses["GET", "/v2/python/manifests/"] = httpx.Response(200, content=b"{}")
    with pytest.raises(FalseRegistry):
        await build(builder, image, tmp_path, "again")


async def test_of_an_index_the_platforms_image_is_taken(shop, builder, tmp_path):
    manifest = shop.store.manifest("python", "3.12").content
    entry = {"digest": "sha256:" + sha256(manifest).hexdigest(), "size": len(manifest)}
    kind = "application/vnd.oci.image.index.v1+json"
    for tag, machine in (("many", "amd64"), ("none", "s390x")):
        listed = [{"platform": 7}, {**entry, "platform": {"os": "linux", "architecture": machine}}]
        content = {"mediaType": kind, "manifests": listed}
        answer = json.dumps(content).encode()
        shop.refuses["GET", f"/python/manifests/{tag}"] = httpx.Response(200, content=answer)
    image = Image.python("3.12", base=f"{shop.host}/python:many").text("main.py", "")
    assert (await build(builder, image, tmp_path)).base_layers
    other = Image.python("3.12", base=f"{shop.host}/python:none").text("main.py", "")
    with pytest.raises(UnfitBase, match="not built for linux/amd64"):
        await build(builder, other, tmp_path, "none")


@pytest.mark.parametrize(
    ("status", "fault", "told"),
    [
        (401, PushRefused, r"docker login 127\.0\.0\.1:5000"),
        (403, PushRefused, "name a repository of yours"),
        (404, PushRefused, "create it there"),
        (405, PushRefused, "HTTP 405"),
        (429, RegistryDown, "try again later"),
        (503, RegistryDown, "try again later"),
    ],
)
async def test_a_registry_that_takes_nothing_is_found_before_anything_is_built(
    shop, builder, status, fault, told
):
    shop.refuses["POST", "/uploads/"] = httpx.Response(status, text="\x1b[31mno")
    with pytest.raises(fault, match=told) as caught:
        await builder.demand_writable(TO)
    assert "\x1b" not in str(caught.value)


async def test_asking_whether_a_registry_takes_images_leaves_nothing_there(shop, builder):
    await builder.demand_writable(TO)
    assert not list(shop.store._uploads.iterdir())


async def test_a_layer_that_is_too_large_for_a_registry_is_told(shop, builder, image, tmp_path):
    built = await build(builder, image, tmp_path)
    shop.refuses["PUT", "/uploads/"] = httpx.Response(413)
    with pytest.raises(PushRefused, match="so large a layer"):
        await builder.push(built, TO)
    with pytest.raises(RegistryRefused):  # nothing is there that anybody could pull
        shop.store.tags("you/app")


async def test_a_registry_that_is_away_is_told(image, tmp_path):
    def away(request):
        raise httpx.ConnectError("refused", request=request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(away)) as http:
        with pytest.raises(RegistryDown, match="does not answer"):
            await ImageBuilder(http).demand_writable(TO)
        with pytest.raises(RegistryDown, match=r"docker\.io/library/python:3\.12"):
            await build(ImageBuilder(http), image, tmp_path)


async def test_a_base_that_is_not_there_is_told(builder, tmp_path):
    with pytest.raises(NoSuchImage, match=r"python:3\.9"):
        await build(builder, Image.python("3.9").text("main.py", ""), tmp_path)


async def test_a_target_is_a_name_and_no_digest(builder):
    for name in (f"127.0.0.1:5000/a@sha256:{'ab' * 32}", "Ä", ""):
        with pytest.raises(BadImageName):
            await builder.demand_writable(name)


class Doorman:
    """A registry behind tokens, which are good for some requests."""

    def __init__(self, shop, lasts=1000) -> None:
        self.shop, self.lasts, self.scopes, self.given, self.left = shop, lasts, [], 0, 0
        self.seen = []

    async def __call__(self, request):
        if request.url.path == "/token":
            self.scopes = request.url.params.get_list("scope")
            self.seen.append(request.headers.get("authorization"))
            self.given, self.left = self.given + 1, self.lasts
            return httpx.Response(200, json={"token": f"t{self.given}"})
        if request.headers.get("authorization") != f"Bearer t{self.given}" or not self.left:
            await request.aread()
            told = 'Bearer realm="http://127.0.0.1:5000/token",service="shop",scope="x:y:pull"'
            return httpx.Response(401, headers={"WWW-Authenticate": told})
        self.left -= 1
        return await self.shop.handle(request)


@pytest.mark.parametrize("lasts", [1000, 2])
async def test_a_login_is_used_for_a_token_that_may_push(shop, image, tmp_path, lasts):
    door = Doorman(shop, lasts)
    login = RegistryLogin("127.0.0.1:5000", "you", "secret")

    async def login_of(registry):
        return login

    async with httpx.AsyncClient(transport=httpx.MockTransport(door)) as http:
        builder = ImageBuilder(http, login_of, base_of=shop.base_of)
        await builder.demand_writable(TO)
        assert door.scopes == ["repository:you/app:pull,push"]
        built = await build(builder, image, tmp_path)
        await builder.push(built, TO)
    assert door.scopes == ["repository:you/app:pull,push", "repository:python:pull"]
    assert set(door.seen) == {"Basic eW91OnNlY3JldA=="}
    assert pulled(shop)[1]["/app/app.py"]


async def test_an_upload_is_sent_nowhere_that_others_read(shop, builder, image, tmp_path):
    built = await build(builder, image, tmp_path)
    there = httpx.Response(202, headers={"Location": "http://elsewhere.example/upload"})
    shop.refuses["POST", "/uploads/"] = there
    with pytest.raises(RegistryDown, match="where we do not go"):
        await builder.push(built, TO)
