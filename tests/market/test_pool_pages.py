"""Pages of pools: load, price, whether they answer, and the line by which to join."""

from __future__ import annotations

import shlex
from functools import partial
from html import unescape

from market_world import (
    HUB,
    POOL,
    POOL_OWNER,
)
from page_world import ANSWERS, LIVE, bought, database_url, enclaves, registered, shown

from poolhand.domain.ids import Address
from poolhand.domain.market.profiles import POOL_IS_THERE_FOR
from poolhand.domain.market_events import OrderSort
from poolhand.store.market import pools

__all__ = ["bought", "database_url"]


async def test_pools_can_be_looked_at_while_the_chain_is_out_of_reach(bought):
    bought.chain.outage = True
    listed = await shown(bought, "/pages/pools")
    page = await shown(bought, f"/pages/pools/{POOL}")
    assert '"Workers get">–</td>' in listed
    assert "<dt>Workers get</dt><dd>–</dd>" in page
    assert "a share of the price" in page


async def test_a_pool_tells_price_success_time_and_the_line_by_which_to_join(bought):
    for path in ("/pages/pools", f"/pages/pools/{POOL}"):
        text = await shown(bought, path)
        for words in ("Barn", "1.5 RLC", "100 %", "3 s", "99 %"):
            assert words in text, words
    assert f"poolhand worker start --core-url URL --pool-address {POOL}" in text
    assert "not registered here" in text


async def test_a_registered_pool_tells_its_load_and_is_joined_at_its_own_url(bought):
    await registered(bought, "https://lab.example", ANSWERS)
    listed = await shown(bought, "/pages/pools")
    page = await shown(bought, f"/pages/pools/{POOL}")
    for words in ("The lab", "answers", "5 of 8", ">41<", "14 Nov 2023"):
        assert words in listed, words
        assert words in page, words
    assert f"poolhand worker start --core-url https://lab.example --pool-address {POOL}" in page
    assert "In a\nbarn" in page


async def test_a_pool_that_does_not_answer_is_shown_as_unreachable_with_the_reason(bought):
    await registered(bought, "https://lab.example", partial(pools.failed, trouble="no route <b>"))
    assert "unreachable" in await shown(bought, "/pages/pools")
    page = await shown(bought, f"/pages/pools/{POOL}")
    assert "does not answer at https://lab.example: no route &lt;b&gt;" in page


async def test_a_pool_that_was_not_seen_for_a_minute_is_unreachable(bought):
    await registered(bought, "https://lab.example", ANSWERS)
    bought.clock[0] += POOL_IS_THERE_FOR
    page = await shown(bought, f"/pages/pools/{POOL}")
    assert "unreachable" in page
    assert "not seen for a minute" in page
    assert "5 of 8" in page, "what it told last stays"


async def test_a_url_in_a_line_to_be_pasted_is_one_word_to_a_shell(bought):
    url = "https://lab.example/$(touch${IFS}x);`id`'|\"&"
    await registered(bought, url)
    page = unescape(await shown(bought, f"/pages/pools/{POOL}"))
    line = page.split('<pre class="text">', 1)[1].split("</pre>", 1)[0]
    told = ["poolhand", "worker", "start", "--core-url", url, "--pool-address", str(POOL)]
    assert shlex.split(line)[: len(told)] == told
    assert shlex.split(line)[len(told) :] == ["--hub", str(HUB), "--rpc", "RPC"]


async def test_a_pool_with_a_signed_script_is_joined_by_one_line_that_checks_it(bought):
    url, digest = "https://lab.example/$(x)'", "5f" * 32
    told = {"join_script_sha256": digest, "gas_price": 10**9, "latest_tasks": 2}
    live = LIVE.model_copy(update={**told, "latest_earned": 1_980_000_000})
    await registered(bought, url, partial(pools.answered, live=live.model_dump_json()))
    page = unescape(await shown(bought, f"/pages/pools/{POOL}"))
    script, joined, machine, by_hand = [
        each.partition("</pre>")[0] for each in page.split('<pre class="text">')[1:5]
    ]
    download, check, run = script.split(" && ")
    assert shlex.split(download) == ["curl", "-fsSL", f"{url}/join.sh", "-o", "join.sh"]
    assert check == f'echo "{digest}  join.sh" | sha256sum -c'
    assert run == "sh join.sh"
    assert shlex.split(joined) == ["poolhand", "join", url]
    assert shlex.split(machine) == [f"POOL_URL={url}", "make", "vm"]
    assert by_hand.startswith("poolhand worker start")
    assert "The last 2 tasks that were completed paid the workers 1.98 RLC together" in page
    assert "up to 0.00075 coin of the chain" in page
    assert "By script: Windows" in page


async def test_pools_that_answer_lead_the_list(bought):
    newer = Address(b"\xb2" * 20)
    bought.chain.register(OrderSort.WORKERPOOL, newer, POOL_OWNER.address)
    await bought.mine()

    async def places():
        text = await shown(bought, "/pages/pools")
        return text.index(f"pool-{newer}"), text.index(f"pool-{POOL}")

    later, earlier = await places()
    assert later < earlier
    await registered(bought, "https://lab.example", partial(pools.answered, live=""))
    later, earlier = await places()
    assert earlier < later


async def test_pools_tell_which_enclaves_are_proved_and_what_these_do_not_keep(bought):
    await registered(bought, "https://lab.example", enclaves(simulated=False))
    listed = await shown(bought, "/pages/pools")
    page = await shown(bought, f"/pages/pools/{POOL}")
    assert "tdx: <strong>2</strong>" in listed
    for each in (listed, page):
        assert "WireTap, Battering RAM, TEE.fail" in each
        assert "two replicates" in each
        assert "simulated" not in each
    assert "--tag tee,tdx --trust 3" in page


async def test_a_pool_with_simulated_enclaves_says_so_plainly(bought):
    await registered(bought, "https://lab.example", enclaves(simulated=True))
    assert '<span class="badge warn">simulated</span>' in await shown(bought, "/pages/pools")
    page = await shown(bought, f"/pages/pools/{POOL}")
    assert "takes simulated enclaves: nothing is kept secret there" in page
    assert "--accept-simulated-tee" in page


async def test_a_pool_without_enclaves_says_nothing_of_what_they_do_not_keep(bought):
    await registered(bought, "https://lab.example", ANSWERS)
    assert "Confidential" not in await shown(bought, f"/pages/pools/{POOL}")
