"""Computation bought from a program on asyncio: handles, budgets, and what is lost with neither."""

from __future__ import annotations

import asyncio
import gc

import pytest
from client_world import PRICE, RLC, do, put_on_chain

from poolhand import AsyncClient, FailedTask, Sponsor, TimedOutTask
from poolhand.client.errors import NoSuchFile, SeveralTasks, UnknownCategory
from poolhand.domain.errors import ChainUnreachable, Refused
from poolhand.domain.onchain import EventKind
from poolhand.domain.result_key import key_value
from poolhand.keys.errors import WrongPassword
from poolhand.keys.keystore import import_wallet
from poolhand.keys.named import NoWalletNamed
from poolhand.keys.result_encryption import encrypt_result, make_keypair
from poolhand.keys.wallet import Wallet
from poolhand.requester.archive import TargetExists
from poolhand.requester.checking import PriceTooHigh
from poolhand.requester.requester import NoSuchDeal, NoSuchTask, NoWallet
from poolhand.requester.result_places import NoKeyForResults
from requester_market import IMAGE

WEEK = 7 * 24 * 3600


@pytest.fixture
async def client(named):
    async with AsyncClient(**named) as made:
        yield made


# -------------------------------------------------------------------------------- results


async def test_a_result_is_there_with_its_cost_and_its_proof(client, bazaar, tmp_path):
    deal = await client.run(IMAGE, ["--top", "5 of all"], trust=1)
    assert (
        bazaar.market.chain.state.deals[deal.deal_id].params
        == '{"iexec_args":"--top \\"5 of all\\""}'
    )
    result = await deal.result()
    assert result.files == ("words.txt", "computed.json")
    assert (result.output, result.text("words.txt")) == (b"whale 42\n", "whale 42\n")
    with pytest.raises(NoSuchFile, match=r"no file 'words': it has words\.txt, computed\.json"):
        result.read("words")
    assert (result.save(tmp_path / "here") / "words.txt").read_bytes() == b"whale 42\n"
    with pytest.raises(TargetExists):
        result.save(tmp_path / "here")
    cost = await deal.cost()
    assert (cost.total, cost.refunded, str(cost)) == (PRICE, 0, "2 RLC for 1 task(s) at 2")
    (proof,) = await deal.proof()
    assert (proof.digest, len(proof.workers), proof.is_whole) == (result.digest, 1, True)
    assert [each.kind for each in proof.events][-1] is EventKind.TASK_FINALIZE
    assert len(proof.transactions) == len({each.tx_hash for each in proof.events}) > 2
    assert client.budget.spent == PRICE


async def test_a_result_is_encrypted_to_whom_it_is_for_and_opened_with_its_key(
    client, bazaar, tmp_path
):
    with pytest.raises(NoKeyForResults, match="has handed in no key"):
        await client.run(IMAGE, encrypt=True)
    market = bazaar.market
    assert market.deals == 0
    private, public = make_keypair(2048)
    value = key_value(public)
    signed = market.wallet.sign_result_key(value).hex()
    owner = str(market.wallet.address)
    market.pool.result_keys[owner] = {"value": value, "signature": f"0x{signed}"}
    bazaar.lazy = True
    deal = await client.run(IMAGE, encrypt=True)
    told = market.chain.state.deals[deal.deal_id]
    assert told.params == '{"iexec_result_encryption":true}'
    await do(market, told)
    clear, hidden = tmp_path / "clear.zip", tmp_path / "hidden.zip"
    clear.write_bytes(market.results.archives[deal.tasks[0].id])
    digest = (await deal.proof())[0].digest
    encrypt_result(clear, hidden, public, deal.tasks[0].id, digest)
    market.results.archives[deal.tasks[0].id] = hidden.read_bytes()
    result = await deal.result()
    assert result.is_encrypted
    (tmp_path / "key.pem").write_bytes(private)
    opened = result.decrypt(tmp_path / "key.pem")
    assert not opened.is_encrypted
    assert (opened.output, opened.digest) == (b"whale 42\n", result.digest)
    with pytest.raises(TargetExists):
        result.decrypt(tmp_path / "key.pem")


