"""Packages come as wheels for the image's Python; what a wheel holds is a stranger's."""

from __future__ import annotations

import struct
import sys
import tarfile
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wheelhouse import Index, wheel

from many import examples
from poolhand.appimage import building
from poolhand.appimage.building import _write_packages
from poolhand.appimage.image import Image, UnfitImage
from poolhand.appimage.pip_download import IndexDown, NoPip, PipDownload, fault_of
from poolhand.appimage.requirements import read_requirement
from poolhand.appimage.wheel import UnfitWheel, opened_wheel, read_wheel, wheel_entries
from poolhand.appimage.wheels import MissingWheel, TargetPython, find_wheels
from poolhand.domain.errors import PoolhandError

TARGET = TargetPython("3.12", "3.12.4", "linux/amd64")
INFO = "tool-1.0.dist-info"


@pytest.fixture
def index(tmp_path):
    place = tmp_path / "index"
    place.mkdir()
    return Index(place)


async def found(index, tmp_path, *lines, target=TARGET, name="rounds"):
    place = tmp_path / name
    place.mkdir()
    wheels = await find_wheels(index, [*map(read_requirement, lines)], (), target, place)
    return [str(each) for each in wheels]


async def test_what_a_package_needs_on_the_images_python_comes_along(index, tmp_path):
    old = ["compat; python_version < '3.12'", "new-api; python_version >= '3.12'"]
    wheel(
        index.folder, "tool", needs=[*old, "plots; extra == 'all'", "win; sys_platform == 'win32'"]
    )
    for name in ("compat", "new-api", "plots", "win"):
        wheel(index.folder, name)
    assert await found(index, tmp_path, "tool") == ["new-api 1.0", "tool 1.0"]
    older = TargetPython("3.11", "3.11.2", "linux/amd64")
    told = await found(index, tmp_path, "tool[all]", target=older, name="older")
    assert told == ["compat 1.0", "plots 1.0", "tool 1.0"]


async def test_what_pip_brought_for_its_own_python_stays_out(index, tmp_path):
    wheel(index.folder, "tool")
    wheel(index.folder, "compat")

    class Eager(Index):
        async def fetch(self, lines, options, target, folder):
            await super().fetch([*lines, "compat"], options, target, folder)

    assert await found(Eager(index.folder), tmp_path, "tool") == ["tool 1.0"]


async def test_a_requirement_of_another_python_is_not_asked_for(index, tmp_path):
    assert await found(index, tmp_path, "tool; python_version < '3.12'") == []
    assert index.asked == []


async def test_with_hashes_nothing_comes_that_has_none(index, tmp_path):
    wheel(index.folder, "tool", needs=["more"])
    wheel(index.folder, "more")
    with pytest.raises(MissingWheel, match=r"more is needed as well.*with its hash"):
        await found(index, tmp_path, f"tool --hash=sha256:{'ab' * 32}")
    assert index.asked == [(f"tool --hash=sha256:{'ab' * 32}",)]


async def test_requirements_that_never_settle_end(index, tmp_path):
    wheel(index.folder, "tool", needs=["tool>=2"])
    with pytest.raises(MissingWheel, match="could not be settled"):
        await found(index, tmp_path, "tool")


def test_platforms_are_those_of_the_images_c_library():
    assert TARGET.wheel_platforms[0] == "manylinux_2_34_x86_64"
    assert {"manylinux_2_17_x86_64", "manylinux2014_x86_64"} <= set(TARGET.wheel_platforms)
    alpine = TargetPython("3.12", "3.12.4", "linux/arm64", musl=True)
    assert alpine.wheel_platforms == (
        "musllinux_1_2_aarch64",
        "musllinux_1_1_aarch64",
        "musllinux_1_0_aarch64",
    )


def entries(path):
    with opened_wheel(path) as archive:
        return wheel_entries(path, archive)


def test_files_are_spread_as_an_installer_would(tmp_path):
    files = {
        "tool-1.0.data/scripts/run-tool": "#!python -u\nprint(1)\n",
        "tool-1.0.data/data/share/words.txt": "a",
        "tool-1.0.data/headers/tool.h": "int a;",
        "tool-1.0.data/platlib/native.so": "\x7fELF",
        f"{INFO}/entry_points.txt": (
            "[console_scripts]\nTool = tool:main.run [extra]\n../evil = tool:main\n"
            "bad = tool:main(); import os\n[other]\nx = y:z\n"
        ),
    }
    path = wheel(tmp_path, "tool", files=files)
    layer = _write_packages(
        tmp_path / "layer.tar.gz", [read_wheel(path)], building.threading.Event()
    )
    with tarfile.open(layer.path) as archive:
        told = {"/" + each.name: each for each in archive if each.isfile()}
        script = archive.extractfile(told["/opt/poolhand/bin/run-tool"]).read()
        command = archive.extractfile(told["/opt/poolhand/bin/Tool"]).read().decode()
    assert set(told) == {
        "/opt/poolhand/bin/Tool", "/opt/poolhand/bin/run-tool", "/opt/poolhand/share/words.txt",
        "/opt/poolhand/packages/tool.py", "/opt/poolhand/packages/native.so",
        *(f"/opt/poolhand/packages/{INFO}/{each}" for each in ("METADATA", "WHEEL", "entry_points.txt")),
    }  # fmt: skip
    assert script == b"#!/usr/bin/env python3\nprint(1)\n"
    assert "from tool import main\nsys.exit(main.run())" in command
    assert told["/opt/poolhand/bin/Tool"].mode == 0o755


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/passwd", "a/../../b", "a\\b", "tool-1.0.data/scripts/../../x",
             "a//b", "a\x1bb", "tool-1.0.data/data/../../../etc/x", "n" * 2000],
)  # fmt: skip
def test_a_name_that_leads_out_is_the_wheels_fault(tmp_path, name):
    with pytest.raises(UnfitWheel) as told:
        entries(wheel(tmp_path, "tool", files={name: "x"}))
    assert "\x1b" not in str(told.value)


