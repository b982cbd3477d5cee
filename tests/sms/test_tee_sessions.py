"""Challenges, sessions and secrets of confidential tasks, and who is refused them (4.4)."""

from __future__ import annotations

import pytest
from sms_world import named
from tee_world import PROPERTIES, TeeScene, sign32

from poolhand.domain.hashes import challenge_request
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.result_key import RESULT_KEY_NAME
from poolhand.domain.sms_secret import SecretKind
from poolhand.domain.tag import NO_TAG, Tag
from poolhand.domain.tee.session import Service
from poolhand.keys.wallet import Wallet

ALL = tuple(Service)
ZERO = "0x" + "00" * 20


@pytest.fixture
async def tee(tmp_path):
    async with TeeScene(tmp_path).open() as made:
        yield made


async def test_framework_and_properties_are_told(tee):
    assert (await tee.http.get("/tee/framework")).json() == "TDX"
    for path in ("tdx", "TDX", "TDX/1"):
        told = (await tee.http.get(f"/tee/properties/{path}")).json()
        assert told["preComputeProperties"]["image"] == PROPERTIES.preComputeProperties.image
    asked = {path: (await tee.http.get(f"/tee/properties/{path}")).status_code
             for path in ("tdx/2", "scone", "what")}  # fmt: skip
    assert asked == {"tdx/2": 404, "scone": 409, "what": 404}


async def test_a_challenge_is_one_address_for_each_task_of_the_pools_owner(tee):
    (_, first), (_, second) = await tee.bought(), await tee.bought()
    told = await tee.challenge(first)
    assert told.status_code == 200
    assert Address.parse(told.text)
    assert (await tee.challenge(first)).text == told.text
    assert (await tee.challenge(second)).text != told.text


async def test_all_who_get_no_challenge_are_told_the_same(tee):
    _, task = await tee.bought()
    _, usual = await tee.bought(tag=NO_TAG)
    _, other = await tee.bought(tag=Tag.of(("tee", "scone")))
    _, early = await tee.bought(initialize=False)
    refused = [
        await tee.challenge(task, tee.wallets[5]),
        await tee.challenge(task, tee.world.requester),
        *[await tee.challenge(each) for each in (usual, other, early, TaskId(b"\x07" * 32))],
        await tee.http.post(f"/tee/challenges/{task}"),
        await tee.http.post("/tee/challenges/0x12"),
        await tee.http.post(
            f"/tee/challenges/{task}",
            headers={"Authorization": sign32(tee.world.owner, challenge_request(other))},
        ),
    ]
    assert {each.status_code for each in refused} == {401}
    assert len({each.content for each in refused}) == 1


