"""Who may hand in what, and when; through HTTP, on a fake chain and a real folder."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile

import httpx
import pytest
from eth_hash.auto import keccak
from hub_world import digest
from results_world import URL, Scene, archive, digest_of

from poolhand import __version__
from poolhand.domain.ids import Address, ResultDigest, TaskId
from poolhand.domain.onchain import Reopen
from poolhand.domain.replicate.machine import Offer
from poolhand.domain.result_link import location_at
from poolhand.domain.text import is_plain
from poolhand.keys.wallet import Wallet
from poolhand.ports.files import UploadRefused
from poolhand.results.main import serve
from poolhand.settings.chain import ChainSettings
from poolhand.settings.results import ResultsSettings
from poolhand.transport.asgi import bind, port_of
from poolhand.transport.listen import PortBusy
from poolhand.transport.results_client import (
    HttpShelf,
    ResultMissing,
    ResultsDown,
    ResultTooLarge,
)
from raw_zip import raw_zip


@pytest.fixture
async def scene(tmp_path):
    made = await Scene(tmp_path / "vault", max_archive=100_000).open()
    async with made.http:
        yield made


def refused(answer, status: int, code: str) -> str:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    return answer.json()["message"]


def files_left(scene) -> list[str]:
    return sorted(p.name for p in scene.settings.folder.rglob("*") if p.is_file())


# ---------------------------------------------------------------------------------- standard flow


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


# ------------------------------------------------------------------------- contributeAndFinalize


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


# ---------------------------------------------------------------------------------- callback deals


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


# ---------------------------------------------------------------------------------- authorization


async def test_a_deal_that_is_not_on_chain_may_only_be_late(scene):
    offer = await scene.revealed(scene.workers[0])
    answer = await scene.put(scene.workers[0], offer, deal_id="0x" + "11" * 32)
    refused(answer, 503, "not-yet-on-chain")


@pytest.mark.parametrize("index", ["1", "9223372036854775807"])
async def test_a_task_outside_of_the_deal_is_refused(scene, index):
    offer = await scene.revealed(scene.workers[0])
    refused(await scene.put(scene.workers[0], offer, index=index), 403, "not-authorized")


async def test_another_task_of_the_same_deal_is_refused(scene):
    offer = await scene.revealed(scene.workers[0], tasks=2)
    refused(await scene.put(scene.workers[0], offer, index="1"), 403, "not-authorized")


async def test_an_authorization_signed_by_a_stranger_is_refused(scene):
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    stranger = Wallet.from_key(bytes([77] * 32))
    forged = stranger.sign_authorization(worker.address, offer.task_id, Address(bytes(20)))
    mine = Offer(offer.task_id, offer.deal_id, offer.index, offer.flow, forged)
    refused(await scene.put(worker, mine), 403, "not-authorized")


async def test_the_authorization_of_another_worker_is_of_no_use(scene):
    worker, thief = scene.workers[:2]
    offer = await scene.revealed(worker)
    refused(await scene.put(thief, offer), 403, "not-authorized")


async def test_a_worker_cannot_hand_in_under_anothers_name(scene):
    worker, thief = scene.workers[:2]
    offer = await scene.revealed(worker)
    answer = await scene.put(thief, offer, worker=str(worker.address))
    assert "signed by" in refused(answer, 403, "not-authorized")


async def test_a_signature_for_another_archive_is_refused(scene):
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    other = scene.upload(worker, offer, archive("43")).request()["headers"]["Poolhand-Signature"]
    upload = scene.upload(worker, offer)
    upload.changes["Poolhand-Signature"] = other
    refused(await scene.http.put(**upload.request()), 403, "not-authorized")


async def test_a_body_that_is_not_the_signed_archive_is_refused(scene):
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    request = scene.upload(worker, offer).request() | {"content": archive(extra="swapped")}
    refused(await scene.http.put(**request), 409, "digest-differs")
    assert files_left(scene) == []


@pytest.mark.parametrize("seconds", [-61, 60 * 60])
async def test_a_stale_or_too_long_signature_is_refused(scene, seconds):
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    upload = scene.upload(worker, offer)
    upload.now += seconds
    refused(await scene.http.put(**upload.request()), 403, "upload-expired")


async def test_a_signature_for_another_pool_is_refused(scene):
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    upload = scene.upload(worker, offer)
    upload.pool = Address(bytes([5] * 20))
    refused(await scene.http.put(**upload.request()), 403, "not-authorized")


async def test_a_service_of_one_pool_takes_nothing_of_another(tmp_path):
    scene = await Scene(tmp_path / "vault", workerpool=Address(bytes([5] * 20))).open()
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    refused(await scene.put(worker, offer), 403, "other-pool")


@pytest.mark.parametrize(
    "changes",
    [
        {"deal_id": "0x12"},
        {"worker": "me"},
        {"index": "-1"},
        {"expiry": "soon"},
        {"task_id": "0x12"},
        {"index": str(2**70)},
    ],
)
async def test_a_malformed_request_is_answered_400_in_the_common_form(scene, changes):
    offer = await scene.revealed(scene.workers[0])
    answer = await scene.put(scene.workers[0], offer, **changes)
    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "message"}


# --------------------------------------------------------------------------------------- limits


async def test_a_body_over_the_limit_is_refused_announced_or_not(scene):
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    body = bytes(100_001)

    async def chunked():
        for start in range(0, len(body), 10_000):
            yield body[start : start + 10_000]

    refused(await scene.put(worker, offer, body), 413, "body-too-large")
    request = scene.upload(worker, offer, body).request() | {"content": chunked()}
    refused(await scene.http.put(**request), 413, "body-too-large")
    assert files_left(scene) == []


async def test_an_unreachable_chain_is_503_and_not_a_refusal(scene):
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    scene.chain.outage = True
    refused(await scene.put(worker, offer), 503, "chain-unreachable")
    refused(await scene.get(offer.task_id), 503, "chain-unreachable")


# --------------------------------------------------------------------------------------- download


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


# --------------------------------------------------------------------------------------- tidying up


async def test_archives_that_lost_are_removed_and_the_result_stays(scene):
    worker, other = scene.workers[:2]
    offer = await scene.offer(worker)
    await scene.put(other, scene.share(other, offer), archive("forged"))
    await scene.put(worker, offer)
    assert await scene.intake.tidy_up() == 0
    await scene.settle(worker, offer, digest_of())
    assert await scene.intake.tidy_up() == 1
    assert await scene.intake.tidy_up() == 0
    assert (await scene.get(offer.task_id)).status_code == 200


async def test_archives_of_a_task_that_was_never_settled_go_after_its_deadline(scene):
    worker = scene.workers[0]
    offer = await scene.offer(worker, start=False)
    await scene.put(worker, offer)
    scene.chain.mine(3000 - 10)
    assert await scene.intake.tidy_up() == 0
    scene.chain.mine(20)
    assert await scene.intake.tidy_up() == 1
    assert files_left(scene) == []


async def test_a_result_is_kept_as_long_as_the_operator_says(tmp_path):
    scene = await Scene(tmp_path / "vault", keep=3600).open()
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    await scene.put(worker, offer)
    await scene.market.finalize(offer.task_id)
    scene.clock.advance(3600)
    assert await scene.intake.tidy_up() == 0
    scene.clock.advance(1)
    assert await scene.intake.tidy_up() == 1


# ------------------------------------------------------------------------------- our own clients


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
