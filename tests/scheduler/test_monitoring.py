"""The rules and the dashboard that are given to pool owners, on a real Prometheus and by promtool."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from pool_world import PoolWorld

from poolhand.domain.pool_alerts import AlertName
from poolhand.results.metrics import ResultsMetrics
from poolhand.scheduler.standby_api import standby_metrics
from poolhand.transport.asgi import application, bind, port_of, serve_on
from prometheus_programs import program

pytestmark = pytest.mark.prometheus
HOME = Path(__file__).parents[2] / "docs" / "monitoring"
RULES, DASHBOARD = HOME / "alerts.yml", HOME / "grafana-pool.json"
ALERTS = re.findall(r"- alert: (\w+)", RULES.read_text(encoding="utf-8"))
EVALUATED = "25h50m"
STEP, STEPS = "5m", 310
"""Between two samples, and how many there are until then."""
WELL = {
    'up{job="poolhand-pool"}': "1x320",
    "poolhand_leads": "1x320",
    "poolhand_standby_ready": "1x320",
    "poolhand_chain_away": "0x320",
    "poolhand_gas_short": "0x320",
    "poolhand_gas_balance_wei": "1000000x320",
    "poolhand_gas_spent_wei": "0+10x320",
    "poolhand_deposit_missing_nrlc": "0x320",
    "poolhand_workers_connected": "3x320",
    "poolhand_task_waits_seconds": "5x320",
    "poolhand_slots": "4x320",
    "poolhand_slots_busy": "3x320",
    'poolhand_replicates_judged_total{judgement="settled"}': "0+5x320",
    'poolhand_replicates_judged_total{judgement="fault"}': "0x320",
    "poolhand_transaction_oldest_seconds": "5x320",
    "poolhand_disk_free_bytes": "100000000000x320",
    'poolhand_tasks{status="RUNNING_FAILED"}': "0x320",
    'poolhand_result_uploads_total{outcome="stored"}': "0+5x320",
    'poolhand_result_uploads_total{outcome="refused"}': "7x320",
    'poolhand_result_uploads_total{outcome="not-yet-on-chain"}': "0+1x320",
}
"""A pool as it should be."""
ILL = {
    "PoolAway": ('up{job="poolhand-pool"}', "0x320"),
    "NobodyLeads": ("poolhand_leads", "0x320"),
    "StandbyMissing": ("poolhand_standby_ready", f"1x{STEPS - 4} 0x20"),
    "ChainAway": ("poolhand_chain_away", "1x320"),
    "OutOfGas": ("poolhand_gas_short", "1x320"),
    "GasSoonOut": ("poolhand_gas_balance_wei", "8600x320"),
    "StakeTooLow": ("poolhand_deposit_missing_nrlc", "5x320"),
    "NoWorkers": ("poolhand_workers_connected", "0x320"),
    "QueueGrows": ("poolhand_task_waits_seconds", "601x320"),
    "ReplicatesFail": ('poolhand_replicates_judged_total{judgement="fault"}', "0+5x320"),
    "TransactionStuck": ("poolhand_transaction_oldest_seconds", "301x320"),
    "DiskFull": ("poolhand_disk_free_bytes", "1000000000x320"),
    "TasksFail": ('poolhand_tasks{status="RUNNING_FAILED"}', "1x320"),
    "ResultsRefused": ('poolhand_result_uploads_total{outcome="refused"}', "0+5x320"),
}
"""What is otherwise where an alert must come, and only that one."""
ALSO = {
    "a standby that is gone altogether": (
        "StandbyMissing", "poolhand_standby_ready", f"1x{STEPS - 4} _x20"),
    "a bag that waits for hours": ("QueueGrows", "poolhand_task_waits_seconds", "21601x320"),
    "a disk that will be full tomorrow": (
        "DiskFull", "poolhand_disk_free_bytes", f"{200 * 10**9}-600000000x320"),
}  # fmt: skip


def promtool(*arguments):
    done = subprocess.run(
        [program("promtool"), *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def fires(series, names, folder):
    """Have promtool tell that these alerts are there after a day, and no others."""
    asked = {
        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
        "eval_time": EVALUATED,
        "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in names],
    }
    test = {
        "rule_files": [str(RULES)],
        "evaluation_interval": STEP,
        "tests": [
            {
                "interval": STEP,
                "input_series": [{"series": k, "values": v} for k, v in series.items()],
                "promql_expr_test": [asked],
            }
        ],
    }
    file = folder / "test.yml"
    file.write_text(json.dumps(test))  # every JSON is YAML
    promtool("test", "rules", file)


def test_the_rules_are_well_formed_and_no_alert_is_untried():
    promtool("check", "rules", RULES)
    assert set(ALERTS) == set(ILL)
    assert len(ALERTS) == len(set(ALERTS))


def test_a_pool_that_is_well_alerts_nobody(tmp_path):
    fires(WELL, [], tmp_path)
    alone = {name: values for name, values in WELL.items() if "standby" not in name}
    fires(alone, [], tmp_path)


@pytest.mark.parametrize("name", ILL)
def test_an_alert_comes_when_it_must_and_no_other(tmp_path, name):
    series, values = ILL[name]
    fires({**WELL, series: values}, [name], tmp_path)


def test_a_bag_that_waits_for_its_turn_while_all_slots_compute_alerts_nobody(tmp_path):
    busy = {"poolhand_task_waits_seconds": "900x320", "poolhand_slots_busy": "4x320"}
    fires({**WELL, **busy}, [], tmp_path)


@pytest.mark.parametrize("case", ALSO)
def test_an_alert_comes_in_another_case_too(tmp_path, case):
    name, series, values = ALSO[case]
    fires({**WELL, series: values}, [name], tmp_path)


def test_the_owners_page_and_the_rules_alert_by_the_same_names():
    assert {each.title().replace("-", "") for each in AlertName} <= set(ALERTS)


# ------------------------------------------------------------------------------------ dashboard


def expressions():
    """Return what the dashboard asks, as Prometheus would be asked by Grafana."""
    told = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return [
        target["expr"].replace("$__rate_interval", "5m")
        for panel in told["panels"]
        for target in panel["targets"]
    ]


def test_every_expression_of_the_dashboard_can_be_asked(tmp_path):
    rules = [{"record": f"asked_{n}", "expr": each} for n, each in enumerate(expressions())]
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", file)


def test_panels_neither_overlap_nor_share_an_id():
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    assert len({each["id"] for each in panels}) == len(panels)
    cells = [
        (x, y)
        for grid in (each["gridPos"] for each in panels)
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


# ------------------------------------------------------------------------------ the real thing


@asynccontextmanager
async def served(app):
    listener, up = bind("127.0.0.1", 0), asyncio.Event()
    task = asyncio.ensure_future(serve_on(app, listener, lambda _: up.set()))
    await up.wait()
    try:
        yield port_of(listener)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def prometheus(folder, target):
    """Run one that looks at a target every second, with our rules; yields its address."""
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [
            {"job_name": "poolhand-pool", "static_configs": [{"targets": [target]}]}
        ],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))
    with bind("127.0.0.1", 0) as taken:
        port = port_of(taken)
    running = await asyncio.create_subprocess_exec(
        program("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        running.terminate()
        await running.wait()


async def asked(http, url, expression):
    """Return what an expression comes to; None while nobody answers."""
    try:
        answer = await http.get(f"{url}/api/v1/query", params={"query": expression})
    except httpx.HTTPError:
        return None
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:  # it begins
        return None
    told = answer.json()
    assert told["status"] == "success", (expression, told)
    return told["data"]["result"]


async def until_told(http, url, expression):
    while not (found := await asked(http, url, expression)):  # noqa: ASYNC110 - another program
        await asyncio.sleep(0.05)
    return found


@pytest.fixture
async def pool_app(tmp_path):
    """A pool with a worker and a task at work, its metrics behind a port."""
    world = PoolWorld(tmp_path)
    await world.start()
    worker = await world.hired()
    await world.deal()
    await world.step()
    url, token = "http://127.0.0.1:13000", "ab" * 32
    yield (
        application("pool", [*world.scheduler.api(url), *world.scheduler.owner_api(url, token)]),
        worker,
    )
    await world.stop()


async def test_a_real_prometheus_reads_a_pool_and_answers_all_that_is_asked(tmp_path, pool_app):
    app, worker = pool_app
    async with (
        served(app) as port,
        prometheus(tmp_path, f"127.0.0.1:{port}") as url,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        (found,) = await until_told(http, url, 'poolhand_workers_connected{job="poolhand-pool"}')
        assert found["value"][1] == "1"
        rules = (await http.get(f"{url}/api/v1/rules")).json()["data"]["groups"]
        assert {rule["name"] for group in rules for rule in group["rules"]} == set(ALERTS)
        for each in expressions():
            await asked(http, url, each)
        await worker.leaves()
        await until_told(http, url, 'ALERTS{alertname="NoWorkers", alertstate="pending"}')


async def test_all_that_is_asked_for_is_measured_and_promtool_likes_how(tmp_path, pool_app):
    app, _ = pool_app
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        told = (await client.get("/metrics")).text
    lint = await asyncio.to_thread(
        subprocess.run, [program("promtool"), "check", "metrics"], input=told,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert lint.returncode == 0, lint.stderr
    registries = (ResultsMetrics().registry, standby_metrics(lambda: True))
    known = set(re.findall(r"^(poolhand_\w+)", told, re.MULTILINE))
    known |= {
        sample.name for registry in registries for m in registry.collect() for sample in m.samples
    }
    known |= {f"{m.name}_total" for registry in registries for m in registry.collect()}
    text = RULES.read_text(encoding="utf-8") + "\n".join(expressions())
    named = set(re.findall(r"\bpoolhand_\w+", text))
    assert named - known == set()