def test_a_link_or_a_rare_packing_is_refused(tmp_path):
    with pytest.raises(UnfitWheel, match="no plain file"):
        entries(wheel(tmp_path, "tool", files={"link": "/etc"}, modes={"link": 0o120777}))
    with pytest.raises(UnfitWheel, match="rare way"):
        entries(wheel(tmp_path, "tool", packing=zipfile.ZIP_LZMA))


def test_a_bomb_is_refused_by_what_it_announces(tmp_path):
    path = wheel(tmp_path, "tool", files={f"bomb{n}": b"" for n in range(4)})
    content = bytearray(path.read_bytes())
    at = -1
    while (at := content.find(b"PK\1\2", at + 1)) >= 0:
        struct.pack_into("<I", content, at + 24, 0xFFFFFFF0)  # the size that it says it unpacks to
    path.write_bytes(content)
    with (
        opened_wheel(path) as archive,
        pytest.raises(UnfitImage, match="unpack no image like that"),
    ):
        building._demand_bounded(wheel_entries(path, archive))


@pytest.mark.parametrize("announced", [3, 100])
def test_no_more_is_read_of_a_file_than_it_announces(tmp_path, announced):
    path = wheel(tmp_path, "tool", files={"liar": b"0123456789"})
    read = read_wheel(path)
    content = bytearray(path.read_bytes())
    at = content.find(b"liar", content.find(b"PK\1\2")) - 46
    struct.pack_into("<I", content, at + 24, announced)
    path.write_bytes(content)
    with pytest.raises(UnfitWheel, match=r"'liar' in it is broken"):
        _write_packages(tmp_path / "layer", [read], building.threading.Event())


def test_a_directory_that_is_too_long_is_not_read(tmp_path):
    path = wheel(tmp_path, "tool")
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, content.rfind(b"PK\5\6") + 12, 10**9)
    path.write_bytes(content)
    with pytest.raises(UnfitWheel, match="too many files"):
        entries(path)


def test_a_script_is_never_held_as_a_whole(tmp_path, monkeypatch):
    long = b"x" * 300_000
    files = {f"tool-1.0.data/scripts/{name}": content for name, content in {
        "long": b"#!pythonw\n" + long, "bare": b"#!python", "other": b"#!/bin/sh\n", "none": b"",
    }.items()}  # fmt: skip
    path = wheel(tmp_path, "tool", files=files)
    with opened_wheel(path) as archive:
        found, read = wheel_entries(path, archive), {}
        for name in ("long", "bare", "other", "none"):
            entry = found[f"/opt/poolhand/bin/{name}"]
            held = [each.cell_contents for each in entry.opener.__closure__]
            assert all(len(each) < 5000 for each in held if isinstance(each, bytes))
            with entry.opener() as file:
                read[name] = b"".join(iter(lambda file=file: file.read(1000), b""))
            assert (entry.size, entry.executable) == (len(read[name]), True)
    here = b"#!/usr/bin/env python3"
    assert read == {"long": here + b"\n" + long, "bare": here, "other": b"#!/bin/sh\n", "none": b""}
    with pytest.raises(UnfitWheel, match="too long a line"):
        entries(wheel(tmp_path, "tool", files={"tool-1.0.data/scripts/a": b"#!python" + long}))


def test_which_directory_is_read_cannot_be_doubted(tmp_path):
    small = b"PK\5\6" + bytes(18)
    path = wheel(tmp_path, "tool")
    content = path.read_bytes()
    at = content.rfind(b"PK\5\6")
    huge = bytearray(content[at:])
    struct.pack_into("<I", huge, 12, 10**9)
    commented = huge[:20] + struct.pack("<H", len(small))
    within = bytearray(huge)
    within[16:20] = b"PK\5\6"  # where its directory lies, as the last end to be found
    large = b"PK\6\6" + bytes(36) + struct.pack("<QQ", 10**9, 0)
    place = b"PK\6\7" + b"PK\6\6" + bytes(12)
    for end in (commented + small, within, large + place + content[at:]):
        path.write_bytes(content[:at] + end)
        with pytest.raises(UnfitWheel, match=r"no sound archive|too many files"):
            entries(path)
    with zipfile.ZipFile(path.with_name("inner.zip"), "w") as inner:
        inner.writestr("a", "b")
    held = {"inner.zip": path.with_name("inner.zip").read_bytes()}
    entries(wheel(tmp_path, "tool", files=held, packing=zipfile.ZIP_STORED))


