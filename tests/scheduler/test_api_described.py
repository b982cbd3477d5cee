"""The public API is described once: what the pool documents, answers, and its clients read."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from pool_world import TO_CONTRIBUTED, first_task
from pydantic import TypeAdapter

from poolhand.domain.errors import Malformed
from poolhand.domain.tag import NO_TAG
from poolhand.domain.trust import Trust
from poolhand.scheduler.joining.join_files import WHEEL_PATH
from poolhand.transport.asgi import application
from poolhand.transport.pool_client import PoolClient
from poolhand.wire import (
    core_api,
    join_api,
    output_api,
    pool_api,
    pool_drain,
    pool_orders,
    purchase_api,
)
from poolhand.wire.json_models import read_model
from poolhand.wire.messages import Logs

URL = "http://pool.test"
MODELS = {
    "/v1/config": pool_api.PoolConfig,
    "/v1/order": pool_api.SoldOrder,
    "/v1/orders": pool_orders.OrdersOnSale,
    "/v1/drain": pool_drain.DrainStanding,
    "/v1/workers": pool_api.ConnectedWorkers,
    "/v1/workers/{address}": pool_api.WorkerNews,
    "/v1/summary": pool_api.PoolSummary,
    "/join/manifest.json": join_api.JoinManifest,
    "/v1/statuses": list[pool_api.StatusMeaning],
    "/v1/tasks": list[pool_api.TaskNews | pool_api.HiddenTask],
    "/v1/tasks/{task_id}": pool_api.TaskNews,
    "/v1/tasks/{task_id}/logs": output_api.PrintedByWorker,
    "/v1/deals/{deal_id}": pool_api.DealNews,
    "/health": pool_api.PoolHealth,
    "/ready": pool_api.PoolReady,
}
"""What each page answers, by the one description that clients read by, too."""
KINDS = {"/v1/purchases": {"post"}, "/v1/reader/sign-in": {"get", "post"}}
"""What is not only read."""
ASKED_WITH_AN_ADDRESS = {"/v1/reader/sign-in": output_api.ReaderChallenge}
HANDED_IN = {"/v1/purchases": purchase_api.SentPurchase}
"""What is answered to whoever hands something in."""
CORE = {
    "/tasks/logs/challenge": dict[str, Any],
    "/tasks/{task_id}": core_api.CoreTask,
    "/tasks/{task_id}/logs": core_api.CoreLogs,
    "/tasks/{task_id}/replicates/{worker}": core_api.CoreReplicate,
    "/tasks/{task_id}/replicates/{worker}/logs": core_api.CoreOutput,
}
"""What iExec's SDK asks for."""


@pytest.fixture
async def office(pool):
    world = await pool()
    app = application("Poolhand pool", world.scheduler.api(URL))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as client:
        yield world, client


