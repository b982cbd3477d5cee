"""What images say of themselves, read from their registries before anything is bought."""

from __future__ import annotations

import httpx

from poolhand.appimage.reference import ImageReference
from poolhand.appimage.registry_api import FindLogin
from poolhand.domain import multiaddr
from poolhand.domain.function_image import FunctionImage
from poolhand.domain.ids import Address
from poolhand.ports.chain import Hub
from poolhand.requester.registry import image_config
from poolhand.requester.sellers import registered
from poolhand.web.client import Visits


class ImageLabels:
    """Reads labels of images.

    Args:
        http: Asks registries.
        hub: Knows the images of apps.
        login_of: Finds logins of registries.
        allows: Whether a registry that only the chain names is visited.
    """

    def __init__(
        self, http: httpx.AsyncClient, hub: Hub, login_of: FindLogin, allows: Visits
    ) -> None:
        self._http, self._hub, self._login_of, self._allows = http, hub, login_of, allows

    async def functions(self, target: str | Address) -> FunctionImage | None:
        """Return what an image, or an app's, says of running functions; None: nothing.

        Raises:
            NoSuchAsset, BadImageName, NoSuchImage, RegistryDown: It cannot be looked at.
        """
        if not isinstance(target, Address):
            found = await image_config(self._http, target, self._login_of)
            return FunctionImage.of_config(found)
        app = registered(await self._hub.app(target), "app", target)
        name = f"{multiaddr.decode(app.multiaddr)}@sha256:{app.checksum.hex()}"
        if not await self._allows(ImageReference.parse(name).api):
            return None
        found = await image_config(self._http, name, self._login_of, self._allows)
        return FunctionImage.of_config(found)
