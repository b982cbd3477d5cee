"""A service without FastAPI: what it reads, what it refuses in words, and how it is described."""

from __future__ import annotations

import asyncio
import threading

import httpx
import pytest
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.routing import Route

from poolhand.transport.described import DescribedRoute, body_told, query_told
from poolhand.transport.faults import ENDPOINT_FAULT_ANSWERS
from poolhand.transport.json_answer import JsonAnswer
from poolhand.transport.plain import plain_application, read_body, read_query


class Paint(BaseModel):
    """What a wall is to be painted with."""

    colour: str = Field(min_length=3)
    layers: int = Field(strict=True, le=9)


class Walls(BaseModel):
    """Which walls are asked for."""

    most: int = Field(default=10, ge=1, le=50)
    wet: bool = False


async def paint(request: Request):
    """Paint the wall."""
    told = await read_body(request, Paint)
    return JsonAnswer(told.model_dump())


async def walls(request: Request):
    """Tell of walls."""
    return JsonAnswer(read_query(request, Walls).model_dump())


def painted():
    return {
        "response_model": Paint,
        "responses": ENDPOINT_FAULT_ANSWERS,
        "openapi_extra": body_told(Paint),
    }


def listed():
    return {"responses": ENDPOINT_FAULT_ANSWERS, "openapi_extra": {"parameters": query_told(Walls)}}


ROUTES = (
    Route("/", walls),
    DescribedRoute("/paint", paint, "POST", painted),
    DescribedRoute("/walls", walls, "GET", listed),
)


@pytest.fixture
async def http():
    app = plain_application("Walls", ROUTES, hosts=frozenset({"localhost"}))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def test_forms_that_fit_are_read(http):
    answer = await http.post("/paint", json={"colour": "red", "layers": 2, "more": None})
    assert (answer.status_code, answer.json()) == (200, {"colour": "red", "layers": 2})
    answer = await http.get("/walls?wet=true&most=3&most=4")
    assert answer.json() == {"most": 4, "wet": True}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"layers":2}', "colour is missing"),
        (b'{"colour":"x","layers":10}', "takes 3 characters or more, not 'x'; layers takes 9 or"),
        (b'{"colour":"red","layers":"2"}', "layers takes a whole number, not 2"),
        (b"[]", "the body takes an object, not"),
        (b"", "the body is no JSON"),
        (b'{"colour":"\xff', "the body is no JSON"),
        (b'{"colour":"\\ud800"}', "no JSON"),
    ],
)
async def test_what_is_wrong_with_a_body_is_told_in_words(http, body, words):
    answer = await http.post("/paint", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-request")
    assert words in answer.json()["message"]


async def test_what_is_wrong_with_a_query_is_told_in_words(http):
    answer = await http.get("/walls?most=0&wet=perhaps")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-request")
    assert answer.json()["message"] == (
        "most takes 1 or more, not 0; wet takes true or false, not 'perhaps'"
    )


async def test_it_is_guarded_as_all_services_are(http):
    assert (await http.post("/paint", content=b" " * 70_000)).json()["code"] == "body-too-large"
    foreign = await http.get("/walls", headers={"host": "evil.example"})
    assert (foreign.status_code, foreign.json()["code"]) == (403, "foreign-host")
    assert (await http.get("/nowhere")).json() == {"code": "not-found", "message": "Not Found"}
    assert (await http.get("/walls/")).headers["location"] == "/walls"


async def test_it_answers_others_while_its_document_is_made_once():
    made, may_end = [], threading.Event()
    loop, began = asyncio.get_running_loop(), asyncio.Event()

    def told():
        made.append(threading.current_thread())
        loop.call_soon_threadsafe(began.set)
        assert may_end.wait(10), "the loop stood still meanwhile"
        return listed()

    app = plain_application("Walls", (*ROUTES[:2], DescribedRoute("/walls", walls, "GET", told)))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        first, *others = (asyncio.create_task(client.get(each))
                          for each in ("/docs", "/docs", "/openapi.json"))  # fmt: skip
        await began.wait()
        assert (await client.get("/walls")).status_code == 200
        first.cancel()
        may_end.set()
        assert [(await each).status_code for each in others] == [200, 200]
    assert len(made) == 1
    assert made[0] is not threading.main_thread()


async def test_a_document_that_could_not_be_made_is_made_for_the_next(http):
    answers = iter([MemoryError, listed])

    def told():
        found = next(answers)
        if found is MemoryError:
            raise MemoryError
        return found()

    app = plain_application("Walls", (DescribedRoute("/walls", walls, "GET", told),))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        found = [(await client.get("/openapi.json")).status_code for _ in range(3)]
    assert found == [500, 200, 200]


async def test_its_document_has_forms_answers_and_faults(http):
    document = (await http.get("/openapi.json")).json()
    assert set(document["paths"]) == {"/paint", "/walls"}
    order = document["paths"]["/paint"]["post"]
    schema = order["requestBody"]["content"]["application/json"]["schema"]
    assert schema["required"] == ["colour", "layers"]
    assert order["responses"]["default"]["description"] == "What keeps it from being done."
    told = document["paths"]["/walls"]["get"]
    assert [each["name"] for each in told["parameters"]] == ["most", "wet"]
    assert told["parameters"][0]["schema"]["maximum"] == 50
    assert "Tell of walls." in (await http.get("/docs")).text
