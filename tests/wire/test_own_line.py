"""Lines to processes of our own: whatever comes is a message, or refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.errors import Malformed
from poolhand.wire import fetcher_api, signer_api
from poolhand.wire.fetcher_api import Fetch, FetchFault, LookedUp, NotFetched
from poolhand.wire.own_line import LENGTH_BYTES

LINES = st.sampled_from([fetcher_api.FETCHER_LINE, signer_api.SIGNER_LINE])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["number", "uri", "limit", "milliseconds", "why", "act", "outcome"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
NAMES = st.sampled_from(["Fetch", "NotFetched", "LookedUp", "Agreed", "SignLogin", "Nothing"])


@given(LINES, st.binary(max_size=60) | st.tuples(NAMES, JSON).map(lambda m: json.dumps(m).encode()))
def test_any_bytes_are_a_message_or_malformed_and_nothing_else(line, data):
    try:
        found = line.decode(data)
    except Malformed:
        return
    assert line.decode(line.encode(found)) == found


@given(
    st.builds(Fetch, *[st.integers(0, 2**63 - 1)], st.text(max_size=40), *[st.integers(0, 9)] * 3)
    | st.builds(
        NotFetched,
        st.integers(0, 9),
        st.sampled_from(FetchFault),
        st.text(max_size=40),
        st.text(max_size=40),
    )
    | st.builds(
        LookedUp,
        st.integers(0, 9),
        st.lists(st.text(max_size=9), max_size=3).map(tuple),
        st.booleans(),
        st.text(max_size=40),
    )
)
def test_what_is_said_arrives(message):
    line = fetcher_api.FETCHER_LINE
    frame = line.frame(message)
    assert line.length(frame[:LENGTH_BYTES]) == len(frame) - LENGTH_BYTES
    assert line.decode(frame[LENGTH_BYTES:]) == message


@pytest.mark.parametrize("uri", ["\ud800", "x" * fetcher_api.MAX_FETCHER_FRAME])
def test_what_no_frame_may_carry_is_not_said(uri):
    with pytest.raises(Malformed):
        fetcher_api.FETCHER_LINE.frame(Fetch(1, uri, 1, 1, 0))
