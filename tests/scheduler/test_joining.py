"""What a pool gives to computers that join it: files known by their hashes, signed by its owner."""

from __future__ import annotations

import re
import subprocess
import zipfile
from hashlib import sha256
from html import unescape
from io import BytesIO
from shlex import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand import __version__
from poolhand.domain.ids import Address
from poolhand.domain.units import NanoRlc, Wei
from poolhand.keys.wallet import Wallet
from poolhand.scheduler.joining.join_files import JoinPlace, join_set
from poolhand.scheduler.joining.join_page import NAME_COMMAND, join_page
from poolhand.scheduler.joining.own_files import worker_packages
from poolhand.scheduler.joining.own_wheel import WHEEL_NAME, OwnWheel
from poolhand.settings.chains import KNOWN_CHAINS
from poolhand.transport.asgi import application
from poolhand.wire.join_api import JoinManifest, NotTheOwnersFiles
from poolhand.wire.pool_api import PoolConfig, PoolSummary

URL = "http://pool.test"
OWNER = Wallet.from_key(bytes([2] * 32))
PLACE = JoinPlace(31337, Address(b"\x01" * 20), Address(b"\x02" * 20), URL, "http://node.test")
WHEEL = OwnWheel(WHEEL_NAME, b"a wheel")


@pytest.fixture
async def office(pool):
    world = await pool()
    app = application("Poolhand pool", world.scheduler.api(URL))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as client:
        yield world, client


async def test_every_file_is_the_one_that_the_owner_signed(office):
    world, client = office
    manifest = JoinManifest.model_validate((await client.get("/join/manifest.json")).json())
    manifest.check()
    assert manifest.owner == world.owner.address
    assert (manifest.workerpool, manifest.version) == (world.workerpool, __version__)
    scripts = (manifest.script, manifest.windows_script)
    for file in (manifest.wheel, manifest.requirements, *scripts):
        body = (await client.get(file.path)).content
        assert (sha256(body).hexdigest(), len(body)) == (file.sha256, file.size)
    wheel = (await client.get(manifest.wheel.path)).content
    with zipfile.ZipFile(BytesIO(wheel)) as opened:
        assert opened.testzip() is None
        assert {"poolhand/cli/main.py", f"poolhand-{__version__}.dist-info/RECORD"} <= set(
            opened.namelist()
        )
    asked = (await client.get(manifest.requirements.path)).text
    assert asked.endswith(f"./{WHEEL_NAME} \\\n    --hash=sha256:{manifest.wheel.sha256}\n")
    script = (await client.get(manifest.script.path)).text
    assert manifest.wheel.sha256 in script
    assert manifest.requirements.sha256 in script


def test_the_plan_of_the_script_names_every_package_that_will_be_installed():
    lock = worker_packages()
    script = join_set(PLACE, OWNER, WHEEL, lock).script.decode()
    plan = " ".join(script.partition("show_plan()")[2].partition("\n}")[0].split())
    pinned = re.findall(r"^([^=\s]+)==([^\s;]+)", lock, re.MULTILINE)
    assert len(pinned) > 40
    assert [each for each in pinned if f"{each[0]} {each[1]}" not in plan] == []
    assert max(map(len, script.splitlines())) < 400


async def test_nothing_but_these_files_is_given_away(office):
    _, client = office
    for path in ("/join/../pyproject.toml", "/join/%2e%2e/etc/passwd", "/join/other.whl"):
        assert (await client.get(path)).status_code == 404


async def test_a_page_tells_how_to_join_and_what_it_costs(office):
    _, client = office
    page = (await client.get("/join")).text
    script = (await client.get("/join.sh")).content
    assert f"curl -fsSL {URL}/join.sh -o join.sh" in page
    assert sha256(script).hexdigest() in page
    docker = (await client.get("/join/docker.tar.gz")).content
    assert f"curl -fsSL {URL}/join/docker.tar.gz -o docker.tar.gz" in page
    assert f"{sha256(docker).hexdigest()}  docker.tar.gz" in page
    assert "docker compose up --build --detach" in page
    assert NAME_COMMAND in unescape(page)
    assert f"POOL_URL={URL} make vm" in page
    assert "<td>1 RLC</td><td>0.3 RLC</td>" in page
    assert "No task of this pool was completed yet" in page
    assert "<script" not in page
    windows = (await client.get("/join.ps1")).content
    assert sha256(windows).hexdigest() in page
    assert "never run on a real Windows" in page


