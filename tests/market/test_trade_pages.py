"""Pages of what was bought: a deal, its tasks, and the accounts that pay and are paid."""

from __future__ import annotations

from market_world import (
    BUYER,
    POOL_OWNER,
    STRANGER,
    app_order,
    pool_order,
    request_order,
)
from page_world import (
    ANSWERS,
    bought,
    confidential,
    database_url,
    enclaves,
    news,
    registered,
    shown,
)

from poolhand.domain.hashes import task_id
from poolhand.domain.ids import Address
from poolhand.domain.onchain import EventKind
from poolhand.domain.reward import KITTY
from poolhand.market.api.accounts import MOST_EARNINGS

__all__ = ["bought", "database_url"]


async def test_a_task_tells_blocks_waits_workers_money_and_the_result(bought):
    text = await shown(bought, f"/pages/tasks/{bought.task}")
    told = ("Initialized by the pool", "A worker contributed", "Finalized", "after 1 s", "agrees")
    for words in (*told, "0.75 RLC", "1.500000005 RLC", 'href="https://results.example/r.zip"'):
        assert words in text, words
    assert str(STRANGER.address) in text


async def test_a_result_that_is_no_address_of_the_web_is_told_and_never_a_link(bought):
    task = bought.chain.initialize(bought.deal, 1)
    link = b'{"location": "javascript:alert(1)"}'
    bought.chain.happen(EventKind.TASK_FINALIZE, task, results=link)
    await bought.mine()
    text = await shown(bought, f"/pages/tasks/{task}")
    assert "javascript:alert(1)" in text
    assert 'href="javascript' not in text


async def test_a_deal_lists_its_tasks_and_links_those_that_began(bought):
    text = await shown(bought, f"/pages/deals/{bought.deal.deal_id}")
    waiting = task_id(bought.deal.deal_id, 1)
    assert f'href="/pages/tasks/{bought.task}"' in text
    assert str(waiting) in text
    assert f'href="/pages/tasks/{waiting}"' not in text


async def test_a_task_leads_to_what_its_pool_tells_and_a_line_to_type(bought):
    line = f"<code>poolhand task show {bought.task}</code>"
    alone = await shown(bought, f"/pages/tasks/{bought.task}")
    assert line in alone
    assert "own answer" not in alone
    await registered(bought, "https://lab.example", ANSWERS)
    text = await shown(bought, f"/pages/tasks/{bought.task}")
    assert f'href="https://lab.example/v1/tasks/{bought.task}"' in text
    assert line in text


async def test_money_is_told_by_what_its_owner_is_to_the_task(bought):
    failed = bought.chain.initialize(bought.deal, 1)
    bought.chain.happen(EventKind.TASK_CLAIMED, failed)
    bought.chain.seize(POOL_OWNER.address, 450_000_000, failed)
    bought.chain.pay(KITTY, 450_000_000, failed)
    await bought.mine()
    done = await shown(bought, f"/pages/tasks/{bought.task}")
    assert "paid for the task" in done
    assert "was paid" in done
    text = await shown(bought, f"/pages/tasks/{failed}")
    assert "lost stake" in text
    assert "kitty of what nobody claims" in text


async def test_who_must_act_is_told_with_the_line_to_type(market):
    market.chain.create_category(1, "Blink", 1)  # a task of it can be claimed after ten seconds
    for owner in (POOL_OWNER, BUYER):
        market.chain.deposit(owner.address, 10**12)
    await market.mine()
    orders = app_order(), pool_order(category=1), request_order(category=1)
    for order in orders:
        await market.published(order)
    deal = market.match(*orders, 1)
    await market.mine()
    task = market.chain.initialize(deal, 0)
    for _ in range(11):
        await market.mine()
    text = await shown(market, f"/pages/tasks/{task}")
    assert f"<code>poolhand task claim {task}</code>" in text
    assert "`" not in text.split("<main", 1)[1]


async def test_a_deal_tells_category_and_trust_in_words(bought):
    text = await shown(bought, f"/pages/deals/{bought.deal.deal_id}")
    assert "0 · XS" in text
    assert "each task computes up to 5 min" in text
    assert "the word of one worker" in text


async def test_an_account_shows_stake_locks_and_earnings_with_a_plot(bought):
    text = await shown(bought, f"/pages/accounts/{STRANGER.address}")
    assert "0.75 RLC" in text
    assert '<rect class="earned"' in text
    assert f'href="/pages/tasks/{bought.task}"' in text
    buyer = await shown(bought, f"/pages/accounts/{BUYER.address}")
    assert "requester" in buyer  # one task is open, and locks its price
    assert "1.500000005 RLC" in buyer
    nobody = await shown(bought, "/pages/accounts/0x" + "00" * 19 + "99")
    assert "nothing by tasks" in nobody


async def test_sums_of_a_long_past_are_told_to_be_of_its_newest_part(bought):
    whole = await shown(bought, f"/pages/accounts/{STRANGER.address}")
    assert '<dd>0.75 RLC</dd><dd class="faint">by tasks</dd>' in whole
    for _ in range(MOST_EARNINGS):
        bought.chain.pay(STRANGER.address, 10**9, bought.task)
    await bought.mine()
    text = await shown(bought, f"/pages/accounts/{STRANGER.address}")
    assert '<dd>2,000 RLC</dd><dd class="faint">by tasks, since 2023-11-14</dd>' in text


async def test_an_account_can_be_looked_at_while_the_chain_is_out_of_reach(bought):
    bought.chain.outage = True
    text = await shown(bought, f"/pages/accounts/{STRANGER.address}")
    assert "the chain is out of reach" in text
    assert "0.75 RLC" in text


async def test_a_confidential_deal_and_task_say_so_with_what_the_pool_says_of_the_enclave(bought):
    deal, task = await confidential(bought)
    pages = f"/pages/deals/{deal.deal_id}", f"/pages/tasks/{task}"
    for page in pages:
        text = await shown(bought, page)
        assert "In an enclave (tdx)" in text
        assert "does not say whether it takes simulated ones" in text
    await registered(bought, "https://lab.example", enclaves(simulated=True))
    enclave = str(Address(b"\x0e" * 20))
    told = {"framework": "tdx", "enclave": enclave, "simulated": True}
    bought.pools.answers[f"/v1/tasks/{task}"] = news(task, confidential=told)
    for page in pages:
        await shown(bought, page)
    await bought.register.words.ask_some()
    for page in pages:
        text = await shown(bought, page)
        assert '<span class="badge warn">simulated</span>' in text
        assert enclave in text
    usual = await shown(bought, f"/pages/deals/{bought.deal.deal_id}")
    assert "Confidential" not in usual


async def test_a_deal_of_a_pool_that_takes_no_simulation_says_so(bought):
    deal, _ = await confidential(bought)
    await registered(bought, "https://lab.example", enclaves(simulated=False))
    text = await shown(bought, f"/pages/deals/{deal.deal_id}")
    assert "takes no simulated ones" in text
    assert "page of the task tells the address" in text
