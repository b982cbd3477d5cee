"""Wheels and bases made in memory, honest or not; a registry and an index without any socket."""

from __future__ import annotations

import json
import re
import zipfile
from hashlib import sha256
from pathlib import Path

import httpx

from poolhand.appimage.composing import RunTerms, compose
from poolhand.appimage.layers import Text, write_layer
from poolhand.appimage.wheels import MissingWheel
from poolhand.devnet.registry import registry_app
from poolhand.devnet.registry_store import ImageStore


def wheel(folder: Path, name: str, version: str = "1.0", needs=(), files=None, **more) -> Path:
    """Write a wheel; ``files`` by their names, beside what every wheel has."""
    distribution = re.sub(r"[-.]+", "_", name)
    info = f"{distribution}-{version}.dist-info"
    head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    told = head + "".join(f"Requires-Dist: {each}\n" for each in needs)
    contents = {
        f"{distribution}.py": f"VERSION = '{version}'\n",
        f"{info}/METADATA": told,
        f"{info}/WHEEL": "Wheel-Version: 1.0\n",
        **(files or {}),
    }
    path = folder / f"{distribution}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, content in contents.items():
            entry = zipfile.ZipInfo(each)
            entry.external_attr = more.get("modes", {}).get(each, 0o100644) << 16
            entry.compress_type = more.get("packing", zipfile.ZIP_DEFLATED)
            archive.writestr(entry, content)
    return path


class Index:
    """A ``WheelSource`` that has wheels in a folder, the last of each name, and resolves nothing."""

    def __init__(self, folder: Path, knows_markers: bool = False) -> None:
        self.folder, self.asked = folder, []

    async def fetch(self, lines, options, target, folder) -> None:
        self.asked.append(tuple(lines))
        for line in lines:
            name = re.sub(r"[-.]+", "_", re.match(r"[\w.-]+", line)[0])
            found = sorted(self.folder.glob(f"{name}-*.whl"))
            if not found:
                raise MissingWheel(f"no wheel of {name}")
            (folder / found[-1].name).write_bytes(found[-1].read_bytes())


class Shop:
    """A registry at ``127.0.0.1:5000`` as an httpx transport, with a base of some Python."""

    host = "127.0.0.1:5000"

    def __init__(self, folder: Path, platform: str = "linux/amd64") -> None:
        self.platform = platform
        self.store = ImageStore(folder)
        self.app = httpx.ASGITransport(registry_app(self.store))
        self.requests, self.refuses = [], {}

    async def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append((request.method, request.url.path))
        for (method, part), answer in self.refuses.items():
            if request.method == method and part in request.url.path:
                return answer
        return await self.app.handle_async_request(request)

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=_Passing(self), timeout=10)

    def base_of(self, image) -> str:
        return image.base or f"{self.host}/python:{image.python_version}"

    def put_base(self, folder: Path, name="python", tag="3.12", python="3.12.4", **config) -> str:
        """Put a base of one layer; returns its reference."""
        files = {"/etc/base": Text(f"{name} {python}"), **config.get("files", {})}
        layer = write_layer(folder / f"{tag}.tar.gz", files)
        variables = {"PYTHON_VERSION": python} if python else {}
        variables["PATH"] = "/usr/local/bin:/bin"
        built = compose((layer,), RunTerms(("python3",), "/", "", variables), self.platform)
        return self.put(name, tag, built.manifest, [layer.path.read_bytes(), built.config])

    def put(self, name, tag, manifest: bytes, blobs=()) -> str:
        for each in blobs:
            upload = self.store.start_upload(name)
            with self.store.open_upload(name, upload) as file:
                file.write(each)
            self.store.finish_upload(name, upload, "sha256:" + sha256(each).hexdigest())
        kind = json.loads(manifest)["mediaType"]
        self.store.put_manifest(name, tag, kind, manifest)
        return f"{self.host}/{name}:{tag}"


class _Passing(httpx.AsyncBaseTransport):
    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    async def handle_async_request(self, request):
        return await self.shop.handle(request)
