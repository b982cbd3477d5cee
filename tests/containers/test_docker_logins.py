"""The logins that ``docker login`` keeps, in every form that Docker writes."""

from __future__ import annotations

import asyncio
import base64
import json
import os

import psutil
import pytest

from poolhand.containers import docker_logins
from poolhand.containers.docker_logins import RegistryLogins
from poolhand.settings.registries import RegistryLogin

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(docker_logins, "HELPER_SECONDS", 0.5)


def auth(user, password):
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def config(folder, **members):
    file = folder / "config.json"
    file.write_text(json.dumps(members))
    return file


def helper(folder, monkeypatch, body):
    """Put a credential helper onto the PATH: ``body`` is a shell script."""
    program = folder / "docker-credential-test"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.mark.case("D8")
@pytest.mark.parametrize(
    ("registry", "name"),
    [
        ("docker.io", "https://index.docker.io/v1/"),
        ("ghcr.io", "ghcr.io"),
        ("ghcr.io", "https://ghcr.io"),
        ("host:5000", "http://host:5000"),
    ],
)
async def test_a_login_is_found_under_every_name_that_docker_gives_it(tmp_path, registry, name):
    file = config(tmp_path, auths={name: auth("me", "pass:word"), "other": auth("no", "no")})
    found = await RegistryLogins(config=file).of(registry)
    assert found == RegistryLogin(registry, "me", "pass:word")
    assert "pass" not in repr(found)


@pytest.mark.case("D8")
async def test_a_login_given_by_name_wins_and_a_later_one_of_docker_counts(tmp_path):
    named = RegistryLogin("ghcr.io", "named", "x")
    logins = RegistryLogins([named], tmp_path / "config.json")
    assert await logins.of("other.io") is None
    config(tmp_path, auths={"ghcr.io": auth("docker", "y"), "other.io": auth("later", "z")})
    assert await logins.of("ghcr.io") == named
    assert (await logins.of("other.io")).username == "later"
    assert await RegistryLogins([named]).of("other.io") is None


@pytest.mark.case("D8")
@pytest.mark.parametrize(
    "how", [{"credHelpers": {"ghcr.io": "test"}}, {"auths": {"ghcr.io": {}}, "credsStore": "test"}]
)
async def test_a_credential_helper_is_asked_as_docker_asks_it(tmp_path, monkeypatch, how):
    helper(
        tmp_path,
        monkeypatch,
        '[ "$1" = get ] && [ "$(cat)" = ghcr.io ] && echo \'{"Username": "me", "Secret": "s"}\'',
    )
    assert await RegistryLogins(config=config(tmp_path, **how)).of("ghcr.io") == RegistryLogin(
        "ghcr.io", "me", "s"
    )


@pytest.mark.parametrize(
    "body",
    ["exit 1", "echo credentials not found", "echo '[]'", "echo '{}'", "exec sleep 60",
     'echo \'{"Username": "<token>", "Secret": "s"}\''],
)  # fmt: skip
async def test_a_helper_that_knows_nothing_is_no_login(tmp_path, monkeypatch, body):
    helper(tmp_path, monkeypatch, body)
    file = config(tmp_path, credHelpers={"ghcr.io": "test"})
    assert await RegistryLogins(config=file).of("ghcr.io") is None


@pytest.mark.parametrize("name", ["no-such-helper", "../../bin/sh", "a b", "", 7])
async def test_a_helper_that_is_none_is_no_login(tmp_path, name):
    file = config(tmp_path, credHelpers={"ghcr.io": name})
    assert await RegistryLogins(config=file).of("ghcr.io") is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "\ufeff{}", '{"auths": []}', '{"auths": {"ghcr.io": 7}}',
             '{"auths": {"ghcr.io": {"auth": "!"}}}', '{"auths": {"ghcr.io": {"auth": "/w=="}}}',
             '{"auths": {"ghcr.io": {"auth": "bm8="}}}', '{"auths": {"ghcr.io": {"identitytoken": "x"}}}'],
)  # fmt: skip
async def test_a_file_that_holds_no_login_is_none(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    assert await RegistryLogins(config=tmp_path / "config.json").of("ghcr.io") is None


async def test_a_file_that_cannot_be_read_is_none(tmp_path):
    (tmp_path / "config.json").mkdir()
    assert await RegistryLogins(config=tmp_path / "config.json").of("ghcr.io") is None


async def test_a_question_that_nobody_wants_answered_leaves_no_helper_behind(tmp_path, monkeypatch):
    told = tmp_path / "pid"
    os.mkfifo(told)
    helper(tmp_path, monkeypatch, f'echo $$ > "{told}"; exec sleep 600')
    monkeypatch.setattr(docker_logins, "HELPER_SECONDS", 60)
    file = config(tmp_path, credsStore="test", auths={"registry.test": {}})
    asking = asyncio.create_task(RegistryLogins(config=file).of("registry.test"))
    pid = int(await asyncio.to_thread(told.read_text))
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert not psutil.pid_exists(pid)
