"""What every service answers when something is wrong, and how it takes and leaves its port."""

from __future__ import annotations

import asyncio
import html
import re
import socket
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
from fastapi import Request, WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

import poolhand
from poolhand.domain.errors import BrokenPrecondition, Malformed, Raced, Refused, Unavailable
from poolhand.domain.text import is_plain
from poolhand.transport.asgi import application, hosts_of, service_router
from poolhand.transport.listen import CannotListen, PortBusy, ServiceFailed, bind, port_of, serve

router = service_router()
FAULTS = {
    "refused": Refused("wrong"),
    "malformed": Malformed("odd"),
    "unavailable": Unavailable("away"),
    "raced": Raced("late"),
    "bug": BrokenPrecondition("secret detail"),
    "crash": ZeroDivisionError("secret detail"),
}


@router.get("/fault/{name}")
async def fault(name: str) -> None:
    raise FAULTS[name]


@router.get("/echo")
async def echo() -> dict[str, str]:
    return {"odd": "\udfff and \x1b[2J"}


@router.get("/number")
async def number(value: int) -> int:
    return value


@router.post("/length")
async def length(request: Request) -> int:
    return len(await request.body())


def client(**more) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(application("t", [router], **more), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


# ----------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("name", "status", "code", "message"),
    [
        ("refused", 400, "refused", "wrong"),
        ("malformed", 400, "malformed", "odd"),
        ("unavailable", 503, "unavailable", "away"),
        ("raced", 409, "raced", "late"),
        ("bug", 500, "broken-precondition", "the service has a fault of its own"),
        ("crash", 500, "internal", "the service has a fault of its own"),
    ],
)
async def test_a_fault_is_told_by_code_message_and_status(name, status, code, message):
    async with client() as http:
        answer = await http.get(f"/fault/{name}")
    assert answer.status_code == status
    assert answer.json() == {"code": code, "message": message}
    assert ("retry-after" in answer.headers) == (status == 503)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/number?value=x", 400, "invalid-request"),
        ("GET", "/nowhere", 404, "not-found"),
        ("PUT", "/number", 405, "method-not-allowed"),
    ],
)
async def test_what_the_framework_refuses_has_the_same_form(method, path, status, code):
    async with client() as http:
        answer = await http.request(method, path)
    assert answer.status_code == status
    assert answer.json()["code"] == code
    assert set(answer.json()) == {"code", "message"}


# ----------------------------------------------------------------------------------------- limits


