"""joblib on the network: what is parallel in programs that were never made for it."""

from __future__ import annotations

import json
import math

import pytest
from function_world import FunctionWorkers
from joblib import Parallel, delayed, parallel_config

from asked_registry import FUNCTIONS_IMAGE
from poolhand import Client, register_joblib
from poolhand.client.joblib_backend import JOBS_AT_ONCE, JoblibBackend

SCIENCE_IMAGE = FUNCTIONS_IMAGE.replace(":1.0", ":science")


@pytest.fixture
def client(named, bazaar, tmp_path):
    bazaar.does = FunctionWorkers(tmp_path / "tasks")
    with Client(**named, functions=FUNCTIONS_IMAGE) as made:
        register_joblib(made)
        yield made


def test_what_joblib_runs_in_parallel_runs_on_the_network(client, bazaar):
    with parallel_config(backend="poolhand", n_jobs=4):
        found = Parallel()(delayed(math.sqrt)(each * each) for each in range(12))
    assert found == [float(each) for each in range(12)]
    assert 1 <= bazaar.market.deals <= 12
    assert client.budget.spent > 0


def test_scikit_learns_grid_search_computes_on_the_network_what_it_does_here(client, bazaar):
    from sklearn.datasets import load_iris
    from sklearn.linear_model import RidgeClassifier
    from sklearn.model_selection import GridSearchCV, cross_val_score

    flowers, kinds = load_iris(return_X_y=True)
    wanted = {"alpha": [0.1, 10.0, 1000.0]}
    here = GridSearchCV(RidgeClassifier(), wanted, cv=3).fit(flowers, kinds)
    assert client.submit(abs, -1).result() == 1  # the market is open
    bazaar.market.leave_inputs()
    with parallel_config(backend="poolhand", n_jobs=4, image=SCIENCE_IMAGE):
        there = GridSearchCV(RidgeClassifier(), wanted, cv=3).fit(flowers, kinds)
        scores = cross_val_score(RidgeClassifier(), flowers, kinds, cv=3)
    assert there.best_params_ == here.best_params_
    assert list(there.cv_results_["mean_test_score"]) == list(here.cv_results_["mean_test_score"])
    assert list(scores) == list(cross_val_score(RidgeClassifier(), flowers, kinds, cv=3))
    assert bazaar.market.deals > 1


def test_what_a_call_raises_ends_the_parallel(client):
    with parallel_config(backend="poolhand", n_jobs=2), pytest.raises(ZeroDivisionError):
        Parallel()(delayed(divmod)(1, each) for each in (1, 0, 2))


@pytest.mark.parametrize(("seconds", "largest"), [(60.0, 1), (0.001, 4)])
def test_batches_grow_by_what_they_compute_and_not_by_what_they_wait(
    client, bazaar, seconds, largest
):
    made = []

    def says(files):
        told = json.loads(files["measured.json"])
        made.append(len(told["seconds"]))
        told["seconds"] = [seconds] * made[-1]
        return {**files, "measured.json": json.dumps(told).encode()}

    bazaar.does.alter = says
    with parallel_config(backend="poolhand", n_jobs=2):
        Parallel(pre_dispatch=1)(delayed(abs)(each) for each in range(15))
    assert max(made) == largest
    assert sum(made) == 15


def test_terms_come_from_the_config(client, bazaar):
    with parallel_config(backend="poolhand", n_jobs=-1, category=1):
        assert Parallel(batch_size=5)(delayed(abs)(-each) for each in range(5)) == [0, 1, 2, 3, 4]
    assert [deal.category for deal in bazaar.market.chain.state.deals.values()] == [1]


def test_how_many_batches_are_under_way_is_said_as_joblib_says_it(client):
    backend = JoblibBackend(client, {})
    assert [backend.effective_n_jobs(each) for each in (None, 3, -1)] == [1, 3, JOBS_AT_ONCE]
    with pytest.raises(ValueError, match="no meaning"):
        backend.effective_n_jobs(0)
    with pytest.raises(RuntimeError, match="not configured"):
        backend.submit(None)
