"""Assets are registered once, whoever asks and however often."""

from __future__ import annotations

from hashlib import sha256

import pytest
from fastapi import FastAPI
from fastapi.responses import Response

from asked_registry import MANIFEST
from poolhand.appimage.reference import NoSuchImage
from poolhand.domain import multiaddr
from poolhand.domain.onchain import CreateApp
from poolhand.keys.wallet import Wallet
from poolhand.requester.assets import DatasetUnreachable, NoSuchDataset, dataset_of
from requester_market import IMAGE, client

TEXT = b"Call me Ishmael."


async def test_an_app_is_registered_with_its_digest(market):
    deployed = await market.requester().deploy_app(IMAGE)
    app = await market.requester().app(deployed.address)
    assert deployed.is_new
    assert multiaddr.decode(app.multiaddr) == IMAGE
    assert app.checksum == sha256(MANIFEST).digest()
    assert (app.name, app.owner) == ("words", market.wallet.address)


async def test_the_same_image_again_sends_nothing(market):
    first = await market.requester().deploy_app(IMAGE)
    sent = len(market.chain.mined())
    again = await market.requester().deploy_app(IMAGE)
    assert (again.address, again.is_new) == (first.address, False)
    assert len(market.chain.mined()) == sent


async def test_somebody_else_registers_their_own(market):
    first = await market.requester().deploy_app(IMAGE)
    other = Wallet.from_key(bytes([9] * 32))
    assert (await market.requester(other).deploy_app(IMAGE)).address != first.address


async def test_a_registration_won_by_another_program_is_taken(market):
    requester = market.requester()

    def faster(_sender, _purpose, call):
        market.chain.before_send = None
        market.chain.submit(market.wallet.address, call)

    market.chain.before_send = faster
    deployed = await requester.deploy_app(IMAGE)
    assert not deployed.is_new
    assert (await requester.app(deployed.address)).name == "words"


async def test_a_missing_image_registers_nothing(market):
    sent = len(market.chain.mined())
    with pytest.raises(NoSuchImage):
        await market.requester().deploy_app("127.0.0.1:5000/nothing:1")
    assert len(market.chain.mined()) == sent


async def test_a_pool_is_created_once_and_its_policy_set(market):
    requester = market.requester()
    first = await requester.create_pool("mine", 20, 5)
    again = await requester.create_pool("mine", 20, 5)
    pool = await requester.workerpool(first.address)
    assert (first.is_new, again.is_new) == (True, False)
    assert (pool.worker_stake_percent, pool.scheduler_percent) == (20, 5)
    await requester.create_pool("mine")
    assert (await requester.workerpool(first.address)).scheduler_percent == 5


def files(status: int = 200) -> FastAPI:
    app = FastAPI()

    @app.get("/moby.txt")
    async def moby() -> Response:
        return Response(TEXT, status)

    return app


async def test_a_checksum_is_computed_by_downloading(market):
    async with client(files_test=files()) as http:
        asset = await dataset_of(http, market.wallet.address, "https://files.test/moby.txt", "")
    assert asset.checksum == sha256(TEXT).digest()
    assert asset.name == "moby.txt"


async def test_a_local_copy_saves_the_download(market, tmp_path):
    copy = tmp_path / "copy"
    copy.write_bytes(TEXT)
    async with client() as http:
        asset = await dataset_of(
            http, market.wallet.address, "https://files.test/moby.txt", "", file=copy
        )
    assert asset.checksum == sha256(TEXT).digest()


@pytest.mark.parametrize(("status", "error"), [(404, NoSuchDataset), (503, DatasetUnreachable)])
async def test_a_dataset_that_is_not_there_is_named(market, status, error):
    async with client(files_test=files(status)) as http:
        with pytest.raises(error, match=r"https://files\.test/moby\.txt answers"):
            await dataset_of(http, market.wallet.address, "https://files.test/moby.txt", "")


async def test_an_unreachable_dataset_is_named(market):
    async with client() as http:
        with pytest.raises(DatasetUnreachable, match="does not answer"):
            await dataset_of(http, market.wallet.address, "https://files.test/x", "")


async def test_an_ipfs_dataset_needs_its_checksum(market, tmp_path):
    async with client() as http:
        with pytest.raises(NoSuchDataset, match="--checksum"):
            await dataset_of(http, market.wallet.address, "/ipfs/QmX", "")
        with pytest.raises(NoSuchDataset, match="--file"):
            await dataset_of(http, market.wallet.address, "/ipfs/QmX", "", file=tmp_path / "no")


async def test_the_address_is_known_before(market):
    asset = CreateApp(market.wallet.address, "a", b"docker.io/a/b:1", bytes(32))
    predicted = await market.chain.hub.predict(asset)
    receipt = await market.chain.sender(market.wallet).send("create", asset)
    assert receipt.created == predicted