@pytest.mark.parametrize(
    ("browser", "first", "said"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", "Linux", True),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605", "macOS", True),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36", "Windows", True),
        ("Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36", "Linux", False),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X)", "Linux", False),
        ("", "Linux", False),
    ],
)
async def test_a_visitors_own_system_comes_first_with_its_own_line(office, browser, first, said):
    _, client = office
    answer = await client.get("/join", headers={"User-Agent": browser})
    heads = re.findall(
        r"<h2 id=\"\w+\">By script: (\w+)( \(your system, it seems\))?<", answer.text
    )
    assert heads[0][0] == first
    assert sorted(name for name, _ in heads) == ["Linux", "Windows", "macOS"]
    assert [name for name, mark in heads if mark] == ([first] if said else [])
    assert answer.headers["vary"] == "User-Agent"
    digest = sha256((await client.get("/join.sh")).content).hexdigest()
    assert f'"{digest}  join.sh" | shasum -a 256 -c && sh join.sh' in unescape(answer.text)


@pytest.mark.parametrize(
    ("node", "told", "named"),
    [
        ("", "", "on arbitrum."),
        ("https://node.example", "", "on arbitrum."),
        ("http://127.0.0.1:8545", "http://127.0.0.1:8545", "on a private chain that is like"),
    ],
)
def test_a_devnets_node_is_told_though_its_chain_has_anothers_name(node, told, named):
    arbitrum = KNOWN_CHAINS["arbitrum"]
    place = JoinPlace(arbitrum.chain_id, arbitrum.hub, PLACE.workerpool, URL, node)
    manifest = join_set(place, OWNER, WHEEL, "").manifest
    assert manifest.rpc == told
    config = PoolConfig(
        chain_id=manifest.chain_id,
        hub=place.hub,
        workerpool=place.workerpool,
        owner=OWNER.address,
        results_url="",
    )
    assert named in join_page(config, PoolSummary(), manifest, b"")


def test_a_page_tells_what_it_brought_others_and_escapes_whatever_it_is_told():
    manifest = join_set(PLACE, OWNER, WHEEL, "").manifest
    hostile = manifest.model_copy(update={"url": "http://x.test/<script>'&"})
    config = PoolConfig(
        chain_id=31337,
        hub=PLACE.hub,
        workerpool=PLACE.workerpool,
        owner=OWNER.address,
        results_url="",
        prices={0: NanoRlc(4 * 10**9)},
    )
    summary = PoolSummary(
        worker_stake_percent=30,
        latest_tasks=2,
        latest_earned=NanoRlc(1_980_000_000),
        gas_price=Wei(10**9),
    )
    page = join_page(config, summary, hostile, b"archive")
    assert "last 2 tasks of this pool that were completed paid its workers 1.98 RLC" in page
    assert "up to 0.00075 of the chain" in page
    assert "<td>4 RLC</td><td>1.2 RLC</td>" in page
    assert "<script>" not in page
    assert "By invitation only" not in page
    closed = config.model_copy(update={"by_invitation": True})
    assert "By invitation only" in join_page(closed, summary, hostile, b"archive")


@pytest.mark.parametrize(
    "member", ["url", "rpc", "version", "owner", "wheel", "script", "windows_script"]
)
def test_a_manifest_that_anybody_changed_is_refused(member):
    manifest = join_set(PLACE, OWNER, WHEEL, "").manifest
    manifest.check()
    other = {
        "url": "http://evil.test",
        "rpc": "http://evil.test",
        "version": "9",
        "owner": Address(b"\x09" * 20),
        "wheel": manifest.requirements,
        "script": manifest.requirements,
        "windows_script": manifest.requirements,
    }[member]
    with pytest.raises(NotTheOwnersFiles, match="tell the pool's owner"):
        manifest.model_copy(update={member: other}).check()


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=40))
def test_whatever_a_url_holds_is_one_word_of_the_script(rest):
    url = f"http://pool.test/{rest}"
    place = JoinPlace(1, PLACE.hub, PLACE.workerpool, url)
    script = join_set(place, OWNER, WHEEL, "").script.decode()
    assert f"\nPOOL_URL={quote(url)}\n" in script
    assert not re.search(r"@[A-Z0-9_]+@", script.replace(quote(url), ""))


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_shells_read_the_script(shell, tmp_path):
    script = tmp_path / "join.sh"
    script.write_bytes(join_set(PLACE, OWNER, WHEEL, "").script)
    subprocess.run([shell, "-n", str(script)], check=True)
