"""The page ``/join`` of a pool: how to join it, what that costs, and what it brought others.

Every figure on it is in the pool's own API: ``/v1/config``, ``/v1/summary`` and
``/join/manifest.json``. It loads nothing and runs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from shlex import quote
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from poolhand.domain.gas_reserve import CONTRIBUTE_GAS, REVEAL_GAS
from poolhand.domain.text import shown
from poolhand.domain.units import NanoRlc, Wei, show_coin, show_rlc
from poolhand.scheduler.joining.docker_files import DOCKER_FOLDER, DOCKER_PATH
from poolhand.scheduler.joining.join_files import powershell_quoted
from poolhand.settings.chains import public_chain
from poolhand.wire.join_api import JoinManifest
from poolhand.wire.pool_api import PoolConfig, PoolSummary

JOIN_PAGE_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
"""Nothing is loaded, nothing is run, nobody may frame it."""
SYSTEMS: Final = {"Linux": "Linux", "macOS": "Macintosh", "Windows": "Windows NT"}
"""Systems with a script, and the words by which their browsers are known."""
WALLET_COMMAND: Final = """\
mkdir -m 700 secrets && signer=$(docker build -q --target signer .)
docker run --rm -it --network none -u "$(id -u)" -v "$PWD/secrets:/wallet" \\
    "$signer" wallet create
mv secrets/UTC--* secrets/wallet.json && chmod 444 secrets/wallet.json
(umask 077 && cat > secrets/wallet-password) && chmod 444 secrets/wallet-password"""
"""Makes a wallet where the signer alone will find it; the last line waits for the password.

The image has no name yet: one that workers of several pools share would be moved by each of them.
"""
NAME_COMMAND: Final = """\
named=$(grep -oiwE '(0x)?[0-9a-f]{40}' secrets/wallet.json ||
    sha256sum < secrets/wallet.json | cut -c -64)
echo "COMPOSE_PROJECT_NAME=${named:+poolhand-}$(echo "$named" | tr A-F a-f | tail -c 13)" >> .env"""
"""Calls containers, networks, volumes and images by the wallet: other workers share the engine.

A keystore without an address (`cast wallet import` writes such) has the name of its bytes.
"""
START_COMMAND: Final = f"""\
{NAME_COMMAND}
echo "DOCKER_GID=$(stat -c %g /var/run/docker.sock)" >> .env
docker compose up --build --detach && docker compose logs --follow worker"""
"""Builds and starts signer and worker."""


def join_page(
    config: PoolConfig,
    summary: PoolSummary,
    manifest: JoinManifest,
    docker: bytes,
    theirs: str | None = None,
) -> str:
    """Write the page.

    Args:
        config: What the pool says of itself.
        summary: How it does.
        manifest: Of its files.
        docker: The archive of those who join by Docker.
        theirs: The visitor's system, which comes first; None: not known.
    """
    return _template().render(
        systems=sorted(SYSTEMS, key=lambda each: each != theirs),
        theirs=theirs,
        config=config,
        summary=summary,
        manifest=manifest,
        chain=_chain(manifest),
        command=script_command(manifest),
        mac_command=script_command(manifest, "shasum -a 256"),
        windows_command=windows_command(manifest),
        machine=f"POOL_URL={quote(manifest.url)} make vm",
        check=f"poolhand join {quote(manifest.url)}",
        docker=docker_command(manifest, docker),
        wallet=WALLET_COMMAND,
        start=START_COMMAND,
        stakes=tuple(_stakes(config, summary)),
        gas=_gas(summary),
        earned=_earned(summary),
    )


def system_of(user_agent: str) -> str | None:
    """Return on which system a browser runs, by what it says of itself; None: on another."""
    if any(each in user_agent for each in ("Android", "iPhone", "iPad")):
        return None
    return next((name for name, word in SYSTEMS.items() if word in user_agent), None)


def script_command(manifest: JoinManifest, sha256sum: str = "sha256sum") -> str:
    """Return the line that downloads the script, checks it, and only then runs it."""
    script = quote(manifest.url.rstrip("/") + manifest.script.path)
    check = f'echo "{manifest.script.sha256}  join.sh" | {sha256sum} -c'
    return f"curl -fsSL {script} -o join.sh && {check} && sh join.sh"


def docker_command(manifest: JoinManifest, archive: bytes) -> str:
    """Return the line that downloads the archive, checks it, and opens it where one is then."""
    place = quote(manifest.url.rstrip("/") + DOCKER_PATH)
    check = f'echo "{sha256(archive).hexdigest()}  docker.tar.gz" | sha256sum -c'
    opened = f"tar -xzf docker.tar.gz && cd {DOCKER_FOLDER}"
    return f"curl -fsSL {place} -o docker.tar.gz && {check} && {opened}"


def windows_command(manifest: JoinManifest) -> str:
    """Return PowerShell's line that downloads its script, checks it, and only then runs it."""
    script = powershell_quoted(manifest.url.rstrip("/") + manifest.windows_script.path)
    return (
        f"iwr -UseBasicParsing {script} -OutFile join.ps1; "
        f"if ((Get-FileHash join.ps1).Hash -eq '{manifest.windows_script.sha256}') "
        "{ powershell -NoProfile -ExecutionPolicy Bypass -File join.ps1 } "
        "else { 'join.ps1 is not the script that the page names: nothing was run' }"
    )


def _chain(manifest: JoinManifest) -> str:
    """Name the chain; one that has a public chain's id and a node of its own is not that one."""
    name = public_chain(manifest.chain_id)
    if name is None:
        return f"chain {manifest.chain_id}"
    return f"a private chain that is like {name}" if manifest.rpc else name


def _stakes(config: PoolConfig, summary: PoolSummary) -> Iterator[tuple[int, str, str]]:
    """Yield category, price and stake, as they stand on the page."""
    for category, price in sorted(config.prices.items()):
        percent = summary.worker_stake_percent
        stake = "not known now" if percent is None else show_rlc(NanoRlc(price * percent // 100))
        yield category, show_rlc(price), stake


def _gas(summary: PoolSummary) -> str | None:
    """Return the coin for one contribution and its reveal at the present price; None: not known."""
    if summary.gas_price is None:
        return None
    return show_coin(Wei((CONTRIBUTE_GAS + REVEAL_GAS) * summary.gas_price))


def _earned(summary: PoolSummary) -> str | None:
    return None if summary.latest_earned is None else show_rlc(summary.latest_earned)


def _fit(value: Any) -> Any:
    return shown(value, lines=True) if isinstance(value, str) else value


@cache
def _template() -> Template:
    found = Environment(
        loader=PackageLoader("poolhand.scheduler.joining", "files"),
        autoescape=True,
        finalize=_fit,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return found.get_template("join.html")
