"""What is too long for a deal travels as a file beside it: checked, bounded, and taken away again."""

from __future__ import annotations

import hashlib
import random

import pytest
from function_world import FunctionWorkers, app
from test_function_bags import killed, until

from asked_registry import FUNCTIONS_IMAGE
from poolhand import AsyncClient
from poolhand.client.functions.errors import PayloadTooLarge
from poolhand.client.functions.payload import NOTHING, packed, pickled
from poolhand.domain.params import DealParams, split_arguments
from poolhand.results import input_shelf
from poolhand.transport.input_client import InputNotLeft
from poolhand.transport.results_client import ResultsDown


@pytest.fixture
def workers(bazaar, tmp_path):
    bazaar.does = FunctionWorkers(tmp_path / "tasks")
    return bazaar.does


@pytest.fixture
async def client(named, workers, bazaar):
    async with AsyncClient(**named, functions=FUNCTIONS_IMAGE) as made:
        assert await made.submit(len, b"") == 0
        bazaar.market.leave_inputs()
        yield made


LARGE = random.Random(1).randbytes(300_000)
"""What does not become small by packing."""


def kept(bazaar):
    return tuple(bazaar.market.inputs._sizes.values())


async def test_a_large_argument_travels_beside_the_deal_and_is_taken_away(client, bazaar):
    bazaar.lazy = True
    called = client.submit(len, LARGE)
    await until(lambda: bazaar.market.deals == 2)
    (size,) = kept(bazaar)
    deal = tuple(bazaar.market.chain.state.deals.values())[1]
    params = DealParams.parse(deal.params)
    word = split_arguments(params.args)[2]
    assert (len(deal.params) < 500, size > 300_000) == (True, True)
    assert params.input_files[0].endswith(word.removeprefix("sha256:"))
    bazaar.lazy = False
    bazaar.market.chain.mine(1)
    assert await called == 300_000
    await until(lambda: not kept(bazaar))


async def test_equal_deals_have_files_of_their_own(client, bazaar):
    bazaar.lazy = True
    one = client.submit(len, LARGE)
    await until(lambda: bazaar.market.deals == 2)
    other = client.submit(len, LARGE)
    await until(lambda: bazaar.market.deals == 3)
    assert len(kept(bazaar)) == 2
    bazaar.lazy = False
    bazaar.market.chain.mine(1)
    assert (await one, await other) == (300_000, 300_000)


async def test_of_a_map_all_chunks_are_in_one_file_until_the_last_has_ended(client, bazaar):
    found = [each async for each in client.map(len, [LARGE, LARGE[:-1], LARGE[:-2]], chunk=1)]
    assert (found, bazaar.market.deals) == ([300_000, 299_999, 299_998], 2)
    await until(lambda: not kept(bazaar))


async def test_the_next_run_of_a_killed_program_takes_the_file_away(client, named, bazaar):
    bazaar.lazy = True
    called = client.submit(len, LARGE)
    await until(lambda: client.calls._following)
    await killed(client)
    assert len(kept(bazaar)) == 1
    called.cancel()
    bazaar.lazy = False
    async with AsyncClient(**named, functions=FUNCTIONS_IMAGE) as second:
        assert await second.submit(len, LARGE) == 300_000
        await until(lambda: not kept(bazaar))
    assert bazaar.market.deals == 2


async def test_where_nobody_keeps_it_nothing_is_paid(client, bazaar, monkeypatch):
    bazaar.market.pool.results_url = "http://results.test"  # no worker reads it
    with pytest.raises(PayloadTooLarge):
        await client.submit(len, LARGE)
    bazaar.market.pool.results_url = "https://elsewhere.test"
    bazaar.market.hosts["elsewhere.test"] = "8.8.8.8"
    with pytest.raises(ResultsDown, match="Nothing was paid"):
        await client.submit(len, LARGE)
    bazaar.market.leave_inputs()
    bazaar.market.pool.results_url += "/without-such-a-route"
    with pytest.raises(InputNotLeft, match="Nothing was paid"):
        await client.submit(len, LARGE)
    bazaar.market.leave_inputs()
    monkeypatch.setattr(input_shelf, "MOST_OF_REQUESTER", 1000)
    with pytest.raises(ResultsDown, match="come to more than 1000 bytes"):
        await client.submit(len, LARGE)
    assert bazaar.market.deals == 1


@pytest.mark.parametrize("content", ["", "another payload", "that of another deal", "right"])
def test_the_app_takes_no_other_file_than_the_deal_names(tmp_path, content):
    payload, other = (packed(NOTHING, [pickled([(abs, (each,), {})], "it")]) for each in (-7, -8))
    found = {"right": payload, "that of another deal": other}.get(content, content.encode())
    (tmp_path / "file").write_bytes(found)
    word = "sha256:" + hashlib.sha256(payload).hexdigest()
    environment = {"IEXEC_IN": str(tmp_path), "IEXEC_INPUT_FILE_NAME_1": "file"}
    code = app()["main"](["free", "00", word], {**environment, "IEXEC_OUT": str(tmp_path)})
    assert (code == 0) == (content == "right")
    assert (tmp_path / "result.bin").exists() == (content == "right")
