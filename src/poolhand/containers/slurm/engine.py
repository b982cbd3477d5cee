"""A Slurm cluster as a ``ContainerRuntime``: each run is a job, and outlives this process.

A job that is lost with its node is put to another node by the worker itself, not by the cluster's
requeueing: that waits minutes, and would start twice what only seemed lost. Before, its writable
folders are moved aside, so that a node that comes back writes where nobody reads.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import stat
import tarfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final, Self

import structlog

from poolhand.containers.disks import DiskKind, TaskDisks
from poolhand.containers.errors import (
    ContainerRefused,
    ContainerRemoved,
    DiskUnready,
    NoNodeFree,
    check_owner,
)
from poolhand.containers.folders import exceeds
from poolhand.containers.live import LineSplitter
from poolhand.containers.pulls import Logins, RegistryRule, any_registry, no_login
from poolhand.containers.sandbox import LEAST_LOG, SandboxTerms
from poolhand.containers.slurm import runner
from poolhand.containers.slurm.bundle import User, bundle_config
from poolhand.containers.slurm.client import Job, JobState, Place, Room, SlurmClient
from poolhand.containers.slurm.images import SharedImages
from poolhand.containers.slurm.layers import Scope
from poolhand.containers.slurm.run_folder import STDOUT, Attempt, RunFolder, frames
from poolhand.containers.working_folder import (
    FILES,
    Start,
    WorkingFolderTooLarge,
    names_at_the_top,
    unpack,
)
from poolhand.containers.written import flush_written, is_too_large
from poolhand.domain.errors import RuntimeDown
from poolhand.domain.text import shown
from poolhand.domain.units import Seconds
from poolhand.ports.runtime import ContainerOutcome, ContainerSpec, ContainerUse, LogLine

LOOK: Final = 0.25
"""Seconds between two looks for the result of a run."""
MEASURE: Final = 1.0
"""Seconds between two looks at the cluster's queue, and at the size of what a run writes."""
SILENCE: Final = 30.0
"""Seconds without a sign of life after which a node that runs a job is taken for lost."""
SLOW: Final = 10.0
"""Seconds that a result may take to be seen here once its job has ended."""
ENDING: Final = 20.0
"""Seconds for a job that is cancelled to be over; then it is left to the cluster."""
ATTEMPTS: Final = 4
"""Nodes on which one run is tried before the cluster is called unfit."""
FAULTY: Final = 2
"""Nodes that may fail to start a container before it is held against the container."""
OVERHEAD: Final = 64 * 1024**2
"""Bytes of memory for runc and the runner, beside the app's."""
SPARE_MINUTES: Final = 2
"""Added to the cluster's own time limit, which is whole minutes: the runner keeps the real one."""
LEAST_PATIENCE: Final = 120.0
"""Seconds that a job waits in the queue at least before its task is given back."""
RESULT_FILES: Final = 32_768
_MIB: Final = 1024**2

log = structlog.get_logger()


