"""Whether workers would agree: told here, before anything is paid, with the name of what differs."""

from __future__ import annotations

import sys
import threading

import cloudpickle
import pytest

from poolhand import AsyncClient, Client
from poolhand.client.functions.agreement import (
    NotTheSame,
    TrialFailed,
    check_agreement,
    differences,
)
from poolhand.client.functions.errors import Unpicklable


@pytest.fixture(autouse=True)
def _travels():
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


@pytest.fixture
def client(named):
    with Client(**named) as made:
        yield made


class Tagged:
    """Pickles to something else in every process."""

    def __reduce__(self):
        import os

        return str, (os.getpid(),)


class Fresh:
    """Is made anew where it is unpickled."""

    def __setstate__(self, state):
        import os

        self.pid = os.getpid()

    def __getstate__(self):
        return {"pid": getattr(self, "pid", 0)}


def everything(words):
    import datetime as dt
    import random
    import time

    seen = {word.upper() for word in words} | {frozenset(words)}
    return {
        "set": seen,
        "order": list({word.upper() for word in words}),
        "time": time.time(),
        "day": dt.datetime.now(dt.UTC).isoformat(),
        "chance": random.random(),
    }


def test_what_is_fixed_does_not_differ_and_is_told(client, bazaar):
    report = client.check(everything, ["alpha", "beta", "gamma", "delta"])
    assert (report.value["time"], report.raised) == (1577836800.0, "")
    assert report.value["day"] == "2020-01-01T00:00:00+00:00"
    assert report.depends_on == ("hash seed", "clock")
    assert bazaar.opened == 0


def test_what_a_function_raises_is_compared_too(client):
    assert (
        client.check(divmod, 1, 0).raised == "ZeroDivisionError: integer division or modulo by zero"
    )
    assert client.check(divmod, 7, 2).depends_on == ()


def test_the_part_of_the_value_that_differs_is_named(client):
    def odd():
        import os

        return {"good": [1, 2], "rows": [("a", 1), ("b", os.getpid())]}

    with pytest.raises(NotTheSame, match=r"the value\['rows'\]\[1\]\[1\] was \d+ in one") as told:
        client.check(odd)
    assert told.value.one != told.value.other
    assert "trust 1" in told.value.next_step


def test_an_argument_that_differs_is_named(client):
    with pytest.raises(NotTheSame, match="argument 2, pickled"):
        client.check(lambda _one, _two: 1, 1, Fresh())
    with pytest.raises(NotTheSame, match="argument 'tag', pickled"):
        client.check(lambda tag: 1, tag=Fresh())


def test_what_does_not_travel_is_told_as_ever(client):
    with pytest.raises(Unpicklable):
        client.check(id, threading.Lock())


def test_a_run_that_comes_to_nothing_says_so_and_that_nothing_was_paid(client):
    import os
    import time

    for function, args, told in (
        (os._exit, (3,), "its process ended with status 3"),
        (lambda: (each for each in ()), (), "its value could not come back"),
    ):
        with pytest.raises(TrialFailed, match=told) as failed:
            client.check(function, *args)
        assert "Nothing was paid (next: you: " in str(failed.value)
    with pytest.raises(TrialFailed, match=r"had not ended after 0\.01 seconds"):
        check_agreement(time.sleep, (60,), {}, longest=0.01)


async def test_the_same_on_asyncio(named):
    async with AsyncClient(**named) as client:
        assert (await client.check(pow, 2, 3)).value == 8


class Point:
    def __init__(self, x):
        self.x = x


@pytest.mark.parametrize(
    ("one", "other", "where"),
    [
        (1, 1, None), (1, 1.0, "v"), ({"a": [1]}, {"a": [2]}, "v['a'][0]"), ([1], [1, 2], "v"),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, "v"), (Point(1), Point(2), "v.x"), ({1, 2}, {2, 1}, None),
        (Point(1), Point(1), None), ("a", "b", "v"), (float("nan"), float("nan"), None),
    ],
)  # fmt: skip
def test_where_two_values_differ(one, other, where):
    assert next((path for path, *_ in differences(one, other, "v")), None) == where
