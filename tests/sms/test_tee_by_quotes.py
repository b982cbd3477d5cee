"""Secrets told to what real quotes prove: the service's own verifier, and a simulated root's."""

from __future__ import annotations

import json
import time
from base64 import b64decode
from dataclasses import replace

import httpx
import pytest
from sms_world import URL
from tee_world import PROPERTIES, STAGE, TDX, TeeScene

from poolhand.attestation.simulated_root import SimulatedRoot
from poolhand.domain.sms_secret import SecretKind
from poolhand.domain.tee.evidence import QuotePolicy
from poolhand.domain.tee.measurement import measure_service
from poolhand.domain.tee.sealing import open_sealed, public_key_of, report_data
from poolhand.domain.tee.session import Service
from poolhand.domain.units import UnixSeconds
from poolhand.requester.named_urls import UrlRule
from poolhand.requester.own_secrets import OwnSecrets, SimulatedSecretsService
from poolhand.sms.assembly import assemble
from poolhand.sms.tee_world import UnfitProperties, tee_world
from poolhand.transport.addresses import resolve
from poolhand.transport.secrets_client import SecretsClient, SecretsDown

PRIVATE = b"\x05" * 32
NOW = UnixSeconds(int(time.time()))
ROOT, OTHER = SimulatedRoot(NOW), SimulatedRoot(NOW)
POST = Service.POST_COMPUTE
PROGRAM = measure_service(TDX, STAGE, ("post",))


class ByQuotes(TeeScene):
    """The service as its operator starts it, by files; ``trusts`` is whether it names the root."""

    def __init__(self, folder, *, trusts: bool = True) -> None:
        super().__init__(folder)
        told, root = folder / "properties.json", folder / "root.json"
        told.write_text(json.dumps({"tdx": PROPERTIES.model_dump(mode="json")}))
        ROOT.trust().save(root)
        self.settings = replace(
            self.settings,
            tee_properties=told,
            simulated_tee=root if trusts else None,
            quotes=QuotePolicy(accepts_simulated=trusts),
        )

    def start(self, number: int = 0) -> None:
        world = tee_world(self.settings, httpx.AsyncClient())
        self.app = assemble(self.chain.hub, self.keepers[number:], self.settings, URL, tee=world)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=URL)

    async def asked(self, session, root=ROOT, measured=PROGRAM) -> httpx.Response:
        """Have a program of a machine of ``root`` prove itself as the last service."""
        nonce = await self.nonce(session)
        self.about = report_data(session, POST, public_key_of(PRIVATE), nonce)
        evidence = await root.machine().quoter(measured).quote(self.about)
        proof = {
            "kind": "tdx",
            "quote": "0x" + evidence.quote.hex(),
            "publicKey": "0x" + public_key_of(PRIVATE).hex(),
            "nonce": nonce,
        }
        return await self.provision(session, POST, proof)


async def test_a_program_that_proves_itself_by_a_quote_is_told_its_secrets(tmp_path):
    async with ByQuotes(tmp_path).open() as tee:
        told = (await tee.http.get("/tee/properties/tdx")).json()
        assert told["simulated"] is True
        await tee.with_secrets()
        session = await tee.opened()
        for root, measured in ((OTHER, PROGRAM), (ROOT, measure_service(TDX, STAGE, ("app",)))):
            assert (await tee.asked(session, root, measured)).status_code == 401
        answer = await tee.asked(session)
        assert answer.status_code == 200, answer.text
        plain = open_sealed(PRIVATE, b64decode(answer.json()["sealed"]), tee.about)
        assert json.loads(plain)["SIGN_TEE_CHALLENGE_PRIVATE_KEY"].startswith("0x")


async def test_a_secret_is_pushed_to_a_simulated_service_by_name_only(tmp_path):
    for trusts in (True, False):
        folder = tmp_path / str(trusts)
        folder.mkdir()
        async with ByQuotes(folder, trusts=trusts).open() as tee:
            own = OwnSecrets(UrlRule(resolve, ()), tee.http, URL, None)
            place, wallet = tee.places()[SecretKind.REQUESTER]
            if trusts:
                with pytest.raises(SimulatedSecretsService, match="--accept-simulated-tee"):
                    await own.push(place, "value", wallet)
                assert not await own.has(place)
            await own.push(place, "value", wallet, accepts_simulated=trusts)
            assert await own.has(place)


@pytest.mark.parametrize("answer", [(200, "?"), (200, '"SEV"'), (429, ""), (503, ""), (200, "[]")])
async def test_a_service_that_does_not_say_what_it_is_is_told_nothing(answer):
    status, text = answer
    transport = httpx.MockTransport(lambda _: httpx.Response(status, text=text))
    async with httpx.AsyncClient(transport=transport) as http:
        with pytest.raises(SecretsDown):
            await SecretsClient(http, URL).is_simulated()


async def test_a_simulated_root_that_nobody_named_proves_nothing(tmp_path):
    async with ByQuotes(tmp_path, trusts=False).open() as tee:
        assert (await tee.http.get("/tee/properties/tdx")).json()["simulated"] is False
        await tee.with_secrets()
        session = await tee.opened()
        assert (await tee.asked(session)).status_code == 401


def test_a_file_that_tells_no_properties_is_refused(tmp_path):
    made = ByQuotes(tmp_path)
    for text in ("", "{}[", '{"tdx": {}}'):
        made.settings.tee_properties.write_text(text)
        with pytest.raises(UnfitProperties, match="JSON"):
            tee_world(made.settings, httpx.AsyncClient())
