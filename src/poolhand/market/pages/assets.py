"""The files that a market's pages load."""

from __future__ import annotations

from poolhand.transport.page.assets import PageAsset, assets_of


def page_assets() -> dict[str, PageAsset]:
    """Return every file by its name."""
    return assets_of("poolhand.market.pages")


def asset_place(name: str) -> str:
    """Return the address of a file; it changes with the file, so that browsers keep it for good."""
    return f"/pages/static/{name}?v={page_assets()[name].mark}"
