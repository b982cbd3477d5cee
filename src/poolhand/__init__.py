"""Poolhand: the iExec decentralised-computing network in Python.

>>> from poolhand import Client
>>> deal = Client(budget="10 RLC").run("devnet/poolhand/fractal:1.0", "--seed 3")
>>> deal.result().save("fractal")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from poolhand.appimage.image import Image as Image
    from poolhand.client.async_client import AsyncClient as AsyncClient
    from poolhand.client.dataset_files import encrypt_dataset_file as encrypt_dataset_file
    from poolhand.client.errors import FailedTask as FailedTask
    from poolhand.client.errors import NoWorkerLeft as NoWorkerLeft
    from poolhand.client.errors import TimedOutTask as TimedOutTask
    from poolhand.client.joblib_backend import register_joblib as register_joblib
    from poolhand.client.sponsor import Sponsor as Sponsor
    from poolhand.client.sync_client import Client as Client
    from poolhand.domain.errors import PoolhandError as PoolhandError

__version__ = "0.1.0"
_PUBLIC: Final = {
    "AsyncClient": "poolhand.client.async_client",
    "Client": "poolhand.client.sync_client",
    "Image": "poolhand.appimage.image",
    "PoolhandError": "poolhand.domain.errors",
    "FailedTask": "poolhand.client.errors",
    "NoWorkerLeft": "poolhand.client.errors",
    "TimedOutTask": "poolhand.client.errors",
    "Sponsor": "poolhand.client.sponsor",
    "encrypt_dataset_file": "poolhand.client.dataset_files",
    "register_joblib": "poolhand.client.joblib_backend",
}
"""What a program imports from here, and where it is: loaded when it is first asked for."""
__all__ = [
    "AsyncClient",
    "Client",
    "FailedTask",
    "Image",
    "NoWorkerLeft",
    "PoolhandError",
    "Sponsor",
    "TimedOutTask",
    "encrypt_dataset_file",
    "register_joblib",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'poolhand' has no attribute '{name}'")
    return getattr(import_module(_PUBLIC[name]), name)
