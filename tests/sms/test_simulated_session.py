"""One *simulated* session from end to end: launcher, relay, client, service and verifier, all real."""

from __future__ import annotations

from dataclasses import replace

import pytest
from attested_world import AFTER, APP, OTHER, AttestedScene, relays, told

from poolhand.domain.tee.session import Service
from poolhand.worker.tee.relay_line import RelayRefused


@pytest.fixture
async def tee(tmp_path):
    async with AttestedScene(tmp_path).open() as made:
        await made.with_secrets()
        yield made


@pytest.fixture
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("r")


async def test_each_service_is_told_its_own_by_a_quote_that_was_verified(tee, folder):
    relay = await relays(tee)
    app = await told(relay(Service.APP, APP), Service.APP, folder)
    assert app["IEXEC_REQUESTER_SECRET_1"] == "secret of requester"
    assert "SIGN_TEE_CHALLENGE_PRIVATE_KEY" not in app
    after = await told(relay(Service.POST_COMPUTE, AFTER), Service.POST_COMPUTE, folder)
    assert after["SIGN_TEE_CHALLENGE_PRIVATE_KEY"].startswith("0x")
    assert "IEXEC_REQUESTER_SECRET_1" not in after


@pytest.mark.parametrize(
    ("service", "program"),
    [
        (Service.APP, replace(APP, digest="02" * 32)),
        (Service.APP, replace(APP, command=("other", "words"))),
        (Service.POST_COMPUTE, APP),
        (Service.APP, AFTER),
    ],
)
async def test_another_program_is_told_nothing(tee, folder, service, program):
    relay = await relays(tee)
    with pytest.raises(RelayRefused):
        await told(relay(service, program), service, folder)


async def test_a_root_that_the_service_was_not_told_of_vouches_for_nobody(tee, folder):
    relay = await relays(tee, root=OTHER)
    with pytest.raises(RelayRefused):
        await told(relay(Service.APP, APP), Service.APP, folder)


async def test_nothing_is_told_twice(tee, folder):
    relay = await relays(tee)
    await told(relay(Service.APP, APP), Service.APP, folder)
    with pytest.raises(RelayRefused):
        await told(relay(Service.APP, APP), Service.APP, folder)
