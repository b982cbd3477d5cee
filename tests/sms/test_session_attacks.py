"""The attack table of confidential tasks, over whole sessions: challenge, session, quotes, chain.

Quotes, verifier, service, sealing and the contract's rules are the real ones; the root is simulated.
Each attack is told nothing, and does not hinder the honest program behind it. The table with the
test of each row is in docs/threat-model.md.
"""

from __future__ import annotations

import re
from base64 import b64decode
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from attested_world import AFTER, APP, PRIVATE, ROOT, AttestedScene, Story
from structlog.testing import capture_logs

from poolhand.attestation.simulated_root import CLOCK_SLACK, COLLATERAL_SECONDS, SimulatedLevel
from poolhand.attestation.verifier import DcapVerifier
from poolhand.chain.errors import BadEnclave
from poolhand.chain.fake import FakeChain
from poolhand.domain.sms_secret import MOST_SECRET, SecretKind
from poolhand.domain.tag import Tag
from poolhand.domain.tee.evidence import TcbStatus
from poolhand.domain.tee.sealing import NotSealedForUs, open_sealed
from poolhand.domain.tee.session import MOST_REQUESTER_SECRETS, Service
from poolhand.sms.keeping import open_secrets
from poolhand.store.sms.errors import SecretsOfAnotherChain
from poolhand.transport.clock import ManualClock, SystemClock

PRE, APP_SERVICE, POST = Service
ROOT_FOLDER = Path(__file__).parents[2]
THIEF = b"\x07" * 32
"""A key of whoever stands between the program and the service."""


@pytest.fixture
async def tee(tmp_path):
    clock = ManualClock(SystemClock().now())
    async with AttestedScene(tmp_path, clock).open() as made:
        await made.with_secrets()
        yield made


async def test_a_whole_session_ends_in_a_contribution_that_the_chain_takes(tee):
    story = await Story.begun(tee)
    assert (await story.told(PRE))["IEXEC_DATASET_KEY"] == "secret of web3"
    await story.contributed()
    view = await tee.market.view(story.task, story.worker)
    assert view.contributors == (story.worker.address,)


async def test_a_quote_that_is_replayed_is_told_nothing(tee):
    story, other = await Story.begun(tee), await Story.begun(tee)
    used = await story.proof(POST)
    assert (await tee.provision(story.session, POST, used)).status_code == 200
    await story.refused(POST, used)
    await story.refused(APP_SERVICE, used)
    await other.refused(POST, used)
    await other.refused(POST, used | {"nonce": await tee.nonce(other.session)})
    await story.reopened()
    await story.refused(POST, used)
    for each in (story, other):
        await each.contributed()


async def test_stale_collateral_proves_nothing_until_it_is_refreshed(tee):
    story = await Story.begun(tee)
    tee.clock.set_by(COLLATERAL_SECONDS)
    with capture_logs() as logs:
        await story.refused(POST, await story.proof(POST))
    assert [each["reason"] for each in logs if each["event"] == "quote_refused"] == [
        "collateral-stale"
    ]
    later = ROOT.trust(issued=tee.clock.now())
    tee.verifier = DcapVerifier(None, [later])
    tee.start()
    await (await story.reopened()).contributed()


async def test_an_enclave_that_its_owner_can_read_is_told_nothing(tee):
    story = await Story.begun(tee)
    for service in Service:
        await story.refused(service, await story.proof(service, debug=True))
    await story.contributed()


@pytest.mark.parametrize(
    "program",
    [
        replace(APP, digest="02" * 32),
        replace(APP, command=("hello", "you")),
        replace(APP, command=()),
        AFTER,
    ],
    ids=["image", "words", "none", "another service"],
)
async def test_a_program_that_was_not_bought_is_told_nothing(tee, program):
    story = await Story.begun(tee)
    await story.refused(APP_SERVICE, await story.proof(APP_SERVICE, program=program))
    await story.contributed()


async def test_a_quote_serves_no_other_key_and_what_is_sealed_opens_with_its_own_alone(tee):
    story = await Story.begun(tee)
    thief = (await story.proof(POST, key=THIEF))["publicKey"]
    await story.refused(POST, await story.proof(POST) | {"publicKey": thief})
    proof = await story.proof(POST)
    answer = await tee.provision(story.session, POST, proof)
    sealed = b64decode(answer.json()["sealed"])
    for about in (b"", bytes(64)):
        with pytest.raises(NotSealedForUs):
            open_sealed(THIEF, sealed, about)
    assert tee.read(answer, story.session, POST, proof, PRIVATE)


