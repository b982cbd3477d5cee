"""A token before all routes of a service but those that are named: none can forget to ask."""

from __future__ import annotations

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute

from poolhand.domain.errors import BrokenPrecondition, Refused
from poolhand.transport.bearer import bearer_guard, behind_token
from poolhand.transport.described import DescribedRoute
from poolhand.transport.plain import plain_application

TOKEN = "0123456789abcdef"
OPEN = ("/", "/told")


class NoToken(Refused):
    """No token was shown."""

    http_status = 401


def no_token():
    return NoToken("show the token")


AUTHORIZE = bearer_guard(TOKEN, no_token)


@pytest.fixture
def reached():
    return []


@pytest.fixture
def routes(reached):
    async def handler(request: Request):
        """Do as one is told, and ask for nothing."""
        reached.append((request.method, request.url.path, await request.body()))
        return PlainTextResponse("done")

    return (
        Route("/", handler),
        DescribedRoute("/told", handler, "GET", dict),
        DescribedRoute("/order", handler, "POST", dict),
        DescribedRoute("/secret/{name}", handler, "GET", dict),
        Route("/plain", handler),
    )


@pytest.fixture
async def http(routes):
    app = plain_application("Orders", behind_token(routes, AUTHORIZE, OPEN))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


@pytest.mark.parametrize("given", [{}, {"Authorization": f"Bearer {TOKEN[:-1]}"}, {"Authorization": TOKEN}])  # fmt: skip
async def test_no_handler_sees_a_request_without_the_token_that_needs_one(http, reached, given):
    for method, path in (("POST", "/order"), ("GET", "/secret/x"), ("GET", "/plain"), ("HEAD", "/plain")):  # fmt: skip
        answer = await http.request(method, path, content=b"much", headers=given)
        assert answer.status_code == 401
    assert (await http.post("/order", headers=given)).json() == {
        "code": "no-token",
        "message": "show the token",
    }
    assert reached == []


async def test_with_the_token_every_route_answers_and_without_it_those_that_are_open(http, reached):
    given = {"Authorization": f"Bearer {TOKEN}"}
    for path in ("/", "/told"):
        assert (await http.get(path)).text == "done"
    assert (await http.post("/order", content=b"two", headers=given)).text == "done"
    assert (await http.get("/secret/x", headers=given)).text == "done"
    assert [(method, path) for method, path, _ in reached] == [
        *(("GET", "/"), ("GET", "/told"), ("POST", "/order"), ("GET", "/secret/x")),
    ]
    assert reached[2][2] == b"two"


async def test_what_is_behind_the_token_is_described_and_refused_by_method_as_before(http):
    document = (await http.get("/openapi.json")).json()
    assert set(document["paths"]) == {"/told", "/order", "/secret/{name}"}
    assert "Do as one is told" in document["paths"]["/order"]["post"]["description"]
    assert (await http.get("/order")).status_code == 405
    assert (await http.get("/nowhere")).status_code == 404


def test_a_route_that_takes_orders_cannot_be_open(routes):
    with pytest.raises(BrokenPrecondition, match="/order takes orders and asks for no token"):
        behind_token(routes, AUTHORIZE, (*OPEN, "/order"))


def test_a_path_that_no_route_has_cannot_be_open(routes):
    with pytest.raises(BrokenPrecondition, match="no route answers at the open path /gone"):
        behind_token(routes, AUTHORIZE, (*OPEN, "/gone"))


@pytest.mark.parametrize("route", [Mount("/all", routes=[]), WebSocketRoute("/live", lambda: None)])
def test_what_the_token_cannot_be_asked_before_is_refused(routes, route):
    with pytest.raises(BrokenPrecondition, match="a plain route only"):
        behind_token((*routes, route), AUTHORIZE, OPEN)
