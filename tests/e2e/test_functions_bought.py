"""Functions of a Python program on a whole network: in containers, paid, and proved."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import os
import sys
from poolhand import Client

class Odd(Exception):
    pass

def halves(number):
    import platform
    if number % 2:
        raise Odd(f"{number} is odd")
    return number // 2, platform.node()

client = Client(budget="10 RLC")
if sys.argv[1] == "die":
    print(client.submit(halves, 40).result(), flush=True)
    sys.stdin.read()
print(client.submit(halves, 40).result()[0], client.budget.spent, flush=True)
found = client.map(halves, [2, 4, 6, 7], chunk=2)
print([next(found)[0] for _ in range(3)], flush=True)
try:
    next(found)
except Odd as fault:
    print(fault, "in halves" in str(fault.__cause__), flush=True)
print(client.submit(len, os.urandom(500_000)).result(), flush=True)
client.budget.limit = 0
try:
    client.function(trust=10)(halves).remote(2)
except Exception as fault:
    print(type(fault).__name__, flush=True)
"""


@pytest.fixture
def environment(network, monkeypatch):
    """What a program has that is started in the folder of the devnet."""
    for name in [name for name in os.environ if name.startswith(("POOLHAND_", "IEXEC_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("POOLHAND_HOME", str(network.home))
    return dict(os.environ)


def test_functions_run_in_containers_and_a_program_that_dies_pays_once(
    network, environment, tmp_path
):
    file = tmp_path / "program.py"
    file.write_text(PROGRAM, encoding="utf-8")
    command = [sys.executable, str(file)]
    with subprocess.Popen(
        [*command, "die"], env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as program:
        half, _, host = program.stdout.readline().strip("()\n ").partition(", ")
        program.kill()
    assert half == "20"
    assert host.strip("'") != os.uname().nodename
    done = subprocess.run(
        [*command, "go on"], env=environment, text=True, capture_output=True, check=False
    )
    assert done.stdout.splitlines() == [
        "20 0",  # what was paid by the program that was killed
        "[1, 2, 3]",
        "7 is odd True",
        "500000",
        "PriceTooHigh",
    ], done.stderr
    assert not list(network.home.rglob("inputs/0x*/*"))  # what travelled beside its deal