@pytest.mark.parametrize("revoked", ["level", "machine", "who certifies"])
async def test_a_machine_that_was_revoked_is_told_nothing(tee, revoked):
    story = await Story.begun(tee)
    tee.verifier = DcapVerifier(None, [{
        "level": lambda: ROOT.trust(SimulatedLevel(TcbStatus.REVOKED)),
        "machine": lambda: ROOT.trust(revoked=[story.machine.serial]),
        "who certifies": lambda: ROOT.trust(revokes_platform=True),
    }[revoked]()])  # fmt: skip
    tee.start()
    await story.reopened()
    for service in Service:
        await story.refused(service, await story.proof(service))
    if revoked == "machine":  # others of its maker are as good as before
        story.machine = ROOT.machine()
        await story.contributed()


async def test_of_two_sessions_of_one_task_the_later_one_counts(tee):
    story = await Story.begun(tee)
    first, proof = story.session, await story.proof(POST)
    await story.reopened()
    assert story.session != first
    await story.refused(POST, proof, session=first)
    await story.refused(POST, await story.proof(POST, session=first), session=first)
    await story.contributed()
    for service in (APP_SERVICE, POST):
        await story.refused(service, await story.proof(service))


async def test_a_task_asks_for_no_other_tasks_secrets(tee):
    story = await Story.begun(tee, params='{"iexec_args":"hello there"}')
    other = await Story.begun(tee)
    await story.refused(APP_SERVICE, await story.proof(APP_SERVICE), session=other.session)
    await story.refused(
        APP_SERVICE, await story.proof(APP_SERVICE, session=other.session)
    )  # a quote for the other's session shown in this one
    signed = await tee.session(
        story.task, story.enclave, chainTaskId=str(other.task), enclaveChallenge=other.enclave
    )
    assert (signed.status_code, signed.json()["error"]) == (401, "INVALID_AUTHORIZATION")
    assert "IEXEC_REQUESTER_SECRET_1" not in await story.told(APP_SERVICE)
    await other.contributed()


async def test_another_worker_gets_no_session_and_its_contribution_is_refused(tee):
    story = await Story.begun(tee)
    thief = tee.world.workers[1]
    for changes in (
        {"workerWallet": str(story.worker.address), "signer": thief},
        {"worker": thief, "owner": thief},
    ):
        assert (await tee.session(story.task, story.enclave, **changes)).status_code == 401
    after = await story.told(POST)
    with pytest.raises(BadEnclave):
        await story.contribution(after, thief)
    await story.contribution(after, story.worker)


async def test_another_chains_task_is_none_here_and_its_service_opens_no_secrets_of_ours(
    tee, tmp_path
):
    story = await Story.begun(tee)
    folder = tmp_path / "other"
    folder.mkdir()

    elsewhere = AttestedScene(folder, tee.clock)
    async with elsewhere.open() as there:
        assert there.wallets[1].address == tee.wallets[1].address
        refused = await there.session(story.task, story.enclave)
        assert refused.json()["error"] == "EXECUTION_NOT_AUTHORIZED_GET_CHAIN_TASK_FAILED"
        assert (await there.challenge(story.task)).status_code == 401
        await story.refused(POST, await story.proof(POST) | {"nonce": await there.nonce("any")})
    facts = FakeChain(chain_id=1).facts
    with (
        closing(open_secrets(elsewhere.address)) as database,
        pytest.raises(SecretsOfAnotherChain),
    ):
        database.claim(facts.chain_id, facts.hub)
    await story.contributed()


@pytest.mark.parametrize("tag", [Tag.of(("tee", "scone")), Tag.of(("tee", "gramine")), Tag.of(())])
async def test_a_pool_that_lies_about_the_framework_gets_neither_challenge_nor_session(tee, tag):
    """It signs whatever it likes; which framework a task has is read on chain."""
    _, task = await tee.bought(tag=tag)
    assert (await tee.challenge(task)).status_code == 401
    answer = await tee.session(task, "0x" + "11" * 20)
    assert answer.json()["error"] == "EXECUTION_NOT_AUTHORIZED_NO_MATCH_ONCHAIN_TYPE"


