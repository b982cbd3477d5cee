"""An image registry on ASGI, as buyers ask it: for manifests, and for what images say of themselves."""

from __future__ import annotations

import json
import platform
import sys
from hashlib import sha256

from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response

from poolhand.domain.function_image import FUNCTIONS_LABEL, FunctionImage
from poolhand.domain.platforms import GO_NAMES

MANIFEST = b'{"schemaVersion": 2}'
SCIENCE = ("cloudpickle", "joblib", "numpy", "scipy", "sklearn")
GRAPHS = ("cloudpickle", "dask", "tlz", "toolz")
FUNCTIONS_IMAGE = "127.0.0.1:5000/poolhand/functions:1.0"


def function_image(about: FunctionImage) -> tuple[bytes, bytes]:
    """Return manifest and config of an image that says this of functions."""
    machine = platform.machine()
    config = {
        "architecture": GO_NAMES.get(machine, machine),
        "os": "linux",
        "config": {"Labels": {FUNCTIONS_LABEL: about.dump()}},
    }
    raw = json.dumps(config).encode()
    named = {"digest": f"sha256:{sha256(raw).hexdigest()}"}
    return json.dumps({"schemaVersion": 2, "config": named}).encode(), raw


def registry() -> FastAPI:
    """A registry with three images of one content, which does not know HEAD's digest header for tag ``bare``.

    Four more run functions: ``functions:1.0``, ``functions:old`` of another Python,
    ``functions:science`` with scikit-learn and ``functions:dask`` with Dask.
    """
    app = FastAPI()
    digest = "sha256:" + sha256(MANIFEST).hexdigest()
    images = {
        "1.0": function_image(FunctionImage(sys.version_info[:2], ("cloudpickle",))),
        "science": function_image(FunctionImage(sys.version_info[:2], SCIENCE)),
        "dask": function_image(FunctionImage(sys.version_info[:2], GRAPHS)),
        "old": function_image(FunctionImage((3, 1), ("cloudpickle",))),
    }
    images |= {f"sha256:{sha256(each[0]).hexdigest()}": each for each in images.values()}
    blobs = {f"sha256:{sha256(raw).hexdigest()}": raw for _, raw in images.values()}

    @app.api_route("/v2/poolhand/functions/manifests/{tag}", methods=["GET", "HEAD"])
    async def of_functions(tag: str) -> Response:
        content, _ = images[tag]
        name = f"sha256:{sha256(content).hexdigest()}"
        return Response(content, headers={"Docker-Content-Digest": name})

    @app.get("/v2/poolhand/functions/blobs/{name}")
    async def blob(name: str) -> Response:
        return Response(blobs[name])

    @app.api_route("/v2/poolhand/{name}/manifests/{tag}", methods=["GET", "HEAD"])
    async def manifest(name: str, tag: str) -> Response:
        if name not in ("words", "fractal", "word-statistics") or tag not in ("1.0", "bare"):
            return JSONResponse({"errors": [{"code": "MANIFEST_UNKNOWN"}]}, 404)
        headers = {} if tag == "bare" else {"Docker-Content-Digest": digest}
        return Response(MANIFEST, headers=headers)

    return app
