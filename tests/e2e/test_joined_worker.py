"""A computer joins the pool of a running devnet by one command, computes, is paid, and leaves."""

from __future__ import annotations

from e2e_world import WEB, others_paused, wait_until

from poolhand.domain.doctor.machine import usual_slots
from poolhand.domain.ids import Address
from poolhand.keys.stored import list_wallets
from poolhand.observe.processors import usable_cpus

TASK_STAKE = 3 * 10**8
"""nRLC that a task of the pool's cheapest category locks."""


def test_a_fresh_computer_joins_computes_is_paid_and_leaves(network, tmp_path):
    secret, home = tmp_path / "secret", tmp_path / "home"
    secret.write_text("sesame open\n")
    home.mkdir()
    at_home = {"HOME": str(home), "POOLHAND_HOME": str(tmp_path / "no-devnet")}
    words = ("join", network.info.pool_url, "--yes", "--password-file", str(secret))
    try:
        joined = network.ok(*words, **at_home)
        wallet = Address.parse(joined["wallet"])
        assert joined["all_set"]
        workers = f"{network.info.pool_url}/v1/workers"
        wait_until(lambda: str(wallet) in [each["worker"] for each in WEB.get(workers).json()])
        before = network.ok("account", "show", str(wallet))
        assert before["stake_nrlc"] == usual_slots(usable_cpus()) * TASK_STAKE
        with others_paused(network):
            bought = network.ok("run", network.image("fractal"), "--args", "--seed 5")
        (replicate,) = bought["tasks"][0]["replicates"]
        assert (replicate["worker"], replicate["status"]) == (str(wallet), "COMPLETED")
        after = network.ok("account", "show", str(wallet))
        assert after["stake_nrlc"] > before["stake_nrlc"]
        assert network.ok(*words, **at_home)["page"] == joined["page"]  # it was left alone
    finally:
        gone = network.cli(*words, "--uninstall", "--json", **at_home)
    assert gone.code == 0, gone
    assert not (home / ".poolhand").exists()
    assert [each.address for each in list_wallets(home / ".ethereum/keystore")] == [wallet]
