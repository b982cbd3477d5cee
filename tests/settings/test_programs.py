"""What operators may set, under the names they know."""

from pathlib import Path

import pytest

from poolhand.domain.ids import Address
from poolhand.domain.units import NanoRlc
from poolhand.settings import pool, worker
from poolhand.settings.load import BadSetting, load
from poolhand.settings.signer import SIGNER_OPTIONS, signer_settings

POOL = "0x" + "b3" * 20
HUB = "0x" + "5f" * 20
ENVIRON = {
    "POOL_ADDRESS": POOL,
    "IEXEC_WORKER_WALLET_PATH": "/keys/w.json",
    "IEXEC_WORKER_WALLET_PASSWORD": "whatever",
    "IEXEC_WORKER_OVERRIDE_BLOCKCHAIN_NODE_ADDRESS": "ws://127.0.0.1:8545",
    "POOLHAND_HUB": HUB,
}


def made(cpus=4, **environ):
    values = {**ENVIRON, **environ}
    return worker.worker_settings(load(worker.WORKER_OPTIONS, {}, values), values, cpus)


def test_a_worker_reads_the_names_of_iexecs_worker():
    settings = made(IEXEC_CORE_URL="https://pool.example", IEXEC_WORKER_NAME="w7")
    assert settings.pool == Address.parse(POOL)
    assert settings.pool_url == "https://pool.example"
    assert settings.name == settings.base.name == "w7"
    assert settings.chain.rpc_urls == ("ws://127.0.0.1:8545",)
    assert settings.chain.gas_price_multiplier == 1.3
    assert settings.chain.gas_price_cap == 22 * 10**9
    assert "whatever" not in repr(settings)


def test_a_worker_whose_signer_runs_apart_needs_no_wallet_and_takes_no_password():
    apart = {"POOLHAND_SIGNER": "/run/poolhand/signer.sock", "IEXEC_WORKER_WALLET_PATH": ""}
    settings = made(**apart, IEXEC_WORKER_WALLET_PASSWORD="")
    assert (settings.signer, settings.wallet) == (Path("/run/poolhand/signer.sock"), None)
    with pytest.raises(BadSetting, match=r"IEXEC_WORKER_WALLET_PASSWORD.*tell it to the signer"):
        made(**apart)
    file = {"POOLHAND_WALLET_PASSWORD_FILE": "/secret", "IEXEC_WORKER_WALLET_PASSWORD": ""}
    with pytest.raises(BadSetting, match=r"POOLHAND_WALLET_PASSWORD_FILE"):
        made(**apart, **file)


def test_a_signer_takes_the_names_of_its_worker():
    own = {"POOLHAND_SIGNER": "/run/s", "POOLHAND_SIGNER_PEER": "10001"}
    values = {**ENVIRON, **own, "IEXEC_CORE_URL": "https://pool.example"}
    found = signer_settings(load(SIGNER_OPTIONS, {}, values))
    assert (found.socket, found.peer) == (Path("/run/s"), 10001)
    assert (found.pool_url, found.pool) == ("https://pool.example", Address.parse(POOL))
    assert found.wallet == Path("/keys/w.json")
    with pytest.raises(BadSetting, match="POOLHAND_SIGNER_PEER"):
        load(SIGNER_OPTIONS, {}, {**values, "POOLHAND_SIGNER_PEER": ""})


def test_gpus_are_named_one_by_one_or_all_by_a_switch():
    assert made().gpus == ()
    assert made(IEXEC_WORKER_GPU_ENABLED="true").gpus == ("all",)
    assert made(POOLHAND_GPUS="1,GPU-7").gpus == ("1", "GPU-7")
    assert made(IEXEC_WORKER_GPU_ENABLED="true", POOLHAND_GPUS="0").gpus == ("0",)


@pytest.mark.parametrize("wanted", ["IEXEC_WORKER_GPU_ENABLED", "POOLHAND_GPUS"])
@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("POOLHAND_SANDBOX", "gvisor", "in gVisor are given no GPU: use --sandbox auto or runc"),
        ("DOCKER_HOST", "tcp://lab:2376", "another computer's"),
    ],
)
def test_gpus_that_nothing_could_give_are_refused_at_the_start(wanted, name, value, words):
    with pytest.raises(BadSetting, match=rf"{wanted}.*{words}"):
        made(**{wanted: "1", name: value})
    assert made(**{name: value})


