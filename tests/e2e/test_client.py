"""Computation from Python on a whole network: bought by one program, which dies, fetched by another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from poolhand import Client
from poolhand.domain.units import NANO_PER_RLC, NanoRlc

PROGRAM = """
import sys
from poolhand import Client

deal = Client(budget="10 RLC").run("devnet/poolhand/fractal:1.0", sys.argv[1].split(), tasks=2)
print(deal.deal_id, flush=True)
for result in deal.results():
    sys.stdin.read()
"""
WORDS = "--width 8 --height 8 --iterations 10"


@pytest.fixture
def environment(network, monkeypatch):
    """What a program has that is started in the folder of the devnet."""
    for name in [name for name in os.environ if name.startswith(("POOLHAND_", "IEXEC_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("POOLHAND_HOME", str(network.home))
    return dict(os.environ)


def test_a_program_that_is_killed_loses_nothing(network, environment, tmp_path):
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, WORDS],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with program:
        deal_id = program.stdout.readline().strip()
        program.send_signal(signal.SIGKILL)
    with Client(account="requester") as client:
        deal = client.attach(deal_id)
        found = sorted(deal.results(tmp_path), key=lambda result: result.index)
        assert [result.index for result in found] == [0, 1]
        for result, proof in zip(found, deal.proof(), strict=True):
            assert result.digest == proof.digest
            assert result.output in [result.read(name) for name in result.files]
            assert (result.save(tmp_path / f"task-{result.index}") / "computed.json").exists()
        assert [str(change) for change in deal.events()][-1] == "task 1: COMPLETED"
        price = deal.cost().price
        assert deal.cost().total == 2 * price > 0
        assert deal.cancel().goes_on == {}


def test_a_budget_is_kept_on_a_network(network, environment):
    with Client(budget=NanoRlc(NANO_PER_RLC // 1000)) as client:
        before = network.ok("account", "show")
        with pytest.raises(Exception, match=r"over the (budget|limit)|costs") as refused:
            client.run("devnet/poolhand/fractal:1.0", WORDS)
        assert refused.value.exit_code == 2
        assert client.budget.spent == client.budget.begun == 0
        assert network.ok("account", "show") == before
