"""Images that this worker has pulled, and which of them go when they are too many.

Only what was not there before a pull is this worker's to remove, and only while no task that it
holds wants it and no container has it: the engine keeps it else. What is known of them is kept in a
file.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

import structlog

from poolhand.domain.cache import CacheEntry, let_go
from poolhand.domain.errors import RuntimeDown
from poolhand.domain.ids import TaskId
from poolhand.domain.json_text import parse_json
from poolhand.domain.units import UnixSeconds
from poolhand.observe.private import write_private
from poolhand.ports.clock import Clock
from poolhand.ports.images import EngineImages
from poolhand.transport.plumbing import first_of
from poolhand.worker.live_settings import LiveSettings

MOST_IMAGES_REMEMBERED: Final = 4_096
"""Beyond that the engine keeps those that were used longest ago."""
PAUSE_BETWEEN_CLEANINGS: Final = 600.0
"""Seconds."""
_VERSION: Final = 1

log = structlog.get_logger()


class UntouchedImages:
    """Implements ``ports.images.EngineImages`` of an engine whose images are left alone."""

    async def size(self, _reference: str) -> int | None:
        """Know none."""
        return None

    async def remove(self, _reference: str) -> bool:
        """Remove none."""
        return False


class ImageCache:
    """Knows when each was used last, and lets the oldest go.

    Args:
        images: The engine's.
        file: Keeps what is known; None, in simulations: nothing does.
        live: Has the limit.
        held: Tells which tasks may still want theirs.
        clock: Tells the moment.
    """

    def __init__(
        self,
        images: EngineImages,
        file: Path | None,
        live: LiveSettings,
        held: Callable[[], Collection[TaskId]],
        clock: Clock,
    ) -> None:
        self._images, self._file, self._live = images, file, live
        self._held, self._clock = held, clock
        self._entries = {} if file is None else _read(file)
        self._wanted: dict[TaskId, str] = {}
        self._stirred = asyncio.Event()
        live.changed.connect(self._stirred.set)

    @property
    def size(self) -> int:
        """Bytes of the images that are this worker's; a layer counts with each that has it."""
        return sum(entry.size for entry in self._entries.values())

    def wants(self, task_id: TaskId, reference: str) -> None:
        """Note that a task wants an image until it is over."""
        self._wanted[task_id] = reference

    def wanted(self, task_id: TaskId) -> str | None:
        """Return the image that a task wants, by its digest; None: that is not known."""
        return self._wanted.get(task_id)

    async def is_foreign(self, reference: str) -> bool:
        """Whether an image that is about to be pulled is there already, and not by this worker.

        So is one of which nothing can be known now: it is not this worker's to remove.
        """
        if reference in self._entries:
            return False
        try:
            return await self._images.size(reference) is not None
        except RuntimeDown:
            return True

    async def used(self, reference: str, *, is_foreign: bool) -> None:
        """Note that an image was used; one that is not this worker's is nobody's concern here."""
        if is_foreign:
            return
        known = self._entries.pop(reference, None)
        try:
            size = await self._images.size(reference) or 0
        except RuntimeDown:
            size = 0 if known is None else known.size
        self._entries[reference] = CacheEntry(self._clock.now(), size)
        while len(self._entries) > MOST_IMAGES_REMEMBERED:
            self._entries.pop(next(iter(self._entries)))
        self._write()

    async def clean(self) -> None:
        """Let go of what is over the limit; raises RuntimeDown where the engine does not answer."""
        held = set(self._held())
        self._wanted = {task: image for task, image in self._wanted.items() if task in held}
        in_use = set(self._wanted.values())
        for reference in let_go(self._entries, self._live.now.image_cache, in_use):
            if reference in self._wanted.values():
                continue  # a task has begun to want it since the one before was removed
            if not await self._images.remove(reference):
                continue  # a container has it: the next time, perhaps
            if reference in self._wanted.values():
                continue  # a task has begun to want it meanwhile, and pulls it again
            entry = self._entries.pop(reference)
            log.info("image_removed", image=reference, bytes=entry.size)
            self._write()

    async def keep_clean(self) -> None:
        """Do so now and then, and when settings have changed, for ever."""
        while True:
            await first_of(self._clock.sleep(PAUSE_BETWEEN_CLEANINGS), self._stir())
            self._stirred.clear()
            try:
                await self.clean()
            except RuntimeDown as fault:
                log.info("images_not_cleaned", cause=str(fault))

    async def _stir(self) -> None:
        await self._stirred.wait()

    def _write(self) -> None:
        if self._file is None:
            return
        told = {
            "version": _VERSION,
            "images": {
                name: {"used_at": entry.used_at, "bytes": entry.size}
                for name, entry in self._entries.items()
            },
        }
        try:
            write_private(self._file, json.dumps(told))
        except OSError as fault:  # it is forgotten at the end of this life, and so never removed
            log.warning("images_not_noted", file=str(self._file), cause=str(fault))


def _read(file: Path) -> dict[str, CacheEntry]:
    """Return what is known; nothing where the file is not there, or is none of ours."""
    try:
        told = parse_json(file.read_bytes())
        if told["version"] != _VERSION:
            return {}
        return {
            str(name): CacheEntry(UnixSeconds(int(each["used_at"])), int(each["bytes"]))
            for name, each in told["images"].items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        log.warning("images_forgotten", file=str(file), cause=str(fault))
        return {}
