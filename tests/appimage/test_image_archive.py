"""An image in one file: the engine loads it and runs it, and it is whole or not there."""

from __future__ import annotations

import asyncio
import json
import os
import tarfile

import httpx
import pytest
from wheelhouse import Index, Shop, wheel

from poolhand import Image
from poolhand.appimage.building import ImageBuilder, platform_for
from poolhand.appimage.reference import NoSuchImage
from poolhand.containers.archive_loading import ArchiveNotLoaded, load_archive
from poolhand.devnet.images import base_reference, own_python, publish_base
from poolhand.devnet.registry import Registry

PROGRAM = """
import importlib.metadata, json, os, shutil, sys, tool_of_tests
print(json.dumps({"version": importlib.metadata.version("tool-of-tests"), "args": sys.argv[1:],
    "command": shutil.which("tool"), "module": tool_of_tests.__file__, "level": os.environ["LEVEL"]}))
"""


async def test_an_archive_names_each_part_by_its_digest(tmp_path):
    shop = Shop(tmp_path / "registry")
    shop.put_base(tmp_path)
    (tmp_path / "build").mkdir()
    async with shop.client() as http:
        builder = ImageBuilder(http, base_of=shop.base_of)
        image = Image.python("3.12").text("main.py", "")
        built = await builder.build(image, tmp_path / "build")
        await builder.save(built, tmp_path / "app.tar", tmp_path / "build", "you/app:1")
    with tarfile.open(tmp_path / "app.tar") as archive:
        read = {each.name: archive.extractfile(each).read() for each in archive}
    index, older = json.loads(read["index.json"]), json.loads(read["manifest.json"])
    name = f"blobs/sha256/{built.digest}"
    assert index["manifests"][0]["digest"] == f"sha256:{built.digest}"
    assert read[name] == built.manifest
    assert older[0]["RepoTags"] == ["you/app:1"]
    assert {older[0]["Config"], *older[0]["Layers"], name} < set(read)


async def test_of_an_archive_that_cannot_be_whole_nothing_is_left(tmp_path):
    shop = Shop(tmp_path / "registry")
    shop.put_base(tmp_path)
    (tmp_path / "build").mkdir()
    async with shop.client() as http:
        builder = ImageBuilder(http, base_of=shop.base_of)
        built = await builder.build(Image.python("3.12").text("main.py", ""), tmp_path / "build")
        shop.refuses["GET", "/blobs/"] = httpx.Response(404)
        with pytest.raises(NoSuchImage):
            await builder.save(built, tmp_path / "app.tar", tmp_path / "build")
    assert not list(tmp_path.glob("*app.tar*"))


@pytest.mark.docker
async def test_the_engine_loads_and_runs_it(tmp_path):
    for each in ("wheels", "build"):
        (tmp_path / each).mkdir()
    commands = {"tool_of_tests-1.0.dist-info/entry_points.txt": "[console_scripts]\ntool = a:b\n"}
    wheel(tmp_path / "wheels", "tool-of-tests", files=commands)
    image = Image.python().pip("tool-of-tests").text("main.py", PROGRAM).env(LEVEL="9")
    async with Registry(tmp_path / "registry") as registry, httpx.AsyncClient() as http:
        await publish_base(registry.host)
        built_for = platform_for(registry.host + "/a", ("linux/none",))
        base = base_reference(registry.host, own_python())
        builder = ImageBuilder(
            http, built_for=built_for, base_of=lambda _: base, wheels=Index(tmp_path / "wheels")
        )
        built = await builder.build(image, tmp_path / "build")
        name = "poolhand-archive-test:1"
        await builder.save(built, tmp_path / "app.tar", tmp_path / "build", name)
    engine = os.environ.get("DOCKER_HOST", "")
    for way in (docker("load", "--input", str(tmp_path / "app.tar")),
                load_archive(tmp_path / "app.tar", engine)):  # fmt: skip
        await way
        try:
            ran = await docker("run", "--rm", "--network=none", "--read-only", name, "a", "b")
        finally:
            await docker("rmi", name)
    (tmp_path / "other.tar").write_bytes(b"no archive" * 1000)
    with pytest.raises(ArchiveNotLoaded, match="does not take the image"):
        await load_archive(tmp_path / "other.tar", engine)
    assert json.loads(ran) == {
        "version": "1.0",
        "args": ["a", "b"],
        "command": "/opt/poolhand/bin/tool",
        "module": "/opt/poolhand/packages/tool_of_tests.py",
        "level": "9",
    }


async def docker(*words: str) -> str:
    program = await asyncio.create_subprocess_exec(
        "docker", *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    told, faults = await program.communicate()
    assert program.returncode == 0, faults.decode()
    return told.decode()
