"""What iExec's SDK 8.24.0 and 9.0.0 cannot do here, in the words that its user reads.

What needs contracts that stand on iExec's own chains alone is tried
with 8.24.0, for 9.0.0 dropped it.
"""

from __future__ import annotations

import pytest
from sdk_project import at_once
from sdk_trade import address_of

NO_ENS = "Network does not support ENS"
NO_VOUCHER = "option not set and no default value for your chain"
NO_TEE = "No workerpoolorder matching your conditions available in category 0"


@pytest.mark.iexec("app run")
def test_no_enclave_is_for_sale_to_a_stranger_or_to_the_apps_own_owner(trades):
    """Nobody sells the app for one, and where its owner does, no workerpool has any."""

    def check(trade):
        app = trade.app.address
        assert trade.app_order
        words = ("app", "run", app, "--tag", "tee,tdx", "--category", "0", "--force")
        by_owner, by_stranger = at_once(
            lambda: trade.seller.refused(*words), lambda: trade.buyer.refused(*words)
        )
        assert by_owner == NO_TEE
        assert by_stranger.lower() == f"no order available for app {app.lower()}"

    trades.each(check)


@pytest.mark.iexec("ens resolve", "ens lookup", "ens get-owner", "ens register")
@pytest.mark.iexec("voucher show", "voucher authorize", "voucher revoke", "workerpool set-api-url")
@pytest.mark.iexec("wallet bridge-to-sidechain", "wallet bridge-to-mainchain")
def test_what_iexecs_own_chains_have_alone_is_refused_in_plain_words(trades):
    trade = trades.by_generation["8"]
    buyer, me = trade.buyer, address_of(trade.buyer)
    pool = trade.network.info.workerpool
    said = {
        ("ens", "resolve", "name.eth"): NO_ENS,
        ("ens", "lookup", me): NO_ENS,
        ("ens", "get-owner", "name.eth"): NO_ENS,
        ("ens", "register", "name", "--force"): NO_ENS,
        ("workerpool", "set-api-url", "https://pool.example", pool): NO_ENS,
        ("voucher", "show"): f"voucherSubgraphURL {NO_VOUCHER}",
        ("voucher", "authorize", me): f"voucherHubAddress {NO_VOUCHER}",
        ("voucher", "revoke", me): f"voucherHubAddress {NO_VOUCHER}",
        ("wallet", "bridge-to-sidechain", "1", "--force"): "Missing bridge",
        ("wallet", "bridge-to-mainchain", "1", "--force"): "Cannot bridge mainchain to mainchain",
    }
    found = {words: buyer.refused(*words) for words in said}
    assert {words: told[: len(said[words])] for words, told in found.items()} == said, found
