"""``poolhand app image`` builds, pushes, registers and sells; or refuses before anything is done."""

from __future__ import annotations

import asyncio
import json
import platform
import sys
import tarfile
from pathlib import Path

import cloudpickle
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "appimage"))

from wheelhouse import Shop, wheel

from poolhand.client.loop_thread import LoopThread
from poolhand.devnet.registry import Registry
from poolhand.devnet.registry_store import RegistryRefused
from poolhand.domain.function_image import FunctionImage
from poolhand.domain.platforms import linux_on


@pytest.fixture
def shelf(tmp_path):
    """A registry on loopback with a base of Python 3.12, as a folder and a host."""
    found = Shop(tmp_path / "registry", linux_on(platform.machine()))
    found.put_base(tmp_path)
    loop, registry = LoopThread(), Registry(tmp_path / "registry")
    loop.run(registry.__aenter__())
    found.host = registry.host
    yield found
    loop.run(registry.__aexit__())
    loop.close()


@pytest.fixture
def words(shelf, tmp_path):
    """What every image here has: a base, a program and a package from a folder."""
    (tmp_path / "wheels").mkdir()
    wheel(tmp_path / "wheels", "tool-of-tests")
    (tmp_path / "requirements.txt").write_text("--no-index\n--find-links wheels\ntool-of-tests\n")
    (tmp_path / "app.py").write_text("import tool_of_tests\n")
    base = ("--python", "3.12", "--from", f"{shelf.host}/python:3.12")
    return (
        *("app", "image", *base, "-r", str(tmp_path / "requirements.txt")),
        *("--copy", str(tmp_path / "app.py")),
    )


def pushed(shelf, name="you/app"):
    try:
        return shelf.store.tags(name)
    except RegistryRefused:
        return []


def test_an_image_is_built_pushed_registered_and_sold(cli, shop, shelf, words):
    to = f"{shelf.host}/you/app:1.0"
    only_built = cli(*words, "--json").json
    assert (only_built["image"], only_built["app"], pushed(shelf)) == (None, None, [])
    first = cli(*words, "--push", to, "--json").json
    assert (first["image"], first["digest"]) == (to, only_built["digest"])
    assert pushed(shelf) == ["1.0"]
    registered = cli(*words, "--push", to, "--deploy", "--json").json
    assert registered["new"]
    asyncio.run(shop.sync())
    sold = cli(*words, "--push", to, "--publish", "--price", "0.5", "--volume", "7", "--json").json
    assert (sold["digest"], sold["app"]) == (first["digest"], registered["app"])
    shown = cli("app", "show", sold["app"], "--json").json
    assert shown["image"] == to
    assert shown["checksum"].removeprefix("0x") == sold["digest"].removeprefix("sha256:")
    listed = json.dumps(cli("order", "list", "--json").json)
    assert sold["order"] in listed
    again = cli(*words, "--push", to, "--deploy")
    assert again.code == 0
    assert sold["app"] in again.out
    assert "nothing was sent" in again.out
    assert "layer 3 of 3: there already" in again.err


def test_a_tag_that_is_left_out_is_the_content(cli, shelf, words):
    first = cli(*words, "--push", f"{shelf.host}/you/app", "--json").json
    assert first["image"] == f"{shelf.host}/you/app:{first['content_id'][:12]}"


def test_an_archive_has_the_whole_image(cli, shelf, words, tmp_path):
    told = cli(*words, "--output", str(tmp_path / "app.tar"), "--json").json
    assert told["file"] == str(tmp_path / "app.tar")
    assert told["size"] < (tmp_path / "app.tar").stat().st_size


@pytest.mark.parametrize(
    ("more", "code", "told"),
    [
        (("--deploy",), 2, "add --push IMAGE"),
        (("--publish",), 2, "add --push IMAGE"),
        (("--push", "a/b", "--output", "c.tar"), 2, "name one of them"),
        (("--load", "a/b", "--output", "c.tar"), 2, "name one of them"),
        (("--load", "a/b", "--deploy"), 2, "add --push IMAGE"),
        (("--functions", "--entrypoint", "python3"), 2, "leave --entrypoint out"),
        (("--entrypoint", "'"), 2, "quote"),
        (("--env", "secret"), 2, "NAME=TEXT"),
        (("--copy", "gone.py"), 2, "cannot be copied"),
        (("--copy", "{app}:../x"), 2, "names no file"),
        (("--copy", "{app}:other.py"), 2, "entry point"),
        (("--pip", "."), 2, "cannot be read"),
        (("--python", "3.13"), 2, "3.13 is wanted"),
        (("--python", "3"), 2, "write 3.12"),
        (("--pip", "none-of-tests"), 2, "no wheel of 'none-of-tests'"),
        (("--from", "{host}/python:3.99"), 2, "does not exist"),
        (("--from", "127.0.0.1:9/python"), 4, "does not answer"),
        (("--push", "127.0.0.1:9/you/app"), 4, "does not answer"),
        (("--push", "Bad Name"), 2, "is not an image name"),
        (("--push", "{host}/you/app", "--publish"), 4, "market"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_done(
    cli, shelf, words, tmp_path, more, code, told
):
    filled = [each.format(host=shelf.host, app=tmp_path / "app.py") for each in more]
    ran = cli(*words, *filled, "--json")
    assert (ran.code, told in ran.error["message"]) == (code, True), ran
    assert pushed(shelf) == []


def test_an_image_for_functions_says_what_it_runs(cli, shelf, words, tmp_path):
    version = cloudpickle.__version__
    wheel(tmp_path / "wheels", "cloudpickle", version, files={"cloudpickle/__init__.py": ""})
    told = cli(*words, "--functions", "--output", str(tmp_path / "app.tar"), "--json").json
    with tarfile.open(tmp_path / "app.tar") as archive:
        (older,) = json.load(archive.extractfile("manifest.json"))
        config = json.load(archive.extractfile(older["Config"]))
    found = FunctionImage.of_config(config)
    assert found.python == (3, 12)
    assert {"cloudpickle", "tool_of_tests"} <= set(found.modules)
    assert told["loaded"] is None


def test_an_engine_that_is_not_there_is_told(cli, shelf, words, monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    ran = cli(*words, "--load", "you/app:1.0", "--json")
    assert ran.code == 4
    assert "no container engine works at" in ran.error["message"]


def test_a_wallet_that_does_not_open_is_told_before_the_push(cli, shelf, words, tmp_path):
    (tmp_path / "password").write_text("wrong")
    ran = cli(
        *words,
        "--push",
        f"{shelf.host}/you/app",
        "--deploy",
        "--password-file",
        str(tmp_path / "password"),
    )
    assert ran.code == 2
    assert pushed(shelf) == []
