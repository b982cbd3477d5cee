"""Asking a pool which version it gives to workers, and whether its owner signed that."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from poolhand.domain.ids import Address
from poolhand.domain.release import Release
from poolhand.ports.chain import Hub
from poolhand.transport.pool_client import POOL_CLIENT_CAPS, PoolClient
from poolhand.web.trusted import trusted
from poolhand.wire.handshake import PoolFacts
from poolhand.wire.join_api import JoinManifest, NotTheOwnersFiles


class WorkersPool(PoolClient):
    """A worker's pool, asked for versions."""

    remedy = "the worker asks again; nothing has changed"


@dataclass(frozen=True, slots=True)
class PoolReleases:
    """Implements ``ReleaseSource`` by a pool's signed manifest.

    Attributes:
        facts: The pool as the worker is set up for it.
        hub: Tells who owns the pool now: whose signature counts.
    """

    facts: PoolFacts
    hub: Hub

    async def newest(self) -> Release:
        """Return the version that the pool gives.

        Raises:
            NotTheOwnersFiles: The pool's owner of now did not sign it, or it is of another pool.
            PoolDown, PoolRefused, ChainUnreachable: It cannot be told now.
        """
        async with self._client() as http:
            return _release(await self._manifest(http))

    async def script(self, release: Release) -> bytes:
        """Return the script that installs a version, raises as ``newest``.

        Raises:
            NotTheOwnersFiles: The pool gives another version by now, too.
        """
        async with self._client() as http:
            manifest = await self._manifest(http)
            if _release(manifest) != release:
                raise NotTheOwnersFiles(
                    f"the pool gives another version than {release.version} by now: look again"
                )
            return await WorkersPool(http, self.facts.url).join_script(manifest)

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(timeout=POOL_CLIENT_CAPS.seconds, verify=trusted())

    async def _manifest(self, http: httpx.AsyncClient) -> JoinManifest:
        facts = self.facts
        manifest = await WorkersPool(http, facts.url).join_manifest()
        told = (manifest.chain_id, manifest.hub, manifest.workerpool)
        if told != (facts.chain_id, facts.hub, facts.workerpool):
            raise NotTheOwnersFiles(f"what answers at {facts.url} gives files of another pool")
        owner = await self._owner()
        if manifest.owner != owner:
            raise NotTheOwnersFiles(
                f"the files at {facts.url} are signed by {manifest.owner}, and the pool is "
                f"{owner}'s: nothing is installed; tell the pool's owner"
            )
        return manifest

    async def _owner(self) -> Address | None:
        found = await self.hub.workerpool(self.facts.workerpool)
        return None if found is None else found.owner


def _release(manifest: JoinManifest) -> Release:
    return Release(
        manifest.version, manifest.owner, manifest.wheel.sha256, manifest.requirements.sha256
    )
