"""Confidential tasks in a devnet: a *simulated* root, made anew at each start, and who names it.

Nothing is kept secret there; what a program must be to be told secrets is really checked.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from poolhand.appimage.composing import PublishedImage
from poolhand.attestation.simulated_root import SimulatedRoot
from poolhand.devnet.tee_images import STAGE_COMMANDS, STAGES_VERSION
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.tee.measurement import measure_service
from poolhand.domain.tee.session import Service
from poolhand.domain.units import UnixSeconds
from poolhand.observe.private import private_folder
from poolhand.wire.sms_api import TeeProperties, TeeStageProperties

_FRAMEWORK: Final = TeeFramework.TDX
_PROPERTIES: Final = TypeAdapter(dict[str, TeeProperties])


class SimulatedTeeFiles:
    """Files of a devnet's simulated enclaves.

    Args:
        home: Folder of the devnet.
    """

    def __init__(self, home: Path) -> None:
        self._folder = home / "tee"

    def make(self, stages: PublishedImage, workers: Iterable[str]) -> None:
        """Make a root, a machine for each worker, and the properties of what runs around apps."""
        private_folder(self._folder)
        root = SimulatedRoot(UnixSeconds(int(time.time())))
        root.trust().save(self._root)
        for name in workers:
            root.machine().save(self._machine(name))
        told = {_FRAMEWORK.value: stage_properties(stages)}
        self._properties.write_bytes(_PROPERTIES.dump_json(told, exclude_none=True))

    @property
    def of_sms(self) -> dict[str, str]:
        """Settings of the secret management service."""
        return {
            "POOLHAND_SMS_TEE_PROPERTIES": str(self._properties),
            "POOLHAND_SMS_SIMULATED_TEE": str(self._root),
        }

    @property
    def of_pool(self) -> dict[str, str]:
        """Settings of the pool."""
        return {"POOLHAND_SIMULATED_TEE": str(self._root)}

    def of_worker(self, name: str) -> dict[str, str]:
        """Settings of a worker; its launcher is tried in containers, in no virtual machine."""
        return {
            "POOLHAND_TEE": _FRAMEWORK.value,
            "POOLHAND_SIMULATED_TEE": str(self._machine(name)),
            "POOLHAND_SANDBOX": "runc",
        }

    @property
    def _root(self) -> Path:
        return self._folder / "root.json"

    @property
    def _properties(self) -> Path:
        return self._folder / "properties.json"

    def _machine(self, name: str) -> Path:
        return self._folder / f"{name}.json"


def stage_properties(stages: PublishedImage) -> TeeProperties:
    """Say what runs before and after apps, and what it must be measured to be."""

    def of(service: Service) -> TeeStageProperties:
        words = STAGE_COMMANDS[service]
        measured = measure_service(_FRAMEWORK, f"sha256:{stages.digest}", words)
        return TeeStageProperties(
            image=stages.pinned, fingerprint=measured.fingerprint, entrypoint=" ".join(words)
        )

    return TeeProperties(
        teeFramework=_FRAMEWORK.value.upper(),
        teeFrameworkVersion=STAGES_VERSION,
        preComputeProperties=of(Service.PRE_COMPUTE),
        postComputeProperties=of(Service.POST_COMPUTE),
    )
