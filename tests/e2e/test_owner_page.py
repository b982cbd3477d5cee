"""The pool's owner in a real browser, on a real chain: signs in, sees all, and decides."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import pytest
from e2e_world import WEB, wait_until
from playwright.async_api import expect

from browser_wallet import BrowserWallet
from headless import read_by_everybody, visitor
from poolhand.keys.keystore import open_wallet
from poolhand.settings.wallets import DEFAULT_KEYSTORE
from poolhand.transport.page.words import amount

pytestmark = pytest.mark.browser
WORKER, OTHERS = "worker-1", ("worker-2", "worker-3", "worker-4")
expect.set_options(timeout=30_000)  # milliseconds: four workers and a chain run beside it
BLOCKS = 4
"""New blocks in which a task that could be given to somebody would be."""


@pytest.fixture
def owner(network):
    stored = network.info.accounts["pool"]
    password = Path(stored.password_file).read_text(encoding="utf-8").strip()
    return BrowserWallet(open_wallet(Path(stored.keystore), DEFAULT_KEYSTORE, password))


@pytest.fixture(autouse=True)
def everybody_readmitted(network):
    """Leave no worker out of the network that other tests share, whatever a test here came to."""
    yield
    for kept in network.ok("pool", "excluded", "--as", "pool")["workers"]:
        network.ok("pool", "readmit", kept["worker"], "--as", "pool")


class OwnersEyes:
    """What the owner is told by the page's API, with the session that its browser has."""

    def __init__(self, network, token) -> None:
        self.url, self.header = network.info.pool_url, {"Authorization": f"Bearer {token}"}

    def asks(self, path):
        answer = WEB.get(f"{self.url}/v1/owner/{path}", headers=self.header)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def rows(self):
        return self.asks("workers")["workers"]

    def worker(self, address):
        return next(each for each in self.rows() if each["worker"] == address)

    def earned(self):
        found = self.asks("dashboard")["earnings"]
        return None if found is None else (found["all"]["earned"], found["all"]["lost"])


async def signs_in(network, owner, visit):
    """Open the page and sign in by the wallet; returns the page, and what the session is told."""
    page = await visit(f"{network.info.pool_url}/owner", owner)
    await page.get_by_role("button", name="Sign in with").click()
    await expect(page.locator("h1 .badge")).to_have_text("sells")
    assert owner.signed[-1] == (str(owner.wallet.address).lower(), network.info.pool_url)
    token = await page.evaluate("() => sessionStorage.getItem('poolhand-owner')")
    return page, OwnersEyes(network, token)


def on_chain(network, owner):
    """What the owner's account earned and lost, as the command line reads it from the chain."""
    told = network.ok("earnings", str(owner.wallet.address))
    assert told["checked"], "the hub's account changed by exactly this"
    return told["total"]["earned_nrlc"], told["total"]["lost_nrlc"]


def told_of(network, task_id):
    answer = WEB.get(f"{network.info.pool_url}/v1/tasks/{task_id}")
    return answer.json() if answer.is_success else {"replicates": [], "status": None}


def newest_block(network):
    return WEB.get(f"{network.info.pool_url}/health").json()["block"]


@contextmanager
def alone(network):
    """Let no other worker take a task."""
    try:
        for name in OTHERS:
            network.ok("worker", "pause", "--name", name)
        yield
    finally:
        for name in OTHERS:
            network.ok("worker", "resume", "--name", name)


async def decides(page, verb, worker, words=None):
    """Order something of a worker by its button; returns once the page says that it is done."""
    await page.locator(f"[id='{verb}-{worker}']").first.click()
    if words is not None:
        await page.locator("#ask-text").fill(words)
    await page.locator("#ask-yes").click()
    await expect(page.locator("#note")).to_contain_text("done")