async def test_each_service_is_told_its_own_environment_once(tee):
    await tee.with_secrets()
    _, task = await tee.bought()
    session, told = await tee.opened(task), {}
    for service in ALL:
        proof = await tee.proof(session, service)
        answer = await tee.provision(session, service, proof)
        assert answer.status_code == 200, answer.text
        told[service] = tee.read(answer, session, service, proof)
        again = await tee.provision(session, service, await tee.proof(session, service))
        assert again.status_code == 401
    assert told[Service.PRE_COMPUTE]["IEXEC_DATASET_KEY"] == "secret of web3"
    assert told[Service.APP]["IEXEC_APP_DEVELOPER_SECRET"] == "secret of app"
    assert told[Service.APP]["IEXEC_REQUESTER_SECRET_1"] == "secret of requester"
    key = told[Service.POST_COMPUTE]["SIGN_TEE_CHALLENGE_PRIVATE_KEY"]
    enclave = Wallet.from_key(bytes.fromhex(key[2:])).address
    assert str(enclave) == (await tee.challenge(task)).text
    assert key not in str(told[Service.APP])
    assert session.endswith("0000" + str(task))


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"chainTaskId": ""}, 401, "EXECUTION_NOT_AUTHORIZED_EMPTY_PARAMS_UNAUTHORIZED"),
        ({"workerWallet": "0x1"}, 401, "EXECUTION_NOT_AUTHORIZED_EMPTY_PARAMS_UNAUTHORIZED"),
        ({"taskIndex": 1}, 401, "EXECUTION_NOT_AUTHORIZED_GET_CHAIN_TASK_FAILED"),
        ({"signature": {"value": "0x"}}, 401, "EXECUTION_NOT_AUTHORIZED_INVALID_SIGNATURE"),
        ({"signature": 7}, 401, "EXECUTION_NOT_AUTHORIZED_EMPTY_PARAMS_UNAUTHORIZED"),
        ({"owner": 5}, 401, "EXECUTION_NOT_AUTHORIZED_INVALID_SIGNATURE"),
        ({"signer": 5}, 401, "INVALID_AUTHORIZATION"),
        ({"enclave": ZERO}, 500, "GET_SIGNATURE_TOKENS_FAILED_EMPTY_PUBLIC_ENCLAVE_CHALLENGE"),
        ({"enclave": "0x" + "11" * 20}, 500, "GET_SIGNATURE_TOKENS_FAILED_EMPTY_TEE_CHALLENGE"),
    ],
)
async def test_a_session_is_refused_by_name(tee, change, status, error):
    await tee.with_secrets()
    _, task = await tee.bought()
    enclave = (await tee.challenge(task)).text
    change = {name: tee.wallets[each] if name in ("owner", "signer") else each
              for name, each in change.items()}  # fmt: skip
    answer = await tee.session(task, change.pop("enclave", enclave), **change)
    assert (answer.status_code, answer.json()) == (status, {"error": error})


@pytest.mark.parametrize(
    ("bought", "lacks", "status", "error"),
    [
        ({"tag": NO_TAG}, None, 401, "EXECUTION_NOT_AUTHORIZED_NO_MATCH_ONCHAIN_TYPE"),
        ({"tag": Tag.of(("tee", "scone"))}, None, 401,
         "EXECUTION_NOT_AUTHORIZED_NO_MATCH_ONCHAIN_TYPE"),  # the pool says it is TDX
        ({"initialize": False}, None, 401, "EXECUTION_NOT_AUTHORIZED_GET_CHAIN_TASK_FAILED"),
        ({}, SecretKind.WEB3, 500, "PRE_COMPUTE_GET_DATASET_SECRET_FAILED"),
        ({"params": '{"iexec_result_encryption":true}'}, None, 500,
         "POST_COMPUTE_GET_ENCRYPTION_TOKENS_FAILED_EMPTY_BENEFICIARY_KEY"),
        ({"params": '{"iexec_result_storage_provider":"dropbox"}'}, None, 500,
         "POST_COMPUTE_GET_STORAGE_TOKENS_FAILED"),
    ],
)  # fmt: skip
async def test_a_session_without_what_it_needs_is_refused_before_anything_runs(
    tee, bought, lacks, status, error
):
    for kind, (place, wallet) in tee.places().items():
        if kind is not lacks:
            await tee.push(place, "v", wallet)
    _, task = await tee.bought(**bought)
    enclave = (await tee.challenge(task)).text if status == 500 else "0x" + "11" * 20
    answer = await tee.session(task, enclave)
    assert (answer.status_code, answer.json()) == (status, {"error": error})


