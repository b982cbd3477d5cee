"""Results in IPFS: nothing goes on chain that the node has not proved to have, byte for byte."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import httpx
import pytest
from results_world import URL, Scene, archive, refused
from test_storage_suite import ARCHIVE, kept, opened, read

from dag_writer import node
from ipfs_memory import RPC, MemoryNode
from poolhand.domain.content_id import ContentId
from poolhand.domain.ids import TaskId
from poolhand.ports.storage import StorageDown, StorageFull, StorageUnfit
from poolhand.results.assembly import assemble
from poolhand.settings.storage import StorageChoice
from poolhand.store.kubo_objects import PAUSES_OF_ADDING, KuboObjects


def objects(node: MemoryNode, authorization: str = "", pauses: list | None = None) -> KuboObjects:
    async def pause(seconds: float) -> None:
        if pauses is not None:
            pauses.append(seconds)

    return KuboObjects(node.client(), RPC, authorization, pause)


def file(tmp_path, content: bytes) -> str:
    path = tmp_path / "file"
    path.write_bytes(content)
    return str(path)


async def all_of(kubo: KuboObjects, location: str, first: int = 0, count=None) -> bytes:
    return b"".join([piece async for piece in kubo.read("", location, first, count)])


async def test_a_file_of_many_blocks_is_given_part_by_part(tmp_path):
    content = b"".join(hashlib.sha256(bytes([n % 251, n // 251])).digest() for n in range(30_000))
    there = MemoryNode()
    location = await objects(there).put("t/a.zip", file(tmp_path, content))
    for first, count in [(0, None), (5, 1), (262_143, 2), (300_000, 600_000), (959_990, None)]:
        there.calls.clear()
        part = content[first : None if count is None else first + count]
        assert await all_of(objects(there), location, first, count) == part
    assert len(there.calls) == 2, "only the root and the last block are needed for the end"


async def test_what_is_kept_has_a_name_and_no_pin_and_is_let_go_with_its_name(tmp_path):
    there = MemoryNode()
    kubo = objects(there)
    location = await kubo.put("a/1.zip", file(tmp_path, b"same"))
    assert await kubo.put("b/1.zip", file(tmp_path, b"same")) == location
    await kubo.remove("a/1.zip")
    assert there.held() == {location.removeprefix("/ipfs/")}
    await kubo.remove("b/1.zip")
    assert there.held() == set()


async def test_a_node_that_goes_in_the_middle_is_sent_the_file_again(tmp_path):
    there, pauses = MemoryNode(gone=2), []
    kubo = objects(there, pauses=pauses)
    location = await kubo.put("t/a.zip", file(tmp_path, b"x" * 600_000))
    assert pauses == list(PAUSES_OF_ADDING[:2])
    assert await all_of(kubo, location) == b"x" * 600_000
    there.gone = 99
    with pytest.raises(StorageDown, match="does not answer"):
        await kubo.put("t/b.zip", file(tmp_path, b"y"))
    assert len(pauses) == 2 + len(PAUSES_OF_ADDING)


async def test_a_node_that_names_another_file_is_not_believed(tmp_path):
    there = MemoryNode(names_another=True)
    with pytest.raises(StorageDown, match="is another file"):
        await objects(there).put("t/a.zip", file(tmp_path, b"mine"))
    assert there.names == {}


async def test_a_block_that_was_altered_is_not_given(tmp_path):
    there = MemoryNode()
    location = await objects(there).put("t/a.zip", file(tmp_path, b"right"))
    there.blocks[ContentId.parse(location.removeprefix("/ipfs/"))] = node(b"wrong")
    with pytest.raises(StorageDown, match="not asked for"):
        await all_of(objects(there), location)


async def test_a_block_that_is_gone_is_told(tmp_path):
    there = MemoryNode()
    location = await objects(there).put("t/a.zip", file(tmp_path, b"right"))
    there.blocks.clear()
    with pytest.raises(StorageDown, match="block was not found"):
        await all_of(objects(there), location)


async def test_a_node_that_is_full_is_told_from_one_that_is_broken(tmp_path):
    with pytest.raises(StorageFull, match="operator must make some"):
        await objects(MemoryNode(full=True)).put("t/a.zip", file(tmp_path, b"x"))


async def test_a_node_that_asks_for_more_than_we_say_is_told_at_the_start():
    there = MemoryNode(authorization="Bearer right")
    with pytest.raises(StorageUnfit, match=r"refuses our credentials.*\[ipfs\]") as fault:
        await objects(there, "Bearer hidden").check()
    assert "hidden" not in str(fault.value)
    await objects(there, "Bearer right").check()
    with pytest.raises(StorageDown, match="refuses our credentials"):
        await objects(there).remove("t/a.zip")


async def test_what_is_no_node_is_told_at_the_start():
    answers = [httpx.Response(404), httpx.Response(200, text="<html>"), httpx.Response(200, json=1)]
    for answer in answers:
        http = httpx.AsyncClient(transport=httpx.MockTransport(lambda _, a=answer: a))
        with pytest.raises(StorageUnfit, match="is no IPFS node"):
            await KuboObjects(http, RPC).check()


async def test_an_address_tells_its_archives_until_the_last_is_removed(tmp_path):
    storage = await opened(tmp_path, objects(MemoryNode()))
    first = await kept(storage)
    second = await kept(storage, replace(ARCHIVE, task_id=TaskId(bytes([9] * 32))))
    assert first.location == second.location
    assert set(await storage.at(first.location)) == {first, second}
    await storage.remove(first)
    assert await storage.at(first.location) == (second,)
    assert await read(storage, second) == b"0123456789"
    await storage.remove(second)
    assert await storage.at(first.location) == ()
    assert list((tmp_path / "addresses").iterdir()) == []


@pytest.fixture
async def gateway(tmp_path):
    """A results service whose results lie in a node."""
    scene = Scene(tmp_path / "vault", max_archive=100_000)
    await scene.http.aclose()
    scene.node = MemoryNode()
    scene.storage = await opened(tmp_path / "ipfs", objects(scene.node))
    settings = replace(scene.settings, storage=StorageChoice.parse("ipfs+http://node.example:5001"))
    scene.app, scene.intake = assemble(scene.chain.hub, scene.storage, scene.clock, settings, URL)
    scene.http = httpx.AsyncClient(transport=httpx.ASGITransport(app=scene.app))
    async with scene.http:
        yield await scene.open()


async def test_the_gateway_gives_a_result_by_the_address_on_chain(gateway):
    worker = gateway.workers[0]
    offer = await gateway.revealed(worker)
    link = (await gateway.put(worker, offer)).json()["link"]
    location = link.split('"')[-2]
    assert location.startswith("/ipfs/Qm")
    whole = await gateway.http.get(URL + location)
    assert (whole.status_code, whole.content) == (200, archive())
    part = await gateway.http.get(URL + location, headers={"Range": "bytes=3-9"})
    assert (part.status_code, part.content) == (206, archive()[3:10])
    head = await gateway.http.head(URL + location)
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(archive())))
    assert "immutable" in whole.headers["cache-control"]
    same = await gateway.get(offer.task_id)
    assert (same.content, same.headers["content-location"]) == (archive(), location)


async def test_the_gateway_gives_nothing_but_results(gateway):
    worker = gateway.workers[0]
    offer = await gateway.offer(worker, trust=1)
    link = (await gateway.put(worker, offer)).json()["link"]
    location = link.split('"')[-2]
    refused(await gateway.http.get(URL + location), 404, "result-pending")
    private = await objects(gateway.node).put("private", __file__)
    refused(await gateway.http.get(URL + private), 404, "no-result-here")
    assert (await gateway.http.get(f"{URL}/ipfs/nothing")).status_code == 400