async def test_hosts_are_ordered_as_they_are_named(client, bazaar):
    deal = await client.run(IMAGE, hosts=["a.example"])
    params = bazaar.market.chain.state.deals[deal.deal_id].params
    assert params == '{"poolhand_hosts":["a.example:443"]}'


async def test_an_archive_lasts_as_long_as_its_result_unless_a_folder_is_named(client, tmp_path):
    deal = await client.run(IMAGE)
    result = await deal.result()
    archive = result.archive
    assert archive.exists()
    del result
    gc.collect()
    assert not archive.exists()
    kept = await deal.result(tmp_path / "mine")
    assert kept.archive.parent == tmp_path / "mine"
    del kept
    gc.collect()
    assert (tmp_path / "mine" / f"{deal.tasks[0].id}.zip").exists()


async def test_results_come_one_by_one(client):
    deal = await client.run(IMAGE, tasks=3)
    with pytest.raises(SeveralTasks, match="has 3 tasks"):
        await deal.result()
    found = {result.index: result.output async for result in deal.results()}
    assert found == dict.fromkeys(range(3), b"whale 42\n")
    assert (await deal.tasks[1].result()).task_id == deal.tasks[1].id
    assert (await deal.wait()).succeeded


async def test_what_happens_is_told_line_by_line(client):
    deal = await client.run(IMAGE, tasks=2)
    told = [str(change) async for change in deal.events()]
    assert told[-2:] == ["task 0: COMPLETED", "task 1: COMPLETED"]
    assert [str(change) async for change in deal.tasks[1].events()][-1] == "task 1: COMPLETED"


async def test_who_waits_too_short_asks_again(client, bazaar):
    bazaar.lazy = True
    deal = await client.run(IMAGE)
    with pytest.raises(TimeoutError):
        await deal.result(timeout=0)
    with pytest.raises(TimeoutError):
        await deal.wait(timeout=0)
    await do(bazaar.market, deal.deal)
    assert (await deal.result()).output == b"whale 42\n"


async def test_what_a_task_printed_is_told(client, bazaar):
    deal = await client.run(IMAGE)
    worker = (await deal.proof())[0].workers
    task = deal.tasks[0].id
    bazaar.market.pool.tasks[task] = {"task_id": str(task)}
    bazaar.market.pool.logs = {task: {bazaar.market.wallet.address: ("out", "err")}}
    assert worker == ()
    assert await deal.logs() == {task: {bazaar.market.wallet.address: ("out", "err")}}


# -------------------------------------------------------------------------------- found again


async def test_a_deal_is_found_again_by_a_program_that_cannot_spend(client, bazaar, named):
    bought = await client.run(IMAGE, tasks=2)
    bazaar.wallet = False
    async with AsyncClient(**named) as other:
        deal = await other.attach(str(bought.deal_id))
        assert [each.id for each in deal.tasks] == [each.id for each in bought.tasks]
        assert (await deal.tasks[0].result()).output == b"whale 42\n"
        task = await other.task(str(bought.tasks[1].id))
        assert (task.index, (await task.status()).outcome) == (1, "COMPLETED")
        with pytest.raises(NoSuchDeal):
            await other.attach("0x" + "77" * 32)
        with pytest.raises(NoSuchTask):
            await other.task("0x" + "77" * 32)
        with pytest.raises(NoWalletNamed, match="no wallet"):
            await other.run(IMAGE)


async def test_a_wallet_that_is_missing_is_told_as_it_is_missing(
    named, bazaar, monkeypatch, tmp_path
):
    bazaar.wallet = False
    monkeypatch.setenv("POOLHAND_WALLET_PASSWORD", "x")
    (tmp_path / "me.json").write_text("{}", encoding="utf-8")
    async with AsyncClient(**named, wallet=tmp_path / "me.json") as other:
        with pytest.raises(Refused):
            await other.run(IMAGE)
    with pytest.raises(NoWallet):
        bazaar.market.requester(False).wallet  # noqa: B018 - the property raises


