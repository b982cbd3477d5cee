"""Who may hand in what, and when; through HTTP, on a fake chain and a real folder."""

from __future__ import annotations

import io
import json
import zipfile

import httpx
import pytest
from eth_hash.auto import keccak
from hub_world import digest
from results_world import URL, Scene, archive, digest_of, files_left, refused

from poolhand.domain.ids import Address, ResultDigest
from poolhand.domain.onchain import Reopen
from poolhand.domain.text import is_plain
from poolhand.ports.storage import StorageDown, StorageFull
from poolhand.results import errors
from poolhand.results.api import BrokenOff
from poolhand.results.metrics import UPLOAD_OUTCOMES
from poolhand.transport.results_client import (
    ResultsDown,
)
from raw_zip import raw_zip

# ------------------------------------------------------------------------------------ standard flow


def test_archives_of_these_tests_are_the_same_at_every_time_of_day():
    with zipfile.ZipFile(io.BytesIO(archive())) as opened:
        assert {each.date_time for each in opened.infolist()} == {(1980, 1, 1, 0, 0, 0)}


async def test_a_proved_result_is_taken_and_given_back(scene, tmp_path):
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    body = archive()
    answer = await scene.put(worker, offer, body)
    assert answer.json() == {
        "link": f'{{ "storage": "ipfs", "location": "{URL}/v1/results/{offer.task_id}" }}'
    }
    given = await scene.get(offer.task_id)
    assert given.content == body
    assert given.headers["content-type"] == "application/zip"
    assert (await scene.get(offer.task_id, "/results/{}")).content == body


async def test_the_link_is_json_that_the_sdk_downloads(scene):
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    link = json.loads((await scene.put(worker, offer)).json()["link"])
    assert link["storage"] == "ipfs"
    assert (await scene.http.get(link["location"])).status_code == 200


async def test_the_same_archive_again_gives_the_same_link_even_after_the_end(scene):
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    first = await scene.put(worker, offer)
    await scene.market.finalize(offer.task_id)
    again = await scene.put(worker, offer)
    assert again.status_code == 200
    assert again.json() == first.json()


async def test_an_archive_of_another_digest_is_refused(scene):
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    refused(await scene.put(worker, offer, archive("43")), 409, "digest-differs")
    assert files_left(scene) == []


HOSTILE = {
    "a surrogate in a path": rb'{"deterministic-output-path":"/iexec_out/\ud800"}',
    "a surrogate in a name": rb'{"\ud800":1}',
    "an escape in a path": rb'{"deterministic-output-path":"/iexec_out/\u001b[2J"}',
}


@pytest.mark.case("A1", "A6")
@pytest.mark.parametrize("kind", HOSTILE)
async def test_a_hostile_computed_json_is_refused_in_words_that_can_be_shown(scene, kind):
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    body = bytes(raw_zip((b"result.txt", b"42"), (b"computed.json", HOSTILE[kind])))
    message = refused(await scene.put(worker, offer, body), 400, "unsafe-archive")
    assert is_plain(message)
    assert files_left(scene) == []


@pytest.mark.case("A12")
async def test_a_name_that_the_client_would_refuse_is_refused_before_it_is_taken(scene):
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    computed = b'{"deterministic-output-path":"/iexec_out/result.txt"}'
    files = ((b"result.txt", b"42"), (b"computed.json", computed))
    body = bytes(raw_zip(*files, ("a\u202egpj.exe".encode(), b""), flags=0x800))
    refused(await scene.put(worker, offer, body), 400, "unsafe-archive")


LINKS = [
    r"\ud800",
    r'{"storage":"ipfs","location":"\ud800"}',
    '{"storage":"ipfs","location":"\u202e"}',
    '{"storage":"ipfs",\n"location":"x"}',
]


@pytest.mark.case("A1")
@pytest.mark.parametrize("link", LINKS)
async def test_a_link_that_no_chain_should_carry_is_no_answer(scene, tmp_path, link):
    offer = await scene.revealed(scene.workers[0])
    source = tmp_path / "in.zip"
    source.write_bytes(archive())
    client = scene.client(scene.workers[0])
    client._transport = httpx.MockTransport(lambda _: httpx.Response(200, json={"link": link}))
    with pytest.raises(ResultsDown, match="no result link"):
        await client.upload(offer, str(source))


async def test_a_worker_that_has_not_revealed_is_asked_to_come_back(scene):
    worker = scene.workers[0]
    offer = await scene.offer(worker)
    await scene.market.contribute(worker, offer.task_id, digest_of())
    answer = await scene.put(worker, offer)
    refused(answer, 503, "not-yet-on-chain")
    assert answer.headers["retry-after"]


async def test_a_task_of_higher_trust_takes_nothing_before_its_consensus(scene):
    worker = scene.workers[0]
    offer = await scene.offer(worker, trust=10)
    refused(await scene.put(worker, offer), 503, "not-yet-on-chain")


async def test_an_authorized_worker_that_did_not_contribute_has_no_result(scene):
    worker, other = scene.workers[:2]
    offer = await scene.revealed(worker)
    refused(await scene.put(other, scene.share(other, offer)), 409, "wrong-moment")


async def test_a_rejected_worker_has_no_result(scene):
    worker, other = scene.workers[:2]
    offer = await scene.offer(worker)
    await scene.market.contribute(worker, offer.task_id, digest("bad"))
    view = await scene.market.view(offer.task_id)
    scene.chain.mine_until(view.reveal_deadline)
    await scene.world.send(scene.world.owner, Reopen(offer.task_id))
    await scene.market.contribute(other, offer.task_id, digest_of())
    await scene.market.reveal(other, offer.task_id, digest_of())
    refused(await scene.put(worker, offer), 409, "wrong-moment")