class SlurmRuntime:
    """Runs containers on the nodes of a cluster; made by ``open``.

    Args:
        client: Asks the controller.
        images: On the shared folder.
        runs: Folder of the runs there.
        runner: The file that nodes run.
        silence: Seconds without a sign of life after which a node is taken for lost.
    """

    def __init__(
        self,
        client: SlurmClient,
        images: SharedImages,
        runs: Path,
        runner: Path,
        silence: float = SILENCE,
    ) -> None:
        self._client, self._images, self._runs, self._runner = client, images, runs, runner
        self._silence = silence
        self._user = User(os.getuid(), os.getgid())
        self._births: dict[str, asyncio.Task[None]] = {}
        self._disks = TaskDisks(DiskKind.WATCH)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        shared: Path,
        place: Place = Place(),
        *,
        login_of: Logins = no_login,
        may_ask: RegistryRule = any_registry,
        silence: float = SILENCE,
    ) -> AsyncIterator[Self]:
        """Be a client of a cluster until the end of the context; jobs go on.

        Args:
            shared: A folder that this machine and all nodes see under the same name.
            place: Where jobs go.
            login_of: Finds the login of a registry.
            may_ask: Decides which registries are asked for images.
            silence: Seconds without a sign of life after which a node is taken for lost.

        Raises:
            RuntimeDown: The shared folder cannot be written.
        """
        try:
            for name in ("images", "runs"):
                (shared / name).mkdir(parents=True, exist_ok=True)
            copied = _copy_runner(shared)
        except OSError as fault:
            raise RuntimeDown(
                f"the cluster's shared folder {shared} cannot be used ({fault}): let this user "
                "write there"
            ) from fault
        images = SharedImages(shared / "images", login_of, may_ask)
        runtime = cls(SlurmClient(place), images, shared / "runs", copied, silence)
        try:
            yield runtime
        finally:
            await asyncio.gather(*runtime._births.values(), return_exceptions=True)

    async def room(self) -> Room:
        """Return what the partition has; raises RuntimeDown where nobody tells."""
        return await self._client.room()

    async def pull(self, image: str, digest: str, timeout: Seconds) -> str:
        """Make an image present; see ``ContainerRuntime.pull``."""
        return await self._images.pull(image, digest, timeout)

    async def run(self, spec: ContainerSpec) -> ContainerOutcome:
        """Run to the end and remove what is left; see ``ContainerRuntime.run``.

        Raises:
            ContainerRefused: As the port says.
            ContainerRemoved: Somebody else cancelled or removed it meanwhile.
            NoNodeFree: It waited in the queue for so long that the task is better given back.
            RuntimeDown: The cluster does not answer, or lost several nodes with it.
        """
        run = self._of(spec.name)
        joined = await asyncio.to_thread(self._is_there, run, spec)
        await self._born(run, spec)
        outcome = await _Watch(self, run, spec).outcome()
        await asyncio.to_thread(flush_written, spec)
        await asyncio.to_thread(run.remove)
        return replace(outcome, joined=joined)

    async def follow(self, name: str, tail: int, *, live: bool) -> AsyncIterator[LogLine]:
        """Yield what a container printed; see ``ContainerRuntime.follow``."""
        attempt = await asyncio.to_thread(self._of(name).attempt)
        if attempt is None:
            return
        lines, splitter, place = await asyncio.to_thread(_so_far, attempt, tail)
        for line in lines:
            yield line
        while live:
            over = await asyncio.to_thread(_is_over, attempt)
            pieces, place = await asyncio.to_thread(_since, attempt, place)
            for stream, data in pieces:
                for line in splitter.add(data, is_error=stream != STDOUT):
                    yield line
            if over:
                break
            await asyncio.sleep(LOOK)
        if live or not tail:
            tail_end = splitter.end() if live else ()
            for line in tail_end:
                yield line

    async def usage(self, name: str) -> ContainerUse | None:
        """Return what a container uses now; None where none of this name runs."""
        attempt = await asyncio.to_thread(self._of(name).attempt)
        if attempt is None or await asyncio.to_thread(_is_over, attempt):
            return None
        told = await asyncio.to_thread(attempt.members, "alive")
        if told is None:
            return None
        return ContainerUse(int(told["memory"]), float(told["cpu_seconds"]), int(told["processes"]))

    async def kill(self, name: str) -> None:
        """Stop and remove a container; none of this name is fine."""
        if name in self._births:
            await asyncio.wait([self._births[name]])
        run = self._of(name)
        attempt = await asyncio.to_thread(run.attempt)
        if attempt is not None:
            await self.end(name, attempt)
        await asyncio.to_thread(run.remove)

    async def orphans(self, label: str) -> tuple[str, ...]:
        """Return the names of all runs with a label ``key=value``."""
        return await asyncio.to_thread(self._labelled, *label.partition("=")[::2])

    async def sweep(self, label: str, spare: Callable[[str], bool]) -> tuple[str, ...]:
        """Remove the runs with a label; see ``ContainerRuntime.sweep``."""
        removed = []
        for name in await self.orphans(label):
            if not spare(name):
                await self.kill(name)
                log.info("orphan_removed", container=name)
                removed.append(name)
        return tuple(removed)

    def _labelled(self, key: str, value: str) -> tuple[str, ...]:
        runs = (RunFolder(each) for each in sorted(self._runs.iterdir()))
        return tuple(
            run.folder.name
            for run in runs
            if not run.folder.name.startswith(".") and (run.labels or {}).get(key) == value
        )

    def _of(self, name: str) -> RunFolder:
        return RunFolder(self._runs / name)

    def _is_there(self, run: RunFolder, spec: ContainerSpec) -> bool:
        labels = run.labels
        if labels is not None:
            check_owner(spec, labels)
        return labels is not None

    async def _born(self, run: RunFolder, spec: ContainerSpec) -> None:
        """Begin a run, to the end even if the caller is cancelled meanwhile."""
        birth = self._births.get(spec.name)
        if birth is None:
            birth = asyncio.create_task(self._begin(run, spec))
            self._births[spec.name] = birth
            birth.add_done_callback(lambda done: self._forget(spec.name, done))
        await asyncio.shield(birth)

    def _forget(self, name: str, birth: asyncio.Task[None]) -> None:
        del self._births[name]
        if not birth.cancelled() and birth.exception() is not None:
            log.info("container_not_begun", container=name, cause=str(birth.exception()))

    async def _begin(self, run: RunFolder, spec: ContainerSpec) -> None:
        attempt = await asyncio.to_thread(run.attempt)
        if attempt is not None and attempt.is_ready:
            log.info("container_joined", container=spec.name, attempt=attempt.number)
            await self.place(spec, attempt, without=())
            return
        if self._images.config(spec.image) is None:
            raise ContainerRefused(spec.name, f"image {shown(spec.image, 300)} is not present")
        await asyncio.to_thread(run.create, spec.labels)
        if attempt is not None:  # an earlier life was ended while it prepared this
            await asyncio.to_thread(shutil.rmtree, attempt.folder)
        try:
            await self.put(run, spec, without=())
        except ContainerRefused:
            await asyncio.to_thread(run.remove)
            raise

    async def put(self, run: RunFolder, spec: ContainerSpec, without: tuple[str, ...]) -> Attempt:
        """Prepare an attempt and submit it, to any node but some."""
        attempt = await asyncio.to_thread(run.new_attempt)
        await asyncio.to_thread(self._prepare, attempt, spec)
        await self.place(spec, attempt, without)
        return attempt

    async def place(self, spec: ContainerSpec, attempt: Attempt, without: tuple[str, ...]) -> None:
        """Submit an attempt, unless that was done: an earlier life may not have noted it."""
        if attempt.has_begun or await asyncio.to_thread(attempt.members, "job") is not None:
            return
        if self.job_name(spec.name, attempt) in await self._client.jobs():
            return
        excluded = [f"--exclude={','.join(without)}"] if without else []
        words = [*job_words(self.job_name(spec.name, attempt), spec, attempt), *excluded]
        number = await self._client.submit(self._script(attempt), words)
        await asyncio.to_thread(runner.write, attempt.folder / "job", {"number": number})
        log.info("job_submitted", container=spec.name, job=number, attempt=attempt.number)

    @staticmethod
    def job_name(name: str, attempt: Attempt) -> str:
        """Return what the job of an attempt is called."""
        return f"{name}.{attempt.number}"

    async def job(self, name: str, attempt: Attempt) -> Job | None:
        """Return what the cluster tells of an attempt's job; None: it knows none."""
        return (await self._client.jobs()).get(self.job_name(name, attempt))

    async def end(self, name: str, attempt: Attempt) -> None:
        """Cancel an attempt's job and wait, for a while, until it is over."""
        if not attempt.give_up() and _is_over(attempt):
            return
        until = time.monotonic() + ENDING
        told = await asyncio.to_thread(attempt.members, "job")
        while time.monotonic() < until:
            job = await self.job(name, attempt)
            if job is None or job.state not in (JobState.WAITING, JobState.RUNNING):
                if job is not None or told is None:
                    return
                await self._client.cancel(int(told["number"]))
                return
            await self._client.cancel(job.number)
            if job.state is JobState.WAITING:
                return
            await asyncio.sleep(LOOK)

    def _script(self, attempt: Attempt) -> str:
        return f"#!/bin/sh\nexec python3 '{self._runner}' '{attempt.folder}'\n"

    def _prepare(self, attempt: Attempt, spec: ContainerSpec) -> None:
        """Lay down what the job needs, what it may write to emptied; the order itself last."""
        for mount in spec.mounts:
            if not Path(mount.source).is_dir():
                raise ContainerRefused(spec.name, f"{mount.source}, to be mounted, is no folder")
            if mount.writable:
                self._lay(spec, mount.source, spec.limits.output, RESULT_FILES)
        image, root = self._images.config(spec.image), self._images.root(spec.image)
        if image is None:
            raise ContainerRefused(spec.name, f"image {shown(spec.image, 300)} is not present")
        terms = SandboxTerms.of(image, self._user.uid)
        if terms.start is not None and spec.workplace:
            self._lay(spec, spec.workplace, spec.limits.work, FILES)
            try:
                fill_from(root, terms.start, Path(spec.workplace), spec.limits.work)
            except WorkingFolderTooLarge:
                log.warning("working_folder_read_only", image=spec.image, limit=spec.limits.work)
                terms = replace(terms, start=None)
        config = bundle_config(spec, image, terms, root, self._user)
        (attempt.folder / "config.json").write_text(json.dumps(config))
        order = {
            "id": self.job_name(spec.name, attempt),
            "timeout": spec.timeout,
            "log": max(2 * spec.limits.log, LEAST_LOG),
        }
        runner.write(attempt.folder / "order.json", order)

    def _lay(self, spec: ContainerSpec, folder: str, size: int, files: int) -> None:
        try:
            self._disks.lay(Path(folder), size, files)
        except OSError as fault:
            why = f"{folder} cannot be made an empty folder: {fault}"
            raise DiskUnready(spec.name, why) from fault

    @property
    def silence(self) -> float:
        """Seconds without a sign of life after which a node is taken for lost."""
        return self._silence


