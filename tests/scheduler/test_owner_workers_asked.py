"""Single workers over HTTP and from the command line: the owner's alone, and exactly told."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import httpx
import pytest
from started_pool import PASSWORD, Started

from poolhand.cli.draining import NoPoolRuns
from poolhand.cli.pool_sign_in import AnotherPoolAnswers, NotTheWalletsPool, owner_session
from poolhand.cli.pool_workers import (
    decide,
    decided_report,
    excluded_report,
    list_excluded,
    list_workers,
    workers_report,
)
from poolhand.domain.ids import Address
from poolhand.keys.errors import WalletInUse
from poolhand.keys.keystore import import_wallet
from poolhand.keys.lock import WalletLock


def address(number):
    return Address(number.to_bytes(20, "big"))


def held(started):
    with pytest.raises(WalletInUse) as caught:
        WalletLock(started.settings.locks, started.world.owner.address).acquire()
    return caught.value


WORKER = str(address(7))
ORDERS = {
    f"/v1/owner/workers/{WORKER}/ban": {"reason": "why"},
    f"/v1/owner/workers/{WORKER}/drain": {"reason": "why"},
    f"/v1/owner/workers/{WORKER}/readmit": {},
    f"/v1/owner/workers/{WORKER}/message": {"text": "hello"},
}


async def test_single_workers_are_the_owners_alone(tmp_path):
    started = Started(tmp_path)
    async with started.serving(), httpx.AsyncClient(trust_env=False) as http:
        taken = held(started).orders
        for token in ("", "Bearer", "Bearer 00"):
            given = {"Authorization": token} if token else {}
            for path, body in ORDERS.items():
                answer = await http.post(taken.url + path, json=body, headers=given)
                assert (answer.status_code, answer.json()["code"]) == (401, "not-the-owner")
            for path in ("/v1/owner/workers", "/v1/owner/excluded"):
                assert (await http.get(taken.url + path, headers=given)).status_code == 401


async def test_the_owner_decides_over_http_and_exactly_says_what(tmp_path):
    started = Started(tmp_path)
    async with started.serving(), httpx.AsyncClient(trust_env=False) as http:
        taken = held(started).orders
        bearer = {"Authorization": f"Bearer {taken.token}"}

        async def ask(path, body=None):
            if body is None:
                return await http.get(taken.url + path, headers=bearer)
            return await http.post(taken.url + path, json=body, headers=bearer)

        base = f"/v1/owner/workers/{WORKER}"
        answer = await ask(f"{base}/ban", {"reason": "why"})
        assert answer.json()["exclusion"]["kind"] == "ban"
        (found,) = (await ask("/v1/owner/excluded")).json()["workers"]
        assert (found["worker"], found["reason"]) == (WORKER, "why")
        assert (await ask(f"{base}/readmit", {})).json()["changed"] is True
        assert (await ask("/v1/owner/excluded")).json() == {
            "workers": [],
            "excluded": 0,
            "after": None,
        }
        assert (await ask(f"{base}/message", {"text": "hello"})).json()["code"] == "worker-not-here"
        for body in ({"reason": 1}, {"reason": "x" * 201}, {"why": "x"}, {"reason": "a\x00"}):
            assert (await ask(f"{base}/ban", body)).status_code == 400, body
        assert (await ask("/v1/owner/workers/0x12/ban", {})).status_code == 400
        assert (await ask("/v1/owner/workers?limit=0")).status_code == 400
        assert (await ask("/v1/owner/workers")).json()["connected"] == 0


def command_run(started, url=""):
    """What a verb knows: its wallet, and the pool that was named."""
    wallet = started.settings.wallet
    return SimpleNamespace(
        found={"pool-url": url},
        address=started.world.owner.address,
        settings=lambda signing: SimpleNamespace(locks=started.settings.locks),
        stored=SimpleNamespace(path=wallet, address=None),
        password=lambda: PASSWORD,
    )


async def beside(work, *args):
    """Do something as another program does, while the pool runs."""
    with ThreadPoolExecutor(1) as threads:
        return await asyncio.get_running_loop().run_in_executor(threads, work, *args)


@pytest.mark.parametrize("named", [False, True], ids=["on its machine", "from elsewhere"])
async def test_the_command_line_decides_and_shows_what_holds(tmp_path, named):
    started = Started(tmp_path)

    def asks(command):
        made = decide(command, address(7), "ban", "why")
        found = list_excluded(command, 10, "")
        back = decide(command, address(7), "readmit", None)
        return made, found, back, list_workers(command, 10, str(address(1)))

    async with started.serving():
        command = command_run(started, started.urls[-1] if named else "")
        made, found, back, here = await beside(asks, command)
        url, session = await beside(owner_session, command)
        assert url == started.urls[-1]
        async with httpx.AsyncClient(trust_env=False) as http:
            bearer = {"Authorization": f"Bearer {session.token}"}
            assert (await http.get(f"{url}/owner/parts", headers=bearer)).status_code == 200
    for report in (decided_report(made), excluded_report(found), decided_report(back)):
        assert report
    assert [each.worker for each in found.workers] == [address(7)]
    assert (back.exclusion, here.workers) == (None, ())
    assert "no worker is connected" in str(workers_report(here))


async def test_a_wallet_signs_for_its_own_pool_at_the_address_that_was_typed_alone(tmp_path):
    started = Started(tmp_path)
    async with started.serving():
        command = command_run(started, started.urls[-1])
        stranger = import_wallet(tmp_path / "other", bytes([9] * 32).hex(), PASSWORD, cost=2)
        command.stored = SimpleNamespace(path=stranger.path, address=None)
        with pytest.raises(NotTheWalletsPool, match="belongs to"):
            await beside(owner_session, command)
    started = Started(tmp_path / "public", public_url="https://pool.example")
    async with started.serving():
        there = command_run(started, held(started).orders.url)
        with pytest.raises(AnotherPoolAnswers, match=r"address is https://pool\.example"):
            await beside(owner_session, there)


async def test_without_a_pool_there_is_nobody_to_order(tmp_path):
    command = command_run(Started(tmp_path))
    with pytest.raises(NoPoolRuns, match="--pool-url"):
        decide(command, address(7), "ban", "why")
