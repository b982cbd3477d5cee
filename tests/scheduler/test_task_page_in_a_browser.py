"""A real browser follows a task at its pool: signs, sees lines as they come, large and small."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import expect
from pool_front import until
from pool_world import TO_COMPUTED, PoolWorld, S, first_task
from tee_secrets import ACCEPTING, ENCLAVE, Secrets, enclave_hired

from browser_wallet import BrowserWallet
from headless import read_by_everybody, visitor
from poolhand.domain.app_lines import AppLine, clean_line
from poolhand.domain.tee.exit_causes import sentence
from poolhand.domain.tee.framework import TeeFramework
from poolhand.transport.asgi import application, bind, hosts_of, port_of, serve_on
from poolhand.transport.clock import SystemClock
from poolhand.wire.messages import (
    FollowTask,
    Logs,
    ReportBatch,
    StatusReport,
    TaskOutput,
    WorkProgress,
)

pytestmark = pytest.mark.browser
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
REFUSED = "Failed to load resource: the server responded with a status of 403 (Forbidden)"
"""What a browser says of what is not shown before somebody has signed."""


@asynccontextmanager
async def serving(world):
    listener, up = bind("127.0.0.1", 0), asyncio.Event()
    url = f"http://127.0.0.1:{port_of(listener)}"
    world.scheduler._clock = world.scheduler.outputs.feeds._clock = SystemClock()
    routes = [*world.scheduler.api(url), *world.scheduler.owner_api(url, "ab" * 32)]
    app = application("pool", routes, hosts=hosts_of("127.0.0.1", url))
    task = asyncio.ensure_future(serve_on(app, listener, lambda _: up.set()))
    await up.wait()
    try:
        yield url
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def lines(*texts, is_error=False):
    return tuple(AppLine(is_error, clean_line(each.encode())) for each in texts)


async def test_a_requester_signs_and_sees_what_its_task_prints_as_it_comes(tmp_path):
    world = PoolWorld(tmp_path, public_logs=False)
    await world.start()
    worker = await world.hired()
    task = first_task(await world.deal())
    await world.step()
    await worker.reports(task, *TO_COMPUTED[:-1])
    wallet = BrowserWallet(world.requester)
    async with serving(world) as url, visitor([REFUSED]) as visit:
        page = await visit(f"{url}/task/{task}", wallet)
        await expect(page.locator("#status")).to_have_text("running")
        await page.get_by_role("button", name="Sign with").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("#sign-in")).to_be_hidden()
        assert wallet.signed == [(str(world.requester.address).lower(), url)]
        await until(lambda: FollowTask(task, 0) in worker.told)
        hear = world.scheduler.workers.received
        hear(worker.address, TaskOutput(task, 0, lines("step 1", HOSTILE), is_last=False))
        await expect(page.locator("pre.output span")).to_have_text(["step 1\n", f"{HOSTILE}\n"])
        hear(worker.address, WorkProgress(task, 5 * 2**20, 0, 0, 0, 0, None, ""))
        await expect(page.locator("#workers")).to_contain_text("Its image is pulled: 5.0 MiB have")
        told = WorkProgress(task, None, 2**20, 300 * 2**20, 12_500, 4, 420_000, "epoch 5 of 12")
        hear(worker.address, told)
        await expect(page.locator("#workers")).to_contain_text(
            "42 % epoch 5 of 12 · 1.0 MiB of data"
        )
        hear(worker.address, TaskOutput(task, 9, lines("oh", is_error=True), is_last=False))
        gap, oh = (page.locator(f"pre.output .{each}") for each in ("gap", "error"))
        await expect(gap).to_have_text("[7 lines left out]\n")
        await expect(oh).to_have_text("oh\n")
        await read_by_everybody(page, "task-page", tmp_path)
    await world.stop()


async def test_the_last_line_of_what_has_ended_is_shown_though_it_was_not_ended(tmp_path):
    world = PoolWorld(tmp_path)
    await world.start()
    worker = await world.hired()
    task = first_task(await world.deal())
    await world.step()
    await worker.says(Logs(task, "one\n\nlast words", "oh\n"))
    async with serving(world) as url, visitor() as visit:
        for _ in range(5):
            await world.step(1000)
        page = await visit(f"{url}/task/{task}")
        spans = page.locator("pre.output span")
        await expect(spans).to_have_text(["one\n", "\n", "last words\n", "oh\n"])
    await world.stop()


async def test_the_page_of_a_confidential_task_says_so_with_its_enclave(tmp_path):
    world = PoolWorld(tmp_path, quick=True, **ACCEPTING)
    world.pool.challenges = Secrets()
    await world.start()
    worker = await enclave_hired(world)
    task = first_task(await world.deal(tag=TeeFramework.TDX.tag))
    await world.step()
    usual = first_task(await world.deal())
    await world.step()
    await worker.reports(task, *TO_COMPUTED[:-1])
    now, why = world.clock.now(), sentence("PRE_COMPUTE_DATASET_KEY_MISSING")
    failed = StatusReport(S.COMPUTE_FAILED, now, None, why), StatusReport(S.FAILED, now, None, None)
    await worker.says(ReportBatch(task, worker.count[task], failed, None))
    async with serving(world) as url, visitor() as visit:
        page = await visit(f"{url}/task/{task}")
        await expect(page.locator("#simulated")).to_be_visible()
        await expect(page.locator("#framework")).to_contain_text("in an enclave (tdx)")
        await expect(page.locator("#enclave")).to_have_text(str(ENCLAVE))
        await expect(page.locator("#causes")).to_contain_text(f"COMPUTE_FAILED: {why}")
        await expect(page.locator("#causes")).to_contain_text("poolhand dataset push-secret")
        await read_by_everybody(page, "confidential-task", tmp_path)
        page = await visit(f"{url}/task/{usual}")
        await expect(page.locator("#status")).not_to_be_empty()
        for each in ("#confidential", "#causes"):
            await expect(page.locator(each)).to_be_hidden()
    await world.stop()
