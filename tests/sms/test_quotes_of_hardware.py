"""Quotes that are not simulated, through the service's own settings and a provisioning service.

No hardware is here: the maker's root, the machine and what it is judged by are made, the way is
that of real quotes. ``tests/attestation/test_real_quotes.py`` has quotes of real machines.
"""

from __future__ import annotations

import json
from dataclasses import replace

import httpx
import pytest
from sms_world import URL
from structlog.testing import capture_logs
from tee_world import PROPERTIES, STAGE, TDX, TeeScene

from made_pccs import MadePccs
from poolhand.attestation.simulated_root import COLLATERAL_SECONDS, SimulatedLevel, SimulatedRoot
from poolhand.domain.tee.evidence import QuotePolicy, TcbStatus
from poolhand.domain.tee.measurement import measure_service
from poolhand.domain.tee.sealing import public_key_of, report_data
from poolhand.domain.tee.session import Service
from poolhand.domain.units import UnixSeconds
from poolhand.settings.load import load
from poolhand.settings.sms import SMS_OPTIONS, sms_settings
from poolhand.sms.assembly import assemble
from poolhand.sms.tee_world import COLLATERAL_FOLDER, tee_world
from poolhand.transport.clock import ManualClock

NOW = UnixSeconds(1_800_000_000)
MAKER, STRANGER = SimulatedRoot(NOW), SimulatedRoot(NOW)
PRIVATE = b"\x05" * 32
POST = Service.POST_COMPUTE
PROGRAM = measure_service(TDX, STAGE, ("post",))


class OfHardware(TeeScene):
    """The service with a provisioning service; ``MAKER`` stands in Intel's place."""

    def __init__(self, folder, url, **settings) -> None:
        super().__init__(folder)
        told = folder / "properties.json"
        told.write_text(json.dumps({"tdx": PROPERTIES.model_dump(mode="json")}))
        self.settings = replace(self.settings, tee_properties=told, pccs_url=url, **settings)
        self.asking = httpx.AsyncClient(trust_env=False)

    def start(self, number: int = 0) -> None:
        self.clock = ManualClock(NOW)
        root = MAKER.trust().root
        world = tee_world(self.settings, self.asking, self.clock, root)
        self.app = assemble(self.chain.hub, self.keepers[number:], self.settings, URL, tee=world)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=URL)

    async def status(self, session, root=MAKER) -> int:
        """Have a machine of ``root`` ask for what the last service is told."""
        nonce, public = await self.nonce(session), public_key_of(PRIVATE)
        about = report_data(session, POST, public, nonce)
        evidence = await root.machine().quoter(PROGRAM).quote(about)
        proof = {"kind": "tdx", "quote": "0x" + evidence.quote.hex(),
                 "publicKey": "0x" + public.hex(), "nonce": nonce}  # fmt: skip
        return (await self.provision(session, POST, proof)).status_code

    async def ready(self) -> str:
        await self.with_secrets()
        return await self.opened()


@pytest.fixture
def pccs():
    return MadePccs(MAKER.trust().collateral)


@pytest.fixture
async def scenes(tmp_path, pccs):
    """Make services that ask a PCCS on loopback."""
    with pccs.serving() as url:
        made = []

        def make(**settings) -> OfHardware:
            folder = tmp_path / str(len(made))
            folder.mkdir()
            made.append(OfHardware(folder, url, **settings))
            return made[-1]

        yield make
        for each in made:
            await each.asking.aclose()


async def test_a_quote_of_hardware_is_judged_by_what_a_provisioning_service_gives(scenes, pccs):
    async with scenes().open() as tee:
        told = (await tee.http.get("/tee/properties/tdx")).json()
        assert told["simulated"] is False
        session = await tee.ready()
        assert await tee.status(session) == 200
        assert len(pccs.asked) == 4
        pccs.down = True
        assert await tee.status(await tee.opened()) == 200  # what is at hand is enough
        assert len(list((tee.settings.secrets.folder / COLLATERAL_FOLDER).iterdir())) == 1


async def test_a_machine_that_no_maker_certified_has_nothing_asked(scenes, pccs):
    async with scenes().open() as tee:
        session = await tee.ready()
        with capture_logs() as logs:
            assert await tee.status(session, STRANGER) == 401
        assert [each["reason"] for each in logs if each["event"] == "quote_refused"] == [
            "root-not-trusted"
        ]
        assert not pccs.asked


@pytest.mark.parametrize(
    ("level", "quotes", "status"),
    [
        (SimulatedLevel(TcbStatus.OUT_OF_DATE, ("INTEL-SA-1",)), QuotePolicy(), 401),
        (SimulatedLevel(TcbStatus.OUT_OF_DATE, ("INTEL-SA-1",)),
         QuotePolicy(statuses=frozenset({TcbStatus.OUT_OF_DATE})), 401),
        (SimulatedLevel(TcbStatus.OUT_OF_DATE, ("INTEL-SA-1",)),
         QuotePolicy(statuses=frozenset({TcbStatus.OUT_OF_DATE}),
                     advisories=frozenset({"INTEL-SA-1"})), 200),
        (SimulatedLevel(TcbStatus.REVOKED),
         QuotePolicy(statuses=frozenset(TcbStatus)), 401),
    ],
)  # fmt: skip
async def test_how_a_machine_may_stand_is_the_operators_setting(
    scenes, pccs, level, quotes, status
):
    pccs.collateral = MAKER.trust(level).collateral
    async with scenes(quotes=quotes).open() as tee:
        assert await tee.status(await tee.ready()) == status


async def test_what_is_stale_and_cannot_be_had_anew_proves_nothing(scenes, pccs):
    async with scenes().open() as tee:
        assert await tee.status(await tee.ready()) == 200
        pccs.down = True
        tee.clock.advance(COLLATERAL_SECONDS)
        with capture_logs() as logs:
            assert await tee.status(await tee.opened()) == 401
        assert "collateral-stale" in {each.get("reason") for each in logs}
        pccs.down = False
        later = UnixSeconds(NOW + COLLATERAL_SECONDS)
        pccs.collateral = MAKER.trust(issued=later).collateral
        tee.clock.advance(300)  # a service that failed is left alone for a while
        assert await tee.status(await tee.opened()) == 200


async def test_a_service_that_is_given_no_source_says_what_to_do(scenes):
    async with scenes().open() as tee:
        session = await tee.ready()
        tee.settings = replace(tee.settings, pccs_url="")
        tee.start()
        session = await tee.opened()
        with capture_logs() as logs:
            assert await tee.status(session) == 401
        assert "--pccs-url" in next(each["cause"] for each in logs if "cause" in each)


def test_its_settings_are_those_of_a_pool():
    told = {
        "pccs-url": "https://pccs.example",
        "tcb-levels": "UpToDate,OutOfDate",
        "tcb-advisories": "INTEL-SA-1",
        "master-key": "00" * 32,
        "chain": "arbitrum",
    }
    made = sms_settings(load(SMS_OPTIONS, told, {}))
    assert made.pccs_url == "https://pccs.example"
    statuses = frozenset({TcbStatus.UP_TO_DATE, TcbStatus.OUT_OF_DATE})
    assert made.quotes == QuotePolicy(statuses=statuses, advisories=frozenset({"INTEL-SA-1"}))