# -------------------------------------------------------------------------------- without a result


async def test_what_was_not_done_in_time_is_told_claimed_and_refunded(client, bazaar):
    bazaar.lazy = True
    deal = await client.run(IMAGE, tasks=2)
    await put_on_chain(bazaar.market, deal.deal)
    open_ = await deal.cancel()
    assert set(open_.goes_on) == {each.id for each in deal.tasks}
    assert open_.claimed.tasks == ()
    assert "2 go on, for a deal is for good: their price is paid, or comes back at" in str(open_)
    bazaar.market.chain.mine(WEEK)
    with pytest.raises(TimedOutTask, match="not done by its final deadline") as late:
        await deal.tasks[1].result()
    assert (late.value.index, late.value.party) == (1, "you")
    saved = await deal.cancel()
    assert (set(saved.claimed.tasks), saved.goes_on) == ({each.id for each in deal.tasks}, {})
    assert str(saved) == "2 task(s) claimed back"
    cost = await deal.cost()
    assert (cost.total, cost.refunded) == (0, 2 * PRICE)
    with pytest.raises(FailedTask, match="its price was refunded") as failed:
        await anext(deal.results())
    assert failed.value.code == "failed-task"
    assert (failed.value.task_id, failed.value.causes) == (deal.tasks[0].id, ())
    assert failed.value.next_step
    assert failed.value.__notes__ == ["1 more task(s) of the deal have no result either"]


# -------------------------------------------------------------------------------- budgets


async def test_a_budget_is_over_all_that_a_client_buys(bazaar, named):
    async with AsyncClient(**named, budget="5 RLC") as client:
        await client.run(IMAGE)
        assert (client.budget.spent, client.budget.left) == (PRICE, 3 * RLC)
        with pytest.raises(
            PriceTooHigh, match=r"2 task\(s\) at 2 RLC cost 4 RLC, over the budget of 3 RLC"
        ):
            await client.run(IMAGE, tasks=2)
        with pytest.raises(PriceTooHigh, match="over the budget of 1 RLC"):
            await client.run(IMAGE, budget="1 RLC")
        assert (bazaar.market.deals, client.budget.left) == (1, 3 * RLC)
        await client.run(IMAGE, budget="3 RLC")
        with pytest.raises(PriceTooHigh, match="over the budget of 1 RLC"):
            await client.run(IMAGE, budget="2 RLC")
        assert (bazaar.market.deals, client.budget.spent, client.budget.begun) == (2, 2 * PRICE, 0)


async def test_a_budget_binds_before_an_image_is_registered(bazaar, named):
    async with AsyncClient(**named, budget="1 RLC") as client:
        with pytest.raises(PriceTooHigh):
            await client.run(IMAGE)
        assert not bazaar.market.chain.state.apps


async def test_a_purchase_that_is_interrupted_counts_and_is_finished_by_the_same_call(
    bazaar, named
):
    async with AsyncClient(**named, budget="3 RLC") as client:
        requester = await client.requester()
        bazaar.lazy = True
        market = bazaar.market
        await requester.deploy_app(IMAGE)
        market.pool.sends = {"fee": 0, "most_params": 1000}
        market.pool.after_sending = lambda: setattr(market.chain, "outage", True)
        with pytest.raises(ChainUnreachable):
            await client.run(IMAGE, "one")
        assert (market.deals, client.budget.begun, client.budget.left) == (1, PRICE, RLC)
        market.chain.outage, market.pool.after_sending = False, lambda: None
        with pytest.raises(PriceTooHigh):
            await client.run(IMAGE, "another")
        deal = await client.run(IMAGE, "one")
        assert (market.deals, deal.resumed) == (1, True)
        assert (client.budget.spent, client.budget.begun, client.budget.left) == (PRICE, 0, RLC)