async def test_the_openapi_document_describes_every_page(office):
    _, client = office
    document = (await client.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.")
    assert set(document["paths"]) == {
        "/v1/config",
        "/v1/order",
        "/v1/orders",
        "/v1/purchases",
        "/v1/summary",
        "/v1/workers",
        "/v1/workers/{address}",
        "/v1/statuses",
        "/v1/tasks",
        "/v1/tasks/{task_id}",
        "/v1/tasks/{task_id}/logs",
        "/v1/tasks/{task_id}/output",
        "/v1/reader/sign-in",
        "/v1/deals/{deal_id}",
        "/v1/drain",
        "/join",
        "/join.sh",
        "/join/docker.tar.gz",
        "/join.ps1",
        "/join/manifest.json",
        "/join/requirements.txt",
        WHEEL_PATH,
        "/health",
        "/ready",
        "/metrics",
        "/tasks/logs/challenge",
        "/tasks/{task_id}",
        "/tasks/{task_id}/logs",
        "/tasks/{task_id}/replicates/{worker}",
        "/tasks/{task_id}/replicates/{worker}/logs",
    }
    for path, methods in document["paths"].items():
        assert set(methods) == KINDS.get(path, {"get"}), path
        for told in methods.values():
            assert told["description"], path
            assert told["responses"]["200"], path
            named = {p["name"] for p in told.get("parameters", []) if p["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path))
    references = re.findall(r'"\$ref": ?"#/([^"]+)"', str(document).replace("'", '"'))
    for each in references:
        found = document
        for part in each.split("/"):
            found = found[part]


def resolved(schema, definitions):
    """Return a schema with its references replaced, without prose and nulls."""
    if isinstance(schema, list):
        return [resolved(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return resolved(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return {
        name: resolved(each, definitions)
        for name, each in schema.items()
        if name not in ("title", "$defs", "description") and each is not None
    }


async def test_the_openapi_document_is_that_of_the_models(office):
    _, client = office
    document = (await client.get("/openapi.json")).json()
    described = document["components"]["schemas"]
    answers = {
        path: (methods.get("get") or methods["post"])["responses"]["200"]["content"]
        for path, methods in document["paths"].items()
    }
    others = {path for path, told in answers.items() if "application/json" not in told}
    texts = {"/join", "/join.sh", "/join.ps1", "/join/requirements.txt", "/metrics"}
    texts |= {"/v1/tasks/{task_id}/output"}
    assert others == texts | {WHEEL_PATH, "/join/docker.tar.gz"}
    pages = {
        path: told["application/json"]["schema"]
        for path, told in answers.items()
        if path not in others
    }
    models = MODELS | CORE | HANDED_IN | ASKED_WITH_AN_ADDRESS
    assert pages.keys() == models.keys()
    for path, told in pages.items():
        own = TypeAdapter(models[path]).json_schema(mode="serialization")
        assert resolved(told, described) == resolved(own, own.get("$defs", {})), path


async def test_a_client_reads_all_that_a_pool_at_work_answers(office):
    world, http = office
    client, worker = PoolClient(http, URL), await world.hired()
    deal = await world.deal()
    task = first_task(deal)
    await world.step()
    await worker.reports(task, *TO_CONTRIBUTED)
    worker.contributes(task)
    await world.step()
    await worker.says(Logs(task, "hello", "oh"))
    told = await client.task(task)
    assert told is not None
    assert (told.task_id, told.deal_id) == (task, deal.deal_id)
    assert told.replicates[0].worker == worker.address
    assert told.transactions[0].call == "initialize"
    assert [each.worker for each in await client.workers()] == [worker.address]
    standing = await client.standing()
    assert standing.config.workerpool == world.workerpool
    assert (standing.health.workers, standing.health.sells) == (1, True)
    assert await client.logs(task) == {worker.address: ("hello", "oh")}
    sold = await client.order(0, Trust(1), NO_TAG, 1)
    assert sold.order.workerpool == world.workerpool


@pytest.mark.parametrize("path", sorted(MODELS))
async def test_what_a_page_answers_is_read_by_its_model_and_told_again_unchanged(office, path):
    world, client = office
    worker = await world.hired()
    deal = await world.deal()
    await world.step()
    ids = {"task_id": first_task(deal), "deal_id": deal.deal_id, "address": worker.address}
    where = path.format(**ids)
    told = (await client.get(where)).json()
    adapter = TypeAdapter(MODELS[path])
    assert adapter.dump_python(adapter.validate_python(told), mode="json") == told


CONFIG = {
    "chain_id": 1,
    "hub": "0x" + "11" * 20,
    "workerpool": "0x" + "22" * 20,
    "owner": "0x" + "33" * 20,
    "results_url": "http://r",
}


def test_a_reader_passes_over_what_a_newer_pool_tells_and_does_without_what_an_older_one_does_not():
    read = read_model(pool_api.PoolConfig, CONFIG | {"of_tomorrow": [1]}, "it")
    assert (read.chain_id, read.version, read.prices) == (1, "unknown", {})


@pytest.mark.parametrize(
    ("members", "named"),
    [
        (CONFIG | {"hub": "0x12"}, "hub: "),
        (CONFIG | {"chain_id": "x"}, "chain_id: "),
        ({k: v for k, v in CONFIG.items() if k != "owner"}, "owner: "),
        ([], "the answer: "),
        (CONFIG | {"hub": "\x1b[2J"}, "hub: "),
    ],
)
def test_an_answer_of_another_form_is_refused_and_says_where(members, named):
    with pytest.raises(Malformed) as caught:
        read_model(pool_api.PoolConfig, members, "the workerpool at http://p")
    told = str(caught.value)
    assert told.startswith("the workerpool at http://p answered in a form unknown here: " + named)
    assert "\x1b" not in told
