"""App images are made here, come out the same every time, and run in the real engine."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import os
import shutil
import tarfile
import time
from pathlib import Path

import pytest

from poolhand.appimage.layers import Copied, LayerLink, LayerPlace, Text, write_layer
from poolhand.devnet.artifacts import DEFAULT_CACHE
from poolhand.devnet.images import NoSuchApp, PushFailed, build, publish
from poolhand.devnet.python_layer import python_layer
from poolhand.devnet.registry import Registry

MAIN = """
import bz2, ctypes, hashlib, json, lzma, os, sqlite3, ssl, subprocess, sys, zlib
inner = subprocess.run([sys.executable, "-c", "print(6 * 7)"], env={}, capture_output=True)
print(json.dumps({"uid": os.getuid(), "inner": inner.stdout.decode().strip(),
    "compiled": os.path.exists(json.__cached__), "args": sys.argv[1:], "in": os.getcwd()}))
"""


@pytest.fixture
def app(tmp_path):
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "main.py").write_text(MAIN)
    (folder / "notes.txt").write_text("not for the image")
    return folder


def test_a_layer_does_not_depend_on_times_owners_or_order(tmp_path):
    file = tmp_path / "file"
    file.write_text("content")
    entries = {
        "/b/c": Copied(file),
        "/a": Text("x"),
        "/l": LayerLink("a"),
        "/tmp": LayerPlace(0o1777),
    }
    first = write_layer(tmp_path / "1", entries)
    os.utime(file, (1, 1))
    file.chmod(0o600)
    second = write_layer(tmp_path / "2", dict(reversed(entries.items())))
    assert (first.digest, first.diff_id, first.size) == (second.digest, second.diff_id, second.size)


def test_a_layer_is_what_its_digests_say(tmp_path):
    file = tmp_path / "tool"
    file.write_text("#!")
    entries = {"/usr/bin/tool": Copied(file, executable=True), "/tmp": LayerPlace(0o1777)}
    layer = write_layer(tmp_path / "layer", entries)
    packed = layer.path.read_bytes()
    assert layer.digest == "sha256:" + hashlib.sha256(packed).hexdigest()
    assert layer.diff_id == "sha256:" + hashlib.sha256(gzip.decompress(packed)).hexdigest()
    assert layer.size == len(packed)
    with tarfile.open(layer.path) as archive:
        modes = {member.name: (member.mode, member.isdir()) for member in archive}
    assert modes == {
        "tmp": (0o1777, True),
        "usr": (0o755, True),
        "usr/bin": (0o755, True),
        "usr/bin/tool": (0o755, False),
    }


def test_two_builds_give_one_digest_and_a_changed_source_another(tmp_path, app):
    def digest(name):
        folder = tmp_path / name
        folder.mkdir()
        return build(app, folder, cache=DEFAULT_CACHE).digest

    first = digest("1")
    os.utime(app / "main.py", (time.time() + 60,) * 2)
    (app / "notes.txt").write_text("changed")
    assert digest("2") == first
    (app / "main.py").write_text(MAIN + "\n")
    assert digest("3") != first


def test_the_interpreter_is_packed_anew_after_an_update_and_comes_out_the_same(tmp_path):
    kept = python_layer(DEFAULT_CACHE)
    shutil.copy(kept.path, tmp_path)
    told = json.loads(kept.path.with_suffix(".json").read_text())
    before = told | {"facts": "of other libraries", "digest": "sha256:" + "0" * 64}
    (tmp_path / kept.path.name).with_suffix(".json").write_text(json.dumps(before))
    again = python_layer(tmp_path)
    assert (again.digest, again.diff_id) == (kept.digest, kept.diff_id)
    assert python_layer(tmp_path) == again
    with tarfile.open(again.path) as archive:
        names = {"/" + member.name for member in archive}
    assert not [name for name in names if "/test/" in name or "site-packages" in name]
    assert not [name for name in names if str(Path.home()) in name]


def test_a_folder_without_main_is_no_app(tmp_path):
    with pytest.raises(NoSuchApp, match=r"main\.py"):
        build(tmp_path, tmp_path, cache=tmp_path)


async def test_a_registry_that_is_away_is_told(app):
    with pytest.raises(PushFailed, match="devnet status"):
        await publish(app, "a:1", "127.0.0.1:9", cache=DEFAULT_CACHE)


@pytest.mark.docker
async def test_the_engine_runs_it_without_any_right(tmp_path, app):
    async with Registry(tmp_path / "registry") as registry:
        image = await publish(app, "poolhand/probe:1.0", registry.host, cache=DEFAULT_CACHE)
        assert image.reference == f"{registry.host}/poolhand/probe:1.0"
        assert await publish(app, "poolhand/probe:1.0", registry.host, cache=DEFAULT_CACHE) == image
        try:
            ran = await _docker(
                *("run", "--rm", "--network=none", "--read-only", "--cap-drop=ALL"),
                *("--security-opt=no-new-privileges", image.pinned, "--top", "5"),
            )
        finally:
            await _docker("rmi", image.pinned)
    assert json.loads(ran.splitlines()[-1]) == {
        "uid": 65534,
        "inner": "42",
        "compiled": True,
        "args": ["--top", "5"],
        "in": "/app",
    }


async def _docker(*words):
    program = await asyncio.create_subprocess_exec("docker", *words, stdout=asyncio.subprocess.PIPE)
    told, _ = await program.communicate()
    return told.decode()
