"""A secret management service over a fake chain: ``python -m bench.sms_service FOLDER NUMBER``.

Prints its port once it has so many secrets and answers.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import closing
from pathlib import Path

from poolhand import observe
from poolhand.chain.fake import FakeChain
from poolhand.domain.ids import Address
from poolhand.domain.sms_secret import SecretKind, SecretPlace
from poolhand.settings.chain import ChainSettings
from poolhand.settings.sms import MasterKeySource, SecretsAddress, SmsSettings
from poolhand.sms.assembly import assemble, keepers_of
from poolhand.sms.keeping import make_master_key, open_secrets
from poolhand.store.sms.secrets import KeptSecret
from poolhand.transport.asgi import bind, port_of, serve_on


async def main(folder: Path, number: int) -> None:
    observe.configure(level="error")
    make_master_key(folder / "key" / "master.key")
    address = SecretsAddress(
        folder / "sms",
        f"sqlite:///{folder / 'sms' / 'sms.db'}",
        MasterKeySource(folder / "key" / "master.key"),
    )
    chain = FakeChain()
    told = ChainSettings(("http://127.0.0.1:1",), chain.facts.hub)
    settings = SmsSettings(told, address, most_requests=0, most_changes=0)
    with closing(open_secrets(address)) as database:
        database.claim(chain.facts.chain_id, chain.facts.hub)
        keepers = keepers_of(chain.hub, database, settings)
        store = keepers[0].store
        places = [SecretPlace(SecretKind.WEB3, dataset(each)) for each in range(number)]
        kept = KeptSecret(b"k" * 44, b"\x01" * 65)
        await asyncio.gather(*(store.add(place, kept, "") for place in places))
        listener = bind("127.0.0.1", 0)
        app = assemble(chain.hub, keepers, settings, f"http://127.0.0.1:{port_of(listener)}")
        await serve_on(app, listener, lambda port: print(port, flush=True))


def dataset(number: int) -> Address:
    """Return the address of a made-up dataset."""
    return Address(number.to_bytes(20, "big"))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