async def test_a_body_of_exactly_the_limit_is_taken_and_one_byte_more_is_not():
    async def pieces(count):
        for _ in range(count):
            yield b"x"

    async with client(max_body=10) as http:
        assert (await http.post("/length", content=b"x" * 10)).json() == 10
        assert (await http.post("/length", content=pieces(10))).json() == 10
        for body in (b"x" * 11, pieces(11)):
            answer = await http.post("/length", content=body)
            assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")
        lie = {"Content-Length": "9" * 40}
        assert (await http.post("/length", content=b"", headers=lie)).status_code == 413


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "127.0.0.1:13000"}, 200),
        ({"Host": "[::1]:13000"}, 200),
        ({"Host": "POOL.example:1"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "[evil"}, 403),
        ({"Host": ""}, 403),
        ({"Origin": "http://localhost:5000"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
async def test_a_service_on_the_loopback_answers_under_its_own_names_only(headers, status):
    async with client(hosts=hosts_of("127.0.0.1", "http://pool.example:13000")) as http:
        assert (await http.get("/number?value=1", headers=headers)).status_code == status


async def test_a_service_for_the_world_answers_under_any_name():
    assert hosts_of("0.0.0.0") is None
    async with client(hosts=None) as http:
        headers = {"Host": "any.example", "Origin": "http://other.example"}
        assert (await http.get("/number?value=1", headers=headers)).status_code == 200


# ----------------------------------------------------------------------------------------- ports


@asynccontextmanager
async def running(app):
    up = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(serve(app, "127.0.0.1", 0, up.set_result))
    try:
        yield await up
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.mark.case("N5")
async def test_a_service_shows_its_endpoints_on_a_page_that_loads_nothing():
    async with client() as http:
        answer = await http.get("/docs")
        described = (await http.get("/openapi.json")).json()
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "<script" not in answer.text
    assert not re.search(r"(src|href)=.?(https?:)?//|@import|url\(", answer.text)
    for path in described["paths"]:
        assert html.escape(path) in answer.text


async def test_a_slash_too_many_leads_to_the_path_and_to_no_name_that_was_guessed():
    async with client() as service:
        answer = await service.get("/echo/", params={"q": "a b"}, headers={"host": "127.0.0.1"})
    assert (answer.status_code, answer.headers["location"]) == (307, "/echo?q=a+b")


@pytest.mark.case("N5")
def test_no_page_of_ours_names_a_place_to_load_from():
    sources = Path(poolhand.__file__).parent
    texts = [
        each.read_text(encoding="utf-8")
        for each in sources.rglob("*")
        if each.suffix in {".py", ".html", ".css", ".js", ".svg"}
    ]
    ours = r"""(?![^>]*(?:src|href)="(?:/(?:page|owner)/static/[\w.-]+"|\{\{ asset\('[\w.-]+'\) \}\}"))"""
    loading = re.compile(rf"<(?:script|link|img|iframe)\b{ours}|cdn\.|jsdelivr|unpkg|googleapis")
    assert not [found for text in texts for found in loading.findall(text)]


async def test_port_zero_is_a_free_port_that_is_told_and_given_back():
    async with running(application("t", [router])) as port:
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.get(f"http://127.0.0.1:{port}/number?value=7")
        assert answer.json() == 7
    bind("127.0.0.1", port).close()


async def test_a_busy_port_is_a_refusal_that_names_it():
    with bind("127.0.0.1", 0) as taken:
        port = port_of(taken)
        with pytest.raises(PortBusy, match=rf"{port} is taken .* --port"):
            await serve(application("t", []), "127.0.0.1", port)


@pytest.mark.parametrize(("host", "port"), [("192.0.2.1", 0), ("127.0.0.1", 70_000), ("::g", 0)])
def test_an_address_that_is_not_ours_is_a_refusal(host, port):
    with pytest.raises(CannotListen, match="cannot listen"):
        bind(host, port)


async def test_a_service_that_cannot_start_is_an_error_and_not_the_end_of_the_program():
    @asynccontextmanager
    async def broken(_):
        raise OSError("no disk")
        yield

    with pytest.raises(ServiceFailed):
        await serve(application("t", [], lifespan=broken), "127.0.0.1", 0)


async def test_a_web_page_cannot_open_the_workers_socket():
    app = application("t", [router], hosts=None)

    @app.websocket("/ws")
    async def greet(ws: WebSocket):
        await ws.accept()
        await ws.send_text("welcome")

    async with running(app) as port:
        for own in (None, f"http://127.0.0.1:{port}"):
            async with connect(f"ws://127.0.0.1:{port}/ws", origin=own, proxy=None) as ws:
                assert await ws.recv() == "welcome"
        with pytest.raises(InvalidStatus, match="403"):
            await connect(f"ws://127.0.0.1:{port}/ws", origin="http://evil.example", proxy=None)


async def test_stopping_lets_a_request_under_way_end():
    entered, leave, slow = asyncio.Event(), asyncio.Event(), service_router()

    @slow.get("/slow")
    async def answer() -> int:
        entered.set()
        await leave.wait()
        return 7

    up = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(serve(application("t", [slow]), "127.0.0.1", 0, up.set_result))
    async with httpx.AsyncClient(trust_env=False) as http:
        asked = asyncio.ensure_future(http.get(f"http://127.0.0.1:{await up}/slow"))
        await entered.wait()
        task.cancel()
        leave.set()
        assert (await asked).json() == 7
    with suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_a_service_that_is_stopped_puts_its_things_away():
    told = []

    @asynccontextmanager
    async def noting(_):
        told.append("up")
        yield
        told.append("down")

    async with running(application("t", [], lifespan=noting)):
        assert told == ["up"]
    assert told == ["up", "down"]


def test_a_port_taken_is_really_listening():
    with bind("127.0.0.1", 0) as listener:
        socket.create_connection(("127.0.0.1", port_of(listener))).close()


# ------------------------------------------------------------------------------------------ texts


@pytest.mark.case("A6")
async def test_an_answer_with_half_of_a_pair_in_it_is_an_answer():
    async with client() as http:
        answer = await http.get("/echo")
    assert answer.status_code == 200
    assert answer.json() == {"odd": "? and \x1b[2J"}


@pytest.mark.case("A6")
async def test_an_error_quotes_a_stranger_in_words_that_can_be_shown():
    FAULTS["hostile"] = Refused("\ud800\x1b[2J\u202e" + "x" * 100_000)
    try:
        async with client() as http:
            message = (await http.get("/fault/hostile")).json()["message"]
    finally:
        del FAULTS["hostile"]
    assert is_plain(message)
    assert len(message) <= 2_000
