"""``client.executor()`` passes what CPython asks of its own executors; what is left out says why."""

from __future__ import annotations

import asyncio
import gc
import unittest

import cloudpickle
import pytest
from bargains import LINK, contribute, finalize, reveal
from client_world import put_on_chain
from cpython_executor_tests import HOMES, NoTestsOfPython, mixin
from function_world import FunctionWorkers, zipped

from asked_registry import FUNCTIONS_IMAGE
from poolhand import Client

BY_THE_CLOCK = (
    "which of two calls ends first is told by seconds, which a busy machine does not keep"
)
BY_NAME = "it names an executor of the standard library in a program of its own"
CHOSEN = {
    "ExecutorTest": [
        "test_submit", "test_submit_keyword", "test_map", "test_map_exception",
        "test_shutdown_race_issue12456", "test_no_stale_references", "test_free_reference",
    ],
    "WaitTests": [
        "test_20369", "test_first_completed_some_already_completed",
        "test_first_exception_one_already_failed", "test_all_completed",
    ],
    "AsCompletedTests": [
        "test_no_timeout", "test_zero_timeout", "test_future_times_out", "test_duplicate_futures", "test_free_reference_yielded_future",
        "test_correct_timeout_exception_msg",
    ],
    "ExecutorShutdownTest": ["test_run_after_shutdown", "test_hang_issue12364"],
}  # fmt: skip
LEFT_OUT = {
    "test_map_timeout": "it waits for five seconds",
    "test_max_workers_negative": "nobody says how many workers a network has",
    "test_first_completed": BY_THE_CLOCK,
    "test_first_exception": BY_THE_CLOCK,
    "test_first_exception_some_already_complete": BY_THE_CLOCK,
    "test_timeout": "it waits for five seconds",
    "test_interpreter_shutdown": BY_NAME,
    "test_submit_after_interpreter_shutdown": BY_NAME,
    "test_hang_gh83386": BY_NAME,
    "test_cancel_futures": "it wants some begun: here all fifty wait to be bought, and are cancelled",
    "test_map_args": "of Python 3.14, whose map has a buffer size",
}


class WorkersAtOnce(FunctionWorkers):
    """Workers that compute beside each other, and beside the client."""

    def __init__(self, folder):
        super().__init__(folder)
        self.working = set()

    async def __call__(self, market, deal):
        working = asyncio.create_task(self._work(market, deal))
        self.working.add(working)
        working.add_done_callback(self.working.discard)

    async def _work(self, market, deal):
        await put_on_chain(market, deal)
        await asyncio.gather(*(self._do(market, deal, *task) for task in deal.tasks()))

    async def _do(self, market, deal, index, task_id):
        files = await asyncio.to_thread(self.compute, deal, index, {})
        market.results.archives[task_id] = zipped(files)
        await contribute(market, task_id, files["result.bin"])
        await reveal(market, task_id, files["result.bin"])
        await finalize(market, task_id, LINK)


def found(name):
    try:
        return mixin(name)
    except NoTestsOfPython as fault:
        pytest.skip(str(fault))


@pytest.fixture
def client(named, bazaar, tmp_path):
    bazaar.does = WorkersAtOnce(tmp_path / "tasks")
    with Client(**named, functions=FUNCTIONS_IMAGE) as made:
        yield made


@pytest.fixture
def little_to_collect():
    """Spare tests that collect garbage again and again a look at what other tests have left."""
    gc.collect()
    gc.freeze()


@pytest.mark.usefixtures("little_to_collect")
@pytest.mark.parametrize(("name", "test"), [(n, each) for n in CHOSEN for each in CHOSEN[n]])
def test_of_cpython(client, name, test):
    tests, module = found(name)
    if not hasattr(tests, test):
        pytest.skip("this Python has no such test")
    cloudpickle.register_pickle_by_value(module)
    case = type("NetworkTest", (tests, unittest.TestCase), {"worker_count": 5})(test)
    case.executor_type, case.executor = type(client.executor()), client.executor()
    try:
        getattr(case, test)()
        case.executor.shutdown()
    finally:
        cloudpickle.unregister_pickle_by_value(module)


@pytest.mark.parametrize("name", HOMES)
def test_what_is_left_out_says_why(name):
    tests, _ = found(name)
    asked = {each for each in vars(tests) if each.startswith("test_")}
    assert asked - LEFT_OUT.keys() <= set(CHOSEN[name])
