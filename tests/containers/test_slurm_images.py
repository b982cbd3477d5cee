"""Images of a cluster: brought by the real skopeo from a real registry, and laid down by us."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from contextlib import asynccontextmanager

import pytest
from archives import entry, named, packed
from registry_images import MACHINE, NAME, Shelf

from poolhand.containers.errors import ImageNotFound, ImagePullFailed, ImageUnusable
from poolhand.containers.pull_causes import PullCause
from poolhand.containers.slurm.images import SharedImages
from poolhand.devnet.registry import Registry
from poolhand.settings.registries import RegistryLogin

HELLO = packed(entry("hello", content=b"world"), entry("etc/passwd", content=b"root:x:0:0\n"))
AGAIN = packed(entry("hello", content=b"again"))
pytestmark = pytest.mark.slurm


@pytest.fixture(autouse=True)
def skopeo():
    if shutil.which("skopeo") is None:
        why = "skopeo is not installed here: scripts/with-slurm --prepare as root installs it"
        pytest.fail(why) if os.geteuid() == 0 else pytest.skip(why)


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path / "registry")


@pytest.fixture
def images(tmp_path):
    for name in ("images", "runs"):
        (tmp_path / name).mkdir()
    return SharedImages(tmp_path / "images", tmp_path / "runs")


@asynccontextmanager
async def serving(shelf, tmp_path):
    async with Registry(tmp_path / "registry") as registry:
        yield f"{registry.host}/{NAME}:1.0"


def left(tmp_path):
    return sorted(each.name for each in (tmp_path / "images").iterdir())


async def test_an_image_comes_whole_under_its_digest_and_is_asked_for_once(shelf, images, tmp_path):
    config = {"User": "app", "Entrypoint": ["/hello"], "Volumes": {"/data": {}}, "WorkingDir": "/w"}
    digest = shelf.put([HELLO, AGAIN], config)
    async with serving(shelf, tmp_path) as image:
        reference, *_ = await asyncio.gather(*(images.pull(image, digest, 60) for _ in range(3)))
    assert reference == f"{image.removesuffix(':1.0')}@sha256:{digest}"
    assert await images.pull(image, digest, 60) == reference  # nobody serves it any more
    root = images.root(reference)
    assert (root / "hello").read_bytes() == b"again"
    assert all((root / each).is_dir() for each in ("data", "w", "proc", "iexec_out"))
    assert images.config(reference) == {"Config": config}
    assert left(tmp_path) == [digest]


async def test_of_an_image_for_several_processors_ours_is_taken(shelf, images, tmp_path):
    ours, other = shelf.put([HELLO]), shelf.put([AGAIN], machine="riscv64")
    both = shelf.put_index({"riscv64": other, MACHINE: ours})
    theirs = shelf.put_index({"riscv64": other})
    async with serving(shelf, tmp_path) as image:
        reference = await images.pull(image, both, 60)
        assert (images.root(reference) / "hello").read_bytes() == b"world"
        for digest in (other, theirs):
            with pytest.raises(ImageUnusable) as told:
                await images.pull(image, digest, 60)
            assert told.value.cause is PullCause.PLATFORM
    assert left(tmp_path) == [both]


async def skopeo_copies(*words):
    process = await asyncio.create_subprocess_exec("skopeo", "--insecure-policy", "copy", *words)
    assert await process.wait() == 0


async def test_layers_compressed_by_zstd_are_laid_down(shelf, images, tmp_path):
    """By way of a folder to a registry that has no other form of these layers to offer."""
    digest, packed_anew = shelf.put([HELLO, AGAIN]), f"dir:{tmp_path / 'zstd'}"
    async with serving(shelf, tmp_path) as image:
        await skopeo_copies(
            "-q", "--dest-compress", "--dest-compress-format=zstd", "--format=oci",
            "--src-tls-verify=false",
            f"docker://{image.removesuffix(':1.0')}@sha256:{digest}", packed_anew,
        )  # fmt: skip
    async with Registry(tmp_path / "another") as another:
        image = f"{another.host}/{NAME}"
        await skopeo_copies(
            "-q", "--dest-tls-verify=false", f"--digestfile={tmp_path / 'digest'}",
            packed_anew, f"docker://{image}:zstd",
        )  # fmt: skip
        pushed = (tmp_path / "digest").read_text().partition(":")[2]
        manifest = json.loads((tmp_path / "another" / "blobs" / pushed).read_text())
        assert all(each["mediaType"].endswith("zstd") for each in manifest["layers"])
        reference = await images.pull(image, pushed, 60)
    assert (images.root(reference) / "hello").read_bytes() == b"again"
    assert left(tmp_path) == [pushed]


@pytest.mark.parametrize(
    ("layers", "more", "cause"),
    [
        ([HELLO], {"ids": [named(b"another")]}, PullCause.DIGEST),
        ([HELLO], {"ids": [named(HELLO)] * 2}, PullCause.FORMAT),
        ([b"no archive" * 100], {}, PullCause.FORMAT),
        ([packed(entry("../owned"))], {}, PullCause.FORMAT),
        ([packed(entry("tmp", content=b"a file"))], {}, PullCause.FORMAT),
        ([HELLO], {"config": {"Env": [1]}}, PullCause.FORMAT),
        ([HELLO], {"config": {"Volumes": ["/x"]}}, PullCause.FORMAT),
        ([HELLO], {"config": {"WorkingDir": "/\0"}}, PullCause.FORMAT),
        ([HELLO], {"config": {"Labels": {"x": "y" * 300_000}}}, PullCause.CONFIG),
    ],
    ids=["another layer", "too few layers", "no archive", "a name that leads out", "no folder",
         "numbers for words", "a list for an object", "a NUL", "large"],
)  # fmt: skip
async def test_an_image_that_is_none_stays_out(shelf, images, tmp_path, layers, more, cause):
    digest = shelf.put(layers, **more)
    async with serving(shelf, tmp_path) as image:
        with pytest.raises(ImageUnusable) as told:
            await images.pull(image, digest, 60)
    assert told.value.cause is cause
    assert left(tmp_path) == []


async def test_what_a_registry_lacks_is_told_from_one_that_is_down(shelf, images, tmp_path):
    async with serving(shelf, tmp_path) as image:
        with pytest.raises(ImageNotFound):
            await images.pull(image, "12" * 32, 60)
    with pytest.raises(ImagePullFailed) as told:
        await images.pull(f"127.0.0.1:9/{NAME}", "12" * 32, 60)
    assert told.value.cause is PullCause.NETWORK
    assert left(tmp_path) == []


async def test_a_pull_has_an_end(images, tmp_path):
    def silent(_reader, writer):
        writers.append(writer)

    writers = []
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    with pytest.raises(ImagePullFailed) as told:
        await images.pull(f"{host}/{NAME}", "12" * 32, 1)
    assert told.value.cause is PullCause.TOO_SLOW
    assert left(tmp_path) == []
    server.close()
    for writer in writers:
        writer.close()


async def test_a_registry_that_may_not_be_asked_is_not(tmp_path):
    async def never(_registry):
        return False

    with pytest.raises(ImageUnusable) as told:
        await SharedImages(tmp_path, tmp_path, may_ask=never).pull("127.0.0.1:9/x", "12" * 32, 5)
    assert told.value.cause is PullCause.FORBIDDEN


# ----------------------------------------------------------------------------------------- logins


async def test_a_login_is_told_in_private_and_one_refused_is_left_out(tmp_path, monkeypatch):
    """A program in skopeo's place writes down what it is given, and refuses all."""
    program = tmp_path / "bin" / "skopeo"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\nenv >>{tmp_path}/env; echo "$@" >>{tmp_path}/words\n'
        f'for each in "$@"; do case $each in --src-authfile=*) file=${{each#*=}};\n'
        f"stat -c %a $file >{tmp_path}/mode; cat $file >{tmp_path}/login;; esac; done\n"
        "echo 'unauthorized: authentication required' >&2; exit 1\n"
    )  # fmt: skip
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("IEXEC_WORKER_WALLET_PASSWORD", "hunter2")

    async def login_of(registry):
        return RegistryLogin(registry, "me", "secret")

    (tmp_path / "images").mkdir()
    with pytest.raises(ImagePullFailed) as told:
        await SharedImages(tmp_path / "images", tmp_path / "runs", login_of).pull(
            "registry.test:5000/x", "12" * 32, 60
        )
    assert told.value.cause is PullCause.LOGIN_REFUSED
    login = json.loads((tmp_path / "login").read_text())
    assert login == {"auths": {"registry.test:5000": {"auth": "bWU6c2VjcmV0"}}}
    assert (tmp_path / "mode").read_text() == "600\n"
    assert "secret" not in (tmp_path / "words").read_text()
    assert "hunter2" not in (tmp_path / "env").read_text()
    first, second = (tmp_path / "words").read_text().splitlines()
    assert ("--src-authfile=" in first, "--src-no-creds" in second) == (True, True)
    assert left(tmp_path) == []