async def test_the_owner_sees_its_pool_keeps_a_worker_from_work_and_lets_it_back(
    network, owner, tmp_path
):
    worker = str(network.owners[WORKER])
    first = network.ok("run", network.image("fractal"), "--args", "--seed 31")["task_ids"][0]
    async with visitor() as visit:
        page, told = await signs_in(network, owner, visit)
        for name in (WORKER, *OTHERS):
            await expect(page.locator(f"[id='ban-{network.owners[name]}']")).to_be_visible()
        await expect(page.locator(f"#tasks [title='{first}']")).to_be_visible()
        earned, _ = wait_until(lambda: _same(told.earned(), on_chain(network, owner)))
        await expect(page.locator("#figures")).to_contain_text(_glued(amount(earned)))

        await decides(page, "drain", worker, "its results come late")
        await expect(page.locator("#workers")).to_contain_text("its results come late")
        hears = ("worker", "status", "--name", WORKER, "--json")
        wait_until(lambda: "its results come late" in network.cli(*hears).out)
        with alone(network):
            bought = network.ok("run", network.image("fractal"), "--args", "--seed 32", "--no-wait")
            (task,) = bought["task_ids"]
            wait_until(lambda: told_of(network, task)["status"])
            start = newest_block(network)
            wait_until(lambda: newest_block(network) >= start + BLOCKS)
            assert told_of(network, task)["replicates"] == []
            await read_by_everybody(page, "owner", tmp_path)
            await decides(page, "readmit", worker)
            watched = network.ok("task", "watch", task)
        assert (watched["status"], watched["contributors"]) == ("COMPLETED", [worker])
        found = wait_until(lambda: _same(told.earned(), on_chain(network, owner)))
        assert found[0] > earned
        await expect(page.locator("#figures")).to_contain_text(_glued(amount(found[0])))
        await page.screenshot(path=tmp_path / "after.png", full_page=True)


async def test_what_the_owner_knows_survives_its_pool_and_no_session_does(network, owner):
    """Killed without warning: what was earned, what each worker did, and who is kept from work."""
    workers = [str(network.owners[f"worker-{number}"]) for number in range(1, 5)]
    network.ok("run", network.image("fractal"), "--args", "--seed 33")
    async with visitor() as visit:
        page, told = await signs_in(network, owner, visit)
        await decides(page, "drain", workers[1], "over restarts")
        earned = wait_until(lambda: _same(told.earned(), on_chain(network, owner)))
        before = {each: _done(told.worker(each)) for each in workers}
        assert sum(settled for settled, _, _ in before.values()) > 0
        await page.close()
    proof = replayed(network, owner)
    network.start("pool", network.end("pool"))
    assert WEB.get(f"{told.url}/v1/owner/workers", headers=told.header).status_code == 401
    answer = WEB.post(f"{told.url}/v1/owner/sign-in", json=proof)
    assert (answer.status_code, answer.json()["code"]) == (401, "sign-in-refused")
    async with visitor() as visit:
        page, told = await signs_in(network, owner, visit)
        wait_until(lambda: set(workers) <= {each["worker"] for each in told.rows()})
        assert {each: _done(told.worker(each)) for each in workers} == before
        assert told.worker(workers[1])["exclusion"]["reason"] == "over restarts"
        assert wait_until(told.earned) == earned
        await decides(page, "readmit", workers[1])
        await expect(page.locator("#excluded")).to_be_empty()


def replayed(network, owner):
    """Return a proof that the owner has made for the pool as it runs now, and not used."""
    told = WEB.get(f"{network.info.pool_url}/v1/owner/sign-in").json()
    return {
        "nonce": told["nonce"],
        "expiry": told["expiry"],
        "signature": owner.sign_typed(told["typed_data"]),
    }


def _same(one, other):
    """Return what two tell alike; None where they do not."""
    return one if one == other else None


def _done(row):
    return row["settled"], row["failed"], row["mean_seconds"]


def _glued(text):
    """Write an amount as a browser tells a figure: its unit may stand on a line of its own."""
    return text.replace("\u00a0", " ")
