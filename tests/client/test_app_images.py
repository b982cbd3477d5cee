"""A program builds, pushes and registers an image by a client, whatever loop it runs on."""

from __future__ import annotations

import json
import platform
import re
import sys
import tarfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "appimage"))

from wheelhouse import Shop

from poolhand import AsyncClient, Client, Image, PoolhandError
from poolhand.client.app_images import ClientImages
from poolhand.client.loop_thread import LoopThread
from poolhand.devnet.images import own_python, publish_base, python_base
from poolhand.devnet.registry import Registry
from poolhand.domain.platforms import linux_on
from typed_lines import ran


@pytest.fixture
def registry(tmp_path):
    found = Shop(tmp_path / "registry", linux_on(platform.machine()))
    found.put_base(tmp_path)
    loop, served = LoopThread(), Registry(tmp_path / "registry")
    loop.run(served.__aenter__())
    yield served.host
    loop.run(served.__aexit__())
    loop.close()


PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "make-an-app-image.md"
(PROGRAM,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def described(registry) -> Image:
    return Image.python("3.12", base=f"{registry}/python:3.12").text("main.py", "print(1)\n")


def test_an_image_becomes_an_app_once(named, registry):
    image, to = described(registry), f"{registry}/you/app"
    with Client(**named) as client:
        first = image.deploy(client, to)
        assert first.image.reference == f"{to}:{image.content_id[:12]}"
        assert first.app.is_new
        again = client.deploy_image(image, to)
        assert (again.image, again.app.address, again.app.is_new) == (
            first.image,
            first.app.address,
            False,
        )
        assert image.push(client, f"{to}:other").digest == first.image.digest


@pytest.mark.executes("docs/how-to/make-an-app-image.md", "from poolhand import")
def test_the_program_of_the_page_does_what_it_says(named, registry, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "count.py").write_text("")
    (tmp_path / "requirements.txt").write_text("")
    names: dict = {"__name__": "typed"}
    exec(compile(PROGRAM, str(PAGE), "exec"), names)
    assert names["image"].variables == (("LEVEL", "9"),)
    names["image"] = replace(names["image"], base=f"{registry}/python:3.12")
    with Client(**named) as client:
        digest = names["publish"](client, f"{registry}/you/count:1.0")
        assert client.push_image(names["image"], f"{registry}/you/count:1.0").digest == digest
    assert f"{registry}/you/count:1.0 is app 0x" in capsys.readouterr().out
    ran(PROGRAM)


async def test_the_same_from_a_loop(named, registry, tmp_path):
    image = described(registry)
    async with AsyncClient(**named) as client:
        pushed = await image.push(client, f"{registry}/you/app:1")
        found = await client.deploy_image(image, f"{registry}/you/app:1", "words")
        built = await image.build(client, tmp_path / "app.tar")
    assert pushed == found.image
    assert built.digest == pushed.digest


def test_without_a_wallet_nothing_is_built(named, bazaar, registry, tmp_path):
    bazaar.wallet = False
    with Client(**named) as client, pytest.raises(PoolhandError):
        client.deploy_image(described(registry), f"{registry}/you/app:1")
    assert not (tmp_path / "registry" / "repositories" / "you").exists()


async def test_an_image_for_this_machines_engine_lies_over_the_devnets_base(tmp_path):
    named, loaded = [], []

    async def load(file):
        with tarfile.open(file) as archive:
            named.append(json.load(archive.extractfile("manifest.json"))[0]["RepoTags"])
        loaded.append(file)

    async with Registry(tmp_path / "registry") as served:
        await publish_base(served.host)
        context = SimpleNamespace(
            image=str,
            found={"docker-config": str(tmp_path), "platforms": (linux_on(platform.machine()),)},
            devnet=SimpleNamespace(registry=served.host),
        )
        image = Image.python().text("main.py", "print(1)\n")
        built = await ClientImages(context).load(image, "you/app:1.0", load)
    assert named == [["you/app:1.0"]]
    assert built.base.name.registry == served.host
    assert not loaded[0].exists()


def test_the_devnets_base_says_which_python_it_has():
    base = python_base()
    assert f'"PYTHON_VERSION={own_python()}.'.encode() in base.config


def test_where_a_registry_takes_nothing_no_base_is_asked_for(named, registry):
    image = Image.python("3.12", base="127.0.0.1:9/python").text("main.py", "")
    with Client(**named) as client, pytest.raises(PoolhandError, match=r"127\.0\.0\.1:8/you"):
        image.push(client, "127.0.0.1:8/you/app")
