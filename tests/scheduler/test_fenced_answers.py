"""A process that lost the lead answers nothing, were it asked while it led."""

from __future__ import annotations

import httpx
import pytest
from starlette.responses import StreamingResponse

from poolhand.ports.lead import LeadLost
from poolhand.scheduler.front import FencedApp
from poolhand.transport.asgi import application, service_router
from poolhand.transport.guarded_socket import GUARD, Guard
from poolhand.transport.session_server import SocketOutlet


class Fence:
    """Open until the test says so."""

    def __init__(self):
        self.is_open = True

    def check(self):
        if not self.is_open:
            raise LeadLost("two took the lead")


@pytest.fixture
def fence():
    return Fence()


def asked(app, fence):
    fenced = FencedApp(app, fence)
    return httpx.AsyncClient(transport=httpx.ASGITransport(fenced), base_url="http://x")


async def test_nothing_is_answered_once_the_lead_is_lost(fence):
    async def never(*_):
        raise AssertionError

    fence.is_open = False
    async with asked(never, fence) as http:
        told = await http.get("/v1/order")
    assert (told.status_code, told.json()["code"]) == (503, "another-leads")


async def test_an_order_that_was_signed_before_a_freeze_does_not_leave_after_it(fence):
    """Its successor may have sold the same since, and knows nothing of this one."""
    router = service_router()

    @router.get("/v1/order")
    async def order():
        fence.is_open = False  # the process slept here for longer than its lease
        return {"signed": "by the pool"}

    async with asked(application("A pool", [router]), fence) as http:
        told = await http.get("/v1/order")
    assert (told.status_code, told.json()["code"]) == (503, "another-leads")
    assert "signed" not in told.text


async def test_what_leads_is_answered_as_it_is(fence):
    router = service_router()

    @router.get("/v1/order", status_code=201)
    async def order():
        return {"signed": "by the pool"}

    async with asked(application("A pool", [router]), fence) as http:
        told = await http.get("/v1/order")
    assert (told.status_code, told.json()) == (201, {"signed": "by the pool"})


async def test_a_long_answer_is_cut_where_the_lead_was_lost(fence):
    async def parts():
        yield b"first"
        fence.is_open = False
        yield b"second"

    app, sent = StreamingResponse(parts()), []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "GET", "path": "/", "asgi": {"spec_version": "2.4"}}
    await FencedApp(app, fence)(scope, receive, send)
    assert [each.get("body") for each in sent] == [None, b"first"]
    assert all(each.get("more_body", True) for each in sent), "the server cuts what has no end"


class Socket:
    """What lies below a guard."""

    def __init__(self):
        self.frames = []

    def write(self, text):
        self.frames.append(text)


async def conversation(fence, talk):
    """Let an app talk over a WebSocket; returns what left by the server and what below it."""
    sent, below = [], Socket()
    guard = Guard(below)

    async def send(message):
        sent.append(message)

    async def app(_scope, _receive, say):
        await talk(say, SocketOutlet(guard))

    scope = {"type": "websocket", "path": "/worker", "extensions": {GUARD: guard}}
    await FencedApp(app, fence)(scope, None, send)
    return sent, below.frames


async def test_a_deposed_leader_says_no_farewell(fence):
    """Not even that it restarts: workers are another process's by now."""

    async def talk(say, _outlet):
        await say({"type": "websocket.accept"})
        fence.is_open = False
        await say({"type": "websocket.send", "text": "the pool stops or restarts"})
        await say({"type": "websocket.close", "code": 1000})

    sent, _ = await conversation(fence, talk)
    assert sent == [{"type": "websocket.accept"}, {"type": "websocket.close", "code": 1001}]


async def test_nobody_is_welcomed_after_a_freeze(fence):
    async def talk(say, outlet):
        await say({"type": "websocket.accept"})
        outlet.put("hello")
        fence.is_open = False
        outlet.put("welcome")

    sent, frames = await conversation(fence, talk)
    assert frames == ["hello"]
    assert sent[-1] == {"type": "websocket.close", "code": 1001}
