"""The app of functions: equal values to equal bytes, one moment by every clock, and what it refuses."""

from __future__ import annotations

import datetime as dt
import pickle
import random
import sys
import time

from function_world import app
from hypothesis import given, settings
from hypothesis import strategies as st

from many import examples
from poolhand.client.functions.payload import NOTHING, packed, pickled

CANONICAL = app()["canonical"]
CLOCK_AT = app()["clock_at"]
leaves = (
    st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.floats(allow_nan=False)
)
hashable = st.integers() | st.text() | st.frozensets(st.integers() | st.text(), max_size=4)
values = st.recursive(
    leaves | st.sets(hashable, max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=examples(150), deadline=None)
@given(values)
def test_what_is_pickled_canonically_comes_back_and_again_gives_the_same_bytes(value):
    dumped = CANONICAL(value)
    back = pickle.loads(dumped)
    assert back == value
    assert CANONICAL(back) == dumped


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(hashable, unique=True, max_size=8), st.randoms())
def test_a_set_has_one_pickle_however_it_was_made(members, chance):
    shuffled = list(members)
    chance.shuffle(shuffled)
    assert CANONICAL(set(members)) == CANONICAL(set(shuffled))
    assert CANONICAL(frozenset(members)) == CANONICAL(frozenset(shuffled))


def test_texts_are_equal_whether_or_not_they_are_one_object():
    one = "".join(["ab", "c" * 70_000])
    assert CANONICAL([one, one]) == CANONICAL([one, "ab" + "c" * 70_000])
    assert pickle.loads(CANONICAL(["é\ud800", one])) == ["é\ud800", one]


def test_every_clock_that_tells_a_date_shows_one_moment_and_no_longer():
    before = dt.datetime
    with CLOCK_AT(1577836800):
        assert (time.time(), time.time_ns()) == (1577836800.0, 1577836800 * 10**9)
        assert time.gmtime()[:3] == (2020, 1, 1)
        assert time.gmtime(0)[:3] == (1970, 1, 1)
        now = dt.datetime.now(dt.UTC)
        assert now.isoformat() == "2020-01-01T00:00:00+00:00"
        assert isinstance(now, dt.datetime)
        assert isinstance(now, dt.date)
        assert issubclass(before, dt.datetime)
        assert type(dt.datetime(2021, 5, 5, tzinfo=dt.UTC)) is before
        assert dt.datetime.utcnow().year == dt.date.today().year == 2020  # noqa: DTZ003, DTZ011
    assert dt.datetime is before
    assert pickle.loads(pickle.dumps(now)) == now
    assert abs(time.time() - dt.datetime.now(dt.UTC).timestamp()) < 60


def run(words, out, **environment):
    return app()["main"](words, {"IEXEC_OUT": str(out), **environment})


def text_of(payload):
    import base64

    return base64.urlsafe_b64encode(payload).decode()


def test_what_cannot_be_run_fails_the_task_and_says_why(tmp_path, capsys):
    good = packed(NOTHING, [pickled([(abs, (-1,), {})], "it")])
    for words, why in [
        ([], "ValueError"),
        (["free", "x", text_of(b"nonsense")], "error"),
        (["free", "x", text_of(good[:-9])], "cut off"),
        (["odd:0", "x", text_of(good)], ""),
    ]:
        code = run(words, tmp_path)
        told = capsys.readouterr().err
        if why:
            assert (code, why in told) == (1, True), told
    assert run(["free", "x", text_of(good)], tmp_path, IEXEC_TASK_INDEX="1") == 1
    assert "no chunk 1" in capsys.readouterr().err


def test_another_python_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 1, 0))
    payload = packed(NOTHING, [])
    monkeypatch.undo()
    assert run(["free", "x", text_of(payload)], tmp_path) == 1
    assert "was sent by Python 3.1, and this image has 3." in capsys.readouterr().err


def test_chance_is_fixed_by_call_where_workers_have_to_agree(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    calls = [(random.random, (), {})] * 2
    payload = text_of(packed(NOTHING, [pickled(calls, "it")]))
    found = []
    for name in "ab":
        out = tmp_path / name
        out.mkdir()
        assert run(["fixed:0:1577836800", "x", payload], out) == 0
        found.append((out / "result.bin").read_bytes())
    assert found[0] == found[1]
    first, second = found[0].partition(b"\n")[2][:50], found[0].partition(b"\n")[2][50:]
    assert first != second
