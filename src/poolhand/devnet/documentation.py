"""Serves the documentation site that `make site` has built, beside the market of a devnet."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BUILT_SITE: Final = Path(__file__).resolve().parents[3] / "dist" / "site"
"""Where `make site` puts it, in a clone of the repository."""
SITE_POLICY: Final = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; worker-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""A page may ask its own origin alone, whatever its theme would."""


def built_site(folder: Path = BUILT_SITE) -> Path | None:
    """Return the folder of the site, or None where none was built."""
    return folder if (folder / "index.html").is_file() else None


def site_app(folder: Path) -> Starlette:
    """Return what serves a built site, so that its pages load nothing from elsewhere.

    Args:
        folder: As ``built_site`` tells it.
    """
    app = Starlette(routes=[Mount("/", StaticFiles(directory=folder, html=True))])
    app.add_middleware(_OwnOriginAlone)
    return app


class _OwnOriginAlone:
    """Adds the policy to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = SITE_POLICY
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        await self._app(scope, receive, told)
