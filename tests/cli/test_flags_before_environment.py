"""Flags of verbs come before whatever is exported."""

from __future__ import annotations

import pytest
from cli_world import CHEAP

from poolhand.keys.keystore import import_wallet


@pytest.fixture
def exported(cli, monkeypatch):
    """Another wallet, its password and another chain, all exported in the shell."""
    other = import_wallet(cli.home / "keystore", "11" * 32, "another", cost=CHEAP)
    monkeypatch.setenv("POOLHAND_WALLET", str(other.path))
    monkeypatch.setenv("POOLHAND_WALLET_PASSWORD", "another")
    monkeypatch.setenv("POOLHAND_RPC", "http://elsewhere.test")
    monkeypatch.setenv("POOLHAND_HUB", "0x" + "5f" * 20)
    return other


@pytest.mark.case("E18")
def test_an_account_by_name_is_that_of_the_devnet_whatever_is_exported(cli, exported):
    shown = cli("wallet", "show", "--as", "requester", "--json").json
    assert shown["address"] != str(exported.address)
    assert cli("account", "deposit", "1", "--as", "requester", "--json").code == 0
    settings = cli.settings[-1]
    assert settings.chain.rpc_urls == ("http://chain.test",)
    assert settings.wallet == shown["keystore"]


@pytest.mark.case("E18")
def test_an_account_by_name_and_a_wallet_are_not_both_taken(cli, exported):
    ran = cli("wallet", "show", "--as", "requester", "--wallet", str(exported.path), "--json")
    assert (ran.code, ran.error["code"]) == (2, "two-wallets")


@pytest.mark.case("E18")
def test_a_chain_by_flag_is_not_changed_by_an_exported_hub(cli, exported):
    cli("account", "show", "--chain", "bellecour")
    chain = cli.settings[-1].chain
    assert (chain.chain_id, chain.hub) != (None, exported.address)
    assert str(chain.hub) == "0x3eca1B216A7DF1C7689aEb259fFB83ADFB894E7f"


@pytest.mark.case("E18")
def test_a_password_file_by_flag_counts_more_than_an_exported_password(cli, exported):
    good = cli.home / "password"
    ran = cli("account", "deposit", "1", "--as", "requester", "--password-file", str(good))
    assert ran.code == 0
