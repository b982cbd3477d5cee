"""Routes that are described only when somebody asks: served plainly, told as FastAPI's own are."""

from __future__ import annotations

import threading

import httpx
import pytest
from pydantic import BaseModel
from starlette.responses import PlainTextResponse

from poolhand.transport.asgi import application, service_router
from poolhand.transport.described import DescribedRoute


class Weather(BaseModel):
    """What is outside."""

    degrees: int


@pytest.fixture
def asked():
    return []


@pytest.fixture
def app(asked):
    async def weather(request):
        return PlainTextResponse(f"rain in {request.path_params['town']}")

    def told():
        asked.append("weather")
        assert threading.current_thread() is not threading.main_thread(), "the loop is free"
        return {"response_model": Weather, "description": "Look outside."}

    router = service_router()

    @router.get("/first")
    async def first() -> Weather:
        """Look at a model of ours."""
        return Weather(degrees=3)

    router.routes.append(DescribedRoute("/weather/{town}", weather, "GET", told))

    @router.get("/last")
    async def last() -> Weather:
        """Look again."""
        return Weather(degrees=4)

    return application("Weather", [router])


async def got(app, method, path):
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.request(method, path)


async def test_it_is_served_without_being_described(app, asked):
    answer = await got(app, "GET", "/weather/Ulm")
    assert (answer.status_code, answer.text) == (200, "rain in Ulm")
    assert asked == []


@pytest.mark.parametrize("method", ["POST", "HEAD"])
async def test_no_other_method_is_served(app, method):
    answer = await got(app, method, "/weather/Ulm")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


async def test_the_document_has_it_in_its_place_and_is_made_once(app, asked):
    document = (await got(app, "GET", "/openapi.json")).json()
    assert list(document["paths"]) == ["/first", "/weather/{town}", "/last"]
    described = document["paths"]["/weather/{town}"]["get"]
    assert described["description"] == "Look outside."
    content = described["responses"]["200"]["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/Weather"}
    assert (await got(app, "GET", "/openapi.json")).json() == document
    assert "Look outside." in (await got(app, "GET", "/docs")).text
    assert asked == ["weather"]
