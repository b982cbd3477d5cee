"""What the services of a confidential task are told, and that none is told another's."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.domain.vectors import APP, DATASET, POOL, REQUESTER, SCHEDULER, WORKER

from poolhand.domain.deal import Dataset, Deal, Resource
from poolhand.domain.hashes import deal_id, task_id
from poolhand.domain.ids import ZERO_ADDRESS, Address, OrderHash
from poolhand.domain.multiaddr import encode
from poolhand.domain.params import DealParams, input_name
from poolhand.domain.tag import Tag
from poolhand.domain.tee.session import (
    BulkDataset,
    Service,
    SessionRequest,
    TaskSecrets,
    environments,
    file_name,
)
from poolhand.domain.tee.session_documents import (
    ServiceProgram,
    gramine_session,
    scone_session,
    tdx_session,
)
from poolhand.domain.tee.session_errors import SessionError, SessionRefused
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc, UnixSeconds

KEY = "0x" + "5e" * 32
DEAL_ID = deal_id(OrderHash(bytes(32)), 0)
BOUGHT = Dataset(DATASET, REQUESTER, "d", encode("https://example.com/d.enc"), bytes([7]) * 32)


def resource(address):
    return Resource(address, SCHEDULER, NanoRlc(0))


def deal(*, dataset=ZERO_ADDRESS, callback=ZERO_ADDRESS):
    return Deal(
        deal_id=DEAL_ID, app=resource(APP), dataset=resource(dataset), workerpool=resource(POOL),
        trust=Trust(1), category=0, tag=Tag.of(["tee", "tdx"]), requester=REQUESTER,
        beneficiary=REQUESTER, callback=callback, params="", start_time=UnixSeconds(0),
        bot_first=2, bot_size=3, worker_stake=NanoRlc(0), scheduler_percent=1, sponsor=REQUESTER,
    )  # fmt: skip


def request(secrets=None, *, dataset=None, params=None, bought=None, **more):
    return SessionRequest(
        task_id(DEAL_ID, 3),
        3,
        bought or deal(dataset=dataset.address if dataset else ZERO_ADDRESS),
        dataset,
        params or DealParams(storage_provider="ipfs"),
        WORKER,
        secrets or TaskSecrets(KEY),
        **more,
    )


def test_a_task_without_data_has_an_app_and_a_result():
    told = environments(request())
    assert list(told) == [Service.APP, Service.POST_COMPUTE]
    assert told[Service.APP] == {
        "IEXEC_TASK_ID": str(task_id(DEAL_ID, 3)),
        "IEXEC_DEAL_ID": str(DEAL_ID),
        "IEXEC_TASK_INDEX": "3",
        "IEXEC_IN": "/iexec_in",
        "IEXEC_OUT": "/iexec_out",
        "IEXEC_BOT_SIZE": "3",
        "IEXEC_BOT_FIRST_INDEX": "2",
        "IEXEC_BOT_TASK_INDEX": "3",
        "IEXEC_DATASET_ADDRESS": "0x" + "00" * 20,
        "IEXEC_DATASET_FILENAME": "0x" + "00" * 20,
        "IEXEC_INPUT_FILES_NUMBER": "0",
    }
    assert told[Service.POST_COMPUTE] == {
        "IEXEC_TASK_ID": str(task_id(DEAL_ID, 3)),
        "SIGN_WORKER_ADDRESS": str(WORKER),
        "SIGN_TEE_CHALLENGE_PRIVATE_KEY": KEY,
        "RESULT_ENCRYPTION": "false",
        "RESULT_ENCRYPTION_PUBLIC_KEY": "",
        "RESULT_STORAGE_CALLBACK": "false",
        "RESULT_STORAGE_PROVIDER": "ipfs",
        "RESULT_STORAGE_PROXY": "",
        "RESULT_STORAGE_TOKEN": "",
    }


def test_what_brings_data_is_told_where_they_are_and_how_they_open():
    url = "https://example.com/a"
    told = environments(
        request(TaskSecrets(KEY, "a2V5"), dataset=BOUGHT, params=DealParams(input_files=(url,)))
    )
    name = file_name(DATASET)
    assert told[Service.PRE_COMPUTE] == {
        "IEXEC_TASK_ID": str(task_id(DEAL_ID, 3)),
        "SIGN_WORKER_ADDRESS": str(WORKER),
        "SIGN_TEE_CHALLENGE_PRIVATE_KEY": KEY,
        "IEXEC_PRE_COMPUTE_OUT": "/iexec_in",
        "IS_DATASET_REQUIRED": "true",
        "IEXEC_DEAL_ID": str(DEAL_ID),
        "IEXEC_TASK_INDEX": "3",
        "IEXEC_INPUT_FILES_NUMBER": "1",
        "IEXEC_INPUT_FILES_FOLDER": "/iexec_in",
        "IEXEC_INPUT_FILE_URL_1": url,
        "IEXEC_DATASET_KEY": "a2V5",
        "IEXEC_DATASET_URL": "https://example.com/d.enc",
        "IEXEC_DATASET_CHECKSUM": "0x" + "07" * 32,
        "IEXEC_DATASET_FILENAME": name,
    }
    app = told[Service.APP]
    assert (app["IEXEC_DATASET_FILENAME"], app["IEXEC_INPUT_FILE_NAME_1"]) == (
        name,
        input_name(url),
    )


def test_an_unfit_dataset_of_a_bulk_is_named_and_nothing_else():
    fit = BulkDataset(DATASET, "https://example.com/d", "0x" + "01" * 32, "a2V5")
    unfit = BulkDataset(Address(bytes([9]) * 20))
    told = environments(request(params=DealParams(bulk_cid="Qm"), bulk=(fit, unfit)))
    pre, app = told[Service.PRE_COMPUTE], told[Service.APP]
    assert pre["IEXEC_BULK_SLICE_SIZE"] == app["IEXEC_BULK_SLICE_SIZE"] == "2"
    assert pre["IEXEC_DATASET_1_KEY"] == "a2V5"
    assert pre["IEXEC_DATASET_2_KEY"] == pre["IEXEC_DATASET_2_URL"] == ""
    assert app["IEXEC_DATASET_2_FILENAME"] == pre["IEXEC_DATASET_2_FILENAME"] == "0x" + "09" * 20
    unread = environments(request(params=DealParams(bulk_cid="Qm")))
    assert unread[Service.PRE_COMPUTE]["IEXEC_BULK_SLICE_SIZE"] == "0"


def test_missing_secrets_of_app_and_requester_are_not_set():
    params = DealParams(secrets={"1": "one", "2": "two", "0": "zero", "x": "odd"})
    told = environments(request(TaskSecrets(KEY, app="dev", requester={2: "II"}), params=params))
    app = told[Service.APP]
    assert app["IEXEC_APP_DEVELOPER_SECRET"] == app["IEXEC_APP_DEVELOPER_SECRET_1"] == "dev"
    assert app["IEXEC_REQUESTER_SECRET_2"] == "II"
    assert not {name for name in app if name.startswith("IEXEC_REQUESTER_SECRET_")} - {
        "IEXEC_REQUESTER_SECRET_2"
    }


@pytest.mark.parametrize(
    ("made", "error"),
    [
        (request(dataset=BOUGHT), SessionError.PRE_COMPUTE_GET_DATASET_SECRET_FAILED),
        (
            request(params=DealParams(result_encryption=True)),
            SessionError.POST_COMPUTE_GET_ENCRYPTION_TOKENS_FAILED_EMPTY_BENEFICIARY_KEY,
        ),
        (
            request(params=DealParams(storage_provider="dropbox")),
            SessionError.POST_COMPUTE_GET_STORAGE_TOKENS_FAILED,
        ),
    ],
)
def test_there_is_no_session_without_a_secret_that_it_rests_on(made, error):
    with pytest.raises(SessionRefused) as refused:
        environments(made)
    assert refused.value.error is error
    assert error.sentence in str(refused.value)


def test_a_result_for_a_contract_is_stored_nowhere():
    told = environments(
        request(
            TaskSecrets(KEY, storage_token="token"),
            bought=deal(callback=POOL),
            params=DealParams(storage_provider="dropbox"),
        )
    )[Service.POST_COMPUTE]
    assert told["RESULT_STORAGE_CALLBACK"] == "true"
    assert {told[f"RESULT_STORAGE_{each}"] for each in ("PROVIDER", "TOKEN", "PROXY")} == {""}


@given(
    st.booleans(), st.booleans(), st.booleans(), st.booleans(),
    st.dictionaries(st.integers(1, 5), st.just("requester-secret"), max_size=3),
)  # fmt: skip
def test_each_service_is_told_its_own_secrets_and_no_others(data, encrypted, dev, proxy, mine):
    secrets = TaskSecrets(
        KEY, "dataset-key", "app-secret" if dev else None, mine, "result-key", "storage-token"
    )
    params = DealParams(
        result_encryption=encrypted,
        storage_provider="ipfs",
        storage_proxy="https://proxy" if proxy else None,
        secrets={str(each): "name" for each in mine},
    )
    told = environments(request(secrets, dataset=BOUGHT if data else None, params=params))
    held = {service: set(each.values()) for service, each in told.items()}
    assert (Service.PRE_COMPUTE in told) is data
    assert not held[Service.APP] & {KEY, "dataset-key", "result-key", "storage-token"}
    assert not held[Service.POST_COMPUTE] & {"dataset-key", "app-secret", "requester-secret"}
    assert ("result-key" in held[Service.POST_COMPUTE]) is encrypted
    if data:
        others = {"app-secret", "requester-secret", "result-key", "storage-token"}
        assert not held[Service.PRE_COMPUTE] & others
    assert not any(word in repr(secrets) for word in (KEY, "app-secret", "-key", "token="))


def test_every_session_error_has_a_sentence():
    assert all(each.sentence for each in SessionError)
    unauthorized = [each for each in SessionError if each.is_unauthorized]
    assert len(unauthorized) == 7


# ------------------------------------------------------------------------------------- documents

PROGRAMS = {
    Service.PRE_COMPUTE: ServiceProgram("r/pre@sha256:1", "aa", "python3 /pre", {"A": "1"}),
    Service.APP: ServiceProgram("r/app@sha256:2", "", "python3 /app", {"B": 'x: "y"\n', "C": ""}),
    Service.POST_COMPUTE: ServiceProgram("r/post@sha256:3", "cc", "python3 /post", {}),
}


def test_a_tdx_session_is_what_its_agent_reads():
    assert json.loads(tdx_session("s", PROGRAMS)) == {
        "name": "s",
        "version": "0.1.0",
        "services": [
            {"name": "pre-compute", "image_name": "r/pre@sha256:1", "fingerprint": "aa",
             "environment": {"A": "1"}},
            {"name": "app", "image_name": "r/app@sha256:2", "fingerprint": "",
             "environment": {"B": 'x: "y"\n', "C": ""}},
            {"name": "post-compute", "image_name": "r/post@sha256:3", "fingerprint": "cc",
             "environment": {}},
        ],
    }  # fmt: skip


def test_a_gramine_session_has_no_service_for_data():
    assert json.loads(gramine_session("s", PROGRAMS)) == {
        "session": "s",
        "enclaves": [
            {"name": "app", "mrenclave": "", "command": "python3 /app",
             "environment": {"B": 'x: "y"\n', "C": ""}, "volumes": []},
            {"name": "post-compute", "mrenclave": "cc", "command": "python3 /post",
             "environment": {}, "volumes": []},
        ],
    }  # fmt: skip


def test_a_scone_session_is_yaml_to_the_letter():
    without = {each: PROGRAMS[each] for each in (Service.APP, Service.POST_COMPUTE)}
    without[Service.APP] = replace(without[Service.APP], fingerprint="bb")
    assert scone_session("s", without) == (
        'name: "s"\n'
        'version: "0.3.10"\n'
        "access_policy:\n"
        "  read:\n"
        '    - "CREATOR"\n'
        "  update:\n"
        '    - "NONE"\n'
        "services:\n"
        '  - name: "app"\n'
        '    image_name: "app-image"\n'
        "    mrenclaves:\n"
        '      - "bb"\n'
        '    pwd: "/"\n'
        '    command: "python3 /app"\n'
        "    environment:\n"
        '      B: "x: \\"y\\"\\n"\n'
        '      C: ""\n'
        '  - name: "post-compute"\n'
        '    image_name: "post-compute-image"\n'
        "    mrenclaves:\n"
        '      - "cc"\n'
        '    pwd: "/"\n'
        '    command: "python3 /post"\n'
        "    environment: {}\n"
        "images:\n"
        '  - name: "app-image"\n'
        "    volumes:\n"
        '      - name: "iexec_in"\n'
        '        path: "/iexec_in"\n'
        '      - name: "iexec_out"\n'
        '        path: "/iexec_out"\n'
        '  - name: "post-compute-image"\n'
        "    volumes:\n"
        '      - name: "iexec_out"\n'
        '        path: "/iexec_out"\n'
        '      - name: "post-compute-tmp"\n'
        '        path: "/post-compute-tmp"\n'
        "volumes:\n"
        '  - name: "iexec_in"\n'
        '  - name: "iexec_out"\n'
        '  - name: "post-compute-tmp"\n'
        "security:\n"
        "  attestation:\n"
        "    tolerate: []\n"
        "    ignore_advisories: []\n"
        '    mode: "hardware"\n'
    )


def test_no_document_shows_an_environment_by_its_repr():
    assert "hidden" not in repr(ServiceProgram("i", "f", "e", {"A": "hidden"}))
