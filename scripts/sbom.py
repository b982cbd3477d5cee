"""A bill of materials of an image: CycloneDX 1.5, of what the image itself says that it has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

LISTING = r"""
import json, re
from importlib.metadata import distributions
from pathlib import Path
python = sorted({(each.metadata["Name"], each.version) for each in distributions()})
status = Path("/var/lib/dpkg/status")
text = status.read_text() if status.exists() else ""
installed = r"^Package: (\S+)\nStatus: install ok installed\n(?:.+\n)*?Version: (\S+)$"
debian = re.findall(installed, text, re.MULTILINE)
print(json.dumps({"python": python, "debian": sorted(debian)}))
"""
"""Printed by an image's own Python: name and version of every package in it."""
_PIN = re.compile(
    r"^([a-z0-9-]+)==\S+ \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE
)


def bill(
    name: str,
    version: str,
    identity: str,
    listed: Mapping[str, Sequence[tuple[str, str]]],
    requirements: str,
) -> dict[str, Any]:
    """Return the bill.

    Args:
        name: Of the image.
        version: Of it.
        identity: Its digest.
        listed: What ``LISTING`` printed.
        requirements: The list of hashes that Python packages were checked against.
    """
    hashes = dict(_hashes(requirements))
    components = [_component("pypi", *each, hashes) for each in listed["python"]]
    components += [_component("deb/debian", *each, {}) for each in listed["debian"]]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "container",
                "bom-ref": identity,
                "name": name,
                "version": version,
                "hashes": [{"alg": "SHA-256", "content": identity.removeprefix("sha256:")}],
            }
        },
        "components": components,
    }


def _component(
    kind: str, name: str, version: str, hashes: Mapping[str, tuple[str, ...]]
) -> dict[str, Any]:
    plain = re.sub(r"[-_.]+", "-", name).lower() if kind == "pypi" else name
    package = f"pkg:{kind}/{quote(plain)}@{quote(version)}"
    made: dict[str, Any] = {
        "type": "library",
        "bom-ref": package,
        "name": plain,
        "version": version,
        "purl": package,
    }
    if plain in hashes:  # of each file of the release: which of them suits depends on the machine
        made["properties"] = [{"name": "poolhand:sha256", "value": each} for each in hashes[plain]]
    return made


def _hashes(requirements: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, lines in _PIN.findall(requirements):
        yield name, tuple(re.findall(r"[0-9a-f]{64}", lines))
