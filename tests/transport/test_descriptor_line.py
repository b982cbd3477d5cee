"""Messages and open files on one line: in order, each file with its message, in whatever pieces."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from many import examples
from poolhand.domain.errors import Malformed
from poolhand.transport.descriptor_line import DescriptorLine
from poolhand.transport.plumbing import first_of
from poolhand.wire.fetcher_api import FETCHER_LINE, Abandon, Fetch


async def carried(messages):
    """Return what arrives: each message, with what its file holds."""
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # the least that the kernel has
    sender = DescriptorLine(ours, FETCHER_LINE, takes_files=False)
    taker = DescriptorLine(theirs, FETCHER_LINE, takes_files=True)
    arrived = []

    async def take():
        while len(arrived) < len(messages):
            message, held = await taker.receive(), b""
            if isinstance(message, Fetch):
                file = taker.take()
                held = os.pread(file, 99, 0)
                os.close(file)
            arrived.append((message, held))

    for message in messages:
        with tempfile.TemporaryFile() as file:
            if isinstance(message, Fetch):
                file.write(str(message.number).encode())
                file.flush()
                sender.put(message, file.fileno())
            else:
                sender.put(message)
    await first_of(sender.write(), take())
    sender.close()
    taker.close()
    return arrived


@settings(max_examples=examples(30), deadline=None)
@given(
    st.lists(
        st.builds(
            Fetch, st.integers(0, 999), st.sampled_from(["x", "y" * 30_000]), *[st.just(1)] * 3
        )
        | st.builds(Abandon, st.integers(0, 999)),
        max_size=20,
    )
)
def test_each_file_comes_with_its_message(messages):
    arrived = asyncio.run(carried(messages))
    files = [str(each.number).encode() if isinstance(each, Fetch) else b"" for each in messages]
    assert arrived == list(zip(messages, files, strict=True))


@pytest.mark.parametrize(
    "data", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\x09short", b"\0\0", b"\0\0\0\x02{}"]
)
async def test_what_is_no_message_ends_the_line(data):
    ours, theirs = socket.socketpair()
    with ours:
        ours.sendall(data)
        ours.shutdown(socket.SHUT_WR)
        line = DescriptorLine(theirs, FETCHER_LINE, takes_files=True)
        with pytest.raises(Malformed):
            await line.receive()
        line.close()


async def test_a_message_that_brings_no_file_where_one_is_due_ends_it():
    ours, theirs = socket.socketpair()
    with ours:
        ours.sendall(FETCHER_LINE.frame(Fetch(1, "x", 1, 1, 0)))
        line = DescriptorLine(theirs, FETCHER_LINE, takes_files=True)
        await line.receive()
        with pytest.raises(Malformed, match="came without"):
            line.take()
        line.close()