async def test_what_another_program_began_counts_where_it_is_finished(bazaar, named):
    async with AsyncClient(**named) as first:
        await (await first.requester()).deploy_app(IMAGE)
        market = bazaar.market
        market.pool.sends = {"fee": 0, "most_params": 1000}
        market.pool.before_sending = lambda: setattr(market.chain, "outage", True)
        market.pool.will_not_send = 400, "busy", "not now"
        with pytest.raises(ChainUnreachable):
            await first.run(IMAGE, "one")
    market.chain.outage, market.pool.before_sending = False, lambda: None
    market.pool.will_not_send = None
    async with AsyncClient(**named, budget="1 RLC") as poor:
        with pytest.raises(PriceTooHigh, match="cost 2 RLC, over the budget of 1 RLC"):
            await poor.run(IMAGE, "one")
        # its orders are at the pool, which may send them yet
        assert (poor.budget.spent, poor.budget.begun, poor.budget.left) == (0, PRICE, 0)
    async with AsyncClient(**named, budget="2 RLC") as second:
        assert (await second.run(IMAGE, "one")).resumed
        assert (second.budget.spent, market.deals) == (PRICE, 1)


# -------------------------------------------------------------------------------- one among many


async def test_tasks_of_one_program_buy_in_turn(client, bazaar):
    words = ["same", "same", "other"]
    deals = await asyncio.gather(*(client.run(IMAGE, each) for each in words))
    assert len({deal.deal_id for deal in deals}) == 3 == bazaar.market.deals
    assert client.budget.spent == 3 * PRICE
    assert (bazaar.opened, [each.resumed for each in deals]) == (1, [False] * 3)


async def test_categories_go_by_number_and_by_name(client, bazaar):
    known = await (await client.requester()).hub.categories()
    name = known[1].name
    assert (await client.run(IMAGE, category=name)).deal.category == 1
    with pytest.raises(UnknownCategory, match=r"no category XXL: it has 0 \("):
        await client.run(IMAGE, category="XXL")


# -------------------------------------------------------------------------------- connections


async def test_a_client_connects_when_it_is_asked_and_again_after_a_failure(named, bazaar):
    client = AsyncClient(**named)
    assert bazaar.opened == 0
    bazaar.fails_to_open = ChainUnreachable("no endpoint answers")
    with pytest.raises(ChainUnreachable):
        await client.run(IMAGE)
    deal = await client.run(IMAGE)
    await client.aclose()
    assert (bazaar.opened, bazaar.closed) == (1, 1)
    assert (await deal.status()).tasks  # connects anew
    await client.aclose()
    await client.aclose()
    assert (bazaar.opened, bazaar.closed) == (2, 2)


async def test_a_client_that_is_dropped_lets_go_of_its_connections(named, bazaar):
    client = AsyncClient(**named)
    deal = await client.run(IMAGE)
    del client
    gc.collect()
    assert (await deal.result()).output == b"whale 42\n"  # whoever has a handle has the client
    del deal
    gc.collect()
    await bazaar.all_closed.wait()
    assert (bazaar.opened, bazaar.closed) == (1, 1)


async def test_a_sponsor_pays_for_what_a_client_buys(client, bazaar, tmp_path):
    key = bytes([77] * 32)
    stored = import_wallet(tmp_path / "company", key.hex(), "pass", cost=1024)
    company = Wallet.from_key(key).address
    await client.requester()
    bazaar.market.chain.fund(company, stake=5 * RLC, coin=10**18)
    before = bazaar.market.chain.state.stake_of(bazaar.market.wallet.address)
    deal = await client.run(IMAGE, sponsor=Sponsor(stored.path, password="pass"))
    assert (deal.deal.sponsor, deal.deal.requester) == (company, bazaar.market.wallet.address)
    assert bazaar.market.chain.state.stake_of(bazaar.market.wallet.address) == before
    assert (await deal.result()).files
    with pytest.raises(WrongPassword):
        await client.run(IMAGE, "other", sponsor=Sponsor(stored.path, password="guess"))
