"""Images of another processor: tried out, emulated where that can be had, else refused in words."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from commands import NeedsSomething
from emulator import MACHINES, engine_platform, program, runs
from imagefile import load

from images import FOLDER, Images, _of_platform

SCRIPT = Path(__file__).parents[2] / "scripts" / "emulator.py"
NUMBERS = {"linux/amd64": 62, "linux/arm64": 183}
DEBIANS = Path("/usr/lib/binfmt.d/qemu-aarch64.conf")
DOCKER = """#!/bin/sh
# an engine on amd64, which runs what the test says: nothing, all, or what this kernel does
cd "$(dirname "$0")"
case "$1" in
version) echo linux/amd64 ;;
load) [ "$RUNS" != refuses ] && cat >loaded.tar ;;
image) echo sha256:0123 ;;
manifest) cat index.json ;;
run)
    tar -xf loaded.tar layer.tar && tar -xf layer.tar
    case "$RUNS" in all) exit 0 ;; here) ./exit ;; *) exit 1 ;; esac ;;
esac
"""


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """Return a folder with a ``docker`` that is found first."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "docker").write_text(DOCKER)
    (folder / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.delenv("DOCKER_DEFAULT_PLATFORM", raising=False)
    monkeypatch.setenv("RUNS", "nothing")
    return folder


def emulator(*words, prefix=()):
    return subprocess.run(
        (*prefix, sys.executable, SCRIPT, *words), capture_output=True, text=True, check=False
    )


def told_members(archive: Path):
    with tarfile.open(archive) as opened:
        return {each.name: opened.extractfile(each).read() for each in opened}


@pytest.mark.skipif(sys.platform != "linux", reason="it calls Linux")
def test_the_program_that_is_tried_ends_at_once_and_well(tmp_path):
    own = tmp_path / "exit"
    own.write_bytes(program(platform.machine()))
    own.chmod(0o755)
    assert subprocess.run((own,), check=False).returncode == 0


@pytest.mark.parametrize("wanted", MACHINES)
def test_a_processor_has_a_program_of_its_own(wanted):
    """Source: ELF, ``e_machine``."""
    content = program(MACHINES[wanted])
    assert (content[:4], content[18]) == (b"\x7fELF", NUMBERS[wanted])


def test_an_image_is_loaded_with_the_processor_that_it_is_for(engine, tmp_path):
    layer = tmp_path / "layer"
    layer.write_bytes(b"of a tar archive")
    assert load("some/name:1", "linux/arm64", layer, ("python3",)) == "sha256:0123"
    first = told_members(engine / "loaded.tar")
    (names,) = json.loads(first["manifest.json"])
    assert names["RepoTags"] == ["some/name:1"]
    config = json.loads(first[names["Config"]])
    assert (config["os"], config["architecture"]) == ("linux", "arm64")
    assert config["config"]["Cmd"] == ["python3"]
    digest = hashlib.sha256(first[names["Layers"][0]]).hexdigest()
    assert config["rootfs"]["diff_ids"] == [f"sha256:{digest}"]
    load("some/name:1", "linux/arm64", layer, ("python3",))
    assert told_members(engine / "loaded.tar") == first, "the same files are the same image"


def test_an_engine_that_takes_no_image_is_told(engine, tmp_path, monkeypatch):
    del engine
    monkeypatch.setenv("RUNS", "refuses")
    layer = tmp_path / "layer"
    layer.write_bytes(bytes(1_000_000))
    with pytest.raises(NeedsSomething, match="docker load"):
        load("some/name:1", "linux/arm64", layer, ("python3",))


def test_what_the_engine_runs_needs_no_emulator_and_is_the_commands_default(engine, monkeypatch):
    del engine
    monkeypatch.setenv("RUNS", "all")
    done = emulator("linux/arm64", "sh", "-c", "echo $DOCKER_DEFAULT_PLATFORM; exit 7")
    assert (done.stdout, done.stderr, done.returncode) == ("linux/arm64\n", "", 7)


def test_the_engines_own_processor_is_not_tried_out(engine):
    done = emulator("own", "sh", "-c", "echo $DOCKER_DEFAULT_PLATFORM")
    assert (done.stdout, done.returncode) == ("linux/amd64\n", 0)
    assert not (engine / "loaded.tar").exists()


def test_without_an_emulator_it_is_said_what_to_install_before_anything_is_done(engine):
    del engine
    nobody = ("unshare", "--user") if os.geteuid() == 0 else ()
    done = emulator("linux/arm64", "echo", "built", prefix=nobody)
    assert (done.stdout, done.returncode) == ("", 2)
    assert "runs no programs for linux/arm64" in done.stderr
    assert "sudo apt-get install qemu-user-static" in done.stderr


def test_a_processor_that_nothing_is_built_for_is_told_with_those_that_are(engine):
    del engine
    done = emulator("linux/riscv64", "echo", "built")
    assert (done.stdout, done.returncode) == ("", 2)
    assert "linux/amd64 and linux/arm64, not for 'linux/riscv64'" in done.stderr


@pytest.mark.skipif(
    os.geteuid() != 0 or not DEBIANS.exists() or platform.machine() != "x86_64",
    reason="the kernel is root's, and the emulator is Debian's qemu-user-static",
)
def test_the_kernel_emulates_for_as_long_as_the_command_runs(engine, monkeypatch):
    monkeypatch.setenv("RUNS", "here")
    words = (sys.executable, SCRIPT, "linux/arm64", engine / "docker", "run")
    with subprocess.Popen(words) as ended:
        assert ended.wait() == 0, "a program for ARM has run"
    look = "mount -t binfmt_misc none /proc/sys/fs/binfmt_misc && ls /proc/sys/fs/binfmt_misc"
    left = subprocess.check_output(("unshare", "--mount", "sh", "-c", look), text=True).split()
    assert "status" in left
    assert f"poolhand-aarch64-{ended.pid}" not in left


def test_images_of_another_processor_lie_apart_and_are_called_otherwise(engine, monkeypatch):
    del engine
    own = Images.wanted()
    assert (own.platform, own.folder) == ("linux/amd64", FOLDER)
    monkeypatch.setenv("DOCKER_DEFAULT_PLATFORM", "linux/arm64")
    other = Images.wanted()
    assert (other.platform, other.folder) == ("linux/arm64", FOLDER / "arm64")
    tags = [each.tag_of("0123456789abcdef") for each in (own, other)]
    assert [tag.partition("-")[2] for tag in tags] == ["0123456789ab-amd64", "0123456789ab-arm64"]


def test_the_base_for_another_processor_is_named_by_its_own_digest(engine):
    """An engine keeps one image by the digest of an index: that of its own processor."""
    index = {
        "manifests": [
            {"digest": f"sha256:{each}", "platform": {"os": "linux", "architecture": each}}
            for each in ("amd64", "arm64")
        ]
    }
    (engine / "index.json").write_text(json.dumps(index))
    assert _of_platform("python:3@sha256:index", "arm64") == "python:3@sha256:arm64"
    (engine / "index.json").unlink()
    assert _of_platform("python:3@sha256:index", "arm64") == "python:3@sha256:index"


@pytest.mark.docker
@pytest.mark.skipif(shutil.which("docker") is None, reason="Docker's client is not here")
def test_a_real_engine_runs_its_own_and_keeps_to_what_an_image_says(tmp_path):
    assert runs(engine_platform())
    other = next(each for each in MACHINES if each != engine_platform())
    layer, name = tmp_path / "layer.tar", "poolhand/probe:of-a-test"
    with tarfile.open(layer, "w"):
        pass
    load(name, other, layer, ("/none",))
    try:
        form = ("docker", "image", "inspect", "--format", "{{.Os}}/{{.Architecture}}", name)
        assert subprocess.check_output(form, text=True).strip() == other
    finally:
        subprocess.run(("docker", "image", "rm", name), check=True, capture_output=True)