@pytest.mark.parametrize("cpus", [0, 1])
def test_fewer_than_two_cpus_are_refused(cpus):
    with pytest.raises(BadSetting, match="needs at least 2"):
        made(cpus)


@pytest.mark.parametrize(
    ("cpus", "override", "gpu", "slots"),
    [(2, "", "false", 1), (8, "", "false", 7), (8, "3", "false", 3), (8, "3", "true", 3)],
)
def test_tasks_at_once_are_cpus_less_one_or_what_the_operator_says(cpus, override, gpu, slots):
    settings = made(
        cpus, IEXEC_WORKER_OVERRIDE_AVAILABLE_CPU_COUNT=override, IEXEC_WORKER_GPU_ENABLED=gpu
    )
    assert settings.cpus == slots


@pytest.mark.case("E25")
def test_more_tasks_at_once_than_cpus_are_refused_unless_they_are_to_share_them():
    name = "IEXEC_WORKER_OVERRIDE_AVAILABLE_CPU_COUNT"
    assert made(2, **{name: "2"}).cpus == 2
    with pytest.raises(BadSetting, match=rf"{name}\): 64 tasks .* this computer has 2 CPUs"):
        made(2, **{name: "64"})
    assert made(2, POOLHAND_OVERSUBSCRIBE="yes", **{name: "64"}).cpus == 64


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("POOL_ADDRESS", "0x" + "00" * 20),
        ("POOL_ADDRESS", "0x12"),
        ("IEXEC_WORKER_OVERRIDE_AVAILABLE_CPU_COUNT", "0"),
        ("IEXEC_WORKER_NAME", "../elsewhere"),
        ("IEXEC_GAS_PRICE_MULTIPLIER", "-1"),
        ("IEXEC_WORKER_DOCKER_IMAGE_MAX_PULL_TIMEOUT", "soon"),
        ("POOLHAND_CHAIN", "moonbase"),
    ],
)
def test_a_bad_value_is_refused_at_the_edge(variable, value):
    with pytest.raises(BadSetting, match=variable):
        made(**{variable: value})


def test_a_pull_time_is_iso_8601_or_seconds():
    name = "IEXEC_WORKER_DOCKER_IMAGE_MAX_PULL_TIMEOUT"
    assert made(**{name: "PT1H2M3S"}).pull_timeout == 3723
    assert made(**{name: "90"}).pull_timeout == 90


def test_every_name_of_iexecs_worker_is_known():
    """The table of the specification (scheduler-protocol, section 8.1)."""
    table = """IEXEC_WORKER_PORT IEXEC_CORE_URL POOL_ADDRESS IEXEC_WORKER_NAME IEXEC_WORKER_BASE_DIR
        IEXEC_WORKER_OVERRIDE_AVAILABLE_CPU_COUNT IEXEC_WORKER_GPU_ENABLED
        IEXEC_GAS_PRICE_MULTIPLIER IEXEC_GAS_PRICE_CAP
        IEXEC_WORKER_OVERRIDE_BLOCKCHAIN_NODE_ADDRESS IEXEC_DEVELOPER_LOGGER_ENABLED
        IEXEC_WORKER_TEE_COMPUTE_MAX_HEAP_SIZE_GB IEXEC_WORKER_DOCKER_NETWORK_NAME
        IEXEC_WORKER_DOCKER_IMAGE_MIN_PULL_TIMEOUT IEXEC_WORKER_DOCKER_IMAGE_MAX_PULL_TIMEOUT
        IEXEC_WORKER_WALLET_PATH IEXEC_WORKER_WALLET_PASSWORD IEXEC_SCONE_SHOW_VERSION
        IEXEC_SCONE_LOG_LEVEL IEXEC_WORKER_SCONTAIN_REGISTRY_NAME
        IEXEC_WORKER_SCONTAIN_REGISTRY_USERNAME IEXEC_WORKER_SCONTAIN_REGISTRY_PASSWORD
        IEXEC_LAS_PORT IEXEC_WORKER_SGX_DRIVER_MODE IEXEC_WORKER_METRICS_WINDOW_SIZE"""
    known = {option.variable for option in worker.WORKER_OPTIONS} | set(worker.TEE_VARIABLES)
    assert set(table.split()) <= known


