"""The accept loop rests when there is no descriptor left, makes room, and goes on (A4)."""

from __future__ import annotations

import asyncio
import errno
import socket
from contextlib import contextmanager

import pytest
from session_world import until

from poolhand.observe.outage_log import OutageLog
from poolhand.transport.acceptor import Acceptor, accept_streams, unix_listener
from poolhand.transport.listen import bind, port_of


class Listener(socket.socket):
    """One that fails as often as it is told to."""

    faults: list[int]
    tries = 0

    def accept(self):
        self.tries += 1
        if self.faults:
            raise OSError(self.faults.pop(), "no more")
        return super().accept()


@contextmanager
def listening(*faults):
    with Listener() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        listener.faults = list(faults)
        yield listener, listener.getsockname()[1]


async def test_what_is_written_is_sent_at_once():
    made = asyncio.get_running_loop().create_future()

    class Held(asyncio.Protocol):
        def connection_made(self, transport):
            made.set_result(transport)

    with bind("127.0.0.1", 0) as listener:
        acceptor = Acceptor(listener, Held, OutageLog("refused", "taken"))
        _, writer = await asyncio.open_connection("127.0.0.1", port_of(listener))
        raw = (await made).get_extra_info("socket")
        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        made.result().abort()
        writer.transport.abort()
        acceptor.close()
        await acceptor.wait_closed()


@pytest.mark.case("A4")
@pytest.mark.parametrize(
    ("fault", "sheds"), [(errno.EMFILE, 1), (errno.ENFILE, 1), (errno.EPERM, 0)]
)
async def test_a_failure_is_told_once_makes_room_and_is_tried_again_a_moment_later(fault, sheds):
    made, shed, outage = [], [], OutageLog("refused", "taken")

    def factory():
        made.append(asyncio.Protocol())
        return made[-1]

    with listening(fault) as (listener, port):
        acceptor = Acceptor(listener, factory, outage, lambda: shed.append(1))
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        await until(lambda: made)
        assert len(shed) == sheds
        assert listener.tries <= 4
        writer.transport.abort()
        acceptor.close()
        await acceptor.wait_closed()


async def test_closing_while_it_rests_takes_nobody_any_more():
    made = []
    with listening(errno.EMFILE) as (listener, port):
        acceptor = Acceptor(listener, lambda: made.append(1), OutageLog("refused", "taken"))
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        await until(lambda: not listener.faults)
        acceptor.close()
        acceptor.close()
        writer.transport.abort()
        assert made == []


async def test_streams_are_served_over_a_unix_socket_that_a_dead_program_left(tmp_path):
    path = str(tmp_path / "socket")
    unix_listener(path).close()

    async def echo(reader, writer):
        writer.write(await reader.readline())
        writer.close()

    with unix_listener(path) as listener:
        acceptor = accept_streams(listener, echo)
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"hello\n")
        assert await reader.read() == b"hello\n"
        writer.close()
        acceptor.close()


def test_a_place_that_cannot_be_had_is_told(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        unix_listener(str(tmp_path / "no" / "socket"))
