"""What is the pool owner's answers as its OpenAPI document says, to whatever is asked, and to the owner alone."""

from __future__ import annotations

import string
from contextlib import asynccontextmanager

import hypothesis
import pytest
from hypothesis import strategies
from pool_world import PoolWorld

from as_described import RIGHT, WRONG, Described, served, told
from many import examples
from poolhand.domain.ids import Address
from poolhand.scheduler.owner_sessions import SESSION_LIFE
from poolhand.transport.asgi import application
from poolhand.wire.pool_owner import ExclusionOrder

TOKEN = "ab" * 32
OPEN = "/v1/owner/sign-in"
FREE = ("POST /v1/owner/sign-in", *(
    f"POST /v1/owner/workers/{{address}}/{verb}" for verb in ("drain", "ban", "readmit", "message")
))  # fmt: skip
"""No schema says which signature is the owner's, nor which text a person may be shown."""
PATHS = {
    "/v1/owner/dashboard",
    "/v1/owner/excluded",
    "/v1/owner/session",
    "/v1/owner/sign-in",
    "/v1/owner/sign-out",
    "/v1/owner/workers",
    *(path.removeprefix("POST ") for path in FREE),
}
ANY = strategies.text(max_size=80) | strategies.text(string.hexdigits + "x", max_size=80)


class Asked:
    """A pool at its port, with a worker that is connected and one that is drained."""

    def __init__(self, url, there, world) -> None:
        self.url, self.there, self.world = url, there, world

    def described(self, token=TOKEN):
        return Described(self.url, self.there, free=FREE, token=token)


@pytest.fixture(scope="module")
def owned(tmp_path_factory):
    there, worlds = {}, []

    @asynccontextmanager
    async def made():
        world = PoolWorld(tmp_path_factory.mktemp("pool"))
        await world.start()
        worker = await world.hired()
        await world.deal()
        await world.scheduler.owners_workers.drain(
            Address(bytes([7] * 20)), ExclusionOrder(reason="why")
        )
        verbs = (path for path in PATHS if "{address}" in path)
        there.update({path: {"address": str(worker.address)} for path in verbs})
        worlds.append(world)
        url = "http://127.0.0.1:13000"
        yield application("Poolhand pool", world.scheduler.owner_api(url, TOKEN))
        await world.stop()

    with served(made) as url:
        yield Asked(url, there, worlds[0])


@pytest.mark.timeout(600)  # seconds of a processor, on a machine that does much else
@pytest.mark.parametrize("mode", [RIGHT, WRONG], ids=["right", "wrong"])
def test_what_is_the_owners_answers_as_it_is_described(owned, mode):
    with owned.described() as described:
        assert set(described.document["paths"]) == PATHS
        assert not (faults := described.faults(mode)), told(faults)


@pytest.mark.parametrize("token", ["", "ab", "é" * 40, TOKEN + "0"])
def test_nobody_else_is_told_or_obeyed_whatever_it_sends(owned, token):
    """Not even what is wrong with its request: who may not ask is refused before that is read."""
    excluded = len(owned.world.scheduler.exclusions)
    with owned.described() as described:
        kinds = [
            (path, kind)
            for path, methods in described.document["paths"].items()
            for kind in methods
            if path != OPEN
        ]
        header = {"Authorization": f"Bearer {token}".encode()} if token else {}
        for path, kind in kinds:
            where = owned.url + path.format(address=str(Address(bytes([9] * 20))))
            for body in (b"", b"{}", b"{", b'{"reason": "why"}', b'{"text": "x"}', b"\xff" * 5000):
                sent = None if kind == "get" else body
                answer = described.client.request(kind, where, content=sent, headers=header)
                assert (answer.status_code, answer.json()["code"]) == (401, "not-the-owner"), path
        assert described.client.get(f"{owned.url}/owner/parts", headers=header).status_code == 401
    assert len(owned.world.scheduler.exclusions) == excluded


def test_a_page_that_is_asked_for_with_anything_is_told_or_refused_and_never_fails(owned):
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    with owned.described() as described:

        @hypothesis.settings(max_examples=examples(60), deadline=None, database=None)
        @hypothesis.given(
            strategies.dictionaries(
                strategies.sampled_from(["workers", "excluded", "tasks", "limit", "other"]), ANY
            ),
            ANY.filter(lambda name: name.strip("./")),
        )
        def holds(asked, name):
            answer = described.client.get(f"{owned.url}/owner/parts", params=asked, headers=bearer)
            assert answer.status_code in (200, 400, 404), answer.text
            assert answer.json().keys() in (
                {"title", "sections", "draining"},
                {"code", "message"},
            ), answer.text
            url = f"{owned.url}/owner/static/"
            answer = described.client.get(url + "%" + "%".join(f"{b:02x}" for b in name.encode()))
            assert answer.status_code in (200, 404), answer.text

        holds()


def test_a_session_that_was_opened_says_for_how_long_it_holds(owned):
    with owned.described() as described:
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        answer = described.client.post(f"{owned.url}/v1/owner/session", json={}, headers=bearer)
        session = answer.json()
        assert session["expires_in"] == SESSION_LIFE
        own = {"Authorization": f"Bearer {session['token']}"}
        out = f"{owned.url}/v1/owner/sign-out"
        assert described.client.post(out, headers=own).status_code == 200
        assert described.client.post(out, headers=own).status_code == 401
