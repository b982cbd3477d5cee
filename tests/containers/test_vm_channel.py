"""What comes out of a virtual machine is read as frames, or refused; never kept without a bound."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from many import examples
from poolhand.containers.vm.channel import (
    FRAME_HEAD,
    MOST_FRAME,
    GuestFrame,
    GuestFrameKind,
    GuestFrameReader,
    NoGuestFrame,
    packed_frame,
)
from poolhand.containers.vm.machines import MachineReport

FRAMES = st.lists(st.builds(GuestFrame, st.sampled_from(GuestFrameKind), st.binary(max_size=200)))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(each % (len(data) + 1) for each in places)})
    return [data[start:end] for start, end in pairwise(edges)]


@settings(max_examples=examples(100))
@given(FRAMES, st.lists(st.integers(0, 10_000)))
def test_frames_are_read_however_they_are_cut(frames, places):
    reader = GuestFrameReader()
    sent = b"".join(packed_frame(*each) for each in frames)
    assert [each for piece in cut(sent, places) for each in reader.add(piece)] == frames


@settings(max_examples=examples(200))
@given(st.binary(max_size=400), st.lists(st.integers(0, 400)))
def test_any_bytes_are_frames_or_are_refused(data, places):
    reader, length = GuestFrameReader(most=64), 0
    try:
        for piece in cut(data, places):
            length += sum(len(each.body) for each in reader.add(piece))
    except NoGuestFrame:
        return
    assert length <= len(data)


def test_a_frame_that_is_too_long_is_refused_before_it_has_come():
    told = FRAME_HEAD.pack(GuestFrameKind.OUT, MOST_FRAME + 1)
    with pytest.raises(NoGuestFrame, match=str(MOST_FRAME + 1)):
        list(GuestFrameReader().add(told))


@settings(max_examples=examples(200))
@given(
    st.binary()
    | st.dictionaries(
        st.sampled_from(["started", "phase", "out_of_memory", "words"]),
        st.booleans() | st.text() | st.integers() | st.none(),
    ).map(lambda told: json.dumps(told).encode())
)
def test_a_report_is_read_whatever_is_in_it(text):
    report = MachineReport.read(text)
    assert len(report.words) <= 300
    assert not {"\n", "\r", "\x1b"} & set(report.words)


@pytest.mark.parametrize(
    ("told", "is_fault"),
    [
        (b'{"phase": "lost", "started": false}', True),
        (b'{"phase": "fault", "started": false, "words": "no disk"}', True),
        (b'{"phase": "lost", "started": true}', False),
        (b'{"phase": "ended", "started": true}', False),
        (b"", False),
    ],
)
def test_a_machine_that_never_started_its_app_is_no_fault_of_the_app(told, is_fault):
    assert MachineReport.read(told).is_fault is is_fault