async def test_a_service_that_is_restarted_in_the_middle_goes_on_in_a_new_session(tee):
    story = await Story.begun(tee)
    await story.told(PRE)
    enclave = story.enclave
    proof = await story.proof(POST)
    tee.start()
    await story.refused(POST, proof)
    await story.refused(POST, await story.proof(POST))
    await story.reopened()
    assert story.enclave == enclave  # what the pool has authorized is the same task's enclave
    await story.contributed()


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [(-CLOCK_SLACK - 3_600, "collateral-not-yet-valid"), (COLLATERAL_SECONDS, "collateral-stale")],
)
async def test_a_clock_that_is_wrong_is_told_to_the_operator_and_ends_no_session(
    tee, seconds, reason
):
    story = await Story.begun(tee)
    tee.clock.set_by(seconds)
    with capture_logs() as logs:
        await story.refused(POST, await story.proof(POST))
    (told,) = (each for each in logs if each["event"] == "quote_refused")
    assert told["reason"] == reason
    assert "clock" in told["next_step"]
    tee.clock.set_by(-seconds)
    await story.contributed()


async def test_oversize_secrets_are_refused_where_they_come_in(tee):
    place, wallet = tee.places()[SecretKind.REQUESTER]
    for size, status in ((MOST_SECRET, 204), (MOST_SECRET + 1, 413), (10 * MOST_SECRET, 413)):
        named = replace(place, name=f"of-{size}")
        assert (
            await tee.push(named, "é" * (size // 2) + "x" * (size % 2), wallet)
        ).status_code == (status)


@pytest.mark.parametrize(("count", "status"), [(MOST_REQUESTER_SECRETS, 200), (101, 500)])
async def test_no_session_tells_more_than_a_program_can_be_given(tee, count, status):
    place, wallet = tee.places()[SecretKind.REQUESTER]
    names = ",".join(f'"{number}":"large"' for number in range(1, count + 1))
    await tee.push(replace(place, name="large"), "x" * MOST_SECRET, wallet)
    params = f'{{"iexec_args":"hello there","iexec_secrets":{{{names}}}}}'
    _, task = await tee.bought(params=params)
    enclave = (await tee.challenge(task)).text
    answer = await tee.session(task, enclave)
    assert answer.status_code == status
    if status == 500:
        assert answer.json()["error"] == "SECURE_SESSION_GENERATION_FAILED"
        return
    story = await Story(tee, task, tee.world.workers[0]).reopened()
    told = await story.told(APP_SERVICE)
    assert told[f"IEXEC_REQUESTER_SECRET_{count}"] == "x" * MOST_SECRET


async def test_every_refusal_is_the_same_answer_after_the_same_work(tee):
    """Not a clock, but what takes the time is compared: quotes verified, secrets looked up."""
    story, reads, verified = await Story.begun(tee), [], []
    store, judge = tee.keepers[0].store, tee.verifier.verify
    look = store.value

    async def value(place):
        reads.append(place)
        return await look(place)

    async def verify(*told):
        verified.append(told)
        return await judge(*told)

    store.value, tee.verifier = value, type("Counted", (), {"verify": staticmethod(verify)})
    tee.start()
    await story.reopened()
    await story.told(APP_SERVICE)
    answers, reads[:], verified[:] = [], [], []
    for name, proof, session in (
        (APP_SERVICE, await story.proof(APP_SERVICE), story.session),  # told already
        (POST, await story.proof(POST, nonce="00" * 32), story.session),
        (POST, await story.proof(POST, debug=True), story.session),
        (POST, await story.proof(POST, program=APP), story.session),
        (POST, await story.proof(POST, session="no"), "no"),
        ("other", await story.proof(POST), story.session),
    ):
        answers.append(await tee.provision(session, name, proof))
    assert len({(each.status_code, each.content) for each in answers}) == 1
    assert len(verified) == len(answers)
    assert reads == []


def test_the_table_of_the_threat_model_names_tests_that_there_are():
    page = (ROOT_FOLDER / "docs" / "threat-model.md").read_text(encoding="utf-8")
    table = page.partition("## Attacks on confidential tasks")[2].partition("## What is accepted")[
        0
    ]
    named = re.findall(r"`(test_\w+)`", table)
    assert len(named) >= 14
    assert set(named) == {name for name in globals() if name.startswith("test_")} - {
        "test_a_whole_session_ends_in_a_contribution_that_the_chain_takes",
        "test_the_table_of_the_threat_model_names_tests_that_there_are",
    }