async def test_nothing_is_taken_after_the_final_deadline(scene):
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    view = await scene.market.view(offer.task_id)
    scene.chain.mine_until(view.final_deadline - 1)
    scene.chain.mine(1)
    refused(await scene.put(worker, offer), 409, "wrong-moment")


async def test_the_last_second_before_the_final_deadline_counts(scene):
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    view = await scene.market.view(offer.task_id)
    scene.chain.mine_until(view.final_deadline - 1)
    assert (await scene.put(worker, offer)).status_code == 200


async def test_a_completed_task_takes_no_other_archive(scene):
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    await scene.market.finalize(offer.task_id)
    refused(await scene.put(worker, offer), 409, "wrong-moment")


# ---------------------------------------------------------------------------- contributeAndFinalize


@pytest.mark.parametrize("start", [True, False])
async def test_a_trust_one_result_waits_for_the_chain_to_decide(scene, start):
    worker = scene.workers[0]
    offer = await scene.offer(worker, start=start)
    assert (await scene.put(worker, offer)).status_code == 200
    refused(await scene.get(offer.task_id), 404, "result-pending")
    if start:
        await scene.settle(worker, offer, digest_of())
        assert (await scene.get(offer.task_id)).status_code == 200


async def test_the_archive_that_the_chain_did_not_choose_is_never_served(scene):
    worker, other = scene.workers[:2]
    offer = await scene.offer(worker)
    theirs = scene.share(other, offer)
    assert (await scene.put(other, theirs, archive("forged"))).status_code == 200
    assert (await scene.put(worker, offer)).status_code == 200
    await scene.settle(worker, offer, digest_of())
    assert (await scene.get(offer.task_id)).content == archive()


async def test_of_one_workers_archives_the_one_it_settled_with_is_served(scene):
    worker = scene.workers[0]
    offer = await scene.offer(worker)
    for text in ("1", "2"):
        await scene.put(worker, offer, archive(text))
    await scene.settle(worker, offer, digest_of("2"))
    assert (await scene.get(offer.task_id)).content == archive("2")
    assert await scene.intake.tidy_up() == 1
    assert (await scene.get(offer.task_id)).content == archive("2")


async def test_who_left_the_same_digest_but_did_not_settle_is_not_served(scene):
    worker, other = scene.workers[:2]
    offer = await scene.offer(worker)
    poisoned = archive(extra="poison")
    assert (await scene.put(other, scene.share(other, offer), poisoned)).status_code == 200
    await scene.settle(worker, offer, digest_of())
    refused(await scene.get(offer.task_id), 404, "no-result-here")


async def test_a_worker_cannot_fill_the_vault_with_provisional_archives(scene):
    worker = scene.workers[0]
    offer = await scene.offer(worker)
    for text in ("1", "2"):
        assert (await scene.put(worker, offer, archive(text))).status_code == 200
    refused(await scene.put(worker, offer, archive("3")), 409, "too-many-archives")
    assert (await scene.put(worker, offer, archive("2", extra="again"))).status_code == 200


async def test_all_workers_together_cannot_fill_the_vault(tmp_path):
    scene = await Scene(tmp_path / "vault", max_provisional=2).open()
    offer = await scene.offer(scene.workers[0])
    answers = [
        await scene.put(worker, scene.share(worker, offer), archive(str(number)))
        for number, worker in enumerate(scene.workers[:3])
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 409]


async def test_a_trust_one_task_with_a_foreign_contribution_takes_nothing(scene):
    worker, other = scene.workers[:2]
    offer = await scene.offer(worker)
    await scene.market.contribute(other, offer.task_id, digest("bad"))
    view = await scene.market.view(offer.task_id)
    scene.chain.mine_until(view.reveal_deadline)
    await scene.world.send(scene.world.owner, Reopen(offer.task_id))
    refused(await scene.put(worker, offer), 409, "wrong-moment")


# ----------------------------------------------------------------------------------- callback deals


async def test_a_callback_result_is_judged_by_its_callback_data(scene):
    worker, contract = scene.workers[0], Address(bytes([9] * 20))
    offer = await scene.offer(worker, callback=contract)
    due = ResultDigest(keccak(b"\x01\x02"))
    await scene.market.contribute(worker, offer.task_id, due)
    await scene.market.reveal(worker, offer.task_id, due)
    refused(await scene.put(worker, offer, archive(callback=b"\x03")), 409, "digest-differs")
    answer = await scene.put(worker, offer, archive(callback=b"\x01\x02"))
    assert json.loads(answer.json()["link"]) == {"storage": "ethereum", "location": str(contract)}


async def test_a_callback_result_without_callback_data_is_refused(scene):
    worker = scene.workers[0]
    offer = await scene.offer(worker, callback=Address(bytes([9] * 20)))
    refused(await scene.put(worker, offer), 400, "unsafe-archive")


def test_every_reason_not_to_take_an_archive_is_counted_from_the_start():
    given = {errors.NoResultHere, *errors.NoResultHere.__subclasses__()}
    kinds = {each for each in vars(errors).values() if isinstance(each, type)}
    ours = {each for each in kinds if each.__module__ == errors.__name__} - given
    others = {BrokenOff, StorageFull, StorageDown}
    codes = {each("why").code for each in ours | others}
    assert set(UPLOAD_OUTCOMES) == {"stored", *codes}