class _Watch:
    """Sees one run to its end, over lost nodes."""

    def __init__(self, engine: SlurmRuntime, run: RunFolder, spec: ContainerSpec) -> None:
        self._engine, self._run, self._spec = engine, run, spec
        self._lost: list[str] = []
        self._faults: list[str] = []
        self._since = self._heard = time.monotonic()
        self._beat = 0
        self._ended: float | None = None

    async def outcome(self) -> ContainerOutcome:
        """Return how the run ended."""
        measured = float("-inf")
        while True:
            attempt = await asyncio.to_thread(self._run.attempt)
            if attempt is None:
                raise ContainerRemoved(self._spec.name)
            result = await asyncio.to_thread(attempt.members, "result")
            if result is not None:
                if "failed" not in result:
                    return await asyncio.to_thread(self._read, attempt, result)
                await self._fault(attempt, str(result["failed"]))
            elif time.monotonic() - measured >= MEASURE:
                measured = time.monotonic()
                found = await self._look(attempt)
                if found is not None:
                    return found
            await asyncio.sleep(LOOK)

    async def _look(self, attempt: Attempt) -> ContainerOutcome | None:
        """Look at job, signs of life and size; return the outcome where that decides it."""
        if await asyncio.to_thread(is_too_large, self._spec):
            await self._engine.end(self._spec.name, attempt)
            return await asyncio.to_thread(self._read, attempt, _ended_by_us())
        job = await self._engine.job(self._spec.name, attempt)
        now = time.monotonic()
        told = await asyncio.to_thread(attempt.members, "alive")
        if told is not None and told.get("beat") != self._beat:
            self._beat, self._heard = told["beat"], now
        state = JobState.LOST if job is None else job.state
        if state is JobState.WAITING:
            self._heard, self._ended = now, None
            await self._wait(attempt, now)
        elif state is JobState.RUNNING:
            self._ended = None
            if now - self._heard > self._engine.silence:
                await self._move(attempt, "" if job is None else job.node)
        elif self._ended is None:
            self._ended = now
        elif state is JobState.LOST and job is not None:
            await self._move(attempt, job.node)
        elif now - self._ended > SLOW:
            return await self._over(attempt, job)
        return None

    async def _wait(self, attempt: Attempt, now: float) -> None:
        patience = max(float(self._spec.timeout), LEAST_PATIENCE)
        if now - self._since > patience and attempt.give_up():
            await self._engine.end(self._spec.name, attempt)
            await asyncio.to_thread(self._run.remove)
            raise NoNodeFree(self._spec.name, patience)

    async def _over(self, attempt: Attempt, job: Job | None) -> ContainerOutcome | None:
        """Decide on a job that has ended without a result."""
        if job is not None and job.state is JobState.OUT_OF_MEMORY:
            ended = {**_ended_by_us(), "out_of_memory": True}
            return await asyncio.to_thread(self._read, attempt, ended)
        if job is not None and job.state is JobState.CANCELLED:
            await asyncio.to_thread(self._run.remove)
            raise ContainerRemoved(self._spec.name)
        if job is None or attempt.has_begun:
            await self._move(attempt, "" if job is None else job.node)
        else:
            await self._fault(attempt, _last_words(attempt), job.node)
        return None

    async def _fault(self, attempt: Attempt, words: str, node: str = "") -> None:
        """Go on after a container that a node could not start."""
        log.warning("container_not_started", container=self._spec.name, node=words)
        self._faults.append(words)
        if _is_the_images(words) or len(self._faults) > FAULTY:
            await asyncio.to_thread(self._run.remove)
            raise ContainerRefused(self._spec.name, shown(words, 300))
        if "is not installed" in words or "python3" in words:
            await asyncio.to_thread(self._run.remove)
            raise RuntimeDown(
                f"a node of the cluster cannot run containers ({shown(words, 300)}): install runc "
                "and python3 on all nodes of the partition"
            )
        job = await self._engine.job(self._spec.name, attempt)
        await self._move(attempt, node or ("" if job is None else job.node))

    async def _move(self, attempt: Attempt, node: str) -> None:
        """Put the run to another node; what the lost one may still write is moved aside."""
        log.warning("node_lost", container=self._spec.name, node=node, attempt=attempt.number)
        self._lost += [each for each in (node,) if each]
        await self._engine.end(self._spec.name, attempt)
        if attempt.number >= ATTEMPTS:
            await asyncio.to_thread(self._run.remove)
            raise RuntimeDown(
                f"container {self._spec.name} was lost with {attempt.number} nodes of the cluster "
                f"({', '.join(self._lost)}): see why they fail"
            )
        await asyncio.to_thread(_set_aside, self._spec, attempt)
        await self._engine.put(self._run, self._spec, tuple(sorted(set(self._lost))))
        self._since = self._heard = time.monotonic()
        self._beat, self._ended = 0, None

    def _read(self, attempt: Attempt, result: dict[str, Any]) -> ContainerOutcome:
        out, err = attempt.printed(self._spec.limits.log)
        return ContainerOutcome(
            exit_code=int(result["exit_code"]),
            timed_out=bool(result["timed_out"]),
            out_of_memory=bool(result["out_of_memory"]),
            output_too_large=is_too_large(self._spec),
            stdout=out,
            stderr=err,
            seconds=float(result["seconds"]),
        )


