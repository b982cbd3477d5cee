"""What a devnet that runs tells of itself, read from its folder."""

from __future__ import annotations

import json

import pytest

from poolhand.devnet.info import HOME_VARIABLE, INFO_FILE, DevnetAccount, DevnetInfo

FOUR = ("deployer", "pool", "requester", "worker-1")


@pytest.fixture
def told(cli, tmp_path, monkeypatch):
    """Return what ``devnet info`` shows of a devnet with such accounts and adversaries."""

    def shown(*accounts, adversaries=()):
        whole = {name: DevnetAccount("0x" + "11" * 20, "key", "password") for name in accounts}
        info = DevnetInfo(
            "http://node", 31337, "0xhub", "0xrlc", {}, "0xpool", "http://pool", "http://market",
            "http://market/pages", "http://results", "registry", "http://files", "files",
            {"8": "/sdk/8/chain.json", "9": "/sdk/9/chain.json"}, whole,
            dict.fromkeys(adversaries, "wrong-hash"),
        )  # fmt: skip
        (tmp_path / INFO_FILE).write_text(json.dumps(info.dump()), encoding="utf-8")
        monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
        monkeypatch.setenv("COLUMNS", "80")
        return cli("devnet", "info").out

    return shown


def test_a_devnet_without_workers_says_that_nothing_is_sold_and_what_to_do(told):
    shown = told(*FOUR[:3])
    assert "nothing is sold until one is connected" in shown
    assert "`poolhand devnet up --workers 4`" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_devnet_with_workers_or_adversaries_does_not(told):
    assert "nothing is sold" not in told(*FOUR)
    assert "nothing is sold" not in told(*FOUR[:3], "liar-1", adversaries=("liar-1",))


def test_the_pages_and_what_each_iexec_sdk_reads_are_told(told):
    shown = told(*FOUR)
    assert "http://market/pages" in shown
    assert "/sdk/8/chain.json" in shown
    assert "/sdk/9/chain.json" in shown
