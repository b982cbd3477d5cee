"""Registering apps, datasets and workerpools, each once: the chain itself remembers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import httpx

from poolhand.appimage.registry_api import FindLogin, nobody
from poolhand.chain.errors import AssetExists
from poolhand.domain import multiaddr
from poolhand.domain.errors import BrokenPrecondition, Refused, Unavailable
from poolhand.domain.ids import Address
from poolhand.domain.onchain import (
    CreateApp,
    CreateAsset,
    CreateDataset,
    CreateWorkerpool,
    Receipt,
)
from poolhand.domain.platforms import WORKER_PLATFORMS
from poolhand.domain.text import checked
from poolhand.ports.chain import Hub
from poolhand.requester.registry import demand_platform, resolve
from poolhand.requester.spending_wallet import SpendingWallet
from poolhand.web.client import AnswerTooLarge, Caps, GoesElsewhere, Incoming, NoAnswer, opened

MAX_ASSET_NAME: Final = 256
"""Characters of an asset's name."""
MAX_DATASET: Final = 16 * 1024**3
"""Bytes read to compute a checksum."""
DATASET_CAPS: Final = Caps(MAX_DATASET, seconds=24 * 3600, redirects=20)
_BLOCK: Final = 1024 * 1024


class NoSuchDataset(Refused):
    """The dataset's file or URL is not there."""


class DatasetTooLarge(Refused):
    """The dataset is larger than we read for a checksum."""


class DatasetUnreachable(Unavailable):
    """The dataset's server does not answer."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """An asset on chain; ``receipt`` None when it was there before."""

    address: Address
    receipt: Receipt | None

    @property
    def is_new(self) -> bool:
        """Whether this call registered it."""
        return self.receipt is not None


async def deploy(
    wallet: SpendingWallet,
    asset: CreateAsset,
    before: Callable[[Address], Awaitable[None]] | None = None,
) -> Deployed:
    """Register an asset, or return the same one registered before; repeatable.

    Args:
        wallet: Who pays.
        asset: What is registered.
        before: Asked, with the address-to-be, before anything is paid; what it raises stops it.

    Raises:
        OutOfGas: The wallet cannot pay.
        ChainUnreachable: No endpoint answers.
    """
    async with wallet.open() as spending:
        address = await spending.hub.predict(asset)
        if await exists(spending.hub, asset, address):
            return Deployed(address, None)
        if before is not None:
            await before(address)
        try:
            receipt = await spending.sender.send(f"create:{address}", asset)
        except AssetExists:  # somebody was faster
            return Deployed(address, None)
    if receipt.created is None:
        raise BrokenPrecondition(f"transaction {receipt.tx_hash} created no asset")
    return Deployed(receipt.created, receipt)


async def exists(hub: Hub, asset: CreateAsset, address: Address) -> bool:
    """Tell whether an asset is registered."""
    match asset:
        case CreateApp():
            return await hub.app(address) is not None
        case CreateDataset():
            return await hub.dataset(address) is not None
        case CreateWorkerpool():
            return await hub.workerpool(address) is not None


async def app_of(
    http: httpx.AsyncClient,
    owner: Address,
    image: str,
    name: str,
    platforms: Iterable[str] = WORKER_PLATFORMS,
    login_of: FindLogin = nobody,
) -> CreateApp:
    """Describe the app of an image; ``name`` empty takes the image's.

    Args:
        http: A client.
        owner: Of the app.
        image: Its image.
        name: On chain.
        platforms: What workers run.
        login_of: Finds logins of registries.

    Raises:
        WrongPlatform: No worker could run it.
        BadImageName, NoSuchImage, RegistryDown: The image cannot be resolved.
        UnfitText: The name is none that a person could be shown.
    """
    found = await resolve(http, image, login_of)
    await demand_platform(http, found, platforms, login_of)
    chosen = name or found.name.rpartition("/")[2].partition(":")[0]
    named = checked(chosen, "the name", MAX_ASSET_NAME)
    return CreateApp(owner, named, multiaddr.encode(found.name), found.digest)


async def dataset_of(
    http: httpx.AsyncClient,
    owner: Address,
    location: str,
    name: str,
    *,
    file: Path | None = None,
    checksum: bytes | None = None,
) -> CreateDataset:
    """Describe the dataset at a URL (or ``/ipfs/…``).

    The checksum (sha256) is the given one, that of a local copy, or computed by downloading.

    Raises:
        NoSuchDataset, DatasetTooLarge, DatasetUnreachable: It cannot be read.
        UnfitText: Name or location are none that a person could be shown.
    """
    if checksum is None:
        checksum = _of_file(file) if file else await _of_url(http, location)
    chosen = name or location.rstrip("/").rpartition("/")[2]
    named = checked(chosen, "the name", MAX_ASSET_NAME)
    return CreateDataset(owner, named, multiaddr.encode(location), checksum)


def _of_file(file: Path) -> bytes:
    digest = sha256()
    try:
        with file.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    except OSError as fault:
        raise NoSuchDataset(f"cannot read {file} ({fault.strerror}): correct --file") from fault
    return digest.digest()


async def _of_url(http: httpx.AsyncClient, location: str) -> bytes:
    if not location.startswith(("http://", "https://")):
        raise NoSuchDataset(
            f"{location} cannot be downloaded from here: give --checksum, or --file with a "
            "local copy"
        )
    digest = sha256()
    try:
        async with opened(http, "GET", location, DATASET_CAPS) as answer:
            _check(answer, location)
            async for piece in answer.pieces():
                digest.update(piece)
    except (NoAnswer, GoesElsewhere) as fault:
        raise DatasetUnreachable(
            f"{location} does not answer ({fault}): correct the URL, or start its server"
        ) from fault
    except AnswerTooLarge as fault:
        raise DatasetTooLarge(f"{location} is {fault}: use --checksum") from fault
    return digest.digest()


def _check(answer: Incoming, location: str) -> None:
    if answer.is_success:
        return
    status = answer.status
    if status >= 500 or status == 429:
        raise DatasetUnreachable(f"{location} answers HTTP {status}: try again later")
    raise NoSuchDataset(f"{location} answers HTTP {status}: correct the URL")
