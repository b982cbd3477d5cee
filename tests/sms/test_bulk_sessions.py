"""Bulks of datasets in sessions: keys of those whose owners let the deal have them, and no others."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tee_world import TeeScene

from poolhand.domain.content_id import address_of_file
from poolhand.domain.eip712 import order_domain
from poolhand.domain.ids import ZERO_ADDRESS, Address
from poolhand.domain.market.book import BULK_VOLUME
from poolhand.domain.orders.model import CloseOrder, DatasetOrder, Salt, Signed
from poolhand.domain.tag import Tag
from poolhand.domain.tee.session import Service
from poolhand.domain.units import NanoRlc
from poolhand.sms.bulk_datasets import ContentAway
from poolhand.wire.order_json import encode_order

OTHER = Address(b"\x77" * 20)
TDX = Tag.of(["tee", "tdx"])


class Files:
    """IPFS in memory."""

    def __init__(self):
        self.known, self.is_away = {}, False

    def add(self, value):
        content = json.dumps(value).encode()
        address = address_of_file(content)
        self.known[address] = content
        return str(address)

    async def read(self, content):
        if self.is_away or content not in self.known:
            raise ContentAway("nobody has it")
        return self.known[content]


@pytest.fixture
async def tee(tmp_path):
    scene = TeeScene(tmp_path)
    scene.files = Files()
    async with scene.open() as made:
        await made.with_secrets()
        yield made


def order_of(tee, **changes):
    z = ZERO_ADDRESS
    order = DatasetOrder(tee.market.dataset, NanoRlc(0), BULK_VOLUME, TDX, z, z, z, Salt(bytes(32)))
    return replace(order, **changes)


def signed(tee, order, wallet=None):
    facts = tee.chain.facts
    wallet = wallet or tee.world.owner
    return Signed(order, wallet.sign_order(order_domain(facts.chain_id, facts.hub), order))


async def told(tee, bulk, service=Service.PRE_COMPUTE):
    """Return what a service of a task is told whose request names a bulk."""
    params = json.dumps({"iexec_args": "hello there", "bulk_cid": bulk})
    _, task = await tee.bought(params=params, dataset=False)
    session = await tee.opened(task)
    proof = await tee.proof(session, service)
    answer = await tee.provision(session, service, proof)
    assert answer.status_code == 200, answer.text
    return tee.read(answer, session, service, proof)


def bulk_of(tee, *orders):
    return tee.files.add([tee.files.add([encode_order(each) for each in orders])])


async def test_the_key_of_a_dataset_is_told_whose_order_fits(tee):
    bulk = bulk_of(tee, signed(tee, order_of(tee, requester_restrict=tee.world.requester.address)))
    found = await told(tee, bulk)
    known = {name: value for name, value in found.items() if "DATASET_1" in name}
    data = await tee.chain.hub.dataset(tee.market.dataset)
    assert known == {
        "IEXEC_DATASET_1_URL": data.multiaddr.decode(),
        "IEXEC_DATASET_1_CHECKSUM": "0x" + data.checksum.hex(),
        "IEXEC_DATASET_1_KEY": "secret of web3",
        "IEXEC_DATASET_1_FILENAME": "0x" + tee.market.dataset.hex(),
    }
    assert (found["IEXEC_BULK_SLICE_SIZE"], found["IS_DATASET_REQUIRED"]) == ("1", "false")
    app = await told(tee, bulk, Service.APP)
    assert app["IEXEC_DATASET_1_FILENAME"] == "0x" + tee.market.dataset.hex()
    assert not [name for name in app if name.endswith("_KEY")]


@pytest.mark.parametrize(
    "changes",
    [
        {"app_restrict": OTHER},
        {"workerpool_restrict": OTHER},
        {"requester_restrict": OTHER},
        {"price": NanoRlc(1)},
        {"tag": Tag.of(["gpu"])},
        {"dataset": OTHER},
        "another wallet",
        "cancelled",
    ],
)
async def test_no_key_is_told_of_a_dataset_whose_owner_does_not_let_the_deal_have_it(tee, changes):
    order = order_of(tee, **(changes if isinstance(changes, dict) else {}))
    wallet = tee.world.requester if changes == "another wallet" else None
    if changes == "cancelled":
        await tee.world.send(tee.world.owner, CloseOrder(order))
    fits = signed(tee, order_of(tee, salt=Salt(bytes([1] * 32))))
    found = await told(tee, bulk_of(tee, signed(tee, order, wallet), fits))
    assert found["IEXEC_DATASET_1_FILENAME"] == "0x" + order.dataset.hex()
    unfit = {found[f"IEXEC_DATASET_1_{name}"] for name in ("URL", "CHECKSUM", "KEY")}
    assert (unfit, found["IEXEC_DATASET_2_KEY"]) == ({""}, "secret of web3")


async def test_a_bulk_that_does_not_read_is_empty_and_one_that_is_away_is_not(tee):
    fit = encode_order(signed(tee, order_of(tee)))
    wrong = tee.files.add([fit])
    tee.files.known[address_of_file(b"lie")] = json.dumps([wrong]).encode()
    for bulk in (
        tee.files.add([]),
        tee.files.add({"a": 1}),
        tee.files.add([wrong[:-1]]),
        tee.files.add([tee.files.add([fit] * 101)]),
        str(address_of_file(b"lie")),
        "no address",
    ):
        assert (await told(tee, bulk))["IEXEC_BULK_SLICE_SIZE"] == "0", bulk
    tee.files.is_away = True
    params = json.dumps({"bulk_cid": bulk_of(tee, signed(tee, order_of(tee)))})
    _, task = await tee.bought(params=params, dataset=False)
    answer = await tee.session(task, (await tee.challenge(task)).text)
    assert answer.status_code >= 500