def test_two_packages_with_too_many_files_are_refused(tmp_path, monkeypatch):
    path = wheel(tmp_path, "tool", files={f"{n}.txt": "" for n in range(30)})
    entry = entries(path)
    building._demand_bounded(entry)
    many = {f"/{n}": each for n in range(20_000) for each in list(entry.values())[:1]}
    assert len(many) < building.MOST_PACKAGE_FILES
    with pytest.raises(UnfitImage):
        building._demand_bounded({f"/{n}": next(iter(entry.values())) for n in range(300_001)})


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_is_broken_of_a_wheel_is_told_as_its_fault(tmp_path, data):
    path = wheel(tmp_path, "tool", files={"a.txt": "words " * 20})
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    try:
        read = read_wheel(path)
        _write_packages(tmp_path / "layer", [read], building.threading.Event())
    except UnfitWheel:
        return
    assert read.name == "tool"


@pytest.mark.parametrize(
    "files", [{f"{INFO}/METADATA": "Name: tool\nVersion: 1.0\nRequires-Dist: ><\n"},
              {f"{INFO}/METADATA": "x" * (5 * 1024**2)},
              {f"{INFO}/entry_points.txt": "[console_scripts\n"}],
)  # fmt: skip
def test_a_wheel_that_cannot_be_read_is_told(tmp_path, files):
    path = wheel(tmp_path, "tool", files=files)
    with pytest.raises(UnfitWheel):
        _ = read_wheel(path), entries(path)


PIP = {
    "ERROR: No matching distribution found for tool==9": (MissingWheel, "no wheel of 'tool==9'"),
    "WARNING: Retrying (Retry(total=0)) after connection broken\nERROR: No matching distribution found for a": (IndexDown, "pip config"),
    "ERROR: ResolutionImpossible: for help": (MissingWheel, "loosen one"),
    "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE": (MissingWheel, "hash of its wheel"),
    "ERROR: Hashes are required in --require-hashes mode": (MissingWheel, "hash of its wheel"),
    "/usr/bin/python3: No module named pip": (NoPip, "ensurepip"),
    "ERROR: Could not install: [Errno 28] No space left on device": (IndexDown, "free some"),
    "ERROR: something \x1b[31mnew": (MissingWheel, "did not find"),
}  # fmt: skip


@pytest.mark.parametrize(("printed", "told"), PIP.items())
def test_what_pip_says_becomes_advice(printed, told):
    kind, words = told
    fault = fault_of(printed.splitlines(), TARGET)
    assert isinstance(fault, kind)
    assert words in str(fault)
    assert "\x1b" not in str(fault)


async def test_pip_itself_takes_wheels_from_a_folder_and_nothing_that_it_would_build(tmp_path):
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    wheel(shelf, "tool-of-tests", needs=["other-of-tests"])
    wheel(shelf, "other-of-tests")
    sources = shelf / "built-of-tests-1.0.tar.gz"
    with tarfile.open(sources, "w:gz"):
        pass
    told, options = [], ["--no-index", f"--find-links={shelf}"]
    source, place = PipDownload(told.append), tmp_path / "wheels"
    place.mkdir()
    line = read_requirement("tool-of-tests")
    wheels = await find_wheels(source, [line], options, TARGET, place)
    assert [each.name for each in wheels] == ["other-of-tests", "tool-of-tests"]
    (tmp_path / "more").mkdir()
    with pytest.raises(MissingWheel, match="sources are not built"):
        await find_wheels(
            source, [read_requirement("built-of-tests")], options, TARGET, tmp_path / "more"
        )
    (tmp_path / "hashed").mkdir()
    false = read_requirement(f"other-of-tests==1.0 --hash=sha256:{'ab' * 32}")
    with pytest.raises(MissingWheel, match="hash of its wheel"):
        await find_wheels(source, [false], options, TARGET, tmp_path / "hashed")


async def test_a_python_without_pip_is_told(tmp_path):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho /usr/bin/python3: No module named pip >&2\nexit 1\n")
    program.chmod(0o755)
    (tmp_path / "wheels").mkdir()
    with pytest.raises(PoolhandError, match="ensurepip"):
        await PipDownload(print, str(program)).fetch(["a"], [], TARGET, tmp_path / "wheels")


def test_an_image_for_this_python_is_described():
    assert Image.python().python_version == f"{sys.version_info[0]}.{sys.version_info[1]}"