def job_words(name: str, spec: ContainerSpec, attempt: Attempt) -> list[str]:
    """Return how a job is submitted, but for partition and account."""
    minutes = -(-int(spec.timeout) // 60) + SPARE_MINUTES
    memory = -(-(spec.limits.memory + OVERHEAD) // _MIB)
    return [
        f"--job-name={name}",
        "--nodes=1",
        "--ntasks=1",
        f"--cpus-per-task={max(-(-int(spec.limits.cpus * 1000) // 1000), 1)}",
        f"--mem={memory}M",
        f"--time={minutes}",
        "--no-requeue",
        "--propagate=NONE",
        "--open-mode=append",
        f"--output={attempt.folder}/words",
        f"--chdir={attempt.folder}",
    ]


def fill_from(root: Path, start: Start, into: Path, most: int) -> None:
    """Copy the folder in which an image's program starts, as ``working_folder.fill`` does.

    Raises:
        WorkingFolderTooLarge: It is larger than half of ``most`` (bytes).
        OSError: The disk failed.
    """
    scope = Scope(root)
    if not start.is_copied:
        for name in names_at_the_top(start):
            if os.path.lexists(root / name):
                (into / name).symlink_to(f"/{name}")
        return
    folder = scope.folder(start.folder.split("/"), make=False)
    if folder is None:
        return
    if exceeds(folder, most // 2):
        raise WorkingFolderTooLarge
    with TemporaryFile(dir=into.parent) as packed:
        with tarfile.open(fileobj=packed, mode="w") as tar:
            tar.add(folder, arcname="folder", filter=_plain)
        packed.seek(0)
        unpack(packed, into, most // 2)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return member if member.isfile() or member.isdir() or member.issym() or member.islnk() else None


def _copy_runner(shared: Path) -> Path:
    """Put the runner where nodes see it, under a name that its content decides."""
    content = Path(runner.__file__).read_bytes()
    place = shared / f"runner-{sha256(content).hexdigest()[:16]}.py"
    if not place.exists():
        new = place.with_name(f".{place.name}.{os.getpid()}")
        new.write_bytes(content)
        new.replace(place)
    place.chmod(stat.S_IRUSR | stat.S_IWUSR)
    return place


def _set_aside(spec: ContainerSpec, attempt: Attempt) -> None:
    """Move what a lost node may write to out of the way; a mount there follows it."""
    places = [mount.source for mount in spec.mounts if mount.writable]
    for number, place in enumerate([*places, *([spec.workplace] if spec.workplace else [])]):
        if Path(place).exists():
            mode = stat.S_IMODE(Path(place).stat().st_mode)
            Path(place).rename(attempt.folder / f"aside-{number}")
            Path(place).mkdir()
            Path(place).chmod(mode)


def _is_over(attempt: Attempt) -> bool:
    return attempt.members("result") is not None or not attempt.folder.exists()


def _ended_by_us() -> dict[str, Any]:
    return {"exit_code": 137, "timed_out": False, "out_of_memory": False, "seconds": 0.0}


_OF_THE_IMAGE: Final = (
    "executable file not found", "exec: ", "exec format error", "unable to find user",
    "no such file or directory: unknown", "chdir to cwd",
)  # fmt: skip


def _is_the_images(words: str) -> bool:
    return any(each in words for each in _OF_THE_IMAGE)


def _last_words(attempt: Attempt) -> str:
    try:
        text = (attempt.folder / "words").read_bytes()[-2000:].decode(errors="replace")
    except OSError:
        text = ""
    return (text.strip().splitlines() or ["the job ended without a word"])[-1]


def _so_far(attempt: Attempt, tail: int) -> tuple[list[LogLine], LineSplitter, tuple[int, int]]:
    """Return the last lines, what waits for the end of its line, and where to go on."""
    splitter, lines, place = LineSplitter(), list[LogLine](), (0, 0)
    for name in ("log.1", "log"):
        try:
            with (attempt.folder / name).open("rb") as file:
                for stream, data in frames(file):
                    lines += splitter.add(data, is_error=stream != STDOUT)
                if name == "log":
                    place = (os.fstat(file.fileno()).st_ino, file.tell())
        except FileNotFoundError:
            continue
    return (lines[-tail:] if tail else []), splitter, place


def _since(
    attempt: Attempt, place: tuple[int, int]
) -> tuple[list[tuple[int, bytes]], tuple[int, int]]:
    """Return what was printed behind a place, and the place behind that."""
    pieces = list[tuple[int, bytes]]()
    inode, position = place
    for name in ("log.1", "log"):
        try:
            with (attempt.folder / name).open("rb") as file:
                here = os.fstat(file.fileno()).st_ino
                if name == "log.1" and here != inode:
                    continue
                file.seek(position if here == inode else 0)
                pieces += frames(file)
                if name == "log":
                    inode, position = here, file.tell()
        except FileNotFoundError:
            continue
    return pieces, (inode, position)
