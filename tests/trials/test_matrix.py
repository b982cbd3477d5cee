"""The matrix is whole, and a seed repeats its choice."""

from __future__ import annotations

from itertools import pairwise, product
from pathlib import Path

import pytest
from chaos.matrix import HAPPY, Fault, Moment, Victim, all_cells, chosen, fixed, sample, shuffled

from poolhand.domain.replicate.events import Flow
from poolhand.domain.replicate.status import EDGES, Status

CELLS = all_cells()


def test_every_victim_meets_every_fault_at_every_boundary_of_both_flows():
    met = {(cell.flow, cell.victim, cell.fault, cell.status) for cell in CELLS}
    wanted = {
        (flow, *each)
        for flow, statuses in HAPPY.items()
        for each in product(Victim, Fault, statuses)
    }
    assert met == wanted
    assert len({cell.name for cell in CELLS}) == len(CELLS)


@pytest.mark.parametrize("flow", Flow)
def test_the_statuses_of_a_flow_follow_one_another(flow):
    way = HAPPY[flow][:-1]
    assert all(after in EDGES[before] for before, after in pairwise(way))
    assert HAPPY[flow][-1] is Status.RECOVERING


def test_a_worker_is_struck_before_and_after_what_it_writes_down():
    found = {
        cell.moment
        for cell in CELLS
        if (cell.victim, cell.status) == (Victim.WORKER, Status.CONTRIBUTED)
    }
    assert found == {Moment.BEFORE, Moment.AFTER}


def test_a_seed_repeats_order_and_choice():
    assert shuffled(CELLS, 5) == shuffled(CELLS, 5) != shuffled(CELLS, 6)
    assert sample(CELLS, 5, 20) == sample(CELLS, 5, 20) != sample(CELLS, 6, 20)
    assert set(shuffled(CELLS, 5)) == set(CELLS)


def test_the_pool_changes_its_flow_once():
    flows = [cell.flow for cell in shuffled(CELLS, 9)]
    assert sum(a is not b for a, b in pairwise(flows)) == 1


def test_cells_are_chosen_by_their_words():
    found = chosen(CELLS, "worker,kill,COMPUTING")
    assert {cell.flow for cell in found} == set(Flow)
    assert all(
        (c.victim, c.fault, c.status) == (Victim.WORKER, Fault.KILL, Status.COMPUTING)
        for c in found
    )
    with pytest.raises(ValueError, match="no cell"):
        chosen(CELLS, "worker,COMPUTER")


def test_the_smaller_set_has_every_victim_and_every_fault():
    assert {cell.victim for cell in fixed()} == set(Victim)
    assert {cell.fault for cell in fixed()} == set(Fault)
    assert {cell.flow for cell in fixed()} == set(Flow)


def test_the_page_tells_how_many_cells_there_are():
    page = (Path(__file__).parents[2] / "docs" / "chaos.md").read_text(encoding="utf-8")
    assert f"| cells | {len(CELLS)};" in page
