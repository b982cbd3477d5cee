"""What iExec's SDK 8.24.0 and 9.0.0 cannot do here, in the words that its user reads.

Poolhand has no secret management service yet: whatever asks whether a secret is there is told that
it is not, and none is taken, but the key to which results are encrypted (``test_sdk_results.py``).
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
NO_SECRETS = "SMS answered with unexpected status: 404 Not Found"


@pytest.mark.iexec("storage check", "storage init", "requester check-secret")
@pytest.mark.iexec("app check-secret", "dataset check-secret")
@pytest.mark.iexec("app push-secret", "dataset push-secret", "requester push-secret")
def test_no_secret_is_there_and_none_is_taken(trades):
    def check(trade):
        seller, app, data = trade.seller, trade.app.address, trade.dataset.address
        (seller.folder / "secret.txt").write_text("a secret", encoding="utf-8")
        file, value = ("--secret-path", "secret.txt"), ("--secret-value", "a secret")
        asked = {
            ("storage", "check", "dropbox"): "isInitialized",
            ("app", "check-secret", app): "isSecretSet",
            ("dataset", "check-secret", data): "isSecretSet",
            ("requester", "check-secret", "key"): "isSet",
        }
        told = {words: seller.ok(*words)[member] for words, member in asked.items()}
        assert told == dict.fromkeys(asked, False)
        pushed = [
            ("storage", "init", "dropbox", "--token", "a token"),
            ("app", "push-secret", app, *value),
            ("dataset", "push-secret", data, *file),
            ("requester", "push-secret", "key", *value),
        ]
        if trade.generation == "8":  # it logs in for a token of the results' own before it pushes
            pushed.append(("storage", "init"))
        refused = {words: seller.refused(*words) for words in pushed}
        assert refused == dict.fromkeys(pushed, NO_SECRETS)

    trades.each(check)


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
