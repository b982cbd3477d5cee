"""A session as each framework's provisioning service takes it: SCONE, Gramine and TDX.

Source: services-api.md 9.2; iExec's SMS 9.x for the names of SCONE's images and volumes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from poolhand.domain.tee.session import SERVICE_IN, SERVICE_OUT, Environment, Service

SCONE_VERSION: Final = "0.3.10"
TDX_VERSION: Final = "0.1.0"
_TMP_VOLUME, _TMP_FOLDER = "post-compute-tmp", "/post-compute-tmp"
_IN, _OUT = ("iexec_in", SERVICE_IN), ("iexec_out", SERVICE_OUT)
_VOLUMES: Final[Mapping[Service, tuple[tuple[str, str], ...]]] = {
    Service.PRE_COMPUTE: (_IN,),
    Service.APP: (_IN, _OUT),
    Service.POST_COMPUTE: (_OUT, (_TMP_VOLUME, _TMP_FOLDER)),
}
"""Names of SCONE's encrypted volumes and where each service has them."""


@dataclass(frozen=True, slots=True)
class ServiceProgram:
    """What is to run as one service.

    Attributes:
        image: Its image, by digest where that is known.
        fingerprint: What its measurement must be; empty for an app under TDX.
        entrypoint: What it starts, with its arguments.
        environment: What it is told; never shown.
    """

    image: str
    fingerprint: str
    entrypoint: str
    environment: Environment = field(repr=False)


@dataclass(frozen=True, slots=True)
class SconeAttestation:
    """How strict SCONE's service is: advisories that it bears, and what it tolerates."""

    tolerated: tuple[str, ...] = ()
    ignored_advisories: tuple[str, ...] = ()
    mode: str = "hardware"


def tdx_session(session: str, programs: Mapping[Service, ServiceProgram]) -> str:
    """Return the JSON text of a TDX session."""
    services = [
        {
            "name": service,
            "image_name": each.image,
            "fingerprint": each.fingerprint,
            "environment": dict(each.environment),
        }
        for service, each in programs.items()
    ]
    return _json({"name": session, "version": TDX_VERSION, "services": services})


def gramine_session(session: str, programs: Mapping[Service, ServiceProgram]) -> str:
    """Return the JSON text of a Gramine session; nothing brings data there."""
    enclaves = [
        {
            "name": service,
            "mrenclave": each.fingerprint,
            "command": each.entrypoint,
            "environment": dict(each.environment),
            "volumes": [],
        }
        for service, each in programs.items()
        if service is not Service.PRE_COMPUTE
    ]
    return _json({"session": session, "enclaves": enclaves})


def scone_session(
    session: str,
    programs: Mapping[Service, ServiceProgram],
    attestation: SconeAttestation = SconeAttestation(),
) -> str:
    """Return the YAML text of a SCONE session; every text in it is quoted, so that it means one."""
    document = {
        "name": session,
        "version": SCONE_VERSION,
        "access_policy": {"read": ["CREATOR"], "update": ["NONE"]},
        "services": [_scone_service(service, each) for service, each in programs.items()],
        "images": [_scone_image(service) for service in programs],
        "volumes": [{"name": name} for name in _scone_volumes(programs)],
        "security": {
            "attestation": {
                "tolerate": list(attestation.tolerated),
                "ignore_advisories": list(attestation.ignored_advisories),
                "mode": attestation.mode,
            }
        },
    }
    return "".join(f"{line}\n" for line in _yaml(document))


def _scone_service(service: Service, program: ServiceProgram) -> dict[str, Any]:
    return {
        "name": service,
        "image_name": f"{service}-image",
        "mrenclaves": [program.fingerprint],
        "pwd": "/",
        "command": program.entrypoint,
        "environment": dict(program.environment),
    }


def _scone_image(service: Service) -> dict[str, Any]:
    volumes = [{"name": name, "path": path} for name, path in _VOLUMES[service]]
    return {"name": f"{service}-image", "volumes": volumes}


def _scone_volumes(programs: Mapping[Service, ServiceProgram]) -> list[str]:
    """Return the names of all volumes that are shared or used, each once."""
    return list(dict.fromkeys(name for each in programs for name, _ in _VOLUMES[each]))


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def _yaml(value: Any, indent: str = "") -> Iterator[str]:
    """Write mappings and lists in lines; a text is written as JSON writes it, which YAML reads."""
    pairs = value.items() if isinstance(value, Mapping) else ((None, each) for each in value)
    for name, each in pairs:
        head = f"{indent}-" if name is None else f"{indent}{_yaml_key(name)}:"
        if isinstance(each, str):
            yield f"{head} {json.dumps(each)}"
        elif not each:
            yield f"{head} {'{}' if isinstance(each, Mapping) else '[]'}"
        elif name is None:
            first, *rest = _yaml(each, f"{indent}  ")
            yield f"{indent}- {first.lstrip()}"
            yield from rest
        else:
            yield head
            yield from _yaml(each, f"{indent}  ")


def _yaml_key(name: str) -> str:
    return name if name.replace("_", "").isalnum() and name.isascii() else json.dumps(name)
