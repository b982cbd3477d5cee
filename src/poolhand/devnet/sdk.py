"""What iExec's SDK reads of a devnet: a ``chain.json`` per generation of the SDK.

SDK 9 refuses keys that SDK 8 knows (``resultProxy``), so each has a folder of its own, from which
``iexec`` can be called at once. Source: services-api.md 1.1, and ``cli/utils/fs.js`` of 8.24.0.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from poolhand.devnet.info import DevnetInfo
from poolhand.devnet.members import write_members

GENERATIONS: Final = ("8", "9")
"""The SDK's generations that a devnet serves."""
CHAIN_FILE: Final = "chain.json"
SDK_CHAIN: Final = "devnet"
"""How the SDK calls the chain, as in ``--chain devnet``."""


def chain_files(home: Path) -> dict[str, str]:
    """Return where ``chain.json`` is for each generation of the SDK."""
    return {each: str(home / "sdk" / each / CHAIN_FILE) for each in GENERATIONS}


def write_chain_files(info: DevnetInfo) -> None:
    """Write every ``chain.json`` that the devnet tells of."""
    for generation, name in info.chain_files.items():
        target = Path(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_members(
            target, {"default": SDK_CHAIN, "chains": {SDK_CHAIN: chain_entry(info, generation)}}
        )


def chain_entry(info: DevnetInfo, generation: str) -> dict[str, Any]:
    """Return the devnet's entry in ``chain.json``.

    SDK 8 knows a store of secrets for each framework, SDK 9 the one for TDX alone.
    """
    entry = {
        "id": str(info.chain_id),
        "host": info.rpc_url,
        "hub": info.hub,
        "sms": info.sms_url,
        "ipfsGateway": info.results_url,
        "iexecGateway": info.market_url,
        "compass": info.market_url,
    }
    if generation != "8":
        return entry
    return entry | {"sms": dict(info.sms_urls), "resultProxy": info.results_url}
