"""What a demo shows fits 80 columns, and no mark-up is read aloud."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest

from poolhand.cli.demo_page import print_report
from poolhand.cli.terminal import Console

WORKER, TASK = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "0x" + "ab" * 32


def money(stake, locked, wallet):
    return SimpleNamespace(stake=stake, locked=locked, wallet=wallet, total=stake + locked + wallet)


@pytest.fixture
def report(tmp_path):
    (tmp_path / "result.txt").write_text("words\n")
    members = {
        "trust": 10,
        "status": "COMPLETED",
        "flow": "standard",
        "task_id": TASK,
        "deal_id": TASK,
        "consensus": TASK,
        "result_digest": TASK,
        "timeline": {"seconds": 4},
        "replicates": [{"worker": WORKER, "status": "ABORTED_ON_CONSENSUS_REACHED"}],
        "result_folder": str(tmp_path),
    }
    sent = SimpleNamespace(
        what="contributeAndFinalize", sender=WORKER, block=12_345, gas=1_234_567, gas_price=10**10
    )
    task = SimpleNamespace(name="word statistics", members=members, transactions=[sent])
    accounts = {"adversary": SimpleNamespace(address=WORKER)}
    return SimpleNamespace(
        info=SimpleNamespace(accounts=accounts),
        tasks=[task],
        before={"adversary": money(10**15, 0, 10**15)},
        after={"adversary": money(10**15 - 1, 10**12, 10**15)},
        conserved=True,
        kitty=123_456_789,
    )


@pytest.mark.parametrize("width", [80, 100])
def test_a_demo_fits_the_terminal_and_shows_no_mark_up(report, width):
    out = io.StringIO()
    print_report(report, Console(file=out, width=width), 12.0)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert not any(word in out.getvalue() for word in ("[green]", "[bold]", "[dim]", "[/"))
    assert "ABORTED_ON_CONSENSUS_REACHED" in out.getvalue()
    assert any(WORKER in line for line in lines)
