"""Whom a container of a cluster runs as: looked up in lists that a stranger wrote."""

from __future__ import annotations

from dataclasses import replace

import pytest
from container_world import LIMITS

from poolhand.containers.errors import ContainerRefused
from poolhand.containers.sandbox import SandboxTerms
from poolhand.containers.slurm.bundle import Ground, User, bundle_config, user_of
from poolhand.ports.runtime import ContainerSpec

PEOPLE = """\
root:x:0:0:root:/root:/bin/sh
app:x:1000:1001:app:/:/bin/sh
bare:x:7:8
odd:x:1:none
wide:x:99999999999999999999:1:::
:::
"""
GROUPS = f"staff:x:50:app,root\nwork:x:51:app\nodd:x:none:app\nlong:x:{'9' * 5000}:app\n"
SPEC = ContainerSpec("run", "image", ("x",), {}, (), LIMITS, 60)


def found(root, told):
    return user_of(SPEC, SandboxTerms(told, "/"), {}, root)


@pytest.fixture
def root(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PEOPLE)
    (tmp_path / "etc/group").write_text(GROUPS)
    return tmp_path


@pytest.mark.parametrize(
    ("told", "user"),
    [
        ("app", User(1000, 1001, (50, 51))),
        ("1000", User(1000, 1001, (50, 51))),
        ("bare", User(7, 8)),
        ("app:staff", User(1000, 50)),
        ("app:7", User(1000, 7)),
        ("4242", User(4242, 0)),
        ("65534:65534", User(65534, 65534)),
    ],
)
def test_a_user_is_looked_up_as_engines_do(root, told, user):
    assert found(root, told) == user


@pytest.mark.parametrize(
    "told",
    [
        "nobody-here",
        "odd",
        "wide",
        "app:nowhere",
        "app:odd",
        "app:long",
        "9" * 5000,
        "²",
        "-1",
        ":7",
    ],
)
def test_a_user_who_is_none_is_the_images_fault(root, told):
    with pytest.raises(ContainerRefused, match="no user"):
        found(root, told)


def test_lists_that_lead_out_of_the_image_are_not_read(root):
    (root / "etc/passwd").unlink()
    (root / "etc/passwd").symlink_to("../../../../etc/passwd")
    with pytest.raises(ContainerRefused, match="no user"):
        found(root, "daemon")


@pytest.mark.parametrize(
    ("folder", "starts"), [("", "/"), ("app", "/app"), ("/a/../b/", "/b"), ("../../x", "/x")]
)
def test_a_program_starts_in_a_whole_path(root, folder, starts):
    ground = Ground(root, root / "init", User(0, 0))
    image = {"Config": {"WorkingDir": folder}}
    config = bundle_config(replace(SPEC, workplace=""), image, SandboxTerms("1:1", "/"), ground)
    assert config["process"]["cwd"] == starts
