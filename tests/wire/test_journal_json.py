"""Journal records: every event of both machines comes back; nothing else is read."""

import json
from contextlib import suppress
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from many import examples
from poolhand.domain import ids
from poolhand.domain.errors import Malformed
from poolhand.domain.replicate import machine as replicate
from poolhand.domain.replicate.machine import Action, Finished, Status
from poolhand.domain.tag import Tag
from poolhand.domain.task import machine as task
from poolhand.domain.trust import Trust, Weight
from poolhand.domain.units import BlockNumber, Seconds, UnixSeconds
from poolhand.wire.journal_json import EventCodec

FIXED = [ids.Address, ids.DealId, ids.TaskId, ids.OrderHash, ids.ResultDigest, ids.ResultHash,
         ids.ResultSeal, ids.TxHash, ids.BlockHash, Tag]  # fmt: skip
for kind in FIXED:
    st.register_type_strategy(kind, st.binary(min_size=kind.size, max_size=kind.size).map(kind))
for unit in (UnixSeconds, Seconds, BlockNumber, Trust, Weight):
    st.register_type_strategy(unit, st.integers(0, 2**62).map(unit))

REPLICATE, TASK = get_args(replicate.ReplicateEvent), get_args(task.TaskMachineEvent)
CODEC = EventCodec(REPLICATE + TASK)
AT = UnixSeconds(1_700_000_000)


@pytest.mark.parametrize("kind", REPLICATE + TASK, ids=lambda kind: kind.__name__)
@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_event_comes_back(kind, data):
    event = data.draw(st.from_type(kind))
    codec = EventCodec(REPLICATE if kind in REPLICATE else TASK)
    record = json.loads(json.dumps(codec.encode(event)))
    assert record["t"] == kind.__name__
    assert codec.decode(record) == event


def test_no_two_events_of_a_machine_share_a_name():
    for family in (REPLICATE, TASK):
        assert len({kind.__name__ for kind in family}) == len(family)


def test_a_record_is_plain_and_short():
    event = Finished(AT, Action.DOWNLOAD_APP, Status.APP_DOWNLOADED)
    assert CODEC.encode(event) == {
        "t": "Finished",
        "at": 1_700_000_000,
        "action": "download-app",
        "outcome": "APP_DOWNLOADED",
    }


def test_a_record_of_before_a_member_was_added_is_read():
    old = {"t": "Finished", "at": 1, "action": "compute", "outcome": "COMPUTED"}
    assert EventCodec(REPLICATE).decode(old).digest is None


GOOD = {"t": "Finished", "at": 1, "action": "compute", "outcome": "COMPUTED"}


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"t": None},
        {"t": "Unheard"},
        {"t": "Finished"},
        {**GOOD, "at": "1"},
        {**GOOD, "at": True},
        {**GOOD, "at": 1.5},
        {**GOOD, "action": "dance"},
        {**GOOD, "outcome": "compute"},
        {**GOOD, "digest": "0x00"},
        {**GOOD, "digest": 5},
        {**GOOD, "callback_data": "0xzz"},
        {**GOOD, "callback_data": "zz"},
        {**GOOD, "callback_data": 55},
        {**GOOD, "callback_data": "55"},
        {**GOOD, "link": 5},
        {"t": "Accepted", "at": 1, "offer": None},
        {"t": "Accepted", "at": 1, "offer": []},
        {"t": "Accepted", "at": 1, "offer": {"task_id": "0x00"}},
    ],
)
def test_a_record_of_the_wrong_form_is_refused(record):
    with pytest.raises(Malformed, match="event"):
        EventCodec(REPLICATE).decode(record)


@pytest.mark.parametrize(
    "record",
    [
        {"t": "Reported", "at": 1, "worker": "0x" + "00" * 20, "first": 0, "entries": "AB"},
        {"t": "Reported", "at": 1, "worker": "0x" + "00" * 20, "first": 0, "entries": None},
        {"t": "Viewed", "at": 1, "view": {"contributions": []}},
    ],
)
def test_a_nested_member_of_the_wrong_form_is_refused(record):
    with pytest.raises(Malformed, match="event"):
        EventCodec(TASK).decode(record)


JSON = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just([]) | st.just({})


@given(st.dictionaries(st.sampled_from([*GOOD, "digest", "tx", "link"]), JSON))
def test_any_record_is_read_or_malformed(members):
    with suppress(Malformed):
        EventCodec(REPLICATE).decode({**GOOD, **members})
