"""A wallet in a browser, as far as a pool's owner needs one (EIP-1193): it signs what it is shown."""

from __future__ import annotations

import json

from poolhand.domain.ids import Address
from poolhand.domain.messages import Nonce, OwnerSignIn, ReaderSignIn, pool_domain
from poolhand.wire.output_api import typed_reader_sign_in
from poolhand.wire.owner_sign_in import typed_sign_in

PROVIDER = """
window.ethereum = { request: async ({ method, params }) => {
  if (method === "eth_requestAccounts") return [OWNER];
  if (method === "wallet_switchEthereumChain") throw new Error("no such chain");
  if (method === "eth_signTypedData_v4") return await signTyped(params[0], params[1]);
} };
"""


class BrowserWallet:
    """Signs as the pool's owner, or as a requester.

    Args:
        wallet: With the key.

    Attributes:
        signed: For whom, and for which address of a pool.
    """

    def __init__(self, wallet) -> None:
        self.wallet, self.signed = wallet, []

    async def put_into(self, page) -> None:
        """Give it to a page that is not yet opened."""
        await page.expose_function("signTyped", self._signs)
        owner = str(self.wallet.address).lower()
        await page.add_init_script(PROVIDER.replace("OWNER", json.dumps(owner)))

    async def _signs(self, address, text):
        typed = json.loads(text)
        self.signed.append((address, typed["message"]["url"]))
        return self.sign_typed(typed)

    def sign_typed(self, typed):
        """Return the signature of what a pool has its owner sign, as its page hands it in."""
        told, domain = typed["message"], typed["domain"]
        kind, form, who = OwnerSignIn, typed_sign_in, "owner"
        if typed["primaryType"] == "ReaderSignIn":
            kind, form, who = ReaderSignIn, typed_reader_sign_in, "requester"
        made = kind(
            pool_domain(domain["chainId"], Address.parse(domain["verifyingContract"])),
            Address.parse(told[who]), told["url"], Nonce.parse(told["nonce"]), told["expiry"],
        )  # fmt: skip
        assert typed == form(made)
        return f"0x{self.wallet.sign_message(made).hex()}"