def test_what_has_no_effect_is_told_and_sgx_is_refused():
    assert worker.without_effect({"IEXEC_LAS_PORT": "1", "HOME": "/"}) == ("IEXEC_LAS_PORT",)
    assert made(IEXEC_WORKER_SGX_DRIVER_MODE="NONE")
    with pytest.raises(BadSetting, match="--tee"):
        made(IEXEC_WORKER_SGX_DRIVER_MODE="NATIVE")


def test_registry_logins_need_all_three_parts():
    prefix = "IEXEC_WORKER_DOCKER_REGISTRY"
    settings = made(**{f"{prefix}_USERNAME_0": "me", f"{prefix}_PASSWORD_0": "pw"})
    (login,) = settings.registries
    assert (login.address, login.username, login.password) == ("docker.io", "me", "pw")
    assert "pw" not in repr(login)
    for missing in (
        {f"{prefix}_USERNAME_1": "me"},
        {f"{prefix}_USERNAME_1": "me", f"{prefix}_PASSWORD_1": "pw"},
    ):
        with pytest.raises(BadSetting, match=f"{prefix}_USERNAME_1"):
            made(**missing)


def test_a_task_cannot_have_more_processors_than_its_engines_computer():
    with pytest.raises(BadSetting, match="set task-cpus to 4 at most"):
        made(POOLHAND_TASK_CPUS="4.5")
    assert made(POOLHAND_TASK_CPUS="4").engine_cpus == 4
    with pytest.raises(BadSetting, match="set task-cpus to 4 at most"):
        made(POOLHAND_TASK_CPUS="8", DOCKER_HOST="unix:///run/docker.sock")
    assert made(POOLHAND_TASK_CPUS="8", DOCKER_HOST="tcp://10.0.0.2:2375").engine_cpus is None


def test_a_known_chain_needs_no_addresses():
    values = {**ENVIRON, "POOLHAND_CHAIN": "arbitrum", "POOLHAND_HUB": ""}
    del values["IEXEC_WORKER_OVERRIDE_BLOCKCHAIN_NODE_ADDRESS"]
    settings = worker.worker_settings(load(worker.WORKER_OPTIONS, {}, values), values, 2)
    assert settings.chain.chain_id == 42161
    values["POOLHAND_CHAIN"] = ""
    with pytest.raises(BadSetting, match="no chain to work on"):
        worker.worker_settings(load(worker.WORKER_OPTIONS, {}, values), values, 2)


def test_prices_are_rlc_by_category():
    values = {"POOL_ADDRESS": POOL, "IEXEC_CORE_WALLET_PATH": "/k", "POOLHAND_CHAIN": "arbitrum"}
    settings = pool.pool_settings(load(pool.POOL_OPTIONS, {"prices": "0=1.5,3=0"}, values))
    assert settings.prices == {0: NanoRlc(1_500_000_000), 3: NanoRlc(0)}
    with pytest.raises(BadSetting, match="category=RLC"):
        load(pool.POOL_OPTIONS, {"prices": "1.5"}, values)


def test_who_is_paid_is_a_setting_of_the_worker_and_its_signer_and_has_what_it_is_sent():
    home, apart = "0x" + "70" * 20, {"POOLHAND_SIGNER": "/run/s", "POOLHAND_SIGNER_PEER": "1"}
    told = {"POOLHAND_PAYOUT_ADDRESS": home}
    assert made().payout_address is None
    assert made(**told).payout_address == Address.parse(home)
    signer = signer_settings(load(SIGNER_OPTIONS, {}, {**ENVIRON, **apart, **told}))
    assert signer.payout_address == Address.parse(home)
    for bad, words in ((HUB, "the hub"), (POOL, "workerpool")):
        with pytest.raises(BadSetting, match=f"POOLHAND_PAYOUT_ADDRESS.*{words}"):
            made(POOLHAND_PAYOUT_ADDRESS=bad)
    with pytest.raises(BadSetting, match=r"payout-least.*more than 0"):
        made(POOLHAND_PAYOUT_LEAST="0")