async def test_whoever_has_not_proved_it_is_told_nothing_and_all_are_told_the_same(tee):
    """The attack table; each answer is the same, and each costs one verification."""
    await tee.with_secrets()
    (_, task), (_, other) = await tee.bought(), await tee.bought()
    session, another = await tee.opened(task), await tee.opened(other)
    app, post = Service.APP, Service.POST_COMPUTE
    used = await tee.nonce(session)
    replayed = await tee.proof(session, app, nonce=used)
    assert (await tee.provision(session, app, replayed)).status_code == 200
    strangers = [
        (session, app, replayed),  # the quote again
        (session, post, await tee.proof(session, post, nonce=used)),  # a nonce again
        (session, post, await tee.proof(session, post, nonce="00" * 32)),  # none of ours
        (session, post, await tee.proof(session, post, nonce=await tee.nonce(another))),
        (session, post, await tee.proof(session, post, code=tee.code(app))),  # another program
        (session, post, await tee.proof(session, app)),  # the app asks for the last service's
        (session, post, await tee.proof(session, post, of=another)),  # of another session
        (another, post, await tee.proof(session, post)),
        (session, post, await tee.proof(session, post, as_="app")),
        (session, post, await tee.proof(session, post) | {"publicKey": "0x" + "07" * 32}),
        (session, post, await tee.proof(session, post) | {"kind": "sgx"}),
        (session, post, await tee.proof(session, post) | {"quote": "zz"}),
        (session, post, await tee.proof(session, post) | {"quote": "0x" + "00" * 30_000}),
        (session, post, {"quote": 7}),
        (session, post, []),
        (session, "other", await tee.proof(session, post)),
        ("no-session", post, await tee.proof("no-session", post)),
    ]
    asked, answers = tee.verifier.asked, []
    for number, each in enumerate(strangers, 1):
        answers.append(await tee.provision(*each))
        assert tee.verifier.asked == asked + number, each
    assert {each.status_code for each in answers} == {401}
    assert len({each.content for each in answers}) == 1
    honest = await tee.provision(session, post, await tee.proof(session, post))
    assert honest.status_code == 200


async def test_a_session_ends_by_time_by_another_and_with_its_task(tee):
    await tee.with_secrets()
    _, task = await tee.bought()
    first, proof = await tee.opened(task), None
    second = await tee.opened(task)
    for session in (first,):
        proof = await tee.proof(session, Service.APP)
        assert (await tee.provision(session, Service.APP, proof)).status_code == 401
    late = await tee.proof(second, Service.APP)
    tee.clock.advance(121)
    assert (await tee.provision(second, Service.APP, late)).status_code == 401
    fresh = await tee.proof(second, Service.APP)
    assert (await tee.provision(second, Service.APP, fresh)).status_code == 200
    tee.clock.advance(3600)
    over = await tee.proof(second, Service.PRE_COMPUTE)
    assert (await tee.provision(second, Service.PRE_COMPUTE, over)).status_code == 401
    third = await tee.opened(task)
    view = (await tee.chain.hub.tasks({task: ()}))[task]
    tee.chain.mine_until(view.contribution_deadline)
    done = await tee.proof(third, Service.APP)
    assert (await tee.provision(third, Service.APP, done)).status_code == 401


async def test_a_service_that_is_started_again_drops_sessions_and_keeps_challenges(tee):
    await tee.with_secrets()
    _, task = await tee.bought()
    enclave, session = (await tee.challenge(task)).text, await tee.opened(task)
    proof = await tee.proof(session, Service.APP)
    tee.start()
    async with tee.http:
        assert (await tee.provision(session, Service.APP, proof)).status_code == 401
        assert (await tee.challenge(task)).text == enclave
        again = await tee.opened(task)
        fresh = await tee.proof(again, Service.APP)
        assert (await tee.provision(again, Service.APP, fresh)).status_code == 200


async def test_releases_are_in_the_audit_log_before_they_go(tee):
    from poolhand.sms.keeping import told_audit

    await tee.with_secrets()
    _, task = await tee.bought()
    session = await tee.opened(task)
    await tee.provision(session, Service.APP, await tee.proof(session, Service.APP))
    row = told_audit(1, tee.address)[0]
    worker = "0x" + tee.world.workers[0].address.hex()
    assert (row["act"], row["owner"], row["name"]) == ("released", worker, f"{task} app")


async def test_the_beneficiarys_key_is_told_where_results_are_encrypted(tee):
    await tee.with_secrets()
    place, wallet = tee.places()[SecretKind.WEB2]
    await tee.push(named(place, name=RESULT_KEY_NAME), "a key", wallet)
    _, task = await tee.bought(params='{"iexec_result_encryption":true}')
    session = await tee.opened(task)
    proof = await tee.proof(session, Service.POST_COMPUTE)
    answer = await tee.provision(session, Service.POST_COMPUTE, proof)
    told = tee.read(answer, session, Service.POST_COMPUTE, proof)
    assert told["RESULT_ENCRYPTION_PUBLIC_KEY"] == "a key"
