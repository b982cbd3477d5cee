"""What npm delivers is checked before a byte of it is used."""

from __future__ import annotations

import io
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from poolhand.devnet.artifacts import (
    DEFAULT_CACHE,
    ArtifactMissing,
    IntegrityMismatch,
    NpmMissing,
    Package,
    PackageUnreachable,
    ensure,
    integrity,
    keep,
)

NPM = """
import pathlib, shutil, sys
tarball, log = sys.argv[1:3]
assert sys.argv[3:5] == ["pack", "thing@1.0.0"], sys.argv
with open(log, "a") as file:
    file.write("called\\n")
shutil.copy(tarball, "thing-1.0.0.tgz")
"""
FAILING = 'import sys; sys.exit("npm error code E404\\nnpm error 404 Not Found: thing")'


def tarball_of(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            if content is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            else:
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content or b""))
    return path


@pytest.fixture
def tarball(tmp_path):
    files = {
        "package/data/good.json": b"{}",
        "package/data/unwanted.txt": b"-",
        "package/data/../../../escaped.json": b"!",
        "package/data/link.json": None,
        "package/bin/tool": b"#!/bin/sh\n",
    }
    return tarball_of(tmp_path / "served.tgz", files)


@pytest.fixture
def package(tarball):
    return Package("thing", "1.0.0", integrity(tarball), ("data/*.json", "bin/tool", "*escaped*"))


@pytest.fixture
def npm(tmp_path, tarball):
    script = tmp_path / "npm.py"
    script.write_text(NPM)
    return (sys.executable, str(script), str(tarball), str(tmp_path / "calls"))


def calls(tmp_path):
    return (tmp_path / "calls").read_text().count("called")


def test_only_wanted_regular_files_are_unpacked_and_none_outside(tmp_path, package, npm):
    folder = keep(tmp_path / "cache", package, npm=npm)
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {"data/good.json", "bin/tool", ".integrity"}
    assert not list(tmp_path.rglob("escaped.json"))
    assert (folder / "bin/tool").stat().st_mode & 0o777 == 0o755


def test_a_tampered_tarball_is_refused_and_leaves_nothing(tmp_path, package, npm, tarball):
    tarball_of(tarball, {"package/data/good.json": b'{"evil": true}'})
    with pytest.raises(IntegrityMismatch) as caught:
        keep(tmp_path / "cache", package, npm=npm)
    assert package.integrity in str(caught.value)
    assert integrity(tarball) in str(caught.value)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_a_package_is_fetched_once(tmp_path, package, npm):
    for _ in range(2):
        keep(tmp_path / "cache", package, npm=npm)
    assert calls(tmp_path) == 1


def test_of_many_callers_at_once_one_fetches(tmp_path, package, npm):
    with ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(lambda _: keep(tmp_path / "cache", package, npm=npm), range(4)))
    assert len(set(folders)) == 1
    assert calls(tmp_path) == 1


def test_another_version_known_is_fetched_over_the_old(tmp_path, package, npm, tarball):
    folder = keep(tmp_path / "cache", package, npm=npm)
    tarball_of(tarball, {"package/data/new.json": b"[]"})
    assert (
        keep(tmp_path / "cache", replace(package, integrity=integrity(tarball)), npm=npm) == folder
    )
    assert {path.name for path in folder.rglob("*.json")} == {"new.json"}


def test_what_npm_says_reaches_the_person(tmp_path, package):
    with pytest.raises(PackageUnreachable, match=r"E404; 404 Not Found: thing"):
        keep(tmp_path, package, npm=(sys.executable, "-c", FAILING))


def test_a_missing_npm_is_told(tmp_path, package):
    with pytest.raises(NpmMissing):
        keep(tmp_path, package, npm=(str(tmp_path / "no-npm"),))


@pytest.mark.chain
def test_a_filled_cache_needs_neither_npm_nor_network(found, tmp_path):
    again = ensure(DEFAULT_CACHE, npm=(str(tmp_path / "no-npm"),))
    assert again == found
    assert len(again.contract("facets/IexecPoco2Facet")["abi"]) > 10
    with pytest.raises(ArtifactMissing):
        again.contract("facets/NoSuchFacet")
