"""A group of tasks that breaks ends the program.

After a fault, a ``TaskGroup`` leaves its owner asked to cancel before Python 3.13; who goes on uses
``observe.groups.all_of``.
"""

from __future__ import annotations

import ast

from sources import PACKAGE, called, nodes, trees

FOR_EVER = {
    "scheduler/check_queue.py",
    "scheduler/enclave_challenges.py",
    "scheduler/main.py",
    "scheduler/market_sale.py",
    "scheduler/purchases_under_way.py",
    "scheduler/start_up.py",
    "scheduler/transactions.py",
    "worker/main.py",
}
"""What they raise ends the program."""
LEFT_AT_ONCE = {"scheduler/front.py", "store/group.py"}
"""Their owner is left by the same fault, and waits for nothing with a time limit after it."""


def test_who_goes_on_after_a_fault_has_no_task_group():
    found = {
        file
        for file, tree in trees(PACKAGE)
        for node in nodes(tree)
        if isinstance(node, ast.Call) and called(node) == "TaskGroup"
    }
    assert found == FOR_EVER | LEFT_AT_ONCE, "use all_of, or say why the group may be one"
