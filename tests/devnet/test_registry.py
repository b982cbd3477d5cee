"""The registry keeps what it is given, by digest, and nothing outside its folder."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import tarfile
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from many import examples
from poolhand.devnet.registry import Registry, registry_app
from poolhand.devnet.registry_store import ImageStore, RegistryRefused

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
SECRET = b"outside of the registry"


def digest_of(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def client_of(folder):
    transport = httpx.ASGITransport(app=registry_app(ImageStore(folder)))
    return httpx.AsyncClient(transport=transport, base_url="http://registry/v2")


@pytest.fixture
async def http(tmp_path):
    async with client_of(tmp_path / "registry") as client:
        yield client


async def push_blob(http, name, content):
    digest = digest_of(content)
    answer = await http.post(f"/{name}/blobs/uploads/", params={"digest": digest}, content=content)
    assert answer.status_code == 201, answer.text
    return digest


async def push_image(http, name, reference, config=b"{}"):
    digest = await push_blob(http, name, config)
    content = json.dumps({"config": {"digest": digest}, "layers": []}).encode()
    answer = await http.put(
        f"/{name}/manifests/{reference}", content=content, headers={"Content-Type": MANIFEST}
    )
    return answer, content


def kind(answer):
    return answer.json()["errors"][0]["code"]


async def test_a_manifest_is_found_by_tag_and_by_digest(http):
    answer, content = await push_image(http, "a/b", "1.0")
    assert answer.status_code == 201
    digest = answer.headers["docker-content-digest"]
    assert digest == digest_of(content)
    for reference in ("1.0", digest):
        found = await http.get(f"/a/b/manifests/{reference}")
        assert found.content == content
        assert found.headers["content-type"] == MANIFEST
        head = await http.head(f"/a/b/manifests/{reference}")
        assert head.headers["docker-content-digest"] == digest
        assert int(head.headers["content-length"]) == len(content)
    assert (await http.get("/a/b/tags/list")).json() == {"name": "a/b", "tags": ["1.0"]}


async def test_a_moved_tag_leaves_the_old_manifest_under_its_digest(http):
    first, content = await push_image(http, "a", "latest")
    await push_image(http, "a", "latest", b'{"new": 1}')
    assert (await http.get("/a/manifests/latest")).content != content
    old = first.headers["docker-content-digest"]
    assert (await http.get(f"/a/manifests/{old}")).content == content


async def test_a_blob_in_chunks_arrives_whole(http):
    upload = (await http.post("/a/blobs/uploads/")).headers["location"].removeprefix("/v2")
    first = await http.patch(upload, content=b"abc", headers={"Content-Range": "0-2"})
    assert (first.status_code, first.headers["range"]) == (202, "0-2")
    gap = await http.patch(upload, content=b"xyz", headers={"Content-Range": "9-11"})
    assert gap.status_code == 416
    assert (await http.get(upload)).headers["range"] == "0-2"
    await http.patch(upload, content=b"def", headers={"Content-Range": "3-5"})
    done = await http.put(upload, params={"digest": digest_of(b"abcdefg")}, content=b"g")
    assert done.status_code == 201
    got = await http.get(done.headers["location"].removeprefix("/v2"))
    assert got.content == b"abcdefg"
    assert (await http.get(upload)).status_code == 404


async def test_content_of_another_digest_is_refused_and_dropped(http):
    wrong = digest_of(b"other")
    answer = await http.post("/a/blobs/uploads/", params={"digest": wrong}, content=b"this")
    assert (answer.status_code, kind(answer)) == (400, "DIGEST_INVALID")
    assert (await http.head(f"/a/blobs/{wrong}")).status_code == 404
    refused, _ = await push_image(http, "a", wrong)
    assert kind(refused) == "DIGEST_INVALID"


async def test_a_manifest_needs_its_parts_first(http):
    content = json.dumps({"layers": [{"digest": digest_of(b"never pushed")}]}).encode()
    answer = await http.put("/a/manifests/1", content=content)
    assert kind(answer) == "MANIFEST_BLOB_UNKNOWN"
    assert (await http.get("/a/tags/list")).status_code == 404


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b'{"layers": 5}', b'{"config": {}}', b"[" * 9999]
)
async def test_what_is_no_manifest_is_refused(http, content):
    answer = await http.put("/a/manifests/1", content=content)
    assert (answer.status_code, kind(answer)) == (400, "MANIFEST_INVALID")


async def test_a_manifest_over_the_limit_is_refused(http):
    answer = await http.put("/a/manifests/1", content=b" " * (4 * 2**20 + 1))
    assert answer.status_code == 413


async def test_a_blob_is_mounted_from_another_repository(http):
    digest = await push_blob(http, "a", b"shared")
    asked = {"mount": digest, "from": "a"}
    assert (await http.post("/b/blobs/uploads/", params=asked)).status_code == 201
    asked = {"mount": digest_of(b"nowhere"), "from": "a"}
    assert (await http.post("/b/blobs/uploads/", params=asked)).status_code == 202


async def test_an_upload_can_be_given_up(http):
    upload = (await http.post("/a/blobs/uploads/")).headers["location"].removeprefix("/v2")
    assert (await http.delete(upload)).status_code == 204
    assert (await http.patch(upload, content=b"x")).status_code == 404


async def test_images_outlive_the_registry(tmp_path):
    async with Registry(tmp_path) as registry, httpx.AsyncClient() as http:
        http.base_url = f"http://{registry.host}/v2"
        _, content = await push_image(http, "a/b", "1")
    async with Registry(tmp_path) as registry, httpx.AsyncClient() as http:
        got = await http.get(f"http://{registry.host}/v2/a/b/manifests/1")
    assert got.content == content


parts = st.sampled_from(["..", ".", "", "a", "blobs", "uploads", "_tags", "%2e%2e", "\0", "secret"])
words = st.one_of(parts, st.text(max_size=12))
names = st.lists(words, min_size=1, max_size=5).map("/".join)
tails = st.sampled_from(["manifests/{}", "blobs/{}", "blobs/uploads/{}", "tags/list", "{}"])
paths = st.builds(lambda name, tail, word: f"{name}/{tail.format(word)}", names, tails, words)
methods = st.sampled_from(["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"])


@settings(max_examples=examples(300), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(method=methods, path=paths, encode=st.booleans(), query=words)
async def test_no_request_leaves_the_folder_or_breaks_the_registry(
    tmp_path, method, path, encode, query
):
    folder = tmp_path / "registry"
    (tmp_path / "secret").write_bytes(SECRET)
    raw = ("/v2/" + (quote(path, safe="") if encode else quote(path))).encode()
    url = httpx.URL("http://registry", raw_path=raw + b"?digest=" + quote(query).encode())
    async with client_of(folder) as http:
        answer = await http.request(method, url, content=b"{}")
    assert answer.status_code < 500
    assert SECRET not in answer.content
    assert {each.name for each in tmp_path.iterdir()} == {"registry", "secret"}
    assert {each.name for each in folder.iterdir()} == {"blobs", "uploads", "repositories"}
    assert (tmp_path / "secret").read_bytes() == SECRET


@pytest.mark.parametrize(
    "word", ["..", "../../secret", "a/../../b", "/etc/passwd", "A", "a//b", "a\n", ""]
)
def test_no_word_reaches_a_path_unchecked(tmp_path, word):
    store = ImageStore(tmp_path / "registry")
    upload = store.start_upload("a")
    digest = digest_of(b"")
    attempts = [
        lambda: store.blob(word, digest),
        lambda: store.blob("a", word),
        lambda: store.finish_upload("a", upload, word),
        lambda: store.upload_size(word, upload),
        lambda: store.upload_size("a", word),
        lambda: store.put_manifest(word, "1", MANIFEST, b"{}"),
        lambda: store.manifest(word, "1"),
        lambda: store.tags(word),
    ]
    for attempt in attempts:
        with pytest.raises(RegistryRefused) as caught:
            attempt()
        assert caught.value.kind.endswith("_INVALID")
        assert caught.value.status == 400


@pytest.mark.parametrize("tag", ["..", "../x", "a/b", "", "-a", "a" * 129])
def test_no_tag_reaches_a_path_unchecked(tmp_path, tag):
    store = ImageStore(tmp_path / "registry")
    for attempt in (
        lambda: store.put_manifest("a", tag, MANIFEST, b"{}"),
        lambda: store.manifest("a", tag),
    ):
        with pytest.raises(RegistryRefused, match="not what the registry takes"):
            attempt()


async def docker(*words, stdin=None):
    program = await asyncio.create_subprocess_exec(
        "docker",
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await program.communicate(stdin)
    return program.returncode, told.decode()


@pytest.mark.docker
async def test_the_real_engine_pushes_and_pulls(tmp_path):
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        info = tarfile.TarInfo("file")
        info.size = 3_000_000
        archive.addfile(
            info, io.BytesIO(hashlib.shake_256(str(tmp_path).encode()).digest(info.size))
        )
    async with Registry(tmp_path) as registry:
        name = f"{registry.host}/a/b"
        made = [f"{name}:tag", f"{registry.host}/c:2"]
        try:
            assert (await docker("import", "-", f"{name}:tag", stdin=tar.getvalue()))[0] == 0
            code, told = await docker("push", f"{name}:tag")
            assert code == 0, told
            digest = told.partition("digest: ")[2].split()[0]
            made.append(f"{name}@{digest}")
            assert (await docker("rmi", f"{name}:tag"))[0] == 0
            code, told = await docker("pull", f"{name}@{digest}")
            assert code == 0, told
            assert (await docker("tag", f"{name}@{digest}", f"{registry.host}/c:2"))[0] == 0
            code, told = await docker("push", f"{registry.host}/c:2")
            assert code == 0, told
            code, told = await docker("pull", f"{name}@sha256:{'0' * 64}")
            assert (code, "manifest unknown" in told) == (1, True)
        finally:
            await docker("rmi", *made)
