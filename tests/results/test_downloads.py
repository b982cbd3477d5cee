"""What is given back, to any client and to our own."""

from __future__ import annotations

import hashlib
import json

import httpx
import pytest
from results_world import URL, archive, digest_of, refused

from poolhand import __version__
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.result_link import location_at
from poolhand.ports.files import UploadRefused
from poolhand.results.main import serve
from poolhand.settings.chain import ChainSettings
from poolhand.settings.results import ResultsSettings
from poolhand.transport.asgi import bind, port_of
from poolhand.transport.byte_rate import BURST_SECONDS, ByteRate
from poolhand.transport.listen import PortBusy
from poolhand.transport.results_client import (
    HttpShelf,
    ResultMissing,
    ResultsDown,
    ResultTooLarge,
)

# ----------------------------------------------------------------------------------------- download


async def test_ranges_and_head_and_info_are_served(scene):
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    body = archive(extra="printed")
    await scene.put(worker, offer, body)
    part = await scene.get(offer.task_id, headers={"Range": "bytes=2-5"})
    assert (part.status_code, part.content) == (206, body[2:6])
    head = await scene.http.head(f"{URL}/v1/results/{offer.task_id}")
    assert (head.content, head.headers["content-length"]) == (b"", str(len(body)))
    info = (await scene.get(offer.task_id, "/v1/results/{}/info")).json()
    assert info["digest"] == str(digest_of())
    assert {"name": "stdout.txt", "size": 7} in info["files"]


async def test_answers_are_those_that_clients_of_every_version_read_byte_for_byte(scene):
    offer = await scene.revealed(scene.workers[0])
    body = archive(extra="printed")
    put = await scene.put(scene.workers[0], offer, body)
    location = f"{URL}/v1/results/{offer.task_id}"
    link = f'{{ "storage": "ipfs", "location": "{location}" }}'
    assert put.content == _json({"link": link})
    info = await scene.get(offer.task_id, "/v1/results/{}/info")
    members = info.json()
    assert info.content == _json(
        {
            "task_id": str(offer.task_id),
            "worker": str(scene.workers[0].address),
            "digest": str(digest_of()),
            "size": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
            "location": location,
            "stored_at": members["stored_at"],
            "files": [{"name": each["name"], "size": each["size"]} for each in members["files"]],
        }
    )
    facts = scene.chain.facts
    about = {"version": __version__, "chain_id": facts.chain_id, "hub": str(facts.hub)}
    assert (await scene.get("", "/health")).content == _json({"ok": True, **about, "chain": None})


def _json(members):
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()


async def test_the_openapi_document_is_that_of_the_models(scene):
    paths = (await scene.get("", "/openapi.json")).json()["paths"]
    told = {
        (path, method): answer["responses"]["200"]["content"]["application/json"]["schema"]
        for path, method in (
            ("/v1/results/{task_id}", "put"),
            ("/v1/results/{task_id}/info", "get"),
            ("/health", "get"),
        )
        for answer in [paths[path][method]]
    }
    names = [schema["$ref"].rpartition("/")[2] for schema in told.values()]
    assert names == ["StoredResult", "ResultInfo", "ResultsHealth"]
    fault = paths["/health"]["get"]["responses"]["default"]["content"]["application/json"]
    assert fault["schema"]["$ref"].endswith("/ServiceFault")


async def test_an_unknown_task_is_404(scene):
    refused(await scene.get("0x" + "22" * 32), 404, "no-result-here")


async def test_health_metrics_and_openapi_are_served(scene):
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    await scene.put(worker, offer)
    assert (await scene.get("", "/health")).json()["ok"] is True
    assert (
        'poolhand_result_uploads_total{outcome="stored"} 1.0'
        in (await scene.get("", "/metrics")).text
    )
    assert "/v1/results/{task_id}" in (await scene.get("", "/openapi.json")).json()["paths"]


async def test_a_web_page_under_a_foreign_name_is_refused(scene):
    answer = await scene.http.get(URL + "/health", headers={"Host": "evil.example"})
    refused(answer, 403, "foreign-host")
    answer = await scene.http.get(URL + "/health", headers={"Origin": "http://evil.example"})
    refused(answer, 403, "foreign-host")


# ---------------------------------------------------------------------------------- our own clients


async def test_the_workers_client_uploads_and_the_requesters_client_downloads(scene, tmp_path):
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    source, target = tmp_path / "out.zip", tmp_path / "in.zip"
    source.write_bytes(archive())
    link = await scene.client(worker).upload(offer, str(source))
    assert str(offer.task_id) in link
    await scene.reader().download(location_at(URL, offer.task_id), str(target))
    assert target.read_bytes() == source.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.zip", "out.zip", "vault"]


async def test_the_workers_client_uploads_at_the_rate_that_it_is_given(scene, tmp_path):
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    source, pauses = tmp_path / "out.zip", []

    async def pause(seconds):
        pauses.append(seconds)

    source.write_bytes(archive())
    pace = ByteRate(lambda: 100, lambda: 0.0, pause)
    await scene.client(worker, pace).upload(offer, str(source))
    assert max(pauses) == source.stat().st_size / 100 - BURST_SECONDS


async def test_the_workers_client_tells_refused_from_unavailable(scene, tmp_path):
    worker = scene.workers[0]
    offer = await scene.offer(worker, trust=10)
    source = tmp_path / "out.zip"
    source.write_bytes(archive())
    with pytest.raises(ResultsDown, match="no consensus yet"):
        await scene.client(worker).upload(offer, str(source))
    with pytest.raises(UploadRefused, match="not-authorized"):
        await scene.client(scene.workers[1]).upload(offer, str(source))


async def test_the_requesters_client_leaves_nothing_behind_when_it_fails(scene, tmp_path):
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    target = str(tmp_path / "in.zip")
    with pytest.raises(ResultMissing, match="no result"):
        await scene.reader().download(location_at(URL, offer.task_id), target)
    await scene.put(worker, offer)
    with pytest.raises(ResultTooLarge):
        await scene.reader(limit=10).download(location_at(URL, offer.task_id), target)
    scene.chain.outage = True
    with pytest.raises(ResultsDown):
        await scene.reader().download(location_at(URL, offer.task_id), target)
    assert [p.name for p in tmp_path.iterdir()] == ["vault"]


async def test_a_busy_port_is_told_before_the_chain_is_asked(tmp_path):
    chain = ChainSettings(("http://127.0.0.1:9",), Address(bytes([7] * 20)))
    with bind("127.0.0.1", 0) as taken:
        settings = ResultsSettings(chain, port=port_of(taken), folder=tmp_path)
        with pytest.raises(PortBusy):
            await serve(settings)


async def test_the_pool_is_told_where_a_result_lies_as_it_was_kept(scene):
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    shelf = HttpShelf(scene.http, URL)
    assert await shelf.location(offer.task_id) is None
    await scene.put(worker, offer)
    told = location_at(URL, offer.task_id)
    assert await shelf.location(offer.task_id) == told
    assert (await scene.get(offer.task_id, "/v1/results/{}/info")).json()["location"] == told
    scene.chain.outage = True
    with pytest.raises(ResultsDown):
        await shelf.location(offer.task_id)


@pytest.mark.parametrize("told", ['http://a"b', "http://a\\b", "http://a b", "x" * 1_025, ""])
async def test_a_location_that_would_spoil_the_link_on_chain_is_none(told):
    answer = httpx.Response(200, headers={"Content-Location": told})
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: answer)) as http:
        with pytest.raises(ResultsDown, match="no location"):
            await HttpShelf(http, URL).location(TaskId(bytes(32)))
