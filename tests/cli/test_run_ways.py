"""How ``poolhand run`` ends, and what it says: bought by either, refused, or somebody away."""

from __future__ import annotations

import asyncio
import re

import pytest

from market_stall import RIVAL
from poolhand.domain.units import Wei
from poolhand.keys.keystore import import_wallet
from poolhand.keys.wallet import Wallet
from requester_market import IMAGE, POOL_URL, RLC

FOR_NOTHING = {"fee": 0, "most_params": 1024}
ELSEWHERE = "0xB2157BF2fAb286b2A4170E3491Ac39770111Da3E"


def test_who_sent_the_purchase_is_told_to_people_and_to_programs(cli):
    cli.market.pool.sends = FOR_NOTHING
    ran = cli("run", IMAGE, "--no-wait")
    assert f"the pool at {POOL_URL} sent the purchase and paid its gas" in ran.err
    assert f"sent by  the pool at {POOL_URL}," in ran.out
    told = cli("run", IMAGE, "--no-wait", "--again", "--json").json
    assert (told["sent_by"], told["why_not_by_pool"], told["transaction"]) == (POOL_URL, None, None)
    told = cli("run", IMAGE, "--no-wait", "--again", "--by-myself", "--json").json
    assert (told["sent_by"], told["why_not_by_pool"]) == (None, None)
    assert told["transaction"]["tx"].startswith("0x")
    cli.market.pool.will_not_send = (429, "too-many-purchases", "60 purchases were sent: wait")
    told = cli("run", IMAGE, "--no-wait", "--again", "--json").json
    assert told["sent_by"] is None
    assert "60 purchases were sent: wait" in told["why_not_by_pool"]


def test_a_pools_refusal_comes_with_the_markets_list(cli, shop):
    asyncio.run(shop.sell_pool(RLC, by=RIVAL))
    cli.market.pool.refuses = (400, "trust-out-of-reach", "trust 9 is out of reach: ask for 2")
    ran = cli("run", IMAGE, "--trust", "9", "--no-wait", "--json")
    assert (ran.code, ran.error["code"]) == (2, "pool-refused")
    first, *others = ran.error["message"].splitlines()
    assert "trust 9 is out of reach: ask for 2" in first
    assert any(f"pool {shop.rival} at 1 RLC" in each for each in others)
    ran = cli("run", IMAGE, "--trust", "9", "--no-wait")
    assert f"pool {shop.rival} at 1 RLC" in ran.err
    assert cli.market.deals == 0


def test_a_market_that_is_away_is_told_where_a_known_pool_sells(cli):
    ran = cli("run", IMAGE, "--no-wait")
    assert ran.code == 0
    (told,) = (line for line in ran.err.splitlines() if "market away" in line)
    assert "the market at http://market.test does not answer" in told


def test_a_named_pool_that_is_away_is_told_with_who_must_act(cli, shop):
    asyncio.run(shop.sell_pool(RLC, by=RIVAL))
    ran = cli("run", IMAGE, "--pool-url", "http://nowhere.test", "--no-wait", "--json")
    assert (ran.code, ran.error["code"]) == (4, "pool-down")
    first, second = ran.error["message"].splitlines()
    assert "http://nowhere.test does not answer" in first
    assert f"for 1 RLC a task, from workerpool {shop.rival}: to buy there, name no pool" in second


@pytest.mark.parametrize("flags", [(), ("--deposit",)])
def test_a_wallet_that_cannot_deposit_what_lacks_is_told_how_much_to_get_and_how(cli, flags):
    assert cli("wallet", "send", "900RLC", ELSEWHERE, "--yes").code == 0
    ran = cli("run", IMAGE, "--tasks", "160", "--no-wait", "--json", *flags)
    assert (ran.code, ran.error["code"]) == (2, "stake-too-low")
    told, wallet = ran.error["message"], cli.market.wallet.address
    assert "has 100 RLC of free stake and lacks 220" in told
    assert f"have 120 RLC sent to it (`poolhand devnet faucet {wallet} --rlc 120`" in told
    assert cli.market.deals == 0


def test_without_coin_an_image_is_not_registered_and_an_app_is_bought_by_its_address(cli):
    app = asyncio.run(cli.market.app())
    cli.market.pool.sends = FOR_NOTHING
    cli.market.chain.fund(cli.market.pool.owner.address, coin=Wei(10**9))
    cli.market.chain.gas_price = Wei(1)
    ran = cli("run", IMAGE.replace("words", "fractal"), "--no-wait", "--json")
    assert (ran.code, ran.error["code"]) == (2, "out-of-gas")
    assert "by its address instead of an image" in ran.error["message"]
    assert cli("run", str(app), "--no-wait", "--json").json["sent_by"] == POOL_URL


def test_the_command_line_names_a_sponsor_and_tells_who_paid(cli, tmp_path):
    market, key = cli.market, bytes([77] * 32)
    company = Wallet.from_key(key).address
    market.chain.fund(company, stake=10 * RLC, coin=Wei(10**18))
    stored = import_wallet(tmp_path / "company", key.hex(), "pass", cost=1024)
    (tmp_path / "pw").write_text("pass\n")
    named = ("--sponsor", str(stored.path), "--sponsor-password-file", str(tmp_path / "pw"))
    ran = cli("run", IMAGE, "--no-wait", *named)
    assert ran.code == 0, ran.err
    assert f"{company} pays for it" in ran.err
    assert re.search(rf"paid by +{company}", ran.out)
    told = cli("run", IMAGE, "--no-wait", "--again", *named, "--json").json
    assert told["sponsor"] == str(company)
    shown = cli("deal", "show", told["deal_id"])
    assert str(company) in shown.out
    ran = cli("run", IMAGE, "--no-wait", "--again", "--by-signature", *named, "--json")
    assert (ran.code, ran.error["code"]) == (2, "bad-sponsor")


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        (("tok",), "no secret by a number"),
        (("one=tok",), "no secret by a number"),
        (("1=",), "no secret by a number"),
        (("1=tok", "1=other"), "a number of its own"),
        (("1=tok",), "confidential tasks alone"),
    ],
)
def test_secrets_of_a_run_are_named_by_numbers_and_for_confidential_tasks(cli, typed, why):
    words = [word for each in typed for word in ("--secret", each)]
    ran = cli("run", IMAGE, *words, "--no-wait")
    assert ran.code == 2
    assert why in ran.err
