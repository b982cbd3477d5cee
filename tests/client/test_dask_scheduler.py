"""Dask on the network: a graph's tasks are calls, and what they come to is what Dask finds itself."""

from __future__ import annotations

import operator
from functools import partial

import dask
import pytest
from dask import delayed
from function_world import FunctionWorkers

from asked_registry import FUNCTIONS_IMAGE
from poolhand import Client
from poolhand.client.functions.errors import NoSuchModule, RemoteTraceback

DASK_IMAGE = FUNCTIONS_IMAGE.replace(":1.0", ":dask")


@pytest.fixture
def client(named, bazaar, tmp_path):
    bazaar.does = FunctionWorkers(tmp_path / "tasks")
    with Client(**named, functions=DASK_IMAGE) as made:
        yield made


def graph(to=7):
    """Squares, then their sum in pairs, then all of it."""
    squares = [delayed(pow)(each, 2) for each in range(to)]
    pairs = [delayed(operator.add)(a, b) for a, b in zip(squares[::2], squares[1::2], strict=False)]
    return delayed(sum)([*pairs, squares[-1]])


def test_a_graph_comes_to_what_it_comes_to_here(client, bazaar):
    (found,) = dask.compute(graph(), scheduler=client.dask_get)
    assert found == graph().compute(scheduler="sync") == sum(each * each for each in range(7))
    assert len(bazaar.does.ran) == 11  # a task each
    assert 3 <= bazaar.market.deals <= 11  # what is ready together is bought together
    assert client.budget.spent > 0


def test_several_keys_come_as_they_were_asked_for(client):
    one, two = delayed(abs)(-1), delayed(abs)(-2)
    assert dask.compute(one, [two, one], scheduler=client.dask_get) == (1, [2, 1])


def test_few_tasks_of_a_graph_are_one_task_of_the_network(client, bazaar):
    get = partial(client.dask_get, chunksize=8)
    assert graph().compute(scheduler=get) == 91
    assert len(bazaar.does.ran) <= 4


def test_what_a_task_of_a_graph_raises_is_raised_with_its_traceback(client):
    with pytest.raises(ZeroDivisionError) as raised:
        delayed(divmod)(1, 0).compute(scheduler=client.dask_get)
    assert isinstance(raised.value.__cause__, RemoteTraceback)


def test_an_image_without_dask_is_told_before_anything_is_paid(client, bazaar):
    with pytest.raises(NoSuchModule, match="dask"):
        delayed(abs)(-1).compute(scheduler=partial(client.dask_get, image=FUNCTIONS_IMAGE))
    assert client.budget.spent == 0


def test_terms_are_those_of_an_executor(client, bazaar):
    get = partial(client.dask_get, trust=1, budget="100 RLC", num_workers=2)
    assert delayed(abs)(-3).compute(scheduler=get) == 3
    with pytest.raises(TypeError):
        delayed(abs)(-3).compute(scheduler=partial(client.dask_get, no_such_term=1))
